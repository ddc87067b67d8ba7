"""Alternating non-negative least squares against scipy's solver, and the conditions of a stationary point."""

from itertools import islice

import numpy as np
import pytest
import scipy.sparse
import torch
from scipy.optimize import nnls

from nmfbench.errors import NotApplicable
from nmfbench.fitting import FitResult, fit
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.anls import ANLS
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.hals import HALS


def after(solver: ANLS | HALS, X: np.ndarray, sweeps: int) -> FitResult:
    (result,) = fit(solver, X, seeds=[5], stopping=Stopping(max_iter=sweeps, check_every=1), dtype="float64")
    return result


@pytest.mark.parametrize("init", ["uniform", "nndsvd"])
def test_a_sweep_solves_for_H_and_then_for_W_as_scipy_does_column_by_column(init: str, X: np.ndarray) -> None:
    W = after(ANLS(rank=4, init=init), X, 0).factorization.W.numpy()
    for sweep in (1, 2, 3):
        H = np.stack([nnls(W, x)[0] for x in X.T], 1)
        W = np.stack([nnls(H.T, x)[0] for x in X])
        found = after(ANLS(rank=4, init=init), X, sweep).factorization
        np.testing.assert_allclose(found.H.numpy(), H, atol=1e-9)
        np.testing.assert_allclose(found.W.numpy(), W, atol=1e-9)


def test_the_end_is_a_stationary_point(X: np.ndarray) -> None:
    (result,) = fit(ANLS(rank=4), X, stopping=Stopping(max_iter=3000, tol=1e-14), dtype="float64")
    W, H = result.factorization.W.numpy(), result.factorization.H.numpy()
    R = W @ H - X
    for factor, gradient in ((W, R @ H.T), (H, W.T @ R)):
        size = np.abs(X).sum() * 1e-6
        assert (factor >= 0).all() and (factor == 0).any()
        assert gradient.min() > -size and np.abs(factor * gradient).max() < size


def test_lower_than_coordinate_descent_after_as_many_sweeps(X: np.ndarray) -> None:
    assert after(ANLS(rank=4), X, 20).objective < after(HALS(rank=4), X, 20).objective


def test_planted_separable_factorization_is_found() -> None:
    generator = np.random.default_rng(1)
    # Five features see one component each, five samples are pure: Donoho & Stodden's condition, unique up to order.
    W, H = generator.uniform(0.1, 1, (31, 5)), generator.uniform(0.1, 1, (5, 47))
    W[:5], H[:, :5] = np.eye(5), np.eye(5)
    found = after(ANLS(rank=5), W @ H, 1000).factorization.W.numpy()
    cosines = (W / np.linalg.norm(W, axis=0)).T @ (found / np.linalg.norm(found, axis=0))
    np.testing.assert_allclose(cosines.max(1), 1, atol=1e-6)
    assert sorted(cosines.argmax(1)) == [0, 1, 2, 3, 4]


def test_component_that_no_sample_needs_at_first_recovers(X: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    W, H = (torch.from_numpy(np.random.default_rng(2).uniform(size=shape)) for shape in [(1, 13, 4), (1, 4, 29)])
    X[3], W[:, :, 2] = X[3] / 10, torch.eye(13, dtype=torch.float64)[3]
    monkeypatch.setattr("nmfbench.numerics.inits.start", lambda *given: (W, H))
    with torch.no_grad():
        states = [*islice(ANLS(rank=4).iterates(Problem(torch.from_numpy(X)), Streams([5])), 10)]
    assert (states[1].H[:, 2] == 0).all() and torch.equal(states[1].W[:, :, 2], W[:, :, 2])
    assert (states[-1].H[:, 2] > 0).any() and (states[-1].W[:, :, 2] > 0).sum() > 1


def test_sparse_X_gives_what_dense_X_gives(X: np.ndarray) -> None:
    X[X < 0.7] = 0
    X[3], X[:, 7] = 0, 0
    dense, sparse = (after(ANLS(rank=4), data, 20) for data in (X, scipy.sparse.csr_array(X)))
    torch.testing.assert_close(sparse.factorization.W, dense.factorization.W, rtol=1e-6, atol=1e-9)
    assert sparse.objective == pytest.approx(dense.objective, rel=1e-9)
    with pytest.raises(NotApplicable, match=r"sparse.*dataset\.dense=true"):
        after(ANLS(rank=4, init="nndsvd"), scipy.sparse.csr_array(X), 1)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_scale_of_X_does_not_matter(scale: float, X: np.ndarray) -> None:
    plain, scaled = (after(ANLS(rank=4), data, 20) for data in (X, X * scale))
    torch.testing.assert_close(scaled.factorization.reconstruct() / scale, plain.factorization.reconstruct())
