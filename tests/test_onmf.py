"""Approximately orthogonal NMF: λ = 0 is HALS, a larger λ means less overlap, planted clusters are found."""

import numpy as np
import pytest
import torch
from sklearn.metrics import normalized_mutual_info_score

from nmfbench import HALS, OrthogonalNMF, fit, load_dataset
from nmfbench.numerics import penalised
from nmfbench.solvers.base import Stopping


def overlap(H: torch.Tensor) -> float:
    """The share of HHᵀ that lies off its diagonal."""
    gram = (H @ H.mT).double()
    return (1 - gram.diagonal().sum() / gram.sum()).item()


def test_lambda_zero_and_the_pretraining_are_hals(X: np.ndarray) -> None:
    def after(solver, sweeps: int) -> torch.Tensor:
        stopping = Stopping(max_iter=sweeps)
        return fit(solver, X, seeds=[5], stopping=stopping, dtype="float64")[0].factorization.reconstruct()

    hals = after(HALS(rank=4), 40)
    for pretrain, sweeps in ((0, 40), (25, 15)):
        torch.testing.assert_close(after(OrthogonalNMF(rank=4, lam=0, pretrain=pretrain), sweeps), hals)
    torch.testing.assert_close(after(OrthogonalNMF(rank=4, pretrain=40), 0), hals)


def test_codes_overlap_less_the_larger_lambda_until_each_sample_has_one() -> None:
    X = load_dataset("digits").X[:, ::9]
    shares, errors = [], []
    for lam in (0, 0.1, 0.4, 2):
        (result,) = fit(OrthogonalNMF(rank=10, lam=lam), X, stopping=Stopping(max_iter=100))
        shares.append(overlap(result.factorization.H))
        errors.append(np.linalg.norm(X - result.factorization.reconstruct().numpy()))
    assert shares == sorted(shares, reverse=True) and errors == sorted(errors)
    assert shares[0] > 0.3 and ((result.factorization.H > 0).sum(0) == 1).all()


def test_planted_clusters_are_found() -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(90) % 5
    centres = generator.uniform(size=(40, 5)) ** 3
    X = centres[:, labels] * generator.uniform(0.5, 2, 90) + generator.uniform(0, 0.05, (40, 90))
    results = fit(OrthogonalNMF(rank=5, lam=0.3), X, seeds=3, stopping=Stopping(max_iter=200), dtype="float64")
    best = min(results, key=lambda result: result.objective).factorization
    assert normalized_mutual_info_score(labels, best.H.argmax(0)) == pytest.approx(1)
    assert overlap(best.H) < 0.01


def test_objective_has_the_penalty_of_the_paper(X: np.ndarray) -> None:
    (result,) = fit(OrthogonalNMF(rank=4, lam=0.3), X, stopping=Stopping(max_iter=7), dtype="float64")
    W, H = result.factorization.W.numpy(), result.factorization.H.numpy()
    pairs = sum(H[j] @ H[k] for j in range(4) for k in range(j + 1, 4))
    assert result.objective == pytest.approx(np.square(X - W @ H).sum() / 2 + 0.3 * pairs, rel=1e-12)
    assert result.penalty == pytest.approx(0.3 * pairs, rel=1e-12)
    torch.testing.assert_close(penalised.unit_rows(result.factorization.W.mT)[1], torch.ones(4, 1).double())
