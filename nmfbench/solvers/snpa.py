"""The successive non-negative projection algorithm: bases are samples."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from nmfbench.errors import NotApplicable
from nmfbench.numerics import losses, mixtures, separable
from nmfbench.numerics.mixtures import Mixtures, Samples
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Solver, Stopping, check_rank


@dataclass(frozen=True, kw_only=True)
class SNPA(Solver):
    """min ½‖X − X_J H‖² over H ≥ 0, for r samples J of X, of any sign, that are picked one by one.

    Each pick is the longest residual of the projection on {X_J h : h ≥ 0, Σh ≤ 1}. Where `SPA` is exact, so is this,
    for more noise and for fewer features than samples to pick; it picks no sample from inside the hull of the others
    and 0. The factor A is 1 where a sample was picked.

    Parameters
    ----------
    rank: number of samples r, 1 to n.

    Gillis (2014).
    """

    stopping: ClassVar[Stopping] = Stopping()
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "codes"
    accepts_negative: ClassVar[bool] = True
    direct: ClassVar[bool] = True

    rank: int

    def __post_init__(self) -> None:
        check_rank(self.rank)

    @property
    def draws(self) -> bool:
        return False

    def check(self, problem: Problem) -> None:
        super().check(problem)
        m, n = problem.X.shape
        if self.rank > n:
            raise NotApplicable(f"SNPA picks at most {n} samples of a {m} × {n} X, got rank {self.rank}")

    @property
    def encodes(self) -> Literal["", "layers", "product"]:
        return "layers"

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Mixtures]:
        J = separable.snpa(problem.X[None], self.rank)
        yield mixtures.selected(Samples(problem.X, None), J, len(rng.seeds))

    def objective(self, problem: Problem, factorization: Mixtures) -> Tensor:
        return losses.half_square(problem, factorization.bases[-1], factorization.codes[-1])
