"""Sparse NMF: its codes against scikit-learn's Lasso, its rest against finite differences, and the limits of λ."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso

from nmfbench import HALS, SparseNMF, fit, load_dataset
from nmfbench.evaluators.measures import hoyer
from nmfbench.fitting import FitResult
from nmfbench.numerics.factorization import Product
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.projections import ball
from nmfbench.solvers.base import Stopping


def after(solver: SparseNMF, X: np.ndarray, sweeps: int) -> FitResult:
    return fit(solver, X, seeds=[5], stopping=Stopping(max_iter=sweeps, check_every=1000), dtype="float64")[0]


def lasso(W: np.ndarray, X: np.ndarray, lam: float) -> np.ndarray:
    """argmin ½‖x − Wh‖² + λ‖h‖₁, h ≥ 0, of every column x; scikit-learn divides the squares by the features."""
    model = Lasso(alpha=lam / len(X), positive=True, fit_intercept=False, tol=1e-14, max_iter=100_000)
    return np.stack([model.fit(W, x).coef_ for x in X.T], 1)


@pytest.mark.parametrize("lam", [0.01, 0.1, 0.5])
def test_codes_of_fixed_bases_are_those_of_the_lasso(lam: float, X: np.ndarray) -> None:
    solver = SparseNMF(rank=4, lam=lam, inner=1000)
    start, end = after(solver, X, 0).factorization, after(solver, X, 1).factorization
    expected = lasso(start.W.numpy(), X, lam * np.linalg.norm(X, axis=0).max())
    assert (expected == 0).any()
    np.testing.assert_allclose(end.H, expected, atol=1e-8)


def test_at_rest_no_feasible_direction_descends(X: np.ndarray) -> None:
    solver = SparseNMF(rank=4, lam=0.05)
    state, problem = after(solver, X, 600).factorization, Problem(torch.from_numpy(X))

    def value(W: torch.Tensor, H: torch.Tensor) -> float:
        return solver.objective(problem, Product(W[None], H[None])).item()

    at_rest, eps = value(state.W, state.H), 1e-6
    for i in np.ndindex(*state.H.shape):
        step = torch.zeros_like(state.H)
        step[i] = eps
        slope = (value(state.W, state.H + step) - value(state.W, state.H - step)) / (2 * eps)
        assert slope > -1e-4 and abs(slope * state.H[i]) < 1e-4
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        W = state.W + 1e-4 * torch.randn(state.W.shape, generator=generator, dtype=torch.float64)
        assert value(ball(W.mT[None])[0].mT, state.H) > at_rest - 1e-9
    assert (state.W.norm(dim=0) <= 1 + 1e-12).all() and (state.H == 0).any()


def test_projection_onto_the_ball_is_the_nearest_point() -> None:
    rows = torch.tensor([[[3.0, -4.0], [0.3, -0.2], [0.6, 0.8], [-1.0, -2.0], [3.0, 4.0]]])
    expected = torch.tensor([[[1.0, 0.0], [0.3, 0.0], [0.6, 0.8], [0.0, 0.0], [0.6, 0.8]]])
    torch.testing.assert_close(ball(rows), expected)


def test_lambda_one_makes_all_codes_zero_and_a_little_less_does_not(X: np.ndarray) -> None:
    X = X / X.max()
    assert (after(SparseNMF(rank=4, lam=1.0), X, 3).factorization.H == 0).all()
    # The best unit column is the longest sample itself.
    spike = X * (np.arange(29) == 3)
    assert (after(SparseNMF(rank=1, lam=0.99, init="nndsvd"), spike, 3).factorization.H > 0).any()


def test_lambda_zero_is_plain_nmf(X: np.ndarray) -> None:
    start = after(SparseNMF(rank=4, lam=0), X, 0).factorization
    hals = fit(HALS(rank=4), X, seeds=[5], stopping=Stopping(max_iter=0), dtype="float64")[0].factorization
    torch.testing.assert_close(start.reconstruct(), hals.reconstruct())
    (hals,) = fit(HALS(rank=4), X, seeds=[5], stopping=Stopping(max_iter=500, check_every=500), dtype="float64")
    assert after(SparseNMF(rank=4, lam=0), X, 500).objective == pytest.approx(hals.objective, rel=1e-3)


def test_codes_get_sparser_and_the_error_grows_with_lambda() -> None:
    X = load_dataset("digits").X[:, ::9]
    found = []
    for lam in (0, 0.03, 0.1, 0.3):
        (result,) = fit(SparseNMF(rank=10, lam=lam), X, stopping=Stopping(max_iter=100))
        H = result.factorization.H.numpy().astype(np.float64)
        found.append((hoyer(H, axis=0), np.linalg.norm(X - result.factorization.reconstruct().numpy())))
    assert found == sorted(found) and found[-1][0] > found[0][0] + 0.2


def test_planted_sparse_codes_are_found_where_plain_nmf_mixes_them() -> None:
    generator = np.random.default_rng(4)
    W = generator.uniform(size=(20, 5)) + 0.3  # without zeros, so that plain NMF is not unique
    H = generator.uniform(0.5, 1, (5, 80)) * (generator.uniform(size=(5, 80)) < 0.3)
    X = W @ H
    cosines = []
    for lam in (0.0, 0.02):
        results = fit(
            SparseNMF(rank=5, lam=lam), X, seeds=2, stopping=Stopping(max_iter=200, check_every=200), dtype="float64"
        )
        best = min(results, key=lambda result: result.objective).factorization.W.numpy()
        unit = [F / np.linalg.norm(F, axis=0) for F in (W, best)]
        cosines.append((unit[0].T @ unit[1]).max(1).min())
    assert cosines[1] > 0.99 > cosines[0]
