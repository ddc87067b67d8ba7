"""Updates under a mask of observed entries, each against its formula entry by entry.

Oracles: plain loops, finite differences, and scipy's nnls and numpy's lstsq on the observed entries alone.
"""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import scipy.optimize
import torch
from contract import RANK, labelled, matrix

from nmfbench.fitting import fit
from nmfbench.numerics import losses, pieces
from nmfbench.numerics.multiplicative import gradient
from nmfbench.numerics.optimizers import coordinate_sweep, masked_coordinate_sweep
from nmfbench.numerics.problem import Problem, place
from nmfbench.numerics.rng import Streams
from nmfbench.numerics.signed import masked_semi_sweep, semi_sweep
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.hals import HALS
from nmfbench.solvers.mu import MultiplicativeNMF
from nmfbench.solvers.semi import SemiNMF
from nmfbench.solvers.ssnmf import SemiSupervisedNMF

MASK = np.random.default_rng(1).random(matrix().shape) > 0.3
BETAS = [-0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0]


def problem(X: np.ndarray, observed: np.ndarray = MASK) -> Problem:
    return place(X, "float64", observed=observed)


@pytest.mark.parametrize("beta", BETAS)
def test_gradient_under_a_mask_is_that_of_finite_differences(beta: float, X: np.ndarray) -> None:
    A, B = (torch.from_numpy(np.random.default_rng(2).uniform(0.2, 1, (1, 3, n))) for n in X.shape)
    M, x = torch.from_numpy(MASK * 1.0), torch.from_numpy(X)
    p, q = gradient(A, x * M, B, beta, 1e-12, M)

    def loss(B: torch.Tensor) -> float:
        return float((M * losses.divergences(x, A.mT @ B, beta)).sum())

    for k, j in [(0, 0), (1, 17), (2, 28)]:
        step = torch.zeros_like(B)
        step[0, k, j] = 1e-6
        slope = (loss(B + step) - loss(B - step)) / 2e-6
        assert float((q - p)[0, k, j]) == pytest.approx(slope, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("beta", BETAS)
def test_multiplicative_updates_are_the_formula_entry_by_entry_and_descend(beta: float, X: np.ndarray) -> None:
    solver = MultiplicativeNMF(rank=3, beta=beta)
    steps = [state.map(torch.clone) for state in islice(solver.iterates(problem(X), Streams([5])), 2)]
    (W, H), (new_W, new_H) = ((s.W[0].numpy(), s.H[0].numpy()) for s in steps)
    expected = _multiplied(W, H, X, MASK, beta, solver.gamma)
    np.testing.assert_allclose(new_H, expected, rtol=1e-10)
    np.testing.assert_allclose(new_W, _multiplied(expected.T, W.T, X.T, MASK.T, beta, solver.gamma).T, rtol=1e-10)
    (result,) = fit(solver, problem(X), seeds=[5], stopping=Stopping(max_iter=40, check_every=1))
    objectives = np.array([objective for _, objective, _ in result.history])
    assert (np.diff(objectives) <= 1e-10 * objectives[:-1]).all()


def _multiplied(W: np.ndarray, H: np.ndarray, X: np.ndarray, M: np.ndarray, beta: float, gamma: float) -> np.ndarray:
    """H ∘ [Wᵀ(M∘X∘V^{β−2}) / Wᵀ(M∘V^{β−1})]^γ, entry by entry."""
    V, new = W @ H, np.empty_like(H)
    for k in range(len(H)):
        for j in range(X.shape[1]):
            seen = [i for i in range(len(X)) if M[i, j]]
            p = sum(W[i, k] * X[i, j] * V[i, j] ** (beta - 2) for i in seen)
            q = sum(W[i, k] * V[i, j] ** (beta - 1) for i in seen)
            new[k, j] = H[k, j] * (p / q) ** gamma
    return new


def test_supervised_updates_under_a_mask_are_the_formula_entry_by_entry(X: np.ndarray) -> None:
    data = replace(labelled(X), observed=torch.from_numpy(MASK))
    solver, W = SemiSupervisedNMF(rank=3, lam=0.7), MASK * 1.0
    before, after = [state.map(torch.clone) for state in islice(solver.iterates(data, Streams([5])), 2)]
    (A,), (S,), B = before.Ws, before.Hs, before.B
    A, S, B = (F[0].numpy() for F in (A, S, B))
    L, lam = data.labelled.numpy() * 1.0, 0.7 * np.abs(X).max() ** 2
    Y = L * (np.arange(3)[:, None] == data.labels.numpy())
    A = A * ((W * X) @ S.T) / ((W * (A @ S)) @ S.T)
    B = B * (Y @ S.T) / ((L * (B @ S)) @ S.T)
    S = S * (A.T @ (W * X) + lam * B.T @ Y) / (A.T @ (W * (A @ S)) + lam * B.T @ (L * (B @ S)))
    for ours, expected in ((after.Ws[0], A), (after.B, B), (after.Hs[0], S)):
        np.testing.assert_allclose(ours[0].numpy(), expected, rtol=1e-10)
    value = ((W * (X - A @ S)) ** 2).sum() + lam * ((L * (Y - B @ S)) ** 2).sum()
    assert float(solver.objective(data, after)[0]) == pytest.approx(value, rel=1e-12)


def test_masked_coordinate_sweep_is_exact_row_by_row_and_ends_at_nnls_of_the_observed_entries(X: np.ndarray) -> None:
    generator = np.random.default_rng(2)
    W, H = generator.uniform(size=(2, 13, 4)), generator.uniform(size=(2, 4, 29))
    At, M = torch.from_numpy(W).mT, torch.from_numpy(MASK * 1.0)
    ours, expected = torch.from_numpy(H.copy()), H.copy()
    masked_coordinate_sweep(ours, At, torch.from_numpy(X) * M, M)
    for s in range(2):
        for k in range(4):
            for j in range(29):
                w, seen = W[s, :, k], MASK[:, j]
                residual = (X[:, j] - W[s] @ expected[s, :, j])[seen]
                expected[s, k, j] = max(0, expected[s, k, j] + w[seen] @ residual / (w[seen] @ w[seen]))
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-10, atol=1e-13)
    for _ in range(3000):
        masked_coordinate_sweep(ours, At, torch.from_numpy(X) * M, M)
    for s, j in [(0, 0), (0, 11), (1, 28)]:
        solution, _ = scipy.optimize.nnls(W[s][MASK[:, j]], X[MASK[:, j], j])
        np.testing.assert_allclose(ours[s, :, j].numpy(), solution, atol=1e-8)


@pytest.mark.parametrize("turned", [False, True])
def test_masked_sweep_is_the_same_in_pieces_and_in_either_layout(turned: bool, X: np.ndarray, monkeypatch) -> None:
    W, H = (torch.from_numpy(np.random.default_rng(2).uniform(size=s)) for s in [(2, 4, 13), (2, 4, 29)])
    x, M, whole = torch.from_numpy(X), torch.from_numpy(MASK * 1.0), H.clone()
    if turned:
        x, M = (F.mT.contiguous().mT for F in (x, M))
    masked_coordinate_sweep(whole, W, x * M, M)
    monkeypatch.setitem(pieces.ENTRIES, "cpu", 13 * 5)
    masked_coordinate_sweep(H, W, x * M, M)
    torch.testing.assert_close(H, whole, rtol=1e-12, atol=0)


def test_component_without_weight_in_the_observed_entries_stays(X: np.ndarray) -> None:
    W, H = (torch.from_numpy(np.random.default_rng(2).uniform(size=s)) for s in [(1, 3, 13), (1, 3, 29)])
    W[0, 1, MASK[:, 6]] = 0
    kept, M = H[0, 1, 6].item(), torch.from_numpy(MASK * 1.0)
    masked_coordinate_sweep(H, W, torch.from_numpy(X) * M, M)
    assert H[0, 1, 6].item() == kept and H.isfinite().all()


def test_planted_matrix_is_completed_from_70_percent_of_its_entries() -> None:
    generator = np.random.default_rng(4)
    X = generator.uniform(size=(60, 4)) ** 2 @ generator.uniform(size=(4, 80)) ** 2
    observed = generator.random(X.shape) > 0.3
    stopping = Stopping(max_iter=1000, tol=0, check_every=500)
    (result,) = fit(HALS(rank=4), np.where(observed, X, np.nan), observed=observed, stopping=stopping, dtype="float64")
    left = (X - result.factorization.reconstruct().numpy())[~observed]
    assert np.linalg.norm(left) < 1e-4 * np.linalg.norm(X[~observed])


def test_semi_sweep_under_a_mask_is_least_squares_of_each_feature_and_the_rule_of_each_sample() -> None:
    generator = np.random.default_rng(3)
    X, Z, H = generator.normal(size=(13, 29)), generator.normal(size=(13, 3)), generator.uniform(size=(3, 29))
    x, M, z, h = (torch.from_numpy(F) for F in (X, MASK * 1.0, Z[None], H[None]))
    new_Z, new_H = (F[0].numpy() for F in masked_semi_sweep(x * M, M, z, h))
    for i, seen in enumerate(MASK):
        expected = np.linalg.lstsq(H[:, seen].T, X[i, seen], rcond=None)[0]
        np.testing.assert_allclose(new_Z[i], expected, rtol=1e-8)
    for j, seen in enumerate(MASK.T):
        A, B = new_Z[seen].T @ X[seen, j], new_Z[seen].T @ new_Z[seen]
        ratio = (A.clip(0) + (-B).clip(0) @ H[:, j]) / ((-A).clip(0) + B.clip(0) @ H[:, j])
        np.testing.assert_allclose(new_H[:, j], H[:, j] * np.sqrt(ratio), rtol=1e-8)


def test_feature_with_fewer_observed_entries_than_components_keeps_semi_nmf_finite_and_descending(
    X: np.ndarray,
) -> None:
    observed = MASK.copy()
    observed[3] = np.arange(29) == 5
    (result,) = fit(
        SemiNMF(rank=RANK, init="random"),
        problem(X, observed),
        stopping=Stopping(max_iter=30, check_every=1),
    )
    objectives = np.array([objective for _, objective, _ in result.history])
    assert (np.diff(objectives) <= 1e-10 * objectives[:-1]).all()


def test_masked_sweeps_without_a_missing_entry_are_the_plain_ones(X: np.ndarray) -> None:
    x, ones = torch.from_numpy(X), torch.ones(X.shape, dtype=torch.float64)
    W, H = (torch.from_numpy(np.random.default_rng(2).uniform(size=s)) for s in [(2, 13, 4), (2, 4, 29)])
    masked, plain = H.clone(), H.clone()
    masked_coordinate_sweep(masked, W.mT, x, ones)
    coordinate_sweep(plain, W.mT @ W, W.mT @ x)
    torch.testing.assert_close(masked, plain, rtol=1e-9, atol=1e-12)
    for a, b in zip(masked_semi_sweep(x, ones, W, H), semi_sweep(x, H), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)
