"""Agreement of restarts: the measures are those of plain loops and of other libraries."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import cophenet, linkage
from scipy.spatial.distance import squareform
from sklearn.metrics import silhouette_samples

from nmfbench.numerics import restarts

GENERATOR = np.random.default_rng(0)


def disturbed(W: np.ndarray, restarts: int, noise: float) -> list[np.ndarray]:
    """Copies of W with noise, columns in another order and of another length in each."""
    return [
        (W + noise * GENERATOR.uniform(size=W.shape))[:, GENERATOR.permutation(W.shape[1])]
        * GENERATOR.uniform(0.1, 10, W.shape[1])
        for _ in range(restarts)
    ]


def test_silhouettes_are_those_of_scikit_learn() -> None:
    S, r, m = 4, 3, 11
    units = restarts.matched([GENERATOR.uniform(size=(m, r)) for _ in range(S)])
    labels = np.tile(np.arange(r), S)
    expected = silhouette_samples(units.reshape(S * r, m), labels, metric="cosine")
    np.testing.assert_allclose(restarts.silhouettes(units), [expected[labels == i].mean() for i in range(r)], rtol=1e-9)


def test_bases_are_matched_whatever_their_order_and_length() -> None:
    W = GENERATOR.uniform(size=(23, 5)) ** 3
    units = restarts.matched(disturbed(W, 6, 0.0))
    np.testing.assert_allclose(units, np.broadcast_to(units[0], units.shape), atol=1e-12)
    np.testing.assert_allclose(restarts.silhouettes(units), 1)
    noisy = restarts.silhouettes(restarts.matched(disturbed(W, 6, 0.5)))
    assert 0 < noisy.max() < 1


def test_component_that_differs_in_every_restart_has_the_least_silhouette() -> None:
    W = GENERATOR.uniform(size=(23, 4)) ** 3
    bases = [np.column_stack([W, GENERATOR.uniform(size=23)])[:, GENERATOR.permutation(5)] for _ in range(6)]
    found = np.sort(restarts.silhouettes(restarts.matched(bases)))
    assert found[0] < 0.6 and (found[1:] > 0.9).all()


def test_dead_component_and_single_ones_stay_finite_or_unknown() -> None:
    W = GENERATOR.uniform(size=(7, 3))
    W[:, 1] = 0
    assert np.isfinite(restarts.silhouettes(restarts.matched([W, W]))).all()
    assert np.isnan(restarts.silhouettes(restarts.matched([W[:, :1], W[:, :1]]))).all()
    assert np.isnan(restarts.silhouettes(restarts.matched([W]))).all()


def test_consensus_cophenetic_and_dispersion_are_those_of_plain_loops() -> None:
    codes = [GENERATOR.uniform(size=(3, 12)) for _ in range(5)]
    C = restarts.consensus(codes)
    for i in range(12):
        for j in range(12):
            assert C[i, j] == np.mean([H[:, i].argmax() == H[:, j].argmax() for H in codes])
    assert restarts.dispersion(C) == pytest.approx(sum(4 * (c - 0.5) ** 2 for c in C.ravel()) / 144)
    distances = squareform(1 - C, checks=False)
    tree = linkage(distances, "average")
    assert restarts.cophenetic(C) == pytest.approx(cophenet(tree, distances)[0])


def test_restarts_that_agree_have_cophenetic_correlation_and_dispersion_one() -> None:
    H = np.eye(3)[:, [0, 0, 1, 2, 1, 2, 2]]
    C = restarts.consensus([H, H[[2, 0, 1]]])
    assert restarts.cophenetic(C) == pytest.approx(1) and restarts.dispersion(C) == 1
    assert np.isnan(restarts.cophenetic(restarts.consensus([np.ones((1, 4))])))
