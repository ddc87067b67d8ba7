"""The unfolded network against autograd, torch's Adam and scipy's non-negative least squares."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.optimize
import torch
from labelled import with_labels
from torch import Tensor

from nmfbench import load_dataset
from nmfbench.datasets.base import labelled_mask
from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.fitting import fit
from nmfbench.numerics.problem import Problem, place
from nmfbench.numerics.rng import Streams
from nmfbench.numerics.unfolding import EPS, distinct, network
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.unfolded import UnfoldedNMF


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
        lambda p, q, l1, l2: network(problem, p, q, l1, l2),
        (
            P.requires_grad_(),
            Q.requires_grad_(),
            *(torch.full((2, 1, 1), l).double().requires_grad_() for l in (0.1, 0.2)),
        ),
    )


def test_slope_is_the_gradient_of_the_objective(X: np.ndarray) -> None:
    solver, X = UnfoldedNMF(rank=4, l1=0.1, l2=0.2, init="random"), X / X.max()
    now = iterate(solver, X, 2, (0, 1))

    def objective(H: Tensor) -> Tensor:
        return solver.objective(Problem(torch.from_numpy(X)), type(now)(now.W, H))

    expected = torch.autograd.functional.jacobian(lambda H: objective(H).sum(), now.H)
    torch.testing.assert_close(solver.slope(torch.from_numpy(X), now.W, now.H), expected)


def test_exact_weights_make_a_layer_the_multiplicative_update(X: np.ndarray) -> None:
    W = torch.from_numpy(np.random.default_rng(1).uniform(size=(1, 1, 13, 4))).expand(1, 2, 13, 4)
    H = np.ones((4, 29))
    w = W[0, 0].numpy()
    for _ in range(2):
        H = H * (w.T @ X) / (w.T @ w @ H + EPS)
    np.testing.assert_allclose(network(torch.from_numpy(X), W.mT, W.mT @ W, 0.0, 0.0)[0].numpy(), H, rtol=1e-12)


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
        ({"training": "weak"}, "training must be one of unsupervised, supervised, got 'weak'"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        UnfoldedNMF(rank=4, **parameters)


@pytest.fixture
def partly(X: np.ndarray) -> Problem:
    return with_labels(X)


@pytest.mark.parametrize("init", ["ones", "random"])
def test_supervised_training_is_that_of_torch_on_the_labelled_samples(init: str, partly: Problem) -> None:
    solver = UnfoldedNMF(rank=5, n_layers=3, l1=0.1, lr=0.01, init=init, training="supervised")
    unit = partly.X.max()
    (P,), (Q,), _ = solver.start(partly.X, Streams([0]))
    assert init == "random" or ((P == 1).all() and (Q == 1).all())
    columns = partly.labelled
    V, target = (partly.X / unit)[:, columns].T, torch.nn.functional.one_hot(partly.labels[columns], 5).double()
    layers = [(torch.nn.Linear(5, 5, bias=False), torch.nn.Linear(13, 5, bias=False)) for _ in range(3)]
    for (fc1, fc2), p, q in zip(layers, P, Q, strict=True):
        fc1.weight.data, fc2.weight.data = q.clone(), p.clone()
    l1, l2 = (torch.nn.Parameter(torch.tensor(l, dtype=torch.float64)) for l in (0.1, 0.0))
    parameters = [*(linear.weight for layer in layers for linear in layer), l1, l2]
    adam = torch.optim.Adam(parameters, lr=0.01)

    def net(v: Tensor) -> Tensor:
        h = torch.ones(len(v), 5, dtype=torch.float64)
        for fc1, fc2 in layers:
            h = h * fc2(v) / (fc1(h) + l2 * h + l1 + EPS)
        return h

    (ours,) = fit(solver, partly, stopping=Stopping(max_iter=8, check_every=1))
    for _ in range(8):
        codes, loss = net((partly.X / unit).T).detach(), torch.nn.functional.mse_loss(net(V), target)
        adam.zero_grad()
        loss.backward()
        adam.step()
        with torch.no_grad():
            for weight in parameters:
                weight.clamp_(min=0)
    torch.testing.assert_close(ours.factorization.label_scores, unit * codes.T, rtol=1e-8, atol=1e-10)
    assert ours.objective == pytest.approx(loss.item(), rel=1e-9)
    W = np.stack([scipy.optimize.nnls(unit.item() * codes.numpy(), row)[0] for row in partly.X.numpy()])
    if init == "random":
        np.testing.assert_allclose(ours.factorization.W.numpy(), W, rtol=1e-6, atol=1e-8)


def test_supervised_network_classifies_samples_that_it_has_not_seen() -> None:
    data = load_dataset("hierarchy", generate=True, level=4)
    mask = labelled_mask(data.y, 0.4)
    problem = replace(place(data.X), labels=torch.as_tensor(data.y), labelled=torch.as_tensor(mask))
    (result,) = fit(UnfoldedNMF(rank=4, lr=0.01, training="supervised"), problem, stopping=Stopping(max_iter=300))
    assert np.mean(result.factorization.label_scores.argmax(0).numpy()[~mask] == data.y[~mask]) > 0.9


def test_supervised_training_is_refused_without_labels_and_without_a_component_a_class(partly: Problem) -> None:
    with pytest.raises(NotApplicable, match=r"needs labels: label_fraction=0\.4"):
        fit(UnfoldedNMF(rank=5, training="supervised"), replace(partly, labelled=None))
    with pytest.raises(NotApplicable, match="needs rank ≥ 5 classes, got 4"):
        fit(UnfoldedNMF(rank=4, training="supervised"), partly)
