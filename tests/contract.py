"""Shared by the tests of all solvers: building a solver, fits that several claims use, and permitted refusals."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache

import numpy as np
import pytest
import torch

from nmfbench import config
from nmfbench.fitting import FitResult, fit
from nmfbench.numerics.factorization import Factorization
from nmfbench.numerics.graph import is_adjacency
from nmfbench.numerics.problem import Problem, place
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Solver, Stopping

SOLVERS = config.options("solver")
RANK = 4
SEEDS = (7, 3, 11)

TOO_SMALL: dict[str, tuple[Callable[[int, int, int], bool], str]] = {
    "archetypal": (lambda m, n, r: r > n, "furthest_sum starts reach rank"),
    "convex": (lambda m, n, r: r > n, "kmeans starts reach rank"),
    "deep_archetypal": (lambda m, n, r: 2 * r > n, "furthest_sum starts reach rank"),
    "danmf": (lambda m, n, r: n < 6, "5 nearest neighbours need at least 6 samples"),
    # Its ranks are [2r, r], and an SVD of data without its mean starts one component more than X has sides.
    "deep_semi": (lambda m, n, r: 2 * r > min(m, n) + 1, "svd starts reach rank"),
    "dnsnmf": (lambda m, n, r: 2 * r > min(m, n), "nndsvd starts reach rank"),
    "gnmf": (lambda m, n, r: n < 6, "5 nearest neighbours need at least 6 samples"),
    "multiview": (lambda m, n, r: n < 6, "5 nearest neighbours need at least 6 samples"),
    "nsnmf": (lambda m, n, r: r > min(m, n), "nndsvd starts reach rank"),
    "pca": (lambda m, n, r: r > min(m, n), "PCA has at most"),
    "snpa": (lambda m, n, r: r > n, "SNPA picks at most"),
    "spa": (lambda m, n, r: r > min(m, n), "SPA picks at most"),
    "semi": (lambda m, n, r: r > min(m, n) + 1, "svd starts reach rank"),
}
"""The solvers that may refuse a dense (m, n) matrix of finite entries for its size at rank r: when, and in which words.

Besides negative entries, which `accepts_negative` speaks of, nothing else may be refused: zero rows and columns,
constants and huge or tiny entries are fitted. What stands here must be refused.
"""


def states(solver: Solver, problem: Problem, seeds: Sequence[int]) -> Iterator[Factorization]:
    """The factorizations of these seeds: the start, however long it takes, and that after each sweep."""
    return (state for state in solver.iterates(problem, Streams(seeds)) if state is not None)


def refusal(name: str, problem: Problem, rank: int) -> str | None:
    """The words with which this solver must refuse this problem; None where it must fit it."""
    if problem.X.min() < 0 and not build(name).accepts_negative:
        return "X ≥ 0"
    if name == "danmf" and is_adjacency(problem.X):
        return None  # a graph needs no neighbours
    too_small, words = TOO_SMALL.get(name, (lambda m, n, r: False, ""))
    return words if too_small(*problem.X.shape, rank) else None


def matrix() -> np.ndarray:
    """A non-negative (13 features, 29 samples) matrix: m ≠ n ≠ any rank here, so that a slip fails on its shape."""
    return np.random.default_rng(0).uniform(0.01, 1, (13, 29))


WEIGHTS = {"mu": {"lam": 0.5}, "unfolded": {"l1": 0.1, "l2": 0.2}, "lc_dmf": {"alpha": [0.1, 0.2]}}
WEIGHTS |= {"deep_semi": {"lams": [0.1, 0.2]}, "deep_mu": {"lam_labels": 0.3}, "deep_onmf": {"variant": "penalty"}}
"""Weights of penalties and label terms that are 0 by default."""


def weighted(name: str) -> Solver:
    """The solver with all its penalties and label terms."""
    return replace(build(name), **WEIGHTS.get(name, {}))


@lru_cache(maxsize=None, typed=True)
def build(name: str, rank: int = RANK, pretrain: int = 20) -> Solver:
    """The solver as its YAML has it, with a short pre-training."""
    node = {k: rank if v == "${rank}" else v for k, v in config.defaults("solver", name).items()}
    return config.build(node | ({"pretrain": pretrain} if "pretrain" in node else {}), Solver, "solver")


def labelled(X: np.ndarray) -> Problem:
    """X as a problem with three classes, of whose labels two in three are seen."""
    number = torch.arange(X.shape[1])
    return replace(problem_of(X), labels=number % 3, labelled=number % 9 < 6)


def problem_of(X: np.ndarray, dtype: str = "float64") -> Problem:
    """X as a problem; its samples are images of one column, for those that need images."""
    return place(X, dtype, shape=(X.shape[0], 1))


def run(
    name: str, X: np.ndarray, *, dtype: str = "float64", rank: int = RANK, max_iter: int = 10, check_every: int = 1
) -> FitResult:
    """A fit of one seed, which looks at the objective after every ``check_every`` iterations and stops at none."""
    stopping = Stopping(max_iter=max_iter, check_every=check_every)
    (result,) = fit(build(name, rank), problem_of(X, dtype), seeds=[3], stopping=stopping)
    return result


@dataclass(frozen=True)
class Shared:
    """A fit that several claims look at, and what it did beside fitting."""

    results: tuple[FitResult, ...]
    streams: tuple[str, ...]
    """The random streams that it drew from."""
    left_alone: bool
    """Are X and the global random generators as they were before?"""


@cache
def shared_fit(name: str, dtype: str = "float64", seeds: tuple[int, ...] = SEEDS) -> Shared:
    """50 iterations on `matrix()`, from all seeds in one batch, with a look at every iteration."""
    X, streams, draw = matrix(), [], Streams.__call__
    stopping = Stopping(max_iter=50, check_every=1)
    torch.manual_seed(0)
    np.random.seed(0)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Streams, "__call__", lambda self, stream: streams.append(stream) or draw(self, stream))
        results = fit(build(name), problem_of(X, dtype), seeds=seeds, stopping=stopping, together=True)
    same_states = torch.equal(torch.get_rng_state(), states[0]) and np.array_equal(np.random.get_state()[1], states[1])
    return Shared(tuple(results), tuple(streams), same_states and np.array_equal(X, matrix()))
