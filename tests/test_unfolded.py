"""The unfolded network against autograd, torch's Adam and scipy's non-negative least squares."""

import numpy as np
import pytest
import scipy.optimize
import torch
from torch import Tensor

from nmfbench.errors import ConfigError
from nmfbench.fitting import fit
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.unfolded import EPS, UnfoldedNMF, distinct


def iterate(solver: UnfoldedNMF, X: np.ndarray, steps: int, seeds: tuple[int, ...] = (0,)):
    iterates = solver.iterates(Problem(torch.from_numpy(X)), Streams(seeds))
    with torch.no_grad():
        for _ in range(steps):
            next(iterates)
        return next(iterates)


@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.0), (0.1, 0.2)])
def test_training_is_that_of_torch_with_linear_layers_and_scipys_least_squares(
    l1: float, l2: float, X: np.ndarray
) -> None:
    solver, X = UnfoldedNMF(rank=4, n_layers=3, l1=l1, l2=l2, init="random", lr=0.01), X / X.max()
    (P,), (Q,), (W,) = solver.start(torch.from_numpy(X), Streams([0]))
    V = torch.from_numpy(X.T)
    # Samples in rows, as the paper has them: fc1 is r → r, fc2 is m → r.
    layers = [(torch.nn.Linear(4, 4, bias=False), torch.nn.Linear(13, 4, bias=False)) for _ in range(3)]
    for (fc1, fc2), p, q in zip(layers, P, Q, strict=True):
        fc1.weight.data, fc2.weight.data = q.clone(), p.clone()
    parameters = [linear.weight for layer in layers for linear in layer]
    adam = torch.optim.Adam(parameters, lr=0.01)
    for step in range(1, 8):
        h = torch.ones(29, 4, dtype=torch.float64)
        for fc1, fc2 in layers:
            h = h * fc2(V) / (fc1(h) + l2 * h + l1 + EPS)
        loss = (V - h @ W.T).square().sum() / 2 + l1 * h.sum() + l2 / 2 * h.square().sum()
        adam.zero_grad()
        (loss / 29).backward()
        adam.step()
        with torch.no_grad():
            for weight in parameters:
                weight.clamp_(min=0)
        W = torch.from_numpy(np.stack([scipy.optimize.nnls(h.detach().numpy(), row)[0] for row in X]))
        ours = iterate(solver, X, step)
        torch.testing.assert_close(ours.H[0].mT, h.detach(), rtol=1e-8, atol=1e-10)
        torch.testing.assert_close(ours.W[0], W, rtol=1e-7, atol=1e-9)


def test_network_passes_gradcheck(X: np.ndarray) -> None:
    solver = UnfoldedNMF(rank=4, n_layers=3, l1=0.1, l2=0.2, init="random")
    problem = torch.from_numpy(X[:, :5])
    P, Q, _ = solver.start(problem, Streams([0, 1]))
    assert torch.autograd.gradcheck(
        lambda p, q: solver.network(problem, p, q), (P.requires_grad_(), Q.requires_grad_())
    )


def test_slope_is_the_gradient_of_the_objective(X: np.ndarray) -> None:
    solver, X = UnfoldedNMF(rank=4, l1=0.1, l2=0.2, init="random"), X / X.max()
    now = iterate(solver, X, 2, (0, 1))

    def objective(H: Tensor) -> Tensor:
        return solver.objective(Problem(torch.from_numpy(X)), type(now)(now.W, H))

    expected = torch.autograd.functional.jacobian(lambda H: objective(H).sum(), now.H)
    torch.testing.assert_close(solver.slope(torch.from_numpy(X), now.W, now.H), expected)


def test_exact_weights_make_a_layer_the_multiplicative_update(X: np.ndarray) -> None:
    solver = UnfoldedNMF(rank=4, n_layers=2)
    W = torch.from_numpy(np.random.default_rng(1).uniform(size=(1, 1, 13, 4))).expand(1, 2, 13, 4)
    H = np.ones((4, 29))
    w = W[0, 0].numpy()
    for _ in range(2):
        H = H * (w.T @ X) / (w.T @ w @ H + EPS)
    np.testing.assert_allclose(solver.network(torch.from_numpy(X), W.mT, W.mT @ W)[0].numpy(), H, rtol=1e-12)


def test_constant_start_reproduces_the_mean_of_every_sample_whatever_its_scale(X: np.ndarray) -> None:
    for scale in (1.0, 255.0):
        start = iterate(UnfoldedNMF(rank=4), X * scale, 0).reconstruct()[0].numpy()
        np.testing.assert_allclose(start, np.tile(X.mean(0) * scale, (13, 1)), rtol=1e-5)


def test_components_that_began_alike_part_one_after_the_other(X: np.ndarray) -> None:
    used = [(iterate(UnfoldedNMF(rank=4, lr=0.01), X, steps).W[0] > 0).any(0).sum() for steps in (1, 4, 6, 20)]
    assert used == [1, 2, 3, 4]


def test_codes_in_proportion_to_earlier_ones_are_not_distinct() -> None:
    H = torch.rand(2, 4, 29, dtype=torch.float64)
    H[0, 2], H[1, 3], H[1, 1] = 3 * H[0, 0], H[1, 2], 0
    assert distinct(H)[..., 0].tolist() == [[True, True, False, True], [True, True, True, False]]


def test_weights_stay_nonnegative_and_the_objective_falls(X: np.ndarray) -> None:
    for init in ("ones", "random"):
        stopping = Stopping(max_iter=300, tol=0)
        (result,) = fit(UnfoldedNMF(rank=4, init=init, lr=0.01), X, stopping=stopping, dtype="float64")
        assert result.objective < 0.8 * result.history[1][1]


def test_least_squares_leaves_no_descent_in_W(X: np.ndarray) -> None:
    now = iterate(UnfoldedNMF(rank=4, init="random"), X, 10)
    gradient = (now.reconstruct() - torch.from_numpy(X)) @ now.H.mT
    assert (gradient > -1e-9).all() and (gradient * now.W).abs().max() < 1e-9


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_layers": 0}, "n_layers must be at least 1, got 0"),
        ({"l1": -1}, "l1 must be nonnegative, got -1"),
        ({"l2": -1}, "l2 must be nonnegative, got -1"),
        ({"lr": 0}, "lr must be positive, got 0"),
        ({"init": "uniform"}, "init must be one of ones, random, nndsvd, .*, got 'uniform'"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        UnfoldedNMF(rank=4, **parameters)
