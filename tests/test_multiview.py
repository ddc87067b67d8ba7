"""Deep semi-NMF of several views. Oracle: the formulas of Zhao, Ding & Fu (2017) in loops of numpy."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nmfbench import load_dataset
from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.evaluators.clustering import evaluate
from nmfbench.fitting import fit
from nmfbench.numerics.graph import nearest_neighbours
from nmfbench.numerics.problem import Problem, place
from nmfbench.numerics.views import Views
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.deep_semi import DeepSemiNMF
from nmfbench.solvers.multiview import MultiViewSemiNMF

SIZES = (13, 8, 21)


@pytest.fixture
def views() -> Problem:
    """Three views of 29 samples, of any sign, the second a hundred times as large."""
    X = np.random.default_rng(3).normal(size=(sum(SIZES), 29))
    X[13:21] *= 100
    return place(X, "float64", views=SIZES)


def after(solver: MultiViewSemiNMF | DeepSemiNMF, problem: Problem, sweeps: int, seeds: tuple[int, ...] = (5,)):
    stopping = Stopping(max_iter=sweeps, check_every=1)
    results = fit(solver, problem, seeds=seeds, stopping=stopping, together=True)
    return results if len(seeds) > 1 else results[0]


@pytest.mark.parametrize("init", ["svd", "random"])
@pytest.mark.parametrize("ranks", [[4], [8, 4], [9, 6, 4]])
@pytest.mark.parametrize("sizes", [None, (13,)])
def test_one_view_without_a_graph_is_deep_semi_nmf(init: str, ranks: list[int], sizes: tuple[int, ...] | None) -> None:
    X = np.random.default_rng(3).normal(size=(13, 29))
    one = after(MultiViewSemiNMF(ranks=ranks, lam=0.0, pretrain=10, init=init), place(X, "float64", views=sizes), 10)
    deep = after(DeepSemiNMF(ranks=ranks, pretrain=10, init=init), place(X, "float64"), 10)
    assert one.objective == pytest.approx(deep.objective, rel=1e-12)
    for ours, theirs in zip(one.factorization.codes, deep.factorization.codes, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
    assert one.factorization.factors.keys() == deep.factorization.factors.keys()


def neighbours(X: np.ndarray, p: int) -> np.ndarray:
    """The adjacency matrix of the samples (columns), each joined with the p nearest to it."""
    n = X.shape[1]
    A = np.zeros((n, n))
    for i in range(n):
        distances = [np.sum((X[:, i] - X[:, j]) ** 2) if i != j else np.inf for j in range(n)]
        for j in np.argsort(distances)[:p]:
            A[i, j] = A[j, i] = 1
    return A


def chained(factors: list[np.ndarray], size: int) -> np.ndarray:
    whole = np.eye(size)
    for factor in factors:
        whole = whole @ factor
    return whole


def printed_sweep(
    Xs: list[np.ndarray], state: Views, alphas: np.ndarray, gamma: float, lam: float, p: int
) -> tuple[list, list, np.ndarray, np.ndarray, float]:
    """One sweep of the paper's Algorithm 1: Z and H of each view, the common codes, the weights, and the objective."""
    plus, minus, inverse = (lambda M: (abs(M) + M) / 2), (lambda M: (abs(M) - M) / 2), np.linalg.pinv
    Zs, Hs = [[Z.numpy() for Z in Zs] for Zs in state.Zs], [[H.numpy() for H in Hs] for Hs in state.Hs]
    H, layers = state.H.numpy(), len(state.Zs[0])
    numerator, denominator = np.zeros_like(H), np.zeros_like(H)
    graphs = [neighbours(X, p) for X in Xs]
    betas = [lam * np.square(X).sum() / X.shape[1] for X in Xs]
    for v, X in enumerate(Xs):
        for l in range(layers):
            below, above = chained(Zs[v][:l], len(X)), chained(Zs[v][l + 1 :], Zs[v][l].shape[1]) @ H
            Zs[v][l] = inverse(below) @ X @ inverse(above)
            D = below @ Zs[v][l]
            A, B = D.T @ X, D.T @ D
            if l < layers - 1:
                h = Hs[v][l]
                Hs[v][l] = h * np.sqrt((plus(A) + minus(B) @ h) / (minus(A) + plus(B) @ h))
        degrees = np.diag(graphs[v].sum(0))
        weight = alphas[v] ** gamma
        numerator += weight * (plus(A) + minus(B) @ H + betas[v] * H @ graphs[v])
        denominator += weight * (minus(A) + plus(B) @ H + betas[v] * H @ degrees)
    H = H * np.sqrt(numerator / denominator)
    brackets = np.zeros(len(Xs))
    for v, X in enumerate(Xs):
        laplacian = np.diag(graphs[v].sum(0)) - graphs[v]
        residual = X - chained(Zs[v], len(X)) @ H
        brackets[v] = np.square(residual).sum() + betas[v] * np.trace(H @ laplacian @ H.T)
    alphas = np.array([(gamma * R) ** (1 / (1 - gamma)) for R in brackets])
    alphas /= alphas.sum()
    return Zs, Hs, H, alphas, float((alphas**gamma * brackets).sum())


@pytest.mark.parametrize("gamma", [0.1, 2.0, 5.0])
@pytest.mark.parametrize("ranks", [[4], [9, 6, 4]])
def test_sweeps_are_those_of_the_paper(gamma: float, ranks: list[int], views: Problem) -> None:
    solver = MultiViewSemiNMF(ranks=ranks, gamma=gamma, lam=0.3, p=3, pretrain=5)
    Xs, alphas = [X.numpy() for X in views.X.split(SIZES)], np.full(3, 1 / 3)
    for sweeps in range(3):
        before, now = (after(solver, views, count) for count in (sweeps, sweeps + 1))
        Zs, Hs, H, alphas, objective = printed_sweep(Xs, before.factorization, alphas, gamma, 0.3, 3)
        for ours, theirs in zip(now.factorization.Zs, Zs, strict=True):
            for Z, Z_ in zip(ours, theirs, strict=True):
                np.testing.assert_allclose(Z.numpy(), Z_, rtol=1e-6, atol=1e-8 * abs(Z_).max())
        for ours, theirs in zip(now.factorization.Hs, Hs, strict=True):
            for h, h_ in zip(ours, theirs, strict=True):
                np.testing.assert_allclose(h.numpy(), h_, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(now.factorization.H.numpy(), H, rtol=1e-7)
        np.testing.assert_allclose(now.factorization.weights.numpy(), alphas**gamma, rtol=1e-7)
        assert now.objective == pytest.approx(objective, rel=1e-9)


@pytest.mark.parametrize("gamma", [1.5, 3.0])
@pytest.mark.parametrize("lam", [0.0, 0.5])
def test_objective_never_rises_where_the_weights_are_the_minimum(gamma: float, lam: float, views: Problem) -> None:
    for seed in range(3):
        result = after(MultiViewSemiNMF(rank=4, gamma=gamma, lam=lam, pretrain=5), views, 60, (seed,))
        objectives = np.array([objective for _, objective, _ in result.history])
        assert (np.diff(objectives) <= 1e-10 * objectives[:-1]).all()


@pytest.mark.parametrize("gamma", [0.1, 0.5, 1.5, 3.0])
def test_weights_are_the_best_on_the_simplex_above_one_and_the_worst_below(gamma: float, views: Problem) -> None:
    solver = MultiViewSemiNMF(rank=4, gamma=gamma, pretrain=5)
    state = after(solver, views, 3).factorization.map(lambda tensor: tensor[None])
    chosen = solver.objective(views, state).item()
    others = []
    for alphas in np.random.default_rng(0).dirichlet(np.ones(3), 200):
        weights = torch.from_numpy(alphas**gamma)[None]
        others.append(solver.objective(views, replace(state, weights=weights)).item())
    assert chosen <= min(others) if gamma > 1 else chosen >= max(others)


def test_view_that_is_fitted_exactly_takes_all_the_weight_above_one() -> None:
    draw = np.random.default_rng(0)
    X = np.concatenate([draw.uniform(size=(2, 29)), draw.uniform(size=(13, 29))])
    weights = {}
    for gamma in (0.1, 2.0):
        solver = MultiViewSemiNMF(rank=4, gamma=gamma, lam=0.0)
        weights[gamma] = after(solver, place(X, "float64", views=(2, 13)), 100).factorization.weights ** (1 / gamma)
    assert weights[2.0][0] > 0.99
    assert 0.2 < (weights[0.1] ** 0.1).min() / (weights[0.1] ** 0.1).max() < 1


def planted(noise: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Two views of 120 samples in 4 classes: one tells {0, 1} from {2, 3}, the other {0, 2} from {1, 3}."""
    draw = np.random.default_rng(1)
    y = draw.permutation(np.arange(120) % 4)
    halves = [np.eye(2)[y // 2].T, np.eye(2)[y % 2].T]
    rows = [draw.normal(size=(size, 2)) @ half for size, half in zip((11, 17), halves, strict=True)]
    return np.concatenate(rows) + noise * draw.normal(size=(28, 120)), y


def test_planted_classes_are_found_from_both_views_and_from_neither_alone() -> None:
    X, y = planted()

    def nmi(solver: MultiViewSemiNMF, problem: Problem) -> float:
        codes = after(solver, problem, 100).factorization.codes[-1]
        return evaluate(codes, y)[4]["nmi"]

    solver = MultiViewSemiNMF(rank=4)
    assert nmi(solver, place(X, "float64", views=(11, 17))) > 0.95
    for rows in (slice(11), slice(11, 28)):
        assert nmi(solver, place(X[rows], "float64")) < 0.7


def test_restart_in_a_batch_and_multiples_of_X_have_the_same_codes(views: Problem) -> None:
    solver = MultiViewSemiNMF(rank=4, lam=0.3, pretrain=5)
    for result in after(solver, views, 20, (7, 3)):
        alone = after(solver, views, 20, (result.seed,))
        scaled = after(solver, replace(views, X=1e3 * views.X), 20, (result.seed,))
        assert scaled.objective == pytest.approx(1e6 * result.objective)
        for H, single, multiple in zip(*(r.factorization.codes for r in (result, alone, scaled)), strict=True):
            torch.testing.assert_close(H, single, rtol=1e-6, atol=1e-9)
            torch.testing.assert_close(H, multiple, rtol=1e-6, atol=1e-9)


def test_all_views_are_one_chain_with_blocks_below_the_top(views: Problem) -> None:
    found = after(MultiViewSemiNMF(ranks=[6, 4], pretrain=5), views, 5).factorization
    W1, W2, H = found.factors.values()
    assert [tuple(F.shape) for F in (W1, W2, H)] == [(42, 18), (18, 4), (4, 29)]
    blocks = torch.block_diag(*(Zs[0] for Zs in found.Zs))
    torch.testing.assert_close(W1, blocks)
    expected = torch.cat([Zs[0] @ Zs[1] @ found.H for Zs in found.Zs])
    torch.testing.assert_close(found.reconstruct(), expected)
    assert [len(codes) for codes in found.codes] == [18, 4]


def test_graphs_are_those_of_the_views_and_draw_neighbours_together(views: Problem) -> None:
    found = {lam: after(MultiViewSemiNMF(rank=4, lam=lam, pretrain=20), views, 30).factorization for lam in (0.01, 1.0)}
    graphs = [nearest_neighbours(X, 5) for X in views.X.split(SIZES)]
    for ours, expected in zip(found[1.0].graphs, graphs, strict=True):
        assert torch.equal(ours.degrees, expected.degrees)
    rough = {lam: sum(graph.roughness(f.H / f.H.norm()) for graph in graphs) for lam, f in found.items()}
    assert rough[0.01] > 2 * rough[1.0]


def test_views_of_multi_feature_are_those_that_the_loader_stacks() -> None:
    data = load_dataset("mfeat", views=["zer", "mor"])
    assert data.views == {"zer": 47, "mor": 6} and data.view_sizes == (47, 6)
    alone = load_dataset("mfeat", views=["mor"], scaling="none").X
    np.testing.assert_allclose(data.X[47:] / data.X[47:].max(), alone / alone.max())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"gamma": 1.0}, "gamma must be positive and not 1, got 1.0"),
        ({"gamma": 0.0}, "gamma must be positive and not 1, got 0.0"),
        ({"lam": -1.0}, "lam must be nonnegative, got -1.0"),
        ({"p": 0}, "p must be at least 1, got 0"),
        ({"pretrain": -1}, "pretrain must be at least 0, got -1"),
        ({"init": "ones"}, "init must be one of svd, random, spa, snpa, kmeans, got 'ones'"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MultiViewSemiNMF(rank=4, **parameters)


def test_data_that_does_not_fit_is_refused(views: Problem) -> None:
    with pytest.raises(NotApplicable, match=r"svd starts reach rank 9 on 8 × 29 data, got rank 10, 5; use init=random"):
        after(MultiViewSemiNMF(rank=5, init="svd"), views, 1)
    with pytest.raises(NotApplicable, match="5 nearest neighbours need at least 6 samples, got 4"):
        after(MultiViewSemiNMF(rank=2), place(np.ones((6, 4)), views=(2, 4)), 1)
    for wrong in ((13, 8), (0, 42), ()):
        with pytest.raises(ConfigError, match="views must be numbers of features ≥ 1 whose sum is 42"):
            place(views.X, views=wrong)
