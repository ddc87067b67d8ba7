"""Sums over X in double precision, piece by piece."""

import subprocess
import sys

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


@pytest.mark.parametrize("turned", [False, True])
def test_sums_take_no_memory_beside_a_few_pieces(turned: bool) -> None:
    code = f"""
import resource, torch
from nmfbench.numerics import losses
from nmfbench.numerics.problem import Problem
torch.set_num_threads(1)
X = torch.rand(40_000, 1000)
problem = Problem(X.mT if {turned} else X.view(1000, 40_000))
W, H = torch.rand(1, 1000, 4), torch.rand(1, 4, 40_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
problem.extremes, problem.mean, problem.square, problem.entropy
losses.of_product(problem, W, H, 1.0, 1e-9), losses.of_product(problem, W, H, 2.0, 1e-9)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / (4 * problem.X.numel()))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(ran.stdout) < 0.5  # in multiples of X
