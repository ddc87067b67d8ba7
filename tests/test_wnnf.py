"""Weakly non-negative factorization: its written-out step against autograd and torch's own optimizers."""

import numpy as np
import pytest
import torch

from nmfbench.errors import ConfigError
from nmfbench.fitting import fit
from nmfbench.optimizers import Adam
from nmfbench.rng import Streams
from nmfbench.solvers.base import Problem, Stopping
from nmfbench.solvers.wnnf import WNNF


def batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """X (2, 5, 13), W (2, 13, 4), H (2, 5, 4): two restarts, samples in rows."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(2, 5, 13), (2, 13, 4), (2, 5, 4)]
    X, W, H = (torch.rand(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    return X, W - 0.5, H - 0.5


@pytest.mark.parametrize("reading", ["penalty", "decoupled"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("loss", ["l1", "l2"])
@pytest.mark.parametrize("eta", [0.0, 0.1, 1.0])
def test_gradient_is_that_of_autograd(eta: float, loss: str, reduction: str, reading: str) -> None:
    solver = WNNF(rank=4, loss=loss, loss_reduction=reduction, reading=reading, lam=0.3)
    X, W, H = batch()
    dW, dH = solver.gradient(X, W, H, eta)
    W.requires_grad_(), H.requires_grad_()
    solver.batch_loss(X, W, H, eta).sum().backward()
    torch.testing.assert_close(dW, W.grad, rtol=1e-6, atol=1e-12)
    torch.testing.assert_close(dH, H.grad, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adam_is_that_of_torch(decay: float) -> None:
    parameters = [torch.linspace(-1, 1, 6, dtype=torch.float64), torch.ones(2, 3, dtype=torch.float64)]
    reference = [torch.nn.Parameter(p.clone()) for p in parameters]
    ours, theirs = Adam(parameters, 0.01, decay), torch.optim.AdamW(reference, lr=0.01, weight_decay=decay)
    for step in range(20):
        gradients = [torch.sin(p * (step + 1)) for p in parameters]
        for p, g in zip(reference, gradients, strict=True):
            p.grad = g.clone()
        ours.step(gradients)
        theirs.step()
    for p, q in zip(parameters, reference, strict=True):
        torch.testing.assert_close(p, q.detach(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("reading", ["penalty", "decoupled"])
def test_full_batch_fit_is_autograd_with_torchs_optimizer(reading: str, X: np.ndarray) -> None:
    solver = WNNF(rank=4, batch_size=None, reading=reading)
    problem = Problem(torch.from_numpy(X))
    iterates = solver.iterates(problem, Streams([3]))
    start = next(iterates)
    W = torch.nn.Parameter(start.W[0].clone())
    H = torch.nn.Parameter(start.H[0].mT.clone())
    decay = solver.lam if reading == "decoupled" else 0.0
    optimizer = torch.optim.AdamW([W, H], lr=solver.lr, weight_decay=decay)
    for _ in range(10):
        optimizer.zero_grad()
        solver.batch_loss(problem.X.mT, W, H, solver.eta).backward()
        optimizer.step()
        with torch.no_grad():
            after = next(iterates)
    torch.testing.assert_close(after.W[0], W.detach(), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(after.H[0].mT, H.detach(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("size", [None, 7, 10])
def test_objective_is_the_expected_loss_of_a_step(size: int | None, reduction: str, X: np.ndarray) -> None:
    solver = WNNF(rank=4, batch_size=size, loss_reduction=reduction)
    problem = Problem(torch.from_numpy(X))
    start = next(solver.iterates(problem, Streams([0])))
    generator, losses = np.random.default_rng(0), []
    for _ in range(3000):
        for columns in torch.from_numpy(generator.permutation(29)).tensor_split(solver.n_batches(29)):
            losses.append(solver.batch_loss(problem.X.mT[columns], start.W[0], start.H[0].mT[columns], solver.eta))
    expected = torch.stack(losses).mean().item()
    assert solver.objective(problem, start).item() == pytest.approx(expected, rel=2e-3)


def test_factors_are_the_leaky_rectified_parameters(X: np.ndarray) -> None:
    (result,) = fit(WNNF(rank=4, eta=0.1), X, stopping=Stopping(max_iter=5), dtype="float64")
    W, H = result.factorization.W, result.factorization.H
    expected = torch.nn.functional.leaky_relu(W, 0.1) @ torch.nn.functional.leaky_relu(H, 0.1)
    torch.testing.assert_close(result.factorization.reconstruct(), expected)


def test_relu_gives_nonnegative_factors(X: np.ndarray) -> None:
    (result,) = fit(WNNF(rank=4, eta=0.0), X, stopping=Stopping(max_iter=20))
    assert all((factor >= 0).all() for factor in result.factorization.factors.values())


def test_penalty_shrinks_what_is_negative(X: np.ndarray) -> None:
    mass = {}
    for lam in (0.0, 0.1):
        (result,) = fit(WNNF(rank=4, lam=lam, lr=0.01), X, stopping=Stopping(max_iter=500))
        mass[lam] = sum(-factor[factor < 0].sum().item() for factor in result.factorization.factors.values())
    assert mass[0.1] < 0.5 * mass[0.0]


def test_linear_unpenalised_l2_reaches_the_error_of_the_svd(X: np.ndarray) -> None:
    solver = WNNF(rank=4, eta=1.0, lam=0.0, loss="l2", batch_size=None, lr=0.01)
    (result,) = fit(solver, X, stopping=Stopping(max_iter=6000), dtype="float64")
    best = np.square(np.linalg.svd(X, compute_uv=False)[4:]).sum()
    reached = np.square(X - result.factorization.reconstruct().numpy()).sum()
    assert best <= reached <= 1.01 * best


def test_curriculum_falls_linearly_from_1_to_eta_and_stays_there() -> None:
    solver = WNNF(rank=4, eta=0.2, curriculum=10)
    assert [solver.eta_at(epoch) for epoch in (0, 5, 10, 50)] == pytest.approx([1.0, 0.6, 0.2, 0.2])
    assert WNNF(rank=4, eta=0.2).eta_at(0) == 0.2


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"eta": -0.1}, r"eta must lie in \[0, 1\], got -0.1"),
        ({"lam": -1}, "lam must be nonnegative, got -1"),
        ({"lr": 0}, "lr must be positive, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"curriculum": -1}, "curriculum must be"),
        ({"loss": "l3"}, "loss must be one of l1, l2, got 'l3'"),
        ({"reading": "adamw"}, "reading must be one of"),
        ({"loss_reduction": "median"}, "loss_reduction must be one of"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        WNNF(rank=4, **parameters)
