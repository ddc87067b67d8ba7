"""Batched non-negative least squares against scipy, column by column, and the gradient of its layer."""

import numpy as np
import pytest
import torch
from scipy.optimize import nnls as scipy_nnls

from nmfbench.numerics import nnls as module
from nmfbench.numerics.nnls import layer, nnls, solve_on_support


def problem(m: int, n: int, r: int, seed: int = 0, signs: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """A (m, r) ≥ 0 and X (m, n) with about half of the solution zero; with ``signs``, A is normal."""
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(m, r)) if signs else rng.uniform(size=(m, r))
    return A, A @ rng.normal(size=(r, n)).clip(min=0) + 0.1 * rng.normal(size=(m, n))


def solve(A: np.ndarray, X: np.ndarray, **options) -> np.ndarray:
    A, X = torch.from_numpy(A), torch.from_numpy(X)
    return nnls(A.mT @ A, A.mT @ X, **options).numpy()


def columns(A: np.ndarray, X: np.ndarray) -> np.ndarray:
    return np.stack([scipy_nnls(A, x)[0] for x in X.T], 1)


def kkt_residual(A: np.ndarray, X: np.ndarray, S: np.ndarray) -> float:
    """By how much S misses S ≥ 0, Y ≥ 0, SY = 0 for the gradient Y, relative to the size of the terms of Y."""
    Y = A.T @ (A @ S - X)
    scale = np.abs(A).T @ (np.abs(A) @ np.abs(S) + np.abs(X))
    return max(-S.min(initial=0), (-Y / scale).max(), (np.abs(Y) / scale)[S > 0].max(initial=0))


SHAPES = [(30, 17, 5), (100, 50, 20), (12, 9, 12), (40, 1, 6), (25, 8, 1), (60, 7, 45)]


@pytest.mark.parametrize("signs", [False, True])
@pytest.mark.parametrize(("m", "n", "r"), SHAPES)
def test_every_column_is_scipys(m: int, n: int, r: int, signs: bool) -> None:
    A, X = problem(m, n, r, signs=signs)
    S = solve(A, X)
    np.testing.assert_allclose(S, columns(A, X), rtol=1e-7, atol=1e-9)
    assert kkt_residual(A, X, S) < 1e-14
    if n > 5 and r > 1:
        assert 0.2 < (S > 0).mean() < 0.8


def test_passive_sets_that_differ_beyond_the_fortieth_column_are_told_apart() -> None:
    # They are compared forty entries at a time.
    rng = np.random.default_rng(0)
    A, S = rng.uniform(size=(150, 90)), rng.uniform(0.5, 1, (90, 60))
    S[40:] *= rng.uniform(size=(50, 60)) < 0.5
    np.testing.assert_allclose(solve(A, A @ S), S, atol=1e-9)


def test_exchanges_that_would_go_round_in_circles_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_descend", None)
    rng = np.random.default_rng(0)
    for _ in range(30):
        A, X = rng.normal(size=(4, 4)), rng.normal(size=(4, 400))
        assert kkt_residual(A, X, solve(A, X)) < 1e-12


@pytest.mark.parametrize("kind", ["more columns than rows", "a column twice", "a sum of columns", "nearly parallel"])
def test_rank_deficient_A_gives_one_of_the_solutions(kind: str) -> None:
    A, X = problem(30, 40, 8, seed=3)
    if kind == "more columns than rows":
        A, X = A[:5], X[:5]
    elif kind == "a column twice":
        A[:, 3] = A[:, 1]
    elif kind == "a sum of columns":
        A[:, 3] = A[:, 0] + A[:, 1]
    else:
        A[:, 3] = A[:, 1] * (1 + 1e-9)
    S = solve(A, X)
    assert np.isfinite(S).all() and (S >= 0).all()
    residual, least = (np.linalg.norm(X - A @ S, axis=0) for S in (S, columns(A, X)))
    np.testing.assert_allclose(residual, least, rtol=1e-9, atol=1e-9)


def test_gram_matrix_that_rounding_made_indefinite_is_solved_with_a_larger_ridge() -> None:
    G = torch.tensor([[1, 1 + 1e-6], [1 + 1e-6, 1]], dtype=torch.float64)
    C = torch.ones(2, 3, dtype=torch.float64)
    for S in (nnls(G, C), solve_on_support(G, C, C > 0)):
        torch.testing.assert_close(S.sum(0), C[0], rtol=1e-3, atol=0)
    torch.testing.assert_close(solve_on_support(G, C, C > 0), C / 2, rtol=1e-3, atol=0)


def test_zero_columns_of_A_and_of_X_give_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    A, X = problem(30, 9, 5)
    A[:, 2], X[:, 4] = 0, 0
    original = module._solve

    def watched(G, owner, c, passive, ridge):
        assert not passive[:, 2].any(), "a zero column reached a solve"
        return original(G, owner, c, passive, ridge)

    monkeypatch.setattr(module, "_solve", watched)
    S = solve(A, X)
    assert (S[2] == 0).all() and (S[:, 4] == 0).all()
    np.testing.assert_allclose(S, columns(A, X), atol=1e-10)
    start = torch.ones(5, 9, dtype=torch.float64)
    np.testing.assert_allclose(solve(A, X, start=start), S, atol=1e-12)
    monkeypatch.undo()
    assert (solve(A * 0, X) == 0).all()


@pytest.mark.parametrize("start", ["solution", "ones", "zeros", "support", "of a nearby problem"])
def test_warm_start_gives_the_same(start: str) -> None:
    A, X = problem(30, 40, 8)
    S = solve(A, X)
    guess = {
        "solution": S,
        "ones": np.ones_like(S),
        "zeros": np.zeros_like(S),
        "support": S > 0,
        "of a nearby problem": solve(A + 0.05, X),
    }[start]
    np.testing.assert_allclose(solve(A, X, start=torch.from_numpy(guess)), S, rtol=1e-10, atol=1e-13)


def test_warm_start_saves_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    A, X = problem(30, 40, 8)
    S = solve(A, X)
    monkeypatch.setattr(module, "ROUNDS", 1)
    monkeypatch.setattr(module, "_descend", None)
    np.testing.assert_allclose(solve(A, X, start=torch.from_numpy(S)), S, atol=1e-13)


def test_restart_in_a_batch_is_bit_for_bit_the_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    problems = [problem(20, 30, 6, seed) for seed in range(4)]
    A, X = (torch.from_numpy(np.stack(part)) for part in zip(*problems, strict=True))
    G, C = A.mT @ A, A.mT @ X
    batch = nnls(G, C)
    assert batch.shape == (4, 6, 30)
    for s in range(4):
        assert torch.equal(batch[s], nnls(G[s], C[s]))
    monkeypatch.setitem(module.CHUNK, "cpu", 7 * 36)
    assert torch.equal(nnls(G, C), batch)


def test_float32_is_close_to_float64_and_stays_float32() -> None:
    A, X = problem(60, 40, 8)
    S = solve(A.astype(np.float32), X.astype(np.float32))
    assert S.dtype == np.float32
    np.testing.assert_allclose(S, solve(A, X), atol=2e-4)


@pytest.mark.parametrize("scale", [1e-16, 1e16])
def test_scale_of_a_column_of_A_and_of_X_does_not_matter(scale: float) -> None:
    A, X = problem(30, 40, 8)
    S = solve(A, X)
    np.testing.assert_allclose(solve(A, X * scale) / scale, S, rtol=1e-9, atol=1e-12)
    scales = np.where(np.arange(8) == 3, scale, 1)
    np.testing.assert_allclose(solve(A * scales, X) * scales[:, None], S, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rounds", [0, 1, 2])
def test_columns_that_never_settle_still_end_close_to_the_minimum(rounds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    A, X = problem(30, 40, 8)
    monkeypatch.setattr(module, "ROUNDS", rounds)
    S = solve(A, X)
    assert (S >= 0).all()
    np.testing.assert_allclose(np.linalg.norm(X - A @ S), np.linalg.norm(X - A @ columns(A, X)), rtol=1e-3)


def test_nan_in_one_restart_leaves_the_others_alone() -> None:
    A, X = (torch.from_numpy(part).repeat(2, 1, 1) for part in problem(30, 9, 5))
    A[0, 3, 2] = torch.nan
    S = nnls(A.mT @ A, A.mT @ X)
    assert S[0].isnan().any()
    np.testing.assert_allclose(S[1].numpy(), columns(A[1].numpy(), X[1].numpy()), atol=1e-10)


def test_gradient_of_the_layer_is_that_of_finite_differences() -> None:
    A, X = (torch.from_numpy(part).requires_grad_() for part in problem(12, 7, 4))
    assert ((layer(A, X) > 0).sum(0) < 4).any()
    assert torch.autograd.gradcheck(layer, (A, X))
    batch = torch.stack([A.detach(), A.detach().flip(0)]).requires_grad_()
    assert torch.autograd.gradcheck(layer, (batch, X))


def test_gradient_of_the_layer_is_that_of_plain_lines() -> None:
    A, X = (torch.from_numpy(part).requires_grad_() for part in problem(12, 7, 4))
    weights = torch.from_numpy(np.random.default_rng(1).normal(size=(4, 7)))
    S = layer(A, X)
    found = torch.autograd.grad((weights * S).sum(), (A, X))
    on_support = [torch.linalg.pinv(A[:, s > 0]) @ x for s, x in zip(S.detach().T, X.T, strict=True)]
    plain = sum((w[s > 0] * p).sum() for w, s, p in zip(weights.T, S.detach().T, on_support, strict=True))
    for a, b in zip(found, torch.autograd.grad(plain, (A, X)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_gradient_is_finite_where_A_is_rank_deficient() -> None:
    A, X = (torch.from_numpy(part) for part in problem(12, 7, 4))
    A[:, 1], A[:, 2] = A[:, 0], 0
    A.requires_grad_()
    layer(A, X).sum().backward()
    assert A.grad.isfinite().all()


def test_solve_on_support_leaves_the_other_rows_zero() -> None:
    A, X = (torch.from_numpy(part) for part in problem(12, 7, 4))
    support = torch.from_numpy(np.random.default_rng(2).uniform(size=(4, 7)) < 0.5)
    G, C = A.mT @ A, A.mT @ X
    Y = solve_on_support(G, C, support)
    assert (Y[~support] == 0).all()
    torch.testing.assert_close((G @ Y)[support], C[support])
