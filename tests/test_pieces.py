"""Sums over X in double precision, piece by piece."""

import numpy as np
import pytest
import scipy.sparse
import torch

from nmfbench.numerics import pieces
from nmfbench.numerics.problem import Problem, place


@pytest.mark.parametrize("size", [1, 7, 50, 10**6])
@pytest.mark.parametrize("turned", [False, True])
def test_sums_do_not_depend_on_pieces_or_layout(
    size: int, turned: bool, X: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pieces.ENTRIES, "cpu", size)
    X[3, 4] = -X[3, 4]
    tensor = torch.from_numpy(X)
    problem = Problem(tensor.mT.contiguous().mT if turned else tensor)
    assert problem.mean == pytest.approx(X.mean(), rel=1e-14)
    assert problem.mean_size == pytest.approx(np.abs(X).mean(), rel=1e-14)
    assert problem.square == pytest.approx(np.square(X).sum(), rel=1e-14)
    positive = Problem(problem.X.abs())
    assert positive.entropy == pytest.approx((abs(X) * np.log(abs(X)) - abs(X)).sum(), rel=1e-13)
    assert np.array_equal(tensor.numpy(), X) and X[3, 4] < 0  # a function may change its pieces, but not X


def test_sums_of_huge_float32_entries_do_not_overflow(X: np.ndarray) -> None:
    problem = place(X * 1e37)
    assert problem.X.dtype == torch.float32
    assert problem.square == pytest.approx(np.square(X * 1e37).sum(), rel=1e-6)


def test_mean_of_a_sparse_X_counts_its_zeros(X: np.ndarray) -> None:
    X[X < 0.7] = 0
    problem = place(scipy.sparse.csc_array(X), "float64")
    assert problem.mean == pytest.approx(X.mean(), rel=1e-14)
    assert problem.square == pytest.approx(np.square(X).sum(), rel=1e-14)
    assert place(scipy.sparse.csc_array((13, 29)), "float64").mean == 0
