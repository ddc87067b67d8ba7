"""Picks of samples: against loops in numpy and scipy, and on planted separable data."""

import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from nmfbench.errors import NotApplicable
from nmfbench.fitting import fit
from nmfbench.numerics import separable
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.snpa import SNPA
from nmfbench.solvers.spa import SPA


def picks(function, X: np.ndarray, rank: int) -> list[int]:
    return function(torch.from_numpy(X)[None], rank)[0].tolist()


def by_projection(X: np.ndarray, rank: int) -> list[int]:
    """SPA as it is written: R ← (I − uuᵀ)R."""
    R, picked = X.copy(), []
    for _ in range(rank):
        lengths = [R[:, j] @ R[:, j] for j in range(X.shape[1])]
        j = int(np.argmax(lengths))
        u = R[:, j] / np.sqrt(lengths[j])
        R = R - np.outer(u, u @ R)
        picked.append(j)
    return picked


def by_hulls(X: np.ndarray, rank: int) -> list[int]:
    """SNPA with every projection on {Wh : h ≥ 0, Σh ≤ 1} by scipy: of sums above one, a heavy row makes them one."""
    picked: list[int] = []
    R = X.copy()
    for _ in range(rank):
        picked.append(int(np.argmax(np.square(R).sum(0))))
        W = X[:, picked]
        for j, x in enumerate(X.T):
            h = nnls(W, x)[0]
            if h.sum() > 1:
                h = nnls(np.vstack([W, 1e5 * np.ones(len(picked))]), np.append(x, 1e5))[0]
            R[:, j] = x - W @ h
    return picked


def planted(m: int, r: int, n: int, noise: float, seed: int = 1) -> tuple[np.ndarray, list[int]]:
    """X = W[I, H′]Π + noise of that length a sample, and the samples that are the columns of W."""
    generator = np.random.default_rng(seed)
    W, H = generator.uniform(size=(m, r)), generator.dirichlet(np.full(r, 0.5), n - r).T
    E = generator.normal(size=(m, n))
    order = generator.permutation(n)
    X = (np.hstack([W, W @ H]) + noise * E / np.linalg.norm(E, axis=0))[:, order]
    return X, sorted(np.argsort(order)[:r].tolist())


@pytest.mark.parametrize("signed", [False, True])
def test_spa_and_snpa_pick_what_plain_loops_pick(signed: bool, X: np.ndarray) -> None:
    X = X - signed * X.mean()
    assert picks(separable.spa, X, 13) == by_projection(X, 13)
    assert picks(separable.snpa, X, 9) == by_hulls(X, 9)


@pytest.mark.parametrize("pick", [separable.spa, separable.snpa])
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_pure_samples_of_separable_data_are_picked(pick, noise: float) -> None:
    for seed in range(5):
        X, pure = planted(30, 6, 200, noise, seed)
        assert sorted(picks(pick, X, 6)) == pure


def test_snpa_picks_more_pure_samples_than_there_are_features() -> None:
    angles = 2 * np.pi * np.arange(7) / 7
    corners = np.array([2 + np.cos(angles), 2 + np.sin(angles)])
    inside = corners @ np.random.default_rng(0).dirichlet(np.ones(7), 40).T
    X = np.hstack([inside, corners])
    assert sorted(picks(separable.snpa, X, 5)) == sorted(by_hulls(X, 5))
    # Two of the seven corners lie inside the hull of the others and 0.
    assert set(picks(separable.snpa, X, 5)) <= set(range(40, 47))


def test_furthest_sum_exchanges_the_oldest_as_a_plain_loop_does(X: np.ndarray) -> None:
    streams = Streams([4, 9])
    found = separable.furthest_sum(torch.from_numpy(X)[None], 5, streams)
    for J, generator in zip(found.tolist(), streams("A"), strict=True):
        picked = [int(generator.integers(29, size=1)[0])]
        for exchange in [False] * 4 + [True] * 11:
            if exchange:
                del picked[0]
            sums = [sum(np.linalg.norm(x - X[:, j]) for j in picked) for x in X.T]
            picked.append(max((j for j in range(29) if j not in picked), key=lambda j, sums=sums: sums[j]))
        assert picked == J


def test_furthest_sum_of_all_samples_has_each_once(X: np.ndarray) -> None:
    (J,) = separable.furthest_sum(torch.from_numpy(X)[None], 29, Streams([0])).tolist()
    assert sorted(J) == list(range(29))


@pytest.mark.parametrize("solver", [SPA(rank=4), SNPA(rank=4)])
def test_bases_are_samples_and_codes_solve_least_squares(solver: SPA | SNPA, X: np.ndarray) -> None:
    (result,) = fit(solver, X, dtype="float64")
    factors = {name: factor.numpy() for name, factor in result.factorization.factors.items()}
    J = factors["A"].argmax(0).tolist()
    assert (by_projection if isinstance(solver, SPA) else by_hulls)(X, 4) == J
    np.testing.assert_array_equal(factors["W"], X[:, J])
    np.testing.assert_allclose(factors["H"], np.stack([nnls(X[:, J], x)[0] for x in X.T], 1), atol=1e-9)
    assert result.objective == pytest.approx(np.square(X - factors["W"] @ factors["H"]).sum() / 2)
    assert result.status == "solved"


def test_more_samples_than_can_be_picked_are_refused(X: np.ndarray) -> None:
    with pytest.raises(NotApplicable, match="SPA picks at most 13 samples of a 13 × 29 X, got rank 14"):
        fit(SPA(rank=14), X)
    with pytest.raises(NotApplicable, match="SNPA picks at most 29 samples of a 13 × 29 X, got rank 30"):
        fit(SNPA(rank=30), X)
