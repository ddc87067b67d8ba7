"""HALS with penalties on whole components: every row at its optimum, by scipy, and none without penalties."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.sparse import csr_array

from nmfbench.numerics import penalised
from nmfbench.numerics.optimizers import coordinate_sweep
from nmfbench.numerics.sparse import SparseMatrix

LAMBDAS = [(0.3, 0, 0), (0, 0.3, 0), (0, 0, 0.5), (0.2, 0.1, 0), (0.1, 0.2, 0.4)]


def factors(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X (5, 7), W with unit columns and H, rank 3."""
    rng = np.random.default_rng(seed)
    W = rng.uniform(size=(5, 3))
    return rng.uniform(size=(5, 7)), W / np.linalg.norm(W, axis=0), rng.uniform(size=(3, 7))


def value(X: np.ndarray, W: np.ndarray, H: np.ndarray, lams: tuple[float, float, float]) -> float:
    """The objective as the module writes it, term by term."""
    w, h = np.linalg.norm(W, axis=0), np.linalg.norm(H, axis=1)
    result = np.square(X - W @ H).sum() / 2 + lams[0] * w @ H.sum(1) + lams[1] * W.sum(0) @ h
    for j in range(len(H)):
        for k in range(j + 1, len(H)):
            result += lams[2] * w[j] * w[k] * H[j] @ H[k]
    return result


def best_row(of: np.ndarray, k: int, function) -> np.ndarray:
    """The row k ≥ 0 of a matrix that minimises the function of the matrix, all others held."""

    def at(row: np.ndarray) -> float:
        return function(np.vstack([of[:k], row[None], of[k + 1 :]]))

    bounds = [(0, None)] * of.shape[1]
    starts = [of[k] + 0.1, np.full(of.shape[1], 1e-3)]
    found = [minimize(at, x, bounds=bounds, options={"ftol": 1e-15, "gtol": 1e-10}) for x in starts]
    rows = [np.zeros(of.shape[1]), *(f.x for f in found)]
    return min(rows, key=at)


@pytest.mark.parametrize("lams", LAMBDAS)
def test_each_row_in_turn_goes_to_its_optimum(lams: tuple[float, float, float]) -> None:
    X, W, H = factors()
    Wt_swept, H_swept = (torch.from_numpy(F.copy())[None] for F in (W.T, H))
    tensors = [torch.full((1, 1, 1), lam, dtype=torch.float64) if lam else None for lam in lams[:2]]
    penalised.sweep(torch.from_numpy(X), Wt_swept, H_swept, *tensors, lams[2])
    for k in range(3):
        H[k] = best_row(H, k, lambda F: value(X, W, F, lams))
    for k in range(3):
        W[:, k] = best_row(W.T, k, lambda F: value(X, F.T, H, lams))
    np.testing.assert_allclose(Wt_swept[0].mT @ H_swept[0], W @ H, atol=2e-4)
    swept = value(X, Wt_swept[0].mT.numpy(), H_swept[0].numpy(), lams)
    assert swept == pytest.approx(value(X, W, H, lams), abs=1e-7)


@pytest.mark.parametrize("lams", LAMBDAS)
def test_no_sweep_raises_the_objective_and_columns_keep_unit_length(lams: tuple[float, float, float]) -> None:
    X, W, H = (torch.from_numpy(F) for F in factors(1))
    Wt, H = W.mT.contiguous()[None], H[None]
    tensors = [torch.full((1, 1, 1), lam, dtype=torch.float64) if lam else None for lam in lams[:2]]
    values = []
    for _ in range(60):
        HXt = penalised.sweep(X, Wt, H, *tensors, lams[2])
        values.append(value(X.numpy(), Wt[0].mT.numpy(), H[0].numpy(), lams))
        torch.testing.assert_close(Wt.norm(dim=-1), torch.ones(1, 3, dtype=torch.float64))
        torch.testing.assert_close(HXt, H @ X.mT)
    assert (np.diff(values) <= 1e-12).all()


def test_without_penalties_it_is_coordinate_descent_to_the_bit() -> None:
    X, W, H = (torch.from_numpy(F) for F in factors(2))
    Wt, H = W.mT.contiguous()[None], H[None]
    Wt_plain, H_plain = Wt.clone(), H.clone()
    penalised.sweep(X, Wt, H)
    coordinate_sweep(H_plain, Wt_plain @ Wt_plain.mT, Wt_plain @ X)
    coordinate_sweep(Wt_plain, H_plain @ H_plain.mT, H_plain @ X.mT)
    Wt_plain, length = penalised.unit_rows(Wt_plain)
    assert torch.equal(Wt, Wt_plain) and torch.equal(H, H_plain * length)


def test_overlap_is_the_sum_over_pairs_of_rows() -> None:
    H = torch.from_numpy(factors()[2])
    expected = sum(H[j] @ H[k] for j in range(3) for k in range(j + 1, 3))
    torch.testing.assert_close(penalised.overlap(H[None]), expected[None])


def test_longest_is_the_largest_norm_dense_and_sparse() -> None:
    X = np.round(factors()[0], 1) * (np.arange(7) != 4) * (np.arange(5) != 2)[:, None]
    sparse = SparseMatrix.of(csr_array(X), torch.float64, torch.device("cpu"))
    for dim in (-1, -2):
        for given in (torch.from_numpy(X), sparse):
            assert penalised.longest(given, dim).item() == pytest.approx(np.linalg.norm(X, axis=dim).max())
