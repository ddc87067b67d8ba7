"""Hierarchical alternating least squares against scikit-learn's coordinate descent, and components that die."""

import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.decomposition import NMF

from nmfbench import load_dataset
from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.fitting import fit
from nmfbench.numerics import losses
from nmfbench.numerics.optimizers import coordinate_sweep
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.hals import HALS
from nmfbench.solvers.mu import MultiplicativeNMF


def after(solver: HALS, X: np.ndarray, sweeps: int):
    stopping = Stopping(max_iter=sweeps, tol=0, check_every=1)
    (result,) = fit(solver, X, seeds=[5], stopping=stopping, dtype="float64")
    return result


@pytest.mark.parametrize("init", ["uniform", "nndsvd"])
def test_equals_coordinate_descent_of_scikit_learn_from_the_same_start(init: str, X: np.ndarray) -> None:
    solver = HALS(rank=4, init=init)
    start = after(solver, X, 0).factorization
    # scikit-learn has samples in rows and updates its W, our H, first; unshuffled, in our order of components.
    sklearn = NMF(4, solver="cd", init="custom", tol=0, max_iter=100, shuffle=False)
    codes = sklearn.fit_transform(X.T.copy(), W=start.H.numpy().T.copy(), H=start.W.numpy().T.copy())
    ours = after(solver, X, 100)
    np.testing.assert_allclose(ours.factorization.H.numpy(), codes.T, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(ours.factorization.W.numpy(), sklearn.components_.T, rtol=1e-8, atol=1e-12)
    assert ours.objective == pytest.approx(sklearn.reconstruction_err_**2 / 2, rel=1e-10)


def test_planted_separable_factorization_is_found() -> None:
    generator = np.random.default_rng(1)
    # Five features see one component each, five samples are pure: Donoho & Stodden's condition, unique up to order.
    W, H = generator.uniform(0.1, 1, (31, 5)), generator.uniform(0.1, 1, (5, 47))
    W[:5], H[:, :5] = np.eye(5), np.eye(5)
    X = W @ H
    (result,) = fit(HALS(rank=5), X, seeds=[0], stopping=Stopping(max_iter=2000, tol=0), dtype="float64")
    assert losses.relative_error(torch.from_numpy(X), result.factorization) < 1e-6
    found = result.factorization.W.numpy()
    cosines = (W / np.linalg.norm(W, axis=0)).T @ (found / np.linalg.norm(found, axis=0))
    np.testing.assert_allclose(cosines.max(1), 1, atol=1e-6)
    assert sorted(cosines.argmax(1)) == [0, 1, 2, 3, 4]


def test_rows_are_updated_one_after_the_other_each_at_its_exact_optimum(X: np.ndarray) -> None:
    W, H = (torch.from_numpy(np.random.default_rng(2).uniform(size=shape)) for shape in [(2, 13, 4), (2, 4, 29)])
    expected = H.clone()
    for s in range(2):
        for k in range(4):
            residual = torch.from_numpy(X) - W[s] @ expected[s]
            step = W[s, :, k] @ residual / W[s, :, k].square().sum()
            expected[s, k] = (expected[s, k] + step).clamp(min=0)
    coordinate_sweep(H, W.mT @ W, W.mT @ torch.from_numpy(X))
    torch.testing.assert_close(H, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dead", ["W", "H"])
def test_component_that_is_zero_on_one_side_recovers(dead: str, X: np.ndarray) -> None:
    W, H = (torch.from_numpy(np.random.default_rng(2).uniform(size=shape)) for shape in [(1, 13, 4), (1, 4, 29)])
    Wt, problem = W.mT.contiguous(), torch.from_numpy(X)
    (Wt if dead == "W" else H)[:, 2] = 0
    for _ in range(50):
        coordinate_sweep(H, Wt @ Wt.mT, Wt @ problem)
        coordinate_sweep(Wt, H @ H.mT, H @ problem.mT)
    assert (Wt[:, 2] > 0).any() and (H[:, 2] > 0).any()


def test_component_that_is_zero_on_both_sides_stays_and_does_no_harm(X: np.ndarray) -> None:
    H, G = torch.rand(1, 4, 29, dtype=torch.float64), torch.eye(4, dtype=torch.float64)[None]
    H[:, 1], G[:, 1, 1] = 0, 0
    coordinate_sweep(H, G, torch.ones_like(H))
    assert (H[:, 1] == 0).all() and (H[:, [0, 2, 3]] == 1).all()


@pytest.mark.parametrize("dataset", ["orl", "cbcl"])
def test_objective_never_rises_on_real_faces(dataset: str, data_dir: str) -> None:
    X = load_dataset(dataset).X
    X = X[:: len(X) // 50, :: X.shape[1] // 60]
    for init in ("uniform", "nndsvd"):
        objectives = np.array([objective for _, objective, _ in after(HALS(rank=12, init=init), X, 300).history])
        assert len(objectives) == 301 and (np.diff(objectives) <= 1e-12 * objectives[:-1]).all()


def test_lower_after_as_many_sweeps_than_multiplicative_updates(X: np.ndarray) -> None:
    stopping = Stopping(max_iter=30, tol=0)
    (mu,), (hals,) = (fit(solver(rank=4), X, stopping=stopping) for solver in (MultiplicativeNMF, HALS))
    assert hals.objective < mu.objective


def test_sparse_X_gives_what_dense_X_gives(X: np.ndarray) -> None:
    X[X < 0.7] = 0
    X[3], X[:, 7] = 0, 0
    dense, sparse = (after(HALS(rank=4), data, 60) for data in (X, scipy.sparse.csr_array(X)))
    torch.testing.assert_close(sparse.factorization.W, dense.factorization.W, rtol=1e-6, atol=1e-9)
    assert sparse.objective == pytest.approx(dense.objective, rel=1e-9)
    with pytest.raises(NotApplicable, match=r"sparse.*dataset\.dense=true"):
        after(HALS(rank=4, init="nndsvd"), scipy.sparse.csr_array(X), 1)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_scale_of_X_does_not_matter(scale: float, X: np.ndarray) -> None:
    plain, scaled = (after(HALS(rank=4), data, 50) for data in (X, X * scale))
    torch.testing.assert_close(scaled.factorization.reconstruct() / scale, plain.factorization.reconstruct())


def test_start_is_that_of_the_other_methods(X: np.ndarray) -> None:
    problem = Problem(torch.from_numpy(X))
    mu, hals = (next(solver(rank=4).iterates(problem, Streams([5]))) for solver in (MultiplicativeNMF, HALS))
    assert torch.equal(mu.W, hals.W) and torch.equal(mu.H, hals.H)


def test_unknown_start_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"init must be one of uniform, nndsvd, .*, kmeans, got 'ones'"):
        HALS(rank=4, init="ones")
