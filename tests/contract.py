"""Shared by the tests of all solvers: the solvers as subjects of the contract, and the refusals permitted to them."""

from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np

from nmfbench import config
from nmfbench.contract.subject import RANK, SEEDS, Subject, labelled, matrix, problem_of, states
from nmfbench.fitting import FitResult
from nmfbench.numerics.graph import is_adjacency
from nmfbench.numerics.problem import Problem
from nmfbench.solvers.base import Solver

__all__ = [
    "RANK",
    "SEEDS",
    "SOLVERS",
    "TOO_SMALL",
    "build",
    "labelled",
    "matrix",
    "problem_of",
    "refusal",
    "run",
    "states",
]

SOLVERS = config.options("solver")

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


def refusal(name: str, problem: Problem, rank: int) -> str | None:
    """The words with which this solver must refuse this problem; None where it must fit it."""
    if problem.X.min() < 0 and not build(name).accepts_negative:
        return "X ≥ 0"
    if name == "danmf" and is_adjacency(problem.X):
        return None  # a graph needs no neighbours
    too_small, words = TOO_SMALL.get(name, (lambda m, n, r: False, ""))
    return words if too_small(*problem.X.shape, rank) else None


WEIGHTS = {"mu": {"lam": 0.5}, "unfolded": {"l1": 0.1, "l2": 0.2}, "lc_dmf": {"alpha": [0.1, 0.2]}}
WEIGHTS |= {"deep_semi": {"lams": [0.1, 0.2]}, "deep_mu": {"lam_labels": 0.3}, "deep_onmf": {"variant": "penalty"}}
"""Weights of penalties and label terms that are 0 by default."""


def refusal_with_size(name: str, problem: Problem, rank: int) -> str | None:
    """The pattern of those words, and after them the shorter side of X, which tells what rank would do."""
    words = refusal(name, problem, rank)
    return words and rf"{words}.*\b{min(problem.X.shape)}\b"


@cache
def subject(name: str) -> Subject:
    """The solver as its YAML has it."""
    text, weights = config.text("solver", name), WEIGHTS.get(name, {})
    return Subject(name, partial(settings, name), text, weights, partial(refusal_with_size, name))


def settings(name: str, rank: int) -> dict[str, Any]:
    """The settings of the solver's YAML at a rank."""
    return {k: rank if v == "${rank}" else v for k, v in config.defaults("solver", name).items()}


@lru_cache(maxsize=None, typed=True)
def build(name: str, rank: int = RANK, pretrain: int = 20) -> Solver:
    """The solver as its YAML has it, with a short pre-training."""
    node = settings(name, rank)
    return config.build(node | ({"pretrain": pretrain} if "pretrain" in node else {}), Solver, "solver")


def run(
    name: str, X: np.ndarray, *, dtype: str = "float64", rank: int = RANK, max_iter: int = 10, check_every: int = 1
) -> FitResult:
    """A fit of one seed; see `Subject.run`."""
    return subject(name).run(X, dtype, rank=rank, max_iter=max_iter, check_every=check_every)
