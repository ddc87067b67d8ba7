"""The method under check: its solver at any rank, its test data, and the fits that several claims share."""

import inspect
import pickle
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from nmfbench import config
from nmfbench.fitting import FitResult, fit
from nmfbench.numerics.factorization import Factorization
from nmfbench.numerics.problem import Problem, place
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Solver, Stopping

RANK = 4
SEEDS = (7, 3, 11)
PRETRAINING = 20
"""Maximum iterations of a pre-training, kept short because the claims are about the fit that follows."""


def matrix() -> np.ndarray:
    """Return a non-negative matrix (13, 29): m, n and all ranks differ, so that a slip fails on its shape."""
    return np.random.default_rng(0).uniform(0.01, 1, (13, 29))


def problem_of(X: Any, dtype: str = "float64", observed: np.ndarray | None = None) -> Problem:
    """Make a problem of X, whose samples count as images of one column for methods that need images."""
    return place(X, dtype, shape=(X.shape[0], 1), observed=observed)


def labelled(X: np.ndarray) -> Problem:
    """Make a problem of X with three classes, where two in three labels are seen."""
    number = torch.arange(X.shape[1])
    return replace(problem_of(X), labels=number % 3, labelled=number % 9 < 6)


def states(solver: Solver, problem: Problem, seeds: Sequence[int]) -> Iterator[Factorization]:
    """Return the factorizations of these seeds: the start, however long it takes, and that after each sweep."""
    return (state for state in solver.iterates(problem, Streams(seeds)) if state is not None)


@dataclass(frozen=True)
class Shared:
    """A fit that several claims share, and its side effects.

    Parameters
    ----------
    results: one a seed.
    changed: names of what the fit changed, among X and the global random generators.
    """

    results: tuple[FitResult, ...]
    changed: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Subject:
    """A method under check.

    Parameters
    ----------
    name: the name that ``solver=`` takes.
    settings: rank → its settings in plain values, with ``_target_``.
    yaml: the text of its YAML.
    weights: settings that turn on penalties and label terms; {}: leave the settings as they are.
    refusal: problem, rank → the pattern of the message by which it must refuse this small problem, or None where it
        must fit it; without this function, it may refuse any with a message of its own.
    """

    name: str
    settings: Callable[[Any], dict[str, Any]]
    yaml: str
    weights: dict[str, Any] = field(default_factory=dict)
    refusal: Callable[[Problem, int], str | None] | None = None
    _shared: dict[tuple[str, tuple[int, ...]], Shared] = field(default_factory=dict)

    def build(self, rank: Any = RANK) -> Solver:
        """Build the solver at a rank. Raises ConfigError if it refuses a setting."""
        node = dict(self.settings(rank))
        if rank != RANK:  # explicit ranks of layers hold for the check's own rank alone
            node |= {key: value for key, value in (("rank", rank), ("ranks", None)) if key in node}
        if isinstance(node.get("pretrain"), int):
            node["pretrain"] = min(node["pretrain"], PRETRAINING)
        return config.build(node, Solver, "solver")

    @cached_property
    def solver(self) -> Solver:
        """The solver as it is configured."""
        return self.build()

    @cached_property
    def weighted(self) -> Solver:
        """The solver with all its penalties and label terms."""
        return replace(self.solver, **self.weights)

    @property
    def ours(self) -> bool:
        """Whether the method is one of nmfbench's own."""
        return type(self.solver).__module__.startswith("nmfbench.solvers.")

    @property
    def file(self) -> str | None:
        """The file that defines the method; None if there is no such file."""
        try:
            return inspect.getsourcefile(getattr(self.solver, "adapted", type(self.solver)))
        except TypeError:
            return None

    def run(
        self, X: Any, dtype: str = "float64", *, rank: int = RANK, max_iter: int = 10, check_every: int = 1
    ) -> FitResult:
        """Fit one seed for ``max_iter`` iterations, with a look at the objective after every ``check_every``."""
        stopping = Stopping(max_iter=max_iter, check_every=check_every)
        problem = X if isinstance(X, Problem) else problem_of(X, dtype)
        solver = self.solver if rank == RANK else self.build(rank)
        (result,) = fit(solver, problem, seeds=[3], stopping=stopping)
        return result

    def shared(self, dtype: str = "float64", seeds: tuple[int, ...] = SEEDS) -> Shared:
        """Fit 50 iterations on `matrix()` once, all seeds in one batch, with a look at every iteration."""
        key = (dtype, seeds)
        if key not in self._shared:
            self._shared[key] = self._fit(problem_of(matrix(), dtype), seeds)
        return self._shared[key]

    def _fit(self, problem: Problem, seeds: tuple[int, ...]) -> Shared:
        X, before = problem.X.clone(), _generators()
        stopping = Stopping(max_iter=50, check_every=1)
        results = fit(self.solver, problem, seeds=seeds, stopping=stopping, together=True)
        changed = ["X"] if not torch.equal(problem.X, X) else []
        changed += [name for name, state in _generators().items() if state != before[name]]
        return Shared(tuple(results), tuple(changed))


def _generators() -> dict[str, object]:
    """Return the states of the global random generators, by name."""
    return {
        "the global generator of numpy": pickle.dumps(np.random.get_state()),
        "the global generator of torch": torch.get_rng_state().numpy().tobytes(),
        "the generator of Python's random": random.getstate(),
    }
