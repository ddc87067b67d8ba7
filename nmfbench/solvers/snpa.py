"""The successive non-negative projection algorithm: bases are samples."""

from dataclasses import dataclass

from torch import Tensor

from nmfbench.errors import NotApplicable
from nmfbench.numerics import separable
from nmfbench.numerics.problem import Problem
from nmfbench.solvers.picking import Picking


@dataclass(frozen=True, kw_only=True)
class SNPA(Picking):
    """min ½‖X − X_J H‖² over H ≥ 0, for r samples J of X, of any sign, that are picked one by one.

    Each pick is the longest residual of the projection on {X_J h : h ≥ 0, Σh ≤ 1}. Where `SPA` is exact, so is this,
    for more noise and for fewer features than samples to pick; it picks no sample from inside the hull of the others
    and 0. The factor A is 1 where a sample was picked.

    Parameters
    ----------
    rank: number of samples r, 1 to n.

    Gillis (2014).
    """

    def check(self, problem: Problem) -> None:
        super().check(problem)
        m, n = problem.X.shape
        if self.rank > n:
            raise NotApplicable(f"SNPA picks at most {n} samples of a {m} × {n} X, got rank {self.rank}")

    def picks(self, X: Tensor) -> Tensor:
        return separable.snpa(X, self.rank)
