"""Accelerated `mu` and `hals` against plain numpy transcriptions of their papers' pseudo-code."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import scipy.sparse
import torch

from nmfbench import load_dataset
from nmfbench.errors import ConfigError
from nmfbench.fitting import FitResult, fit
from nmfbench.numerics import acceleration
from nmfbench.numerics.problem import place
from nmfbench.numerics.rng import Streams
from nmfbench.numerics.sparse import SparseMatrix
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.hals import HALS
from nmfbench.solvers.mu import MultiplicativeNMF

Pair = tuple[np.ndarray, np.ndarray]
FORMS = [solver(rank=4, accelerate=form) for solver in (MultiplicativeNMF, HALS) for form in ("inner", "extrapolated")]
forms = pytest.mark.parametrize("solver", FORMS, ids=lambda solver: f"{type(solver).__name__}-{solver.accelerate}")


def after(solver: MultiplicativeNMF | HALS, X: np.ndarray, sweeps: int, dtype: str = "float64") -> FitResult:
    (result,) = fit(solver, X, seeds=[5], stopping=Stopping(max_iter=sweeps, check_every=1), dtype=dtype)
    return result


def pair(solver: MultiplicativeNMF | HALS, X: np.ndarray, sweeps: int) -> Pair:
    found = after(solver, X, sweeps).factorization
    return found.W.numpy(), found.H.numpy()


def multiply(A: np.ndarray, X: np.ndarray, B: np.ndarray) -> np.ndarray:
    """B after a multiplicative update for X ≈ AB."""
    return B * (A.T @ X) / (A.T @ A @ B)


def descend(A: np.ndarray, X: np.ndarray, B: np.ndarray) -> np.ndarray:
    """B after one exact step in each of its rows, for X ≈ AB."""
    B = B.copy()
    for k in range(len(B)):
        without = X - A @ B + np.outer(A[:, k], B[k])
        B[k] = np.maximum(A[:, k] @ without / (A[:, k] @ A[:, k]), 0)
    return B


def several(update, A: np.ndarray, X: np.ndarray, B: np.ndarray, alpha: float) -> np.ndarray:
    """Gillis & Glineur (2012), Algorithm 3, with δ = 0.1."""
    (m, n), r = X.shape, A.shape[1]
    most = 1 + int(alpha * (m * n + m * r) / (n * r + n))
    moves: list[float] = []
    while len(moves) < most and (not moves or moves[-1] >= 0.1 * moves[0]):
        new = update(A, X, B)
        moves.append(np.linalg.norm(new - B))
        B = new
    return B


@pytest.mark.parametrize(("kind", "update", "alpha"), [(MultiplicativeNMF, multiply, 2.0), (HALS, descend, 0.5)])
def test_inner_repeats_each_update_as_the_paper_says(kind, update, alpha: float, X: np.ndarray) -> None:
    X = np.repeat(X, 6, 0)  # so that a product with X costs several updates of H, and about one of W
    W, H = pair(kind(rank=4), X, 0)
    assert acceleration.repeats(torch.from_numpy(X), 4, alpha)[0] > 5
    for sweep in range(1, 6):
        H = several(update, W, X, H, alpha)
        W = several(update, H.T, X.T, W.T, alpha).T
        for found, expected in zip(pair(kind(rank=4, accelerate="inner"), X, sweep), (W, H), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("beta", [2.0, 1.5, 1.0])
def test_extrapolated_mu_is_the_authors_program(beta: float, X: np.ndarray) -> None:
    def update(A: np.ndarray, X: np.ndarray, B: np.ndarray) -> np.ndarray:
        V = A @ B
        return B * (A.T @ (X * V ** (beta - 2))) / (A.T @ V ** (beta - 1))

    plain = MultiplicativeNMF(rank=4, beta=beta)
    W, H = W_before, H_before = pair(plain, X, 0)
    eta = 1.0
    for sweep in range(1, 20):
        former, eta = eta, 0.5 * (1 + np.sqrt(1 + 4 * eta**2))
        H_ahead = H + (former - 1) / eta * np.maximum(0, H - H_before)
        W_ahead = W + (former - 1) / eta * np.maximum(0, W - W_before)
        H_before, W_before = H, W
        H = update(W, X, H_ahead)
        W = update(H.T, X.T, W_ahead.T).T
        for found, expected in zip(pair(replace(plain, accelerate="extrapolated"), X, sweep), (W, H), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_extrapolated_hals_is_the_papers_with_restarts_from_the_last_pair(X: np.ndarray) -> None:
    W, H = pair(HALS(rank=4), X, 0)
    W_ahead, H_before, beta, before, cap, restarts = W, H, 0.5, 0.5, 1.0, 0
    for sweep in range(1, 80):
        H_new = several(descend, W_ahead, X, H, 0.5)
        H_ahead = np.maximum(0, H_new + beta * (H_new - H_before))
        W_new = several(descend, H_ahead.T, X.T, W_ahead.T, 0.5).T
        if np.linalg.norm(X - W_new @ H_ahead) > np.linalg.norm(X - W @ H):
            W_ahead, H_before, restarts = W, H, restarts + 1
            beta, before, cap = beta / 1.5, beta, before
        else:
            W_ahead, H_before, W, H = W_new + beta * (W_new - W), H_new, W_new, H_ahead
            beta, before, cap = min(cap, 1.01 * beta), beta, min(1, 1.005 * cap)
        if sweep % 7 == 0:
            for found, expected in zip(pair(HALS(rank=4, accelerate="extrapolated"), X, sweep), (W, H), strict=True):
                np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)
    assert restarts > 2


@forms
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_objective_falls_at_every_sweep_where_the_form_says_so(solver, dtype: str, X: np.ndarray) -> None:
    assert solver.monotone == (solver.accelerate != "extrapolated" or isinstance(solver, HALS))
    for data in (X, load_dataset("orl_28x23").X[::3, ::4]):
        result = after(replace(solver, rank=8), data, 300, dtype)
        assert not result.rises and result.history[-1][1] < 0.2 * result.history[0][1]
        objectives = np.array([objective for _, objective, _ in result.history])
        assert not solver.monotone or (np.diff(objectives) <= 1e-5 * objectives[:-1]).all()


@forms
def test_lower_than_the_plain_form_after_as_many_sweeps(solver) -> None:
    X = load_dataset("orl_28x23").X[::3, ::4]
    assert (
        after(replace(solver, rank=8), X, 40).objective
        < after(replace(solver, rank=8, accelerate="none"), X, 40).objective
    )


@pytest.mark.slow
@forms
def test_reaches_the_minimum_of_the_plain_form(solver) -> None:
    # Pure samples and features make the factorization unique, so that every start has the same minimum: 0.
    generator = np.random.default_rng(1)
    W, H = generator.uniform(0.1, 1, (31, 4)), generator.uniform(0.1, 1, (4, 47))
    W[:4], H[:, :4] = np.eye(4), np.eye(4)
    accelerated, plain = (after(form, W @ H, 3000) for form in (solver, replace(solver, accelerate="none")))
    assert accelerated.objective < 1e-4 and accelerated.objective <= plain.objective + 1e-12
    found = accelerated.factorization.W.numpy()
    cosines = (W / np.linalg.norm(W, axis=0)).T @ (found / np.linalg.norm(found, axis=0))
    assert sorted(cosines.argmax(1)) == [0, 1, 2, 3] and cosines.max(1).min() > 0.999


@forms
def test_restart_in_a_batch_equals_the_run_alone(solver, X: np.ndarray) -> None:
    X = np.repeat(X, 6, 0)
    options = {"stopping": Stopping(max_iter=40), "dtype": "float64"}
    for result in fit(solver, X, seeds=[7, 3, 11], together=True, **options):
        (alone,) = fit(solver, X, seeds=[result.seed], **options)
        torch.testing.assert_close(result.factorization.H, alone.factorization.H, rtol=1e-6, atol=1e-9)


@forms
def test_sparse_X_gives_what_dense_X_gives_with_repeats_for_its_stored_entries(solver, X: np.ndarray) -> None:
    X[X < 0.7] = 0
    X[3], X[:, 7] = 0, 0
    problem = place(scipy.sparse.csr_array(X), "float64")
    assert isinstance(problem.X, SparseMatrix)
    stored, (m, n) = np.count_nonzero(X), X.shape
    assert acceleration.repeats(problem.X, 4, 2.0)[0] == 1 + int(2 * (stored + m * 4) / (n * 5))
    if solver.accelerate == "extrapolated" and isinstance(solver, MultiplicativeNMF):  # which repeats nothing
        dense, sparse = (after(solver, data, 40) for data in (X, problem))
        torch.testing.assert_close(sparse.factorization.W, dense.factorization.W, rtol=1e-6, atol=1e-9)
    else:
        assert after(solver, problem, 300).objective == pytest.approx(after(solver, X, 300).objective, rel=0.05)


@forms
@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_scale_of_X_does_not_matter(solver, scale: float, X: np.ndarray) -> None:
    plain, scaled = (after(solver, data, 40) for data in (X, X * scale))
    torch.testing.assert_close(scaled.factorization.reconstruct() / scale, plain.factorization.reconstruct())


@forms
def test_zero_rows_columns_and_data_give_finite_factors(solver, X: np.ndarray) -> None:
    for data in (X * 0, X * (np.arange(13) % 3 > 0)[:, None] * (np.arange(29) % 3 > 0), X[:1], X[:, :1]):
        with torch.no_grad():
            *_, state = islice(solver.iterates(place(data, "float32"), Streams([0, 1])), 30)
        assert state.finite().all()


def test_form_that_a_divergence_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigError, match="accelerate must be one of none, inner, extrapolated, got 'fast'"):
        HALS(rank=4, accelerate="fast")
    with pytest.raises(ConfigError, match="accelerate=inner needs 2 ≤ beta ≤ 2, got 1"):
        MultiplicativeNMF(rank=4, beta=1.0, accelerate="inner")
    with pytest.raises(ConfigError, match="accelerate=extrapolated needs 1 ≤ beta ≤ 2, got 3"):
        MultiplicativeNMF(rank=4, beta=3.0, accelerate="extrapolated")
