"""The successive projection algorithm: bases are samples."""

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
class SPA(Solver):
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
        if self.rank > min(m, n):
            raise NotApplicable(f"SPA picks at most {min(m, n)} samples of a {m} × {n} X, got rank {self.rank}")

    @property
    def encodes(self) -> Literal["", "layers", "product"]:
        return "layers"

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Mixtures]:
        J = separable.spa(problem.X[None], self.rank)
        yield mixtures.selected(Samples(problem.X, None), J, len(rng.seeds))

    def objective(self, problem: Problem, factorization: Mixtures) -> Tensor:
        return losses.half_square(problem, factorization.bases[-1], factorization.codes[-1])
