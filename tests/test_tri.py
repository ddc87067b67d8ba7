"""Orthogonal tri-factorization against the formulas in plain numpy, and on planted blocks."""

import numpy as np
import pytest
import torch
from sklearn.metrics import normalized_mutual_info_score

from nmfbench import OrthogonalTriNMF, fit
from nmfbench.errors import ConfigError
from nmfbench.fitting import FitResult
from nmfbench.numerics.clusters import kmeans
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping


def after(solver: OrthogonalTriNMF, X: np.ndarray, sweeps: int, seeds: int = 1) -> list[FitResult]:
    return fit(solver, X, seeds=seeds, stopping=Stopping(max_iter=sweeps, tol=0), dtype="float64")


def test_sweeps_are_those_of_the_paper(X: np.ndarray) -> None:
    solver = OrthogonalTriNMF(rank=4, features=3)
    start, end = (after(solver, X, sweeps)[0] for sweeps in (0, 30))
    F, S, G = start.factorization.F.numpy(), start.factorization.S.numpy(), start.factorization.Gt.numpy().T
    for _ in range(30):
        G = G * np.sqrt((X.T @ F @ S) / (G @ G.T @ X.T @ F @ S))
        F = F * np.sqrt((X @ G @ S.T) / (F @ F.T @ X @ G @ S.T))
        S = S * np.sqrt((F.T @ X @ G) / (F.T @ F @ S @ G.T @ G))
    for ours, expected in zip(
        (end.factorization.F, end.factorization.S, end.factorization.Gt), (F, S, G.T), strict=True
    ):
        np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-14)
    assert end.objective == pytest.approx(np.square(X - F @ S @ G.T).sum(), rel=1e-10)


def test_planted_blocks_are_found_on_both_sides() -> None:
    generator = np.random.default_rng(1)
    features, samples = np.arange(60) % 3, np.arange(80) % 4
    # No column lies between the others.
    S = np.array([[4.0, 0.2, 1.0, 3.0], [0.2, 4.0, 1.0, 3.0], [2.0, 2.0, 4.0, 0.2]])
    X = S[np.ix_(features, samples)] * generator.uniform(0.7, 1.3, (60, 80))
    results = after(OrthogonalTriNMF(rank=4, features=3), X, 300, seeds=5)
    best = min(results, key=lambda result: result.objective).factorization
    assert normalized_mutual_info_score(features, best.F.argmax(1)) == pytest.approx(1)
    assert normalized_mutual_info_score(samples, best.Gt.argmax(0)) == pytest.approx(1)
    for gram in (best.F.mT @ best.F, best.Gt @ best.Gt.mT):
        np.testing.assert_allclose(gram, np.eye(len(gram)), atol=0.1)


def test_no_cluster_of_features_is_refused() -> None:
    with pytest.raises(ConfigError, match="features must be at least 1, got 0"):
        OrthogonalTriNMF(rank=4, features=0)


def test_start_is_k_means_of_both_sides(X: np.ndarray) -> None:
    data = torch.from_numpy(X)
    members = kmeans(data, 4, Streams([3, 8]), "G")
    assert members.shape == (2, 4, 29) and (members.sum(1) == 1).all()
    for one in members:
        centres = one @ data.mT / one.sum(-1, keepdim=True)
        assert torch.equal(torch.cdist(centres, data.mT).argmin(0), one.argmax(0)), "each sample is at the nearest"
    (start,) = fit(OrthogonalTriNMF(rank=4), X, seeds=[3], stopping=Stopping(max_iter=0), dtype="float64")
    codes = members[0] + 0.2
    torch.testing.assert_close(start.factorization.Gt, codes / codes.norm(dim=1, keepdim=True))
