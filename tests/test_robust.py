"""Robust NMF: its weights by finite differences, its sweeps in plain numpy, and faces with occluded parts."""

import numpy as np
import pytest
import torch

from nmfbench import MultiplicativeNMF, RobustNMF, fit, load_dataset
from nmfbench.fitting import FitResult
from nmfbench.numerics import robust
from nmfbench.numerics.multiplicative import gradient
from nmfbench.numerics.problem import Problem
from nmfbench.solvers.base import Stopping

every_loss = pytest.mark.parametrize("loss", robust.LOSSES)


def after(loss: str, X: np.ndarray, sweeps: int, **settings) -> FitResult:
    solver = RobustNMF(rank=4, loss=loss, **settings)
    return fit(solver, X, seeds=[5], stopping=Stopping(max_iter=sweeps, check_every=1), dtype="float64")[0]


def phi(loss: str, R: np.ndarray, c: float) -> float:
    """The loss of the residual R as the docstring writes it."""
    r = np.linalg.norm(R, axis=0) if loss == "l21" else np.abs(R)
    if loss == "correntropy":
        return (c**2 * (1 - np.exp(-(r**2) / (2 * c**2)))).sum()
    huber = np.where(r <= c, r**2 / 2, c * r - c**2 / 2).sum()
    return huber if loss == "huber" else huber / c


@every_loss
def test_weights_are_the_slopes_of_the_loss_over_the_residual(loss: str) -> None:
    r = torch.tensor([[[1e-3, 0.2, 0.69, 0.71, 3.0, 9.0]]], dtype=torch.float64)
    c, eps = torch.full((1, 1, 1), 0.7, dtype=torch.float64), 1e-6
    slopes = (robust.costs(loss, r + eps, c) - robust.costs(loss, r - eps, c)) / (2 * eps)
    weights = robust.weights(loss, r, c)
    torch.testing.assert_close(weights / weights[..., 0], slopes / r / (slopes / r)[..., 0], rtol=1e-6, atol=1e-7)


@every_loss
def test_sweeps_and_objective_are_those_of_plain_lines(loss: str, X: np.ndarray) -> None:
    start, end = (after(loss, X, sweeps, pretrain=3) for sweeps in (0, 10))
    W, H, c = (F.numpy() for F in (start.factorization.W, start.factorization.H, start.factorization.scale))
    R = X - W @ H
    rms = np.sqrt(np.square(R).sum() / (29 if loss == "l21" else R.size))
    median = np.sort(np.abs(R).ravel())[(R.size - 1) // 2]
    measured = {"huber": median, "correntropy": rms, "l1": 1e-3 * rms, "l21": 1e-3 * rms}[loss]
    assert c == pytest.approx(measured, rel=1e-12)

    def Q() -> np.ndarray:
        R = np.abs(X - W @ H)
        if loss == "l21":
            return np.tile(1 / np.maximum(np.linalg.norm(R, axis=0), c), (13, 1))
        if loss == "correntropy":
            return np.exp(-(R**2) / (2 * c**2))
        return 1 / np.maximum(R, c)

    for _ in range(10):
        q = Q()
        H = H * (W.T @ (q * X)) / (W.T @ (q * (W @ H)))
        q = Q()
        W = W * ((q * X) @ H.T) / ((q * (W @ H)) @ H.T)
    np.testing.assert_allclose(end.factorization.H, H, rtol=1e-8)
    np.testing.assert_allclose(end.factorization.W, W, rtol=1e-8)
    assert end.objective == pytest.approx(phi(loss, X - W @ H, float(c)), rel=1e-10)


@every_loss
def test_no_sweep_raises_the_loss_on_faces(loss: str) -> None:
    X = load_dataset("orl_28x23").X[::4, ::8]
    for dtype in ("float32", "float64"):
        stopping = Stopping(max_iter=100, check_every=1)
        (result,) = fit(RobustNMF(rank=8, loss=loss, pretrain=10), X, stopping=stopping, dtype=dtype)
        assert not result.rises and result.objective < 0.99 * result.history[0][1]


def test_huber_with_a_scale_above_all_residuals_is_the_squared_error(X: np.ndarray) -> None:
    A, B = (torch.from_numpy(np.random.default_rng(0).uniform(size=shape)) for shape in [(2, 4, 13), (2, 4, 29)])
    data, c = torch.from_numpy(X), torch.full((2, 1, 1), 1e6, dtype=torch.float64)
    torch.testing.assert_close(robust.weighted_gradient("huber", A, data, B, c), gradient(A, data, B, 2, 0))
    half_squares = (data - A.mT @ B).square().sum((-2, -1)) / 2
    torch.testing.assert_close(robust.total("huber", data, A, B, c), half_squares)


@pytest.mark.parametrize(("loss", "share"), [("huber", 0.5), ("correntropy", 0.5), ("l1", 0.8)])
def test_faces_behind_white_blocks_are_closer_to_the_truth_than_by_squares(loss: str, share: float) -> None:
    faces = load_dataset("orl_28x23").X[:, ::5]
    low_rank = fit(MultiplicativeNMF(rank=8), faces, stopping=Stopping(max_iter=200))[0].factorization.reconstruct()
    truth = low_rank.numpy()
    images = truth.reshape(28, 23, -1).copy()
    generator = np.random.default_rng(0)
    for j in range(0, images.shape[2], 3):  # in every third image 8 × 8 of 28 × 23 pixels
        top, left = generator.integers(20), generator.integers(15)
        images[top : top + 8, left : left + 8, j] = faces.max()
    errors = {}
    for solver in (MultiplicativeNMF(rank=8), RobustNMF(rank=8, loss=loss)):
        (result,) = fit(solver, images.reshape(644, -1), stopping=Stopping(max_iter=200))
        gap = result.factorization.reconstruct().numpy() - truth
        errors[type(solver).__name__] = np.linalg.norm(gap) / np.linalg.norm(truth)
    assert errors["RobustNMF"] < share * errors["MultiplicativeNMF"]


def test_samples_that_are_noise_as_a_whole_move_the_bases_less_with_l21() -> None:
    generator = np.random.default_rng(1)
    W, H = generator.uniform(size=(40, 3)), generator.uniform(size=(3, 100))
    X = W @ H
    X[:, ::10] = 6 * generator.uniform(size=(40, 10))
    clean = np.arange(100) % 10 > 0
    errors = {}
    for solver in (MultiplicativeNMF(rank=3), RobustNMF(rank=3, loss="l21")):
        (result,) = fit(solver, X, stopping=Stopping(max_iter=2000), dtype="float64")
        gap = (result.factorization.reconstruct().numpy() - X)[:, clean]
        errors[type(solver).__name__] = np.linalg.norm(gap) / np.linalg.norm(X[:, clean])
    assert errors["RobustNMF"] < 0.5 * errors["MultiplicativeNMF"]


def test_scale_of_an_exact_fit_is_the_rounding_of_X() -> None:
    A, B = torch.ones(1, 1, 3), torch.ones(1, 1, 4)
    for loss in robust.LOSSES:
        c = robust.scale(loss, Problem(torch.ones(3, 4)), A, B)
        assert 0 < c.item() < 1e-6 and robust.total(loss, torch.ones(3, 4), A, B, c[:, None, None]).item() == 0


@every_loss
def test_restart_in_a_batch_equals_the_run_alone_with_its_own_scale(loss: str, X: np.ndarray) -> None:
    solver, stopping = RobustNMF(rank=4, loss=loss, pretrain=5), Stopping(max_iter=20)
    batch = fit(solver, X, seeds=[7, 5], stopping=stopping, dtype="float64", together=True)
    assert batch[1].batch == (7, 5) and batch[0].factorization.scale != batch[1].factorization.scale
    alone = after(loss, X, 20, pretrain=5).factorization
    torch.testing.assert_close(batch[1].factorization.scale, alone.scale)
    torch.testing.assert_close(batch[1].factorization.H, alone.H, rtol=1e-6, atol=1e-9)
