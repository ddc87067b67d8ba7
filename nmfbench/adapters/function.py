"""A numpy function as a solver."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from nmfbench.adapters import source
from nmfbench.errors import ConfigError
from nmfbench.numerics import losses
from nmfbench.numerics.factorization import Product
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Solver, Stopping, check_rank


@dataclass(frozen=True, kw_only=True)
class FunctionSolver(Solver):
    """Nothing is minimised that nmfbench knows of; ½‖X − WH‖² is measured. A function f(X, rank, seed) → W, H.

    X is a numpy array (m features, n samples) of its own for each seed, in the dtype of the run; W is (m, rank) and H
    (rank, n), as numpy arrays, torch tensors or nested lists. A generator function yields W and H after each of its
    iterations, the start first; then `stopping` holds, and the objective has a history. Without a parameter ``seed``,
    all seeds have the same result.

    Parameters
    ----------
    rank: number of components r, ≥ 1.
    function: ``my_file.py:name`` or ``package.module.name``.
    params: further arguments by name; those that the function gives a plain default can be set on the command line.
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=1000)
    refusals: ClassVar[tuple[type[Exception], ...]] = source.REFUSALS
    unclaimed: ClassVar[Mapping[str, str]] = {**source.UNCLAIMED, "falls": "what it minimises is not known here"}

    rank: int
    function: str
    params: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_rank(self.rank)
        object.__setattr__(self, "function", source.resolved(self.function))
        if not callable(self.adapted):
            raise ConfigError(f"{self.function} is no function")
        try:
            self._signature.bind(*self._arguments(None, 0), **self.params)
        except TypeError as error:
            raise ConfigError(f"{self.function}{self._signature} cannot be called with X, rank: {error}") from error

    @property
    def adapted(self) -> Callable[..., Any]:
        """The function, whose source is part of a record's identity."""
        function: Callable[..., Any] = source.load(self.function)
        return function

    @property
    def direct(self) -> bool:  # type: ignore[override]
        return not inspect.isgeneratorfunction(self.adapted)

    @property
    def draws(self) -> bool:
        return "seed" in self._signature.parameters

    @property
    def scale_free(self) -> bool:
        return False  # nobody claims it

    @property
    def accepts_negative(self) -> bool:  # type: ignore[override]
        return True  # the function refuses what it cannot take

    @property
    def footnote(self) -> str:
        name = self.function.rpartition(":")[2]
        return f"{name} stops by its own rule" if self.direct else ""

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Product]:
        runs = [self.adapted(*self._arguments(problem, seed), **self.params) for seed in rng.seeds]
        for results in [runs] if self.direct else zip(*runs, strict=True):
            factors = [self._factors(result, problem) for result in results]
            yield Product(*(torch.stack(both) for both in zip(*factors, strict=True)))

    def objective(self, problem: Problem, factorization: Product) -> Tensor:
        return losses.half_square(problem, factorization.W, factorization.H)

    @property
    def _signature(self) -> inspect.Signature:
        return inspect.signature(self.adapted)

    def _arguments(self, problem: Problem | None, seed: int) -> list[Any]:
        """X, rank and, if the function has a third parameter of that name, the seed."""
        X = None if problem is None else problem.X.cpu().numpy().copy()
        return [X, self.rank, *([seed] if self.draws else [])]

    def _factors(self, result: Any, problem: Problem) -> list[Tensor]:
        """W (m, r) and H (r, n) on the device and in the dtype of X. Raises ConfigError for anything else."""
        (m, n), r = problem.X.shape, self.rank
        what = f"{self.function} must {'return' if self.direct else 'yield'} W ({m}, {r}) and H ({r}, {n})"
        if not (isinstance(result, (tuple, list)) and len(result) == 2):
            raise ConfigError(f"{what}, got {type(result).__name__}")
        factors = [_array(factor) for factor in result]
        if [factor.shape for factor in factors] != [(m, r), (r, n)]:
            raise ConfigError(f"{what}, got {' and '.join(str(factor.shape) for factor in factors)}")
        return [torch.from_numpy(factor).to(problem.X) for factor in factors]


def _array(factor: Any) -> np.ndarray:
    """A new array of real numbers: a generator may go on to change its own in place."""
    return np.array(factor.detach().cpu() if isinstance(factor, Tensor) else factor, dtype=np.float64)
