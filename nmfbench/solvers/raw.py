"""The first control: no factorization at all."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from nmfbench.numerics.factorization import Factorization
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Solver, Stopping


@dataclass(frozen=True)
class Samples(Factorization):
    """The samples as their own codes, without bases.

    Parameters
    ----------
    X: the samples (…, m, n).
    """

    X: Tensor

    @property
    def codes(self) -> list[Tensor]:
        return [self.X]

    @property
    def bases(self) -> list[Tensor]:
        return []

    @property
    def factors(self) -> dict[str, Tensor]:
        return {}

    def reconstruct(self) -> Tensor:
        return self.X


@dataclass(frozen=True, kw_only=True)
class Raw(Solver):
    """Nothing is minimised: the codes are the samples X themselves, so that k-means runs on the data."""

    stopping: ClassVar[Stopping] = Stopping()
    direct: ClassVar[bool] = True
    accepts_negative: ClassVar[bool] = True
    draws: ClassVar[bool] = False

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Samples]:
        yield Samples(problem.X.expand(len(rng.seeds), -1, -1))

    def encode(self, factorization: Any, X: Tensor) -> Tensor:
        return X

    def objective(self, problem: Problem, factorization: Samples) -> Tensor:
        return problem.X.new_zeros(len(factorization.codes[0]))
