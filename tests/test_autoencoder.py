"""The autoencoder. Oracle: torch's autograd and torch.optim.Adam."""

import numpy as np
import pytest
import torch

from nmfbench import Autoencoder, Stopping, fit
from nmfbench.numerics.problem import place
from nmfbench.numerics.rng import Streams


def test_steps_are_those_of_torch(X: np.ndarray) -> None:
    m, n = X.shape
    unit, data = X.max(), torch.from_numpy(X / X.max())
    size = (data.abs().mean().item() / 4) ** 0.5
    E = Streams([5]).uniform("E", (4, m), data, -1, 1)[0]
    E = E / ((E @ data).abs().mean() / size)
    W = Streams([5]).uniform("W", (m, 4), data, high=2 * size)[0]
    scales = E.abs().mean(), size
    e, w = (E / scales[0]).requires_grad_(), (W / scales[1]).requires_grad_()
    optimizer = torch.optim.Adam([e, w], lr=0.03)
    for _ in range(20):
        optimizer.zero_grad()
        loss = (data - (w * scales[1]) @ (e * scales[0] @ data).relu()).square().sum() / (2 * m * n)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            w.clamp_(min=0)
    (result,) = fit(Autoencoder(rank=4), X, seeds=[5], dtype="float64", stopping=Stopping(max_iter=20))
    np.testing.assert_allclose(result.factorization.W, w.detach() * scales[1], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(
        result.factorization.H, unit * (e * scales[0] @ data).relu().detach(), rtol=1e-6, atol=1e-9
    )


def test_planted_parts_are_fitted(X: np.ndarray) -> None:
    draw = np.random.default_rng(0)
    planted = np.kron(np.eye(3), draw.uniform(0.5, 1, (5, 1))) @ draw.exponential(size=(3, 60))
    (result,) = fit(Autoencoder(rank=3), planted, seeds=[0], dtype="float64", stopping=Stopping(max_iter=2000))
    assert result.objective < 0.01 * (planted**2).sum() / 2


def test_codes_are_one_rectified_layer_of_the_samples(X: np.ndarray) -> None:
    solver, problem = Autoencoder(rank=3), place(X, "float64")
    iterates = solver.iterates(problem, Streams([1]))
    for _ in range(5):
        state = next(iterates)
    # Where a component is active, its codes are a linear function of the samples.
    for row in state.H[0]:
        active = row > 0
        if active.sum() > X.shape[0] + 2:
            map_, *_ = np.linalg.lstsq(X[:, active].T, row[active].numpy(), rcond=None)
            np.testing.assert_allclose(X[:, active].T @ map_, row[active], rtol=1e-6)
    assert (state.H >= 0).all() and state.H.count_nonzero() > 0


@pytest.mark.parametrize("lr", [0, -1])
def test_learning_rate_must_be_positive(lr: float) -> None:
    with pytest.raises(Exception, match="lr must be positive"):
        Autoencoder(rank=3, lr=lr)
