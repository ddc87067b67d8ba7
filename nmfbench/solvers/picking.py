"""The base of methods whose bases are samples that they pick."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from nmfbench.numerics import losses, mixtures
from nmfbench.numerics.mixtures import Mixtures, Samples
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Solver, Stopping, check_rank


@dataclass(frozen=True, kw_only=True)
class Picking(Solver):
    """min ½‖X − X_J H‖² over H ≥ 0, for r samples J of X, of any sign, that are picked one by one.

    Parameters
    ----------
    rank: number of samples r, ≥ 1.
    """

    stopping: ClassVar[Stopping] = Stopping()
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "codes"
    accepts_negative: ClassVar[bool] = True
    direct: ClassVar[bool] = True
    draws: ClassVar[bool] = False
    encodes: ClassVar[Literal["", "layers", "product"]] = "layers"

    rank: int

    def __post_init__(self) -> None:
        check_rank(self.rank)

    @abstractmethod
    def picks(self, X: Tensor) -> Tensor:
        """Return J (S, r), the columns of X (S, m, n) that are picked."""

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Mixtures]:
        yield mixtures.selected(Samples(problem.X, None), self.picks(problem.X[None]), len(rng.seeds))

    def objective(self, problem: Problem, factorization: Mixtures) -> Tensor:
        return losses.half_square(problem, factorization.bases[-1], factorization.codes[-1])
