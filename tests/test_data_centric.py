"""The data-centric deep loss: against plain numpy loops, its limits of one layer, and that nothing rises."""

from functools import reduce

import numpy as np
import pytest
import torch
from contract import states

from nmfbench import fit, load_dataset
from nmfbench.errors import ConfigError
from nmfbench.numerics import data_centric, inits
from nmfbench.numerics.factorization import Hierarchy
from nmfbench.numerics.problem import Problem
from nmfbench.solvers.base import Solver, Stopping
from nmfbench.solvers.deep_kl import DeepKL
from nmfbench.solvers.lc_dmf import LayerCentricDMF
from nmfbench.solvers.mu import MultiplicativeNMF

Factors = list[np.ndarray]
RANKS, WEIGHTS = [6, 4, 2], [1.0, 0.3, 2.0]


def product(matrices: Factors, start: np.ndarray) -> np.ndarray:
    return reduce(np.matmul, matrices, start)


def loss(X: np.ndarray, Ws: Factors, Hs: Factors, beta: float) -> float:
    """Σ λ_l D_β(X, W_l H_l…H_1), entry by entry as the definition has it."""
    total = 0.0
    for l, lam in enumerate(WEIGHTS):
        V = product(Hs[l::-1], Ws[l])
        if beta == 2:
            D = (X - V) ** 2 / 2
        elif beta == 1:
            D = X * np.log(X / V) - X + V
        elif beta == 0:
            D = X / V - np.log(X / V) - 1
        else:
            D = (X**beta + (beta - 1) * V**beta - beta * X * V ** (beta - 1)) / (beta * (beta - 1))
        total += lam * D.sum()
    return total


def slope(X: np.ndarray, Ws: Factors, Hs: Factors, beta: float, factor: np.ndarray) -> np.ndarray:
    """∂loss/∂factor by central differences; ``factor`` is one of Ws and Hs."""
    gradient = np.empty_like(factor)
    for place in np.ndindex(factor.shape):
        value, values = factor[place], []
        for sign in (1, -1):
            factor[place] = value + sign * 1e-6
            values.append(loss(X, Ws, Hs, beta))
        factor[place] = value
        gradient[place] = (values[0] - values[1]) / 2e-6
    return gradient


@pytest.fixture
def factors(X: np.ndarray) -> tuple[Factors, Factors]:
    rng = np.random.default_rng(5)
    sizes = zip([X.shape[1], *RANKS], RANKS, strict=False)
    return [rng.uniform(0.1, 1, (len(X), r)) for r in RANKS], [rng.uniform(0.1, 1, (r, s)) for s, r in sizes]


def swept(step, X: np.ndarray, Ws: Factors, Hs: Factors, *settings) -> tuple[Factors, Factors]:
    """The factors after a sweep of `data_centric`."""
    ours = [[torch.from_numpy(F)[None].clone() for F in factors] for factors in (Ws, Hs)]
    step(Problem(torch.from_numpy(X)), *ours, torch.tensor([WEIGHTS], dtype=torch.float64), *settings)
    return tuple([F[0].numpy() for F in factors] for factors in ours)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 1.5])
def test_multiplicative_sweep_is_that_of_plain_loops(beta: float, X: np.ndarray, factors) -> None:
    Ws, Hs = factors
    found = swept(data_centric.multiplicative_sweep, X, Ws, Hs, beta, 1e-300)
    gamma = 1 / (2 - beta) if beta < 1 else 1
    for k in range(3):
        B = product(Hs[k - 1 :: -1], np.eye(RANKS[k - 1])) if k else np.eye(X.shape[1])
        p, q = np.zeros_like(Hs[k]), np.zeros_like(Hs[k])
        for l in range(k, 3):
            A = product(Hs[l:k:-1], Ws[l])
            V = A @ Hs[k] @ B
            p += WEIGHTS[l] * A.T @ (X * V ** (beta - 2)) @ B.T
            q += WEIGHTS[l] * A.T @ V ** (beta - 1) @ B.T
        np.testing.assert_allclose(slope(X, Ws, Hs, beta, Hs[k]), q - p, rtol=1e-4, atol=1e-4)
        Hs[k] = Hs[k] * (p / q) ** gamma
        C = product(Hs[k::-1], np.eye(RANKS[k]))
        V = Ws[k] @ C
        Ws[k] = Ws[k] * ((X * V ** (beta - 2)) @ C.T / (V ** (beta - 1) @ C.T)) ** gamma
    for ours, theirs in zip(found, (Ws, Hs), strict=True):
        for F, G in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(F, G, rtol=1e-9)


def test_first_step_of_the_quadratic_sweep_goes_down_the_gradient(X: np.ndarray, factors) -> None:
    Ws, Hs = factors
    found = swept(data_centric.quadratic_sweep, X, Ws, Hs, 1, torch.relu, torch.relu)
    for k in range(3):
        B = product(Hs[k - 1 :: -1], np.eye(RANKS[k - 1])) if k else np.eye(X.shape[1])
        AtA = sum(WEIGHTS[l] * (A := product(Hs[l:k:-1], Ws[l])).T @ A for l in range(k, 3))
        length = np.linalg.norm(AtA, 2) * np.linalg.norm(B @ B.T, 2)
        Hs[k] = np.maximum(Hs[k] - slope(X, Ws, Hs, 2.0, Hs[k]) / length, 0)
        C = product(Hs[k::-1], np.eye(RANKS[k]))
        length = WEIGHTS[k] * np.linalg.norm(C @ C.T, 2)
        Ws[k] = np.maximum(Ws[k] - slope(X, Ws, Hs, 2.0, Ws[k]) / length, 0)
    for ours, theirs in zip(found, (Ws, Hs), strict=True):
        for F, G in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(F, G, rtol=1e-6, atol=1e-8)


SOLVERS = [
    *(DeepKL(ranks=RANKS, beta=beta, loss="data", pretrain=10) for beta in (0.0, 0.5, 1.0, 1.5, 2.0)),
    *(LayerCentricDMF(ranks=RANKS, loss="data", sums=sums, pretrain=10) for sums in ("W", "H", "Ht")),
    LayerCentricDMF(ranks=RANKS, loss="data", alpha=[0.5, 0.2, 0.1], pretrain=10),
]
every_solver = pytest.mark.parametrize("solver", SOLVERS, ids=str)


@every_solver
def test_objective_never_rises_and_is_the_sum_over_the_layers(solver: Solver, X: np.ndarray) -> None:
    (result,) = fit(solver, X, stopping=Stopping(max_iter=60, check_every=1), dtype="float64")
    assert not result.rises and result.history[-1][1] < result.history[0][1]
    found = result.factorization
    V = [W @ C for W, C in zip(found.Ws, found.codes, strict=True)]
    costs = [(X - v.numpy()) ** 2 / 2 for v in V]
    if getattr(solver, "beta", 2.0) == 1:
        costs = [X * np.log(X / v.numpy()) - X + v.numpy() for v in V]
    if getattr(solver, "beta", 2.0) in (1.0, 2.0) and not getattr(solver, "alpha", None):
        expected = sum(lam * cost.sum() for lam, cost in zip(found.weights.tolist(), costs, strict=True))
        assert result.objective == pytest.approx(expected, rel=1e-9)
    sums = getattr(solver, "sums", "H")
    totals = {"W": [W.sum(0) for W in found.Ws], "H": [H.sum(1) for H in found.Hs], "Ht": [H.sum(0) for H in found.Hs]}
    for total in totals[sums]:
        torch.testing.assert_close(total, torch.ones_like(total), rtol=1e-9, atol=0)


@every_solver
def test_restart_in_a_batch_equals_the_run_alone(solver: Solver, X: np.ndarray) -> None:
    problem = Problem(torch.from_numpy(X))
    batch, alone = (
        [next(i) for i in [states(solver, problem, seeds)] for _ in range(15)][-1] for seeds in ([3, 8], [8])
    )
    torch.testing.assert_close(batch.reconstruct()[1], alone.reconstruct()[0], rtol=1e-6, atol=1e-9)


def test_one_layer_of_deep_kl_is_multiplicative_kullback_leibler(X: np.ndarray, monkeypatch) -> None:
    solver = DeepKL(ranks=[4], loss="data", pretrain=0)
    start = next(states(solver, Problem(torch.from_numpy(X)), [0]))
    monkeypatch.setattr(inits, "start", lambda *_: (start.Ws[0].clone(), start.Hs[0].clone()))
    stopping = Stopping(max_iter=40)
    (shallow,) = fit(MultiplicativeNMF(rank=4, beta=1.0), X, stopping=stopping, dtype="float64")
    monkeypatch.undo()
    (deep,) = fit(solver, X, stopping=stopping, dtype="float64")
    torch.testing.assert_close(deep.factorization.reconstruct(), shallow.factorization.reconstruct(), rtol=1e-8, atol=0)


@pytest.mark.parametrize("alpha", [None, [0.3]])
@pytest.mark.parametrize("sums", ["W", "H", "Ht"])
def test_one_layer_of_lc_dmf_is_the_same_to_the_bit_by_both_losses(sums: str, alpha, X: np.ndarray) -> None:
    found = []
    for loss in ("layers", "data"):
        solver = LayerCentricDMF(ranks=[4], loss=loss, sums=sums, alpha=alpha, pretrain=20)
        found.append(fit(solver, X, stopping=Stopping(max_iter=30), dtype="float64")[0])
    a, b = (result.factorization for result in found)
    assert torch.equal(a.Ws[0], b.Ws[0]) and torch.equal(a.Hs[0], b.Hs[0])
    assert found[0].objective == found[1].objective


def test_rows_of_sum_one_are_deep_kl_at_beta_two(X: np.ndarray) -> None:
    reached = []
    for solver in (
        LayerCentricDMF(ranks=[5, 3], loss="data", sums="H", pretrain=30),
        DeepKL(ranks=[5, 3], loss="data", beta=2.0, pretrain=30),
    ):
        reached.append(fit(solver, X, stopping=Stopping(max_iter=15), dtype="float64")[0].factorization.reconstruct())
    torch.testing.assert_close(*reached, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("kind", "most"), [(DeepKL, 0.05), (LayerCentricDMF, 0.03)])
def test_planted_hierarchy_is_fitted_and_closer_by_the_loss_that_looks_at_the_data(kind: type, most: float) -> None:
    X = load_dataset("planted_deep", noise=0.0).X
    errors = []
    for loss in ("layers", "data"):
        (result,) = fit(kind(ranks=[6, 3], loss=loss, pretrain=100), X, stopping=Stopping(max_iter=100))
        errors.append(np.linalg.norm(X - result.factorization.reconstruct().numpy()) / np.linalg.norm(X))
    assert errors[1] < min(most, errors[0])


def test_both_losses_start_from_the_same_factors(X: np.ndarray) -> None:
    problem = Problem(torch.from_numpy(X))
    for kind in (DeepKL, LayerCentricDMF):
        a, b = (next(states(kind(ranks=[5, 3], loss=loss, pretrain=5), problem, [0])) for loss in ("layers", "data"))
        assert all(map(torch.equal, (*a.Ws, *a.Hs), (*b.Ws, *b.Hs))) and not torch.equal(a.weights, b.weights)
        costs = torch.stack(
            [
                kind(ranks=[5, 3], loss="data", weights=w).objective(
                    problem, Hierarchy(b.Ws, b.Hs, torch.tensor([w], dtype=torch.float64))
                )
                for w in ([1.0, 1e-12], [1e-12, 1.0])
            ]
        )
        torch.testing.assert_close(b.weights[0, 1] * costs[1], costs[0], rtol=1e-6, atol=0)


@pytest.mark.parametrize("kind", [DeepKL, LayerCentricDMF])
def test_unknown_loss_is_refused(kind: type) -> None:
    with pytest.raises(ConfigError, match="loss must be one of layers, data, got 'X'"):
        kind(ranks=[4, 2], loss="X")
