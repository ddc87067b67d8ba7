"""Hoyer's constraint: the projection against enumeration, his own loop and scipy, and the sparsity that is reached."""

from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from nmfbench import HoyerNMF, fit
from nmfbench.errors import ConfigError
from nmfbench.evaluators.measures import hoyer
from nmfbench.numerics import losses
from nmfbench.numerics.projections import sparseness
from nmfbench.solvers.base import Stopping


def total(n: int, s: float) -> float:
    """The sum of a vector of unit length with n entries and Hoyer sparsity s."""
    return np.sqrt(n) - s * (np.sqrt(n) - 1)


def by_enumeration(x: np.ndarray, s: float) -> np.ndarray:
    """The nearest point, from the stationary point of each set of entries that may be positive."""
    n, k, best = len(x), total(len(x), s), (-np.inf, x)
    for size in range(1, n + 1):
        for chosen in map(list, combinations(range(n), size)):
            off = x[chosen] - x[chosen].mean()
            if size < k**2 or not off.any():
                continue
            h = np.zeros(n)
            h[chosen] = k / size + off * np.sqrt((1 - k**2 / size) / (off @ off))
            if (h >= 0).all():
                best = max(best, (x @ h, h), key=lambda pair: pair[0])  # of points of equal length, the nearest
    return best[1]


def by_hoyer(x: np.ndarray, s: float) -> np.ndarray:
    """His algorithm, step by step: to the plane, along it to the sphere, negative entries to zero, again."""
    n, k = len(x), total(len(x), s)
    h, zero = x + (k - x.sum()) / n, np.zeros(n, bool)
    while True:
        middle = np.where(zero, 0, k / (n - zero.sum()))
        off = h - middle
        a, b, c = off @ off, 2 * middle @ off, middle @ middle - 1
        h = middle + (-b + np.sqrt(b**2 - 4 * a * c)) / (2 * a) * off
        if (h >= 0).all():
            return h
        zero |= h < 0
        h[zero] = 0
        h[~zero] -= (h.sum() - k) / (n - zero.sum())


def projected(x: np.ndarray, s: float) -> np.ndarray:
    return sparseness(torch.from_numpy(x)[None, None], s)[0, 0].numpy()


@pytest.mark.parametrize("s", [0.05, 0.3, 0.6, 0.9])
def test_projection_is_the_best_of_all_supports(s: float) -> None:
    generator = np.random.default_rng(0)
    for n in (2, 3, 7):
        for _ in range(10):
            x = generator.normal(size=n)
            np.testing.assert_allclose(projected(x, s), by_enumeration(x, s), atol=1e-9)


@pytest.mark.parametrize("s", [0.1, 0.5, 0.8])
def test_projection_is_that_of_the_papers_loop(s: float) -> None:
    x = np.random.default_rng(1).normal(size=(5, 300)) * 1e3
    for row in x:
        np.testing.assert_allclose(projected(row, s), by_hoyer(row, s), atol=1e-9)


def test_scipy_finds_no_nearer_point() -> None:
    generator = np.random.default_rng(2)
    x, k = generator.normal(size=8), total(8, 0.55)
    ours = projected(x, 0.55)
    constraints = [{"type": "eq", "fun": lambda h: h.sum() - k}, {"type": "eq", "fun": lambda h: h @ h - 1}]
    for _ in range(10):
        found = minimize(
            lambda h: np.square(h - x).sum() / 2,
            generator.uniform(size=8),
            jac=lambda h: h - x,
            bounds=[(0, None)] * 8,
            constraints=constraints,
        )
        assert not found.success or np.square(ours - x).sum() / 2 <= found.fun + 1e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "row",
    [[0.0] * 9, [2.0] * 9, [1.0] * 6 + [0.5] * 3, [-1.0] * 9, [5.0] + [0.0] * 8, [1e-30] * 8 + [2e-30], [1.0]],
    ids=["zero", "constant", "equal peaks", "negative", "one peak", "tiny", "one entry"],
)
def test_rows_with_many_nearest_points_get_one_of_them(row: list[float], dtype: torch.dtype) -> None:
    for s in (0.2, 0.5, 0.9):
        h = sparseness(torch.tensor([[row]], dtype=dtype), s)[0, 0].double().numpy()
        assert (h >= 0).all() and np.linalg.norm(h) == pytest.approx(1, rel=1e-5)
        assert h.sum() == pytest.approx(total(len(row), s), rel=1e-5)
        # No nearer point: the largest entries of the row have the largest entries of the point.
        assert (np.diff(h[np.argsort(row, kind="stable")[::-1]]) <= 1e-6).all() or len(set(row)) < 3


@pytest.mark.parametrize("of", ["H", "W"])
@pytest.mark.parametrize("s", [0.3, 0.8])
def test_sparsity_is_reached_exactly_and_no_sweep_rises(of: str, s: float, X: np.ndarray) -> None:
    stopping = Stopping(max_iter=40, check_every=1)
    (result,) = fit(HoyerNMF(rank=4, sparsity=s, of=of), X, seeds=[2], stopping=stopping, dtype="float64")
    state = result.factorization
    for vector in state.H.numpy() if of == "H" else state.W.mT.numpy():
        assert hoyer(vector[None], axis=1) == pytest.approx(s, abs=1e-12)
        assert np.linalg.norm(vector) == pytest.approx(1)
    assert not result.rises and result.objective < 0.7 * result.history[0][1]


def test_a_sweep_of_one_step_is_the_papers_projected_gradient(X: np.ndarray) -> None:
    solver = HoyerNMF(rank=3, sparsity=0.6, inner=1)
    start, end = (
        fit(solver, X, stopping=Stopping(max_iter=sweeps), dtype="float64")[0].factorization for sweeps in (0, 1)
    )
    W, H = start.W.numpy(), start.H.numpy()
    H = H - W.T @ (W @ H - X) / np.linalg.norm(W.T @ W, 2)
    H = np.stack([by_hoyer(row, 0.6) for row in H])
    W = np.maximum(W - (W @ H - X) @ H.T / np.linalg.norm(H @ H.T, 2), 0)
    np.testing.assert_allclose(end.H, H, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(end.W, W, rtol=1e-9, atol=1e-12)


def test_planted_factors_of_known_sparsity_are_found() -> None:
    generator = np.random.default_rng(3)
    W = generator.uniform(size=(20, 4)) + 0.2
    H = sparseness(torch.from_numpy(generator.normal(size=(1, 4, 60))), 0.6)[0].numpy()
    X = W @ H
    stopping = Stopping(max_iter=300, check_every=300)
    results = fit(HoyerNMF(rank=4, sparsity=0.6), X, seeds=2, stopping=stopping, dtype="float64")
    best = min(results, key=lambda result: result.objective).factorization
    assert losses.relative_error(torch.from_numpy(X), best) < 1e-3
    assert (H @ best.H.numpy().T).max(1).min() > 0.999  # rows of unit length


@pytest.mark.parametrize("s", [0, 1, -0.1, 1.5])
def test_sparsity_outside_its_range_is_refused(s: float) -> None:
    with pytest.raises(ConfigError, match="sparsity must lie between 0 and 1, both excluded, got"):
        HoyerNMF(rank=4, sparsity=s)
