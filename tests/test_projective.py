"""Projective NMF. Oracle: its update and objective written out with XXᵀ in numpy."""

import numpy as np
import pytest

from nmfbench import HALS, ProjectiveNMF, Stopping, fit


def printed_step(X: np.ndarray, W: np.ndarray) -> np.ndarray:
    """Yang & Oja (2010): W ∘ (2KW / (WWᵀKW + KWWᵀW))^⅓ with K = XXᵀ."""
    K = X @ X.T
    return W * (2 * K @ W / (W @ W.T @ K @ W + K @ W @ W.T @ W)) ** (1 / 3)


def after(X: np.ndarray, sweeps: int):
    stopping = Stopping(max_iter=sweeps, check_every=1)
    return fit(ProjectiveNMF(rank=4), X, seeds=[3], dtype="float64", stopping=stopping)[0]


@pytest.mark.parametrize("sweeps", [1, 7])
def test_sweep_is_the_printed_step_and_codes_are_the_projections(X: np.ndarray, sweeps: int) -> None:
    W = after(X, 0).factorization.W.numpy()
    for _ in range(sweeps):
        W = printed_step(X, W)
    result = after(X, sweeps)
    np.testing.assert_allclose(result.factorization.W, W)
    np.testing.assert_allclose(result.factorization.H, W.T @ X)
    assert result.objective == pytest.approx(((X - W @ W.T @ X) ** 2).sum() / 2)


def test_start_is_the_nearest_multiple_of_its_projection(X: np.ndarray) -> None:
    W = after(X, 0).factorization.W.numpy()
    losses = [((X - c * W @ W.T @ X) ** 2).sum() for c in (0.99, 1, 1.01)]
    assert min(losses) == losses[1]


def test_disjoint_parts_are_found() -> None:
    draw = np.random.default_rng(0)
    parts = np.kron(np.eye(3), draw.uniform(0.5, 1, (5, 1)))
    X = parts @ draw.exponential(size=(3, 60))
    (result,) = fit(ProjectiveNMF(rank=3), X, seeds=[1], dtype="float64", stopping=Stopping(max_iter=3000))
    W = result.factorization.W.numpy()
    cosines = (parts / np.linalg.norm(parts, axis=0)).T @ (W / np.linalg.norm(W, axis=0))
    np.testing.assert_allclose(np.sort(cosines.max(1)), 1, atol=1e-3)


def test_bases_overlap_less_than_those_of_plain_nmf(X: np.ndarray) -> None:
    def overlap(W: np.ndarray) -> float:
        W = W / np.linalg.norm(W, axis=0)
        return (W.T @ W - np.eye(4)).max()

    (plain,) = fit(HALS(rank=4), X, seeds=[3], dtype="float64", stopping=Stopping(max_iter=500))
    assert overlap(after(X, 500).factorization.W.numpy()) < 0.5 * overlap(plain.factorization.W.numpy())
