"""Data far from 1: what underflows or overflows is refused or named, and never shows as a number."""

import math

import numpy as np
import pytest
import torch
from contract import RANK, SOLVERS, build, matrix, problem_of
from scipy.sparse import csc_array

from nmfbench import HALS, MultiplicativeNMF, fit
from nmfbench.errors import DataError
from nmfbench.numerics import losses
from nmfbench.numerics.factorization import Product
from nmfbench.numerics.problem import place
from nmfbench.solvers.base import Solver, Stopping

SCALES = [1e-50, 1e-30, 1e-20, 1e20, 1e30, 1e38]
METHODS = {name: build(name) for name in SOLVERS}
METHODS |= {f"mu with β = {beta}": MultiplicativeNMF(rank=RANK, beta=beta) for beta in (0, 0.5, 1, 1.5, 2, 3)}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("method", METHODS)
def test_no_scale_makes_a_standstill_that_counts_as_converged(method: str, scale: float) -> None:
    solver: Solver = METHODS[method]
    try:
        problem = problem_of(matrix() * scale, "float32")
    except DataError as error:
        assert scale == 1e-50 and "377 entries of X vanish in float32" in str(error)
        return
    assert scale != 1e-50
    (result,) = fit(solver, problem, seeds=[3], stopping=Stopping(max_iter=30, check_every=5, tol=1e-5))
    if result.status == "diverged":
        assert "at iteration" in (result.error or "")
    if result.factorization is None:
        assert result.status == "diverged"
        return
    error = losses.relative_error(problem.X, result.factorization)
    assert math.isfinite(result.objective or math.nan) or method == "raw"
    assert error > 1e-3 or method == "raw", "no method of rank 4 reproduces this X"
    assert result.status != "converged" or error < 0.9


def test_entries_that_vanish_in_the_dtype_are_counted_and_the_first_is_named() -> None:
    X = np.zeros((4, 5))
    X[2, 1] = X[3, 4] = 1e-50
    message = r"2 entries of X vanish in float32, the first at feature 2, sample 1 \(counted from 0\); scale X, or use"
    for given in (X, csc_array(X), torch.from_numpy(X)):
        with pytest.raises(DataError, match=message):
            place(given)
        assert place(given, "float64").X.shape == (4, 5)


def test_entries_that_are_negligible_beside_the_largest_may_vanish() -> None:
    X = np.array([[1.0, 1e-60], [0.5, 0.0]])
    assert place(X).X.tolist() == [[1, 0], [0.5, 0]]
    assert place(csc_array(X)).X.shape == (2, 2)
    with pytest.raises(DataError, match="1 entries"):
        place(np.array([[1e-44, 1e-50]]))


def test_entries_beyond_the_dtype_of_a_sparse_X_are_refused_with_their_place() -> None:
    X = np.zeros((4, 5))
    X[1, 3], X[0, 0] = 1e300, 1
    with pytest.raises(DataError, match=r"1 entries .* infinite in float32, the first at feature 1, sample 3"):
        place(csc_array(X))


def test_objective_that_vanishes_is_named_with_the_last_state_that_counts() -> None:
    (result,) = fit(HALS(rank=2), matrix() * 1e-20, stopping=Stopping(max_iter=5, tol=1e-5, check_every=1))
    assert (result.status, result.factorization) == ("diverged", None)
    assert result.error == (
        'X is so small that the objective vanishes in float32 at iteration 0; scale X, or use dtype="float64"'
    )
    (result,) = fit(HALS(rank=2), matrix() * 1e-20, dtype="float64", stopping=Stopping(max_iter=5))
    assert result.status == "max_iter" and result.objective > 0


def test_exact_fit_of_small_or_zero_X_is_no_divergence() -> None:
    for X in (np.outer([1.0, 2], [3.0, 4, 5]) * 1e-12, np.zeros((2, 3))):
        (result,) = fit(HALS(rank=1), X, stopping=Stopping(max_iter=50, tol=1e-5, check_every=1))
        assert result.status in ("converged", "max_iter", "solved", "stopped") and result.error is None


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1, 1e20, 1e30])
@pytest.mark.parametrize("sparse", [False, True])
def test_relative_error_does_not_depend_on_the_scale(scale: float, sparse: bool) -> None:
    X = matrix()
    rng = np.random.default_rng(1)
    W, H = rng.uniform(size=(13, 2)), rng.uniform(size=(2, 29))
    expected = np.linalg.norm(X - W @ H) / np.linalg.norm(X)
    root = math.sqrt(scale)
    factors = Product(*(torch.from_numpy(root * F).float() for F in (W, H)))
    placed = place(csc_array(X * scale) if sparse else X * scale)
    assert losses.relative_error(placed.X, factors) == pytest.approx(expected, rel=1e-5)
