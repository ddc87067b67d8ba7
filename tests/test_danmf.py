"""DANMF. Oracle: the formulas of Ye, Chen & Zheng (2018) in loops of numpy; by hand, karateclub's DANMF."""

import numpy as np
import pytest
import scipy.sparse
import torch
from contract import states

from nmfbench import load_dataset
from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.fitting import fit
from nmfbench.numerics import graph, inits
from nmfbench.numerics.problem import Problem, place
from nmfbench.numerics.rng import Streams
from nmfbench.numerics.sparse import SparseMatrix
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.danmf import DANMF


@pytest.fixture
def adjacency() -> np.ndarray:
    """A weighted graph of 23 nodes in 3 groups that are joined more within than between."""
    draw = np.random.default_rng(0)
    group = np.arange(23) % 3
    A = draw.uniform(0.2, 2, (23, 23)) * (draw.uniform(size=(23, 23)) < np.where(group[:, None] == group, 0.7, 0.15))
    A = np.triu(A, 1)
    return A + A.T


def after(solver: DANMF, X: np.ndarray | Problem, sweeps: int):
    problem = X if isinstance(X, Problem) else place(X, "float64")
    return fit(solver, problem, seeds=[5], stopping=Stopping(max_iter=sweeps, check_every=1))[0]


def printed_sweep(
    A: np.ndarray, Us: list[np.ndarray], Vs: list[np.ndarray], weights: np.ndarray, lam: float
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """One sweep of the paper's Algorithm 1, for the graph ``weights``."""
    Us, Vs, p = list(Us), list(Vs), len(Us)
    D = np.diag(weights.sum(0))
    for i in range(p):
        Psi, Phi, V = np.eye(len(A)), np.eye(Us[i].shape[1]), Vs[-1]
        for U in Us[:i]:
            Psi = Psi @ U
        for U in Us[i + 1 :]:
            Phi = Phi @ U
        numerator = 2 * Psi.T @ A @ V.T @ Phi.T
        denominator = Psi.T @ Psi @ Us[i] @ Phi @ V @ V.T @ Phi.T + Psi.T @ A @ A.T @ Psi @ Us[i] @ Phi @ Phi.T
        Us[i] = Us[i] * numerator / denominator
        Psi = Psi @ Us[i]
        numerator, denominator = 2 * Psi.T @ A, Psi.T @ Psi @ Vs[i] + Vs[i]
        if i == p - 1:
            numerator, denominator = numerator + lam * Vs[i] @ weights, denominator + lam * Vs[i] @ D
        Vs[i] = Vs[i] * numerator / denominator
    return Us, Vs


def objective(A: np.ndarray, Us: list[np.ndarray], V: np.ndarray, weights: np.ndarray, lam: float) -> float:
    B = np.linalg.multi_dot(Us) if len(Us) > 1 else Us[0]
    rough = 0.0
    for i in range(len(weights)):
        for j in range(len(weights)):
            rough += weights[i, j] * np.square(V[:, i] - V[:, j]).sum() / 2
    return float(np.square(A - B @ V).sum() + np.square(V - B.T @ A).sum() + lam * rough)


@pytest.mark.parametrize("ranks", [[3], [8, 3], [9, 6, 3]])
@pytest.mark.parametrize("lam", [0.0, 0.7])
def test_sweeps_are_those_of_the_paper(ranks: list[int], lam: float, adjacency: np.ndarray) -> None:
    solver, weights = DANMF(ranks=ranks, lam=lam, pretrain=6), adjacency / adjacency.max()
    for sweeps in (0, 4):
        before, now = (after(solver, adjacency, count) for count in (sweeps, sweeps + 1))
        given = (
            [factor.numpy() for factor in factors] for factors in (before.factorization.Us, before.factorization.Vs)
        )
        Us, Vs = printed_sweep(adjacency, *given, weights, lam)
        for ours, theirs in zip((*now.factorization.Us, *now.factorization.Vs), (*Us, *Vs), strict=True):
            np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-9, atol=1e-14)
        assert now.objective == pytest.approx(objective(adjacency, Us, Vs[-1], weights, lam), rel=1e-10)


@pytest.mark.parametrize("lam", [0.0, 0.7])
def test_step_goes_down_the_gradient_and_stands_still_where_it_vanishes(lam: float, adjacency: np.ndarray) -> None:
    problem = place(adjacency, "float64")
    solver = DANMF(ranks=[6, 3], lam=lam, pretrain=50)
    *_, state = (state for state, _ in zip(states(solver, problem, [0]), range(1500), strict=False))
    with torch.enable_grad():
        factors = [factor.clone().requires_grad_() for factor in (*state.Us, state.Vs[-1])]
        B = factors[0] @ factors[1]
        encoded = B.mT @ problem.X
        whole = (problem.X - B @ factors[2]).square().sum() + (factors[2] - encoded).square().sum()
        VA, VD = state.graph.split(factors[2])
        whole = whole + lam * (factors[2] * (VD - VA)).sum()
        gradients = torch.autograd.grad(whole, factors)
    torch.testing.assert_close(whole.detach()[None], solver.objective(problem, state))
    for factor, gradient in zip(factors, gradients, strict=True):
        assert (factor * gradient).abs().max() < 2e-3 * whole
        assert gradient.min() > -2e-2 * whole, "no entry would rather grow"


def test_objective_never_rises_on_graphs_and_on_other_data(adjacency: np.ndarray, X: np.ndarray) -> None:
    for data in (adjacency, X):
        for lam in (0.0, 1.0, 100.0):
            objectives = [value for _, value, _ in after(DANMF(rank=3, lam=lam, pretrain=5), data, 60).history]
            assert (np.diff(objectives) <= 1e-12 * np.array(objectives[:-1])).all()


def test_layers_are_pre_trained_by_the_same_method_without_the_graph(adjacency: np.ndarray) -> None:
    start = after(DANMF(ranks=[8, 3], pretrain=9), adjacency, 0).factorization
    below, size = adjacency, adjacency.max() ** 0.5
    for l, (U, V) in enumerate(zip(start.Us, start.Vs, strict=True), start=1):
        drawn = inits.uniform(torch.from_numpy(below)[None], len(V), Streams([5]), l if l > 1 else "")
        Us, Vs = [drawn[0][0].numpy() / size], [drawn[1][0].numpy() * size]
        for _ in range(9):
            Us, Vs = printed_sweep(below, Us, Vs, np.zeros((23, 23)), 0.0)
        np.testing.assert_allclose(U.numpy(), Us[0], rtol=1e-9)
        np.testing.assert_allclose(V.numpy(), Vs[0], rtol=1e-9)
        below = V.numpy()


def test_sparse_graph_gives_what_the_dense_one_gives(adjacency: np.ndarray) -> None:
    dense, sparse = (
        after(DANMF(rank=3), data, 20) for data in (adjacency, place(scipy.sparse.csr_array(adjacency), "float64"))
    )
    assert dense.objective == pytest.approx(sparse.objective, rel=1e-10)
    torch.testing.assert_close(dense.factorization.codes, sparse.factorization.codes, rtol=1e-7, atol=1e-10)


def test_graph_of_symmetric_X_is_X_in_its_unit_without_loops_and_else_that_of_neighbours(
    adjacency: np.ndarray, X: np.ndarray
) -> None:
    looped = adjacency + np.diag(np.arange(23.0))
    for given in (torch.from_numpy(looped), SparseMatrix.of(scipy.sparse.csr_array(looped), torch.float64)):
        assert graph.is_adjacency(given)
        found = graph.of_data(given, 5)
        np.testing.assert_allclose(found.adjacency.csr.to_dense().numpy(), adjacency / adjacency.max())
        np.testing.assert_allclose(found.degrees.numpy(), adjacency.sum(0) / adjacency.max())
    one_way = looped.copy()
    one_way[3, 4] += 1e-9
    for given in (torch.from_numpy(one_way), SparseMatrix.of(scipy.sparse.csr_array(one_way), torch.float64)):
        assert not graph.is_adjacency(given)
    found, expected = (of(torch.from_numpy(X), 5) for of in (graph.of_data, graph.nearest_neighbours))
    assert torch.equal(found.adjacency.csr.to_dense(), expected.adjacency.csr.to_dense())


def test_planted_groups_are_found() -> None:
    draw, group = np.random.default_rng(0), np.arange(36) % 3
    A = np.triu(draw.uniform(size=(36, 36)) < np.where(group[:, None] == group, 0.9, 0.05), 1)
    for result in fit(DANMF(rank=3, pretrain=100), A + A.T, seeds=4, stopping=Stopping(max_iter=200)):
        community = result.factorization.codes[-1].argmax(0).tolist()
        assert len(set(zip(community, group.tolist(), strict=True))) == 3


def test_karate_club_splits_as_it_did() -> None:
    club = load_dataset("karate")
    results = fit(DANMF(rank=2), club.X, seeds=3, stopping=Stopping(max_iter=300))
    best = min(results, key=lambda result: result.objective)
    wrong = (best.factorization.codes[-1].numpy().argmax(0) != club.y).sum()
    assert min(wrong, 34 - wrong) <= 1


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"lam": -1.0}, "lam must be nonnegative, got -1.0"),
        ({"p": 0}, "p must be at least 1, got 0"),
        ({"pretrain": -1}, "pretrain must be at least 0, got -1"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DANMF(rank=4, **parameters)


def test_few_samples_are_refused_unless_X_is_a_graph() -> None:
    with pytest.raises(NotApplicable, match="5 nearest neighbours need at least 6 samples, got 4; choose p < 4"):
        after(DANMF(rank=2), np.ones((3, 4)), 1)
    assert np.isfinite(after(DANMF(rank=2), np.ones((4, 4)) - np.eye(4), 5).objective)
