"""Weakly non-negative factorization: its written-out step against autograd and torch's own optimizers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import leaky_relu
from weak import batch_loss, every_reading

from nmfbench.errors import ConfigError
from nmfbench.fitting import fit
from nmfbench.numerics import batches, leaky
from nmfbench.numerics.leaky import LeakyStack
from nmfbench.numerics.optimizers import Adam
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.weak import WeakSolver
from nmfbench.solvers.wnnf import WNNF
from nmfbench.solvers.wnnf_deep import DeepWNNF


def batch(*shapes: tuple[int, ...]) -> list[torch.Tensor]:
    """X of the first shape, in [0, 1], and parameters of the others, in [-½, ½]."""
    generator = torch.Generator().manual_seed(0)
    X, *parameters = (torch.rand(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    return [X, *(parameter - 0.5 for parameter in parameters)]


@every_reading
def test_gradient_is_that_of_autograd(eta: float, loss: str, reduction: str, reading: str) -> None:
    solver = WNNF(rank=4, loss=loss, loss_reduction=reduction, reading=reading, lam=0.3)
    X, W, H = batch((2, 5, 13), (2, 13, 4), (2, 5, 4))
    ours = solver.gradient(Problem(X[0].mT), X, [W], H, eta)
    W.requires_grad_(), H.requires_grad_()
    batch_loss(solver, leaky_relu(H, eta) @ leaky_relu(W, eta).mT, X, W, H).sum().backward()
    torch.testing.assert_close(ours, [W.grad, H.grad], rtol=1e-6, atol=1e-12)


@every_reading
def test_gradient_of_three_layers_is_that_of_autograd(eta: float, loss: str, reduction: str, reading: str) -> None:
    solver = DeepWNNF(ranks=[2, 3, 4], loss=loss, loss_reduction=reduction, reading=reading, lam=0.3)
    X, *parameters = batch((2, 5, 13), (2, 3, 2), (2, 4, 3), (2, 13, 4), (2, 5, 2))
    *Ws, H = parameters
    ours = solver.gradient(Problem(X[0].mT), X, Ws, H, eta)
    for parameter in parameters:
        parameter.requires_grad_()
    V = leaky_relu(H, eta)
    for W in Ws:
        V = V @ leaky_relu(W, eta).mT
    batch_loss(solver, V, X, *parameters).sum().backward()
    torch.testing.assert_close(ours, [parameter.grad for parameter in parameters], rtol=1e-6, atol=1e-12)


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
    W = torch.nn.Parameter(start.Ws[0][0].clone())
    H = torch.nn.Parameter(start.H[0].mT.clone())
    decay = solver.weight if reading == "decoupled" else 0.0
    optimizer = torch.optim.AdamW([W, H], lr=solver.rate, weight_decay=decay)
    for _ in range(10):
        optimizer.zero_grad()
        V = leaky_relu(H, solver.eta) @ leaky_relu(W, solver.eta).mT
        batch_loss(solver, V[None], problem.X.mT[None], W[None], H[None]).backward()
        optimizer.step()
        with torch.no_grad():
            after = next(iterates)
    torch.testing.assert_close(after.Ws[0][0], W.detach(), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(after.H[0].mT, H.detach(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("ranks", [[4], [2, 3, 4]])
def test_mini_batches_are_those_of_the_shuffled_samples_and_adam_sees_all_of_H(ranks: list[int], X: np.ndarray) -> None:
    solver, problem = DeepWNNF(ranks=ranks, batch_size=10, reading="penalty"), Problem(torch.from_numpy(X))
    iterates = solver.iterates(problem, Streams([3, 8]))
    start = next(iterates).map(torch.clone)
    with torch.no_grad():
        after = [next(iterates) for _ in range(3)][-1]
    for restart, (shuffle,) in enumerate(Streams([seed])("batches") for seed in (3, 8)):
        parameters = [torch.nn.Parameter(f[restart].clone()) for f in (*start.Ws, start.H)]
        *Ws, H = parameters
        optimizer = torch.optim.Adam(parameters, lr=solver.rate)
        for _ in range(3):
            for columns in np.array_split(shuffle.permutation(29), 3):  # 10, 10 and 9 samples
                optimizer.zero_grad()
                V = leaky_relu(H[:, columns].mT, solver.eta)
                for W in Ws:
                    V = V @ leaky_relu(W, solver.eta).mT
                batch = (H[:, columns], *Ws)
                batch_loss(solver, V[None], problem.X.mT[columns][None], *(f[None] for f in batch)).backward()
                optimizer.step()
        torch.testing.assert_close(
            [f[restart] for f in (*after.Ws, after.H)], [f.detach() for f in parameters], rtol=1e-9, atol=1e-12
        )


def test_parameters_start_uniform_within_the_bound_of_their_fan_in() -> None:
    X = torch.ones(50, 60, dtype=torch.float64)
    for solver, fan_ins in ((WNNF(rank=40), [40, 40]), (DeepWNNF(ranks=[20, 30, 40]), [20, 30, 40, 20])):
        start = next(solver.iterates(Problem(X), Streams([0])))
        for factor, fan_in in zip((*start.Ws, start.H), fan_ins, strict=True):
            bound = (6 / fan_in) ** 0.5
            assert 0.98 * bound < factor.max() < bound and -bound < factor.min() < -0.98 * bound


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("size", [None, 7, 10])
def test_objective_is_the_expected_loss_of_a_step(size: int | None, reduction: str, X: np.ndarray) -> None:
    solver = WNNF(rank=4, batch_size=size, loss_reduction=reduction, reading="penalty")
    problem = Problem(torch.from_numpy(X))
    start = next(solver.iterates(problem, Streams([0])))
    generator, losses = np.random.default_rng(0), []
    orders = torch.from_numpy(np.stack([generator.permutation(29) for _ in range(3000)]))
    for columns in batches.split(orders, size):
        W, H = start.Ws[0], start.H.mT[0, columns]
        V = leaky_relu(H, solver.eta) @ leaky_relu(W, solver.eta).mT
        losses.append(batch_loss(solver, V, problem.X.mT[columns], W, H))
    expected = torch.stack(losses).mean().item()
    assert solver.objective(problem, start).item() == pytest.approx(expected, rel=2e-3)


def test_objective_of_several_layers_penalises_every_factor(X: np.ndarray) -> None:
    solver, problem = (
        DeepWNNF(ranks=[2, 3, 4], batch_size=None, lam=0.7, reading="penalty"),
        Problem(torch.from_numpy(X)),
    )
    start = next(solver.iterates(problem, Streams([0, 1])))
    expected = batch_loss(solver, start.reconstruct().mT, problem.X.mT.expand(2, -1, -1), *start.Ws, start.H)
    torch.testing.assert_close(solver.objective(problem, start), expected)


def test_factors_are_the_leaky_rectified_parameters(X: np.ndarray) -> None:
    (result,) = fit(WNNF(rank=4, eta=0.1), X, stopping=Stopping(max_iter=5), dtype="float64")
    W, H = result.factorization.Ws[0], result.factorization.H
    expected = torch.nn.functional.leaky_relu(W, 0.1) @ torch.nn.functional.leaky_relu(H, 0.1)
    torch.testing.assert_close(result.factorization.reconstruct(), expected)


def test_relu_gives_nonnegative_factors(X: np.ndarray) -> None:
    (result,) = fit(WNNF(rank=4, eta=0.0), X, stopping=Stopping(max_iter=20))
    assert all((factor >= 0).all() for factor in result.factorization.factors.values())


def test_penalty_shrinks_what_is_negative(X: np.ndarray) -> None:
    mass = {}
    for lam in (0.0, 0.1):
        (result,) = fit(WNNF(rank=4, lam=lam, lr=0.01, reading="penalty"), X, stopping=Stopping(max_iter=500))
        mass[lam] = sum(-factor[factor < 0].sum().item() for factor in result.factorization.factors.values())
    assert mass[0.1] < 0.5 * mass[0.0]


def test_linear_unpenalised_l2_reaches_the_error_of_the_svd(X: np.ndarray) -> None:
    solver = WNNF(rank=4, eta=1.0, lam=0.0, loss="l2", batch_size=None, lr=0.01, reading="penalty")
    (result,) = fit(solver, X, stopping=Stopping(max_iter=6000), dtype="float64")
    best = np.square(np.linalg.svd(X, compute_uv=False)[4:]).sum()
    reached = np.square(X - result.factorization.reconstruct().numpy()).sum()
    assert best <= reached <= 1.01 * best


@pytest.mark.parametrize("solver", [WNNF(rank=4), DeepWNNF(ranks=[2, 4])])
def test_relative_reading_is_the_absolute_one_on_X_in_its_unit(solver: WeakSolver, X: np.ndarray) -> None:
    relative = replace(solver, batch_size=None)
    unit = np.abs(X).mean()
    # The bases have the unit back, so the penalty is compared on the factors of X in its unit.
    start = next(relative.iterates(Problem(torch.from_numpy(X)), Streams([0])))
    own = replace(start, Ws=(*start.Ws[:-1], start.Ws[-1] / unit))
    V, scaled = own.reconstruct().mT, torch.from_numpy(X / unit).mT[None]
    expected = batch_loss(relative, V, scaled, *own.Ws, own.H.mT)
    torch.testing.assert_close(relative.objective(Problem(torch.from_numpy(X)), start), expected)


def test_relative_steps_are_in_units_of_the_bound_of_the_codes(X: np.ndarray) -> None:
    iterates = WNNF(rank=4, batch_size=None, lr=0.01).iterates(Problem(torch.from_numpy(X)), Streams([0]))
    start = next(iterates).H.clone()
    with torch.no_grad():
        moved = (next(iterates).H - start).abs()
    # The first step of Adam moves every parameter by the learning rate.
    torch.testing.assert_close(moved, torch.full_like(moved, 0.01 * (6 / 4) ** 0.5), rtol=1e-4, atol=0)


@pytest.mark.parametrize("reading", ["penalty", "decoupled"])
def test_absolute_readings_depend_on_the_scale_of_X(reading: str, X: np.ndarray) -> None:
    solver = WNNF(rank=4, reading=reading)
    one, other = (fit(solver, X * by, stopping=Stopping(max_iter=20), dtype="float64")[0] for by in (1, 1000))
    assert not solver.scale_free
    assert not torch.allclose(*(r.factorization.codes[0] / r.factorization.codes[0].norm() for r in (one, other)))


def test_each_reading_has_its_own_default_weight_and_learning_rate() -> None:
    assert (WNNF(rank=4).weight, WNNF(rank=4).rate) == (0.001, 0.0025)
    assert WNNF(rank=4, optimizer="adamw").weight == 0.1 and WNNF(rank=4, optimizer="sgd").rate == 10
    assert ((paper := WNNF(rank=4, reading="penalty")).weight, paper.rate) == (0.1, 0.001)


def test_curriculum_falls_linearly_from_1_to_eta_and_stays_there() -> None:
    assert [leaky.slope_at(epoch, 0.2, 10) for epoch in (0, 5, 10, 50)] == pytest.approx([1.0, 0.6, 0.2, 0.2])
    assert leaky.slope_at(0, 0.2, 0) == 0.2


def test_footnote_tells_the_readers_of_a_table_what_a_step_descends() -> None:
    note = WNNF(rank=4).footnote
    assert "descends the mean over batches of 64 samples" in note and "λ relative to the loss of an entry" in note
    paper = WNNF(rank=4, reading="penalty").footnote
    assert "λ as penalty" in paper and "the paper's (9) sums over all samples" in paper
    other = DeepWNNF(rank=4, batch_size=None, loss_reduction="sum", reading="decoupled").footnote
    assert "descends the sum over batches of all samples" in other and "λ as decoupled" in other


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"eta": -0.1}, r"eta must lie in \[0, 1\], got -0.1"),
        ({"lam": -1}, "lam must be at least 0, got -1"),
        ({"lr": 0}, "lr must be positive, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"curriculum": -1}, "curriculum must be"),
        ({"loss": "l3"}, "loss must be one of l1, l2, huber, kl, is, got 'l3'"),
        ({"optimizer": "lion"}, "optimizer must be one of adam, adamw, sgd, rmsprop, got 'lion'"),
        ({"reading": "adamw"}, "reading must be one of"),
        ({"loss_reduction": "median"}, "loss_reduction must be one of"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        WNNF(rank=4, **parameters)


def test_step_of_three_layers_is_the_gradient_to_finite_differences() -> None:
    solver = DeepWNNF(ranks=[2, 3, 4], loss="l2", lam=0.3)
    X, *parameters = batch((1, 5, 13), (1, 3, 2), (1, 4, 3), (1, 13, 4), (1, 5, 2))

    class Step(torch.autograd.Function):
        @staticmethod
        def forward(context, *parameters):
            context.save_for_backward(*parameters)
            *Ws, H = parameters
            V = LeakyStack(tuple(Ws), H.mT, torch.full((1,), 0.1, dtype=torch.float64)).reconstruct().mT
            return batch_loss(solver, V, X, *parameters)

        @staticmethod
        def backward(context, upstream):
            *Ws, H = context.saved_tensors
            return tuple(upstream[0] * g for g in solver.gradient(Problem(X[0].mT), X, Ws, H, 0.1))

    assert torch.autograd.gradcheck(Step.apply, [parameter.requires_grad_() for parameter in parameters])


def test_deep_with_one_layer_is_shallow(X: np.ndarray) -> None:
    problem, streams = Problem(torch.from_numpy(X)), Streams([5])
    shallow, deep = WNNF(rank=4, batch_size=7), DeepWNNF(ranks=[4], batch_size=7)
    start = next(shallow.iterates(problem, streams))
    runs = []
    for solver in (shallow, deep):

        class Same(type(solver)):  # the streams of the bases have other names
            def start(self, problem, rng):
                return [start.Ws[0].clone()], start.H.mT.clone()

        iterates = Same(**vars(solver)).iterates(problem, streams)
        runs.append([next(iterates) for _ in range(6)][-1])
    assert torch.equal(runs[0].reconstruct(), runs[1].reconstruct())
    assert torch.equal(shallow.objective(problem, runs[0]), deep.objective(problem, runs[1]))


def test_codes_of_the_layers_are_products_from_the_samples_up(X: np.ndarray) -> None:
    (result,) = fit(DeepWNNF(ranks=[2, 3, 4]), X, stopping=Stopping(max_iter=3), dtype="float64")
    W1, W2, W3, H = (result.factorization.factors[name] for name in ("W1", "W2", "W3", "H"))
    assert [tuple(W.shape) for W in (W1, W2, W3, H)] == [(3, 2), (4, 3), (13, 4), (2, 29)]
    torch.testing.assert_close(result.factorization.codes, [H, W1 @ H, W2 @ W1 @ H])
    torch.testing.assert_close(result.factorization.reconstruct(), W3 @ W2 @ W1 @ H)


def test_ranks_below_the_top_are_halves() -> None:
    assert DeepWNNF(rank=40).ranks == [20, 40] and DeepWNNF(rank=1).ranks == [1, 1]
