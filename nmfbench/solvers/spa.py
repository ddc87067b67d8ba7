"""The successive projection algorithm: bases are samples."""

from dataclasses import dataclass

from torch import Tensor

from nmfbench.errors import NotApplicable
from nmfbench.numerics import separable
from nmfbench.numerics.problem import Problem
from nmfbench.solvers.picking import Picking


@dataclass(frozen=True, kw_only=True)
class SPA(Picking):
    """min ½‖X − X_J H‖² over H ≥ 0, for r samples J of X, of any sign, that are picked one by one.

    Each pick is the longest residual of the projection on the samples picked so far. If X = WH is separable, each w_k
    being a sample and the codes of a sample summing to at most one, J are these samples, noise aside. The longest
    residuals are picked: of Samson's materials, water, an eighth as bright, is missed (22 degrees) unless samples have
    unit length (4.5; `SNPA` on what was measured: 3.4). The factor A is 1 where a sample was picked.

    Parameters
    ----------
    rank: number of samples r, 1 to min(m, n).

    Gillis & Vavasis (2014), Algorithm 1.
    """

    def check(self, problem: Problem) -> None:
        super().check(problem)
        m, n = problem.X.shape
        if self.rank > min(m, n):
            raise NotApplicable(f"SPA picks at most {min(m, n)} samples of a {m} × {n} X, got rank {self.rank}")

    def picks(self, X: Tensor) -> Tensor:
        return separable.spa(X, self.rank)
