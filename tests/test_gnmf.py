"""Graphs of the samples, and NMF regularised by one."""

import numpy as np
import pytest
import scipy.sparse
import torch
from scipy.sparse.csgraph import laplacian
from sklearn.metrics import pairwise_distances

from nmfbench import load_dataset
from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.fitting import fit
from nmfbench.numerics import graph
from nmfbench.numerics.graph import Graph
from nmfbench.numerics.sparse import SparseMatrix
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.gnmf import GNMF
from nmfbench.solvers.mu import MultiplicativeNMF


def dense(found: Graph) -> np.ndarray:
    return found.adjacency.csr.to_dense().numpy()


def after(solver: GNMF, X: np.ndarray, sweeps: int):
    stopping = Stopping(max_iter=sweeps, tol=0, check_every=1)
    return fit(solver, X, seeds=[5], stopping=stopping, dtype="float64")[0]


def test_neighbours_are_the_nearest_either_way(X: np.ndarray) -> None:
    A = dense(graph.nearest_neighbours(torch.from_numpy(X), 3))
    distances = pairwise_distances(X.T)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1)[:, :3]
    for i in range(29):
        for j in range(29):
            assert A[i, j] == (i in nearest[j] or j in nearest[i])


def test_scale_of_X_does_not_move_its_neighbours(X: np.ndarray) -> None:
    expected = dense(graph.nearest_neighbours(torch.from_numpy(X), 3))
    for scale in (1e200, 1e-200):
        assert np.array_equal(dense(graph.nearest_neighbours(torch.from_numpy(X * scale), 3)), expected)


def test_sparse_X_has_the_neighbours_of_dense_X(X: np.ndarray) -> None:
    X[X < 0.7] = 0
    sparse = SparseMatrix.of(scipy.sparse.csr_array(X), torch.float64)
    assert np.array_equal(
        dense(graph.nearest_neighbours(sparse, 3)), dense(graph.nearest_neighbours(torch.tensor(X), 3))
    )


@pytest.mark.parametrize("kind", ["neighbours", "labels"])
def test_laplacian_is_that_of_scipy(kind: str, X: np.ndarray) -> None:
    if kind == "neighbours":
        found = graph.nearest_neighbours(torch.from_numpy(X), 3)
    else:
        labels, labelled = torch.arange(29) % 4, torch.arange(29) % 3 > 0
        found = graph.same_label(labels, labelled)
        both = labelled[:, None] & labelled & (labels[:, None] == labels)
        assert np.array_equal(dense(found), both.numpy() & ~np.eye(29, dtype=bool))
    L = laplacian(dense(found))
    H = torch.from_numpy(np.random.default_rng(1).uniform(size=(2, 4, 29)))
    HA, HD = found.split(H)
    np.testing.assert_allclose((HD - HA).numpy(), H.numpy() @ L, atol=1e-12)
    np.testing.assert_allclose(found.roughness(H).numpy(), [np.trace(h @ L @ h.T) for h in H.numpy()])


def test_roughness_of_nearly_equal_codes_is_not_lost_to_rounding(X: np.ndarray) -> None:
    found = graph.nearest_neighbours(torch.from_numpy(X), 3)
    H = 1 + 1e-5 * torch.from_numpy(np.random.default_rng(1).uniform(size=(2, 4, 29)))
    torch.testing.assert_close(
        found.roughness(H.float()).double(), found.roughness(H.float().double()), rtol=1e-6, atol=0
    )
    assert (found.roughness(torch.full_like(H.float(), 0.1)) == 0).all()


def test_no_labels_give_a_graph_without_edges() -> None:
    found = graph.same_label(torch.arange(29) % 4, torch.zeros(29, dtype=torch.bool))
    assert not dense(found).any() and not found.degrees.any()


@pytest.mark.parametrize("init", ["uniform", "nndsvda"])
def test_lam_zero_is_plain_multiplicative_nmf(init: str, X: np.ndarray) -> None:
    ours, plain = after(GNMF(rank=4, lam=0.0, init=init), X, 100), after(MultiplicativeNMF(rank=4, init=init), X, 100)
    torch.testing.assert_close(ours.factorization.W, plain.factorization.W, rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(ours.factorization.H, plain.factorization.H, rtol=1e-10, atol=1e-14)
    assert ours.objective == pytest.approx(2 * plain.objective)


def test_sweep_is_the_rule_of_the_paper(X: np.ndarray) -> None:
    solver, lam = GNMF(rank=4, lam=0.3, p=3), 0.3
    X /= np.linalg.norm(X, axis=0)
    A = dense(graph.nearest_neighbours(torch.from_numpy(X), 3))
    D = np.diag(A.sum(0))
    before, now = (after(solver, X, sweeps).factorization for sweeps in (6, 7))
    W, H = before.W.numpy(), before.H.numpy()
    H = H * (W.T @ X + lam * H @ A) / (W.T @ W @ H + lam * H @ D)
    W = W * (X @ H.T) / (W @ H @ H.T)
    np.testing.assert_allclose(now.H.numpy(), H, rtol=1e-10)
    np.testing.assert_allclose(now.W.numpy(), W, rtol=1e-10)
    expected = np.square(X - W @ H).sum() + lam * np.trace(H @ (D - A) @ H.T)
    assert after(solver, X, 7).objective == pytest.approx(expected)


def test_factors_have_unit_columns_and_the_product_that_is_iterated(X: np.ndarray) -> None:
    found = after(GNMF(rank=4), X, 20).factorization
    np.testing.assert_allclose(np.linalg.norm(found.factors["W"].numpy(), axis=0), 1)
    torch.testing.assert_close(found.factors["W"] @ found.codes[0], found.W @ found.H)


def test_weight_draws_the_codes_of_neighbours_together(X: np.ndarray) -> None:
    roughness = []
    for lam in (0.0, 1.0, 10.0):
        found = after(GNMF(rank=4, lam=lam), X, 50).factorization
        roughness.append(found.graph.roughness(found.codes[0] / found.codes[0].norm()).item())
    assert 0.6 * roughness[0] > roughness[1] > 10 * roughness[2]


@pytest.mark.parametrize("dataset", ["orl", "cbcl"])
def test_objective_never_rises_on_real_faces(dataset: str, data_dir: str) -> None:
    X = load_dataset(dataset).X
    X = X[:: len(X) // 50, :: X.shape[1] // 60]
    for lam in (0.1, 100.0):
        objectives = np.array([objective for _, objective, _ in after(GNMF(rank=12, lam=lam), X, 300).history])
        assert len(objectives) == 301 and (np.diff(objectives) <= 1e-12 * objectives[:-1]).all()


def test_too_few_samples_for_the_graph_are_refused(X: np.ndarray) -> None:
    with pytest.raises(NotApplicable, match="5 nearest neighbours need at least 6 samples, got 5; choose p < 5"):
        fit(GNMF(rank=2), X[:, :5])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"lam": -1}, "lam must be nonnegative, got -1"),
        ({"p": 0}, "p must be at least 1, got 0"),
        ({"init": "ones"}, "init must be one of uniform, nndsvd, .*, kmeans, got 'ones'"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        GNMF(rank=4, **parameters)
