"""Claims about unusual data, which a method fits or refuses with a message."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from scipy.sparse import csc_array

from nmfbench.contract.claim import Broken, NotClaimed, claim, described, require, require_close, require_descent
from nmfbench.contract.subject import RANK, Subject, matrix, problem_of
from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.fitting import FitResult
from nmfbench.numerics.problem import DTYPES

DEGENERATE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "a zero row": lambda X: X * (np.arange(13) != 4)[:, None],
    "a zero column": lambda X: X * (np.arange(29) != 4),
    "zero rows and columns": lambda X: X * (np.arange(13) % 3 > 0)[:, None] * (np.arange(29) % 3 > 0),
    "all zero": lambda X: X * 0,
    "constant": lambda X: X * 0 + 0.7,
    "a single non-zero": lambda X: (np.arange(13 * 29) == 40).reshape(13, 29) * 1.0,
}
SMALL: dict[str, tuple[Callable[[np.ndarray], np.ndarray], int]] = {
    "one sample": (lambda X: X[:, :1], RANK),
    "one feature": (lambda X: X[:1], RANK),
    "one sample at rank 1": (lambda X: X[:, :1], 1),
    "one feature at rank 1": (lambda X: X[:1], 1),
    "a rank above the number of features": (lambda X: X, 20),
}


def _require_finite(result: FitResult, what: str) -> None:
    """Raise Broken unless the fit ended without diverging, with finite factors."""
    ended = result.status in ("max_iter", "converged", "solved", "stopped") and result.factorization is not None
    require(ended, f"finite factors of X with {what}", f"{result.status}: {result.error}")
    assert result.factorization is not None and result.objective is not None
    tensors = [*result.factorization.factors.values(), *result.factorization.codes, result.factorization.reconstruct()]
    finite = np.isfinite(result.objective) and all(bool(tensor.isfinite().all()) for tensor in tensors)
    require(finite, f"finite factors of X with {what}", f"entries that are not, or objective {result.objective}")


@claim(*DTYPES)
def degenerate(subject: Subject, dtype: str) -> None:
    """Zero rows and columns, constant data and a single non-zero give finite factors."""
    for what, make in DEGENERATE.items():
        for rank in (1, RANK):
            try:
                result = subject.run(make(matrix()), dtype, rank=rank, max_iter=30, check_every=10)
            except Exception as error:
                expected = f"finite factors of X with {what} at rank {rank}"
                raise Broken(f"expected {expected}; got {described(error, subject)}") from error
            _require_finite(result, f"{what} at rank {rank}")


@claim(*DTYPES)
def small(subject: Subject, dtype: str) -> str | None:
    """Data smaller than the rank is fitted, or refused in words."""
    refused = []
    for what, (make, rank) in SMALL.items():
        X = make(matrix())
        words = subject.refusal and subject.refusal(problem_of(X, dtype), rank)
        try:
            result = subject.run(X, dtype, rank=rank, check_every=10)
        except subject.solver.refusals as error:
            if _is_no_refusal(error) or (subject.refusal and not words):
                raise
            require(bool(re.search(words or "", str(error))), f"a refusal that says {words!r} for {what}", error)
            refused.append(f"{what}: {error}")
        else:
            require(not words, f"a refusal that says {words!r} for {what}", result)
            _require_finite(result, what)
    return f"refused: {refused[0]}" if refused else None


def _is_no_refusal(error: Exception) -> bool:
    """Tell whether an error has the class of a refusal, but reports a wrong result or failed linear algebra."""
    wrong = isinstance(error, ConfigError) and not isinstance(error, NotApplicable)
    return wrong or isinstance(error, np.linalg.LinAlgError)


@claim()
def negative(subject: Subject, dtype: str) -> str | None:
    """Negative entries are fitted if `accepts_negative` is True, and refused if not."""
    X = matrix()
    X[2, 5] = -0.5
    try:
        result = subject.run(X)
    except subject.solver.refusals as error:
        if _is_no_refusal(error):
            raise
        if isinstance(error, NotApplicable):
            require(not subject.solver.accepts_negative, "a fit, as accepts_negative is True", f"a refusal: {error}")
            names_it = "-0.5" in str(error) or not subject.ours
            require(names_it, "a refusal that names the smallest entry, -0.5", error)
        return f"refused: {error}"
    expected = "a refusal, as accepts_negative is False (check() must call super().check())"
    require(subject.solver.accepts_negative, expected, f"objective {result.objective}")
    _require_finite(result, "a negative entry")
    return None


@claim()
def rank_is_checked(subject: Subject, dtype: str) -> None:
    """A rank that is below 1 or no whole number is refused by name."""
    if not hasattr(subject.solver, "rank"):
        raise NotClaimed("it has no rank")
    for rank, words in ((0, "rank must be at least 1, got 0"), (-1, "rank must be at least 1, got -1"), (1.5, "rank")):
        try:
            subject.build(rank)
        except ConfigError as error:
            require(words in str(error), f"a refusal that says {words!r}", error)
        else:
            raise Broken(f"expected rank={rank} to be refused (check_rank in __post_init__, rank: int); it was taken")


@claim()
def sparse(subject: Subject, dtype: str) -> None:
    """A sparse X gives the factors of the same dense X if `accepts_sparse` is True, and is refused if not."""
    X = matrix()
    X[X < 0.6] = 0
    if not subject.solver.accepts_sparse:
        try:
            subject.run(csc_array(X))
        except NotApplicable as error:
            require("sparse" in str(error), "a refusal that says sparse", error)
            raise NotClaimed("accepts_sparse is False") from None
        raise Broken("expected a sparse X to be refused, as accepts_sparse is False; it was taken")
    given, dense = subject.run(csc_array(X), max_iter=20), subject.run(X, max_iter=20)
    assert given.factorization is not None and dense.factorization is not None
    names = "the reconstructions of a sparse X and of the same dense X"
    require_close(given.factorization.reconstruct(), dense.factorization.reconstruct(), names)


@claim()
def missing(subject: Subject, dtype: str) -> None:
    """With missing entries the objective falls if `accepts_missing` is True; if not, they are refused."""
    data = problem_of(matrix(), observed=np.random.default_rng(1).random(matrix().shape) > 0.3)
    if not subject.solver.accepts_missing:
        try:
            subject.run(data)
        except NotApplicable as error:
            require("missing" in str(error), "a refusal that says missing", error)
            raise NotClaimed("accepts_missing is False") from None
        raise Broken("expected missing entries to be refused, as accepts_missing is False; they were taken")
    result = subject.run(data, max_iter=50, check_every=1)
    require(result.error is None, "50 iterations of finite factors", result.error)
    require_descent(result, subject.solver.monotone, "with missing entries")
    guessed = subject.run(replace(data, observed=None), max_iter=50, check_every=1)
    assert guessed.factorization is not None and result.factorization is not None
    pairs = zip(result.factorization.codes, guessed.factorization.codes, strict=True)
    same = "the codes of a fit that takes each feature's mean for what is missing: read X anew in every sweep"
    require(not all(torch.equal(a, b) for a, b in pairs), "codes that follow from the observed entries alone", same)
