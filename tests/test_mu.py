"""Multiplicative updates against scikit-learn, and the starts that solvers share."""

import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.decomposition import NMF
from sklearn.decomposition._nmf import _initialize_nmf

from nmfbench.errors import NotApplicable
from nmfbench.fitting import fit
from nmfbench.numerics import inits, losses
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.numerics.sparse import SparseMatrix
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.mu import MultiplicativeNMF


def factors_after(solver: MultiplicativeNMF, X: np.ndarray, sweeps: int) -> tuple[np.ndarray, np.ndarray]:
    (result,) = fit(solver, X, seeds=[5], stopping=Stopping(max_iter=sweeps, tol=0), dtype="float64")
    return tuple(factor.numpy() for factor in result.factorization.factors.values())


@pytest.mark.parametrize("beta", [2.0, 1.0, 0.5])
def test_equals_scikit_learn_from_the_same_start(beta: float, X: np.ndarray) -> None:
    solver = MultiplicativeNMF(rank=4, beta=beta)
    W0, H0 = factors_after(solver, X, 0)
    # scikit-learn has samples in rows and updates its W, our H, first.
    sklearn = NMF(4, solver="mu", beta_loss=beta, init="custom", tol=0, max_iter=200)
    codes = sklearn.fit_transform(X.T.copy(), W=H0.T.copy(), H=W0.T.copy())
    W, H = factors_after(solver, X, 200)
    np.testing.assert_allclose(H, codes.T, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(W, sklearn.components_.T, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("beta", [2.0, 1.5, 1.0, 0.5])
@pytest.mark.filterwarnings("ignore")
def test_equals_torchnmf_from_the_same_start(beta: float, X: np.ndarray) -> None:
    torchnmf = pytest.importorskip("torchnmf.nmf")
    solver = MultiplicativeNMF(rank=4, beta=beta)
    W0, H0 = factors_after(solver, X, 0)
    # Its V ≈ HWᵀ, and it updates its W first: that is our Hᵀ. It knows single precision only.
    theirs = torchnmf.NMF(W=torch.from_numpy(H0.T.copy()).float(), H=torch.from_numpy(W0.copy()).float())
    theirs.fit(torch.from_numpy(X).float(), beta=beta, tol=0, max_iter=50)
    W, H = factors_after(solver, X, 50)
    np.testing.assert_allclose(W @ H, (theirs.H @ theirs.W.mT).detach(), rtol=1e-3)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
def test_every_divergence_falls_at_every_sweep(beta: float, X: np.ndarray) -> None:
    (result,) = fit(
        MultiplicativeNMF(rank=4, beta=beta), X, stopping=Stopping(max_iter=300, check_every=1), dtype="float64"
    )
    objectives = np.array([objective for _, objective, _ in result.history])
    assert (np.diff(objectives) <= 1e-10 * np.abs(objectives[:-1])).all()
    assert objectives[-1] < 0.9 * objectives[0]


@pytest.mark.parametrize("beta", [-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
def test_beta_divergence_is_scikit_learns(beta: float, X: np.ndarray) -> None:
    from sklearn.decomposition._nmf import _beta_divergence

    V = X[::-1].copy()
    ours = losses.beta_divergence(torch.from_numpy(X), torch.from_numpy(V), beta).item()
    assert ours == pytest.approx(_beta_divergence(X, V, np.eye(29), beta), rel=1e-12)


def test_kullback_leibler_and_beta_between_0_and_1_take_zeros_in_X(X: np.ndarray) -> None:
    X[3, 4] = 0
    for beta in (1.0, 0.5):
        assert np.isfinite(fit(MultiplicativeNMF(rank=4, beta=beta), X)[0].objective)


@pytest.mark.parametrize("beta", [0.0, -1.0])
def test_zeros_in_X_are_refused_where_the_divergence_is_infinite(beta: float, X: np.ndarray) -> None:
    X[3, 4] = 0
    with pytest.raises(NotApplicable, match="infinite where X is 0"):
        fit(MultiplicativeNMF(rank=4, beta=beta), X)


def test_penalty_is_a_majorised_descent_and_shrinks_the_factors(X: np.ndarray) -> None:
    free, penalised = (MultiplicativeNMF(rank=4, lam=lam) for lam in (0.0, 0.5))
    (result,) = fit(penalised, X, stopping=Stopping(max_iter=300, check_every=1), dtype="float64")
    objectives = np.array([objective for _, objective, _ in result.history])
    assert (np.diff(objectives) <= 1e-12 * objectives[:-1]).all()
    norms = [sum(np.square(f).sum() for f in factors_after(solver, X, 300)) for solver in (free, penalised)]
    assert norms[1] < norms[0]


@pytest.mark.parametrize("scale", [1e-30, 1e30])
@pytest.mark.parametrize("beta", [2.0, 1.0, 0.5])
def test_scale_of_X_does_not_matter(beta: float, scale: float, X: np.ndarray) -> None:
    stopping = Stopping(max_iter=50)
    (plain,) = fit(MultiplicativeNMF(rank=4, beta=beta), X, stopping=stopping, dtype="float64")
    (scaled,) = fit(MultiplicativeNMF(rank=4, beta=beta), X * scale, stopping=stopping, dtype="float64")
    torch.testing.assert_close(scaled.factorization.reconstruct() / scale, plain.factorization.reconstruct())


def test_uniform_start_has_the_mean_of_X() -> None:
    X = torch.full((300, 200), 0.4, dtype=torch.float64)
    W, H = inits.start("uniform", X, 10, Streams([0, 1]))
    assert (W @ H).mean((1, 2)).numpy() == pytest.approx([0.4, 0.4], rel=0.05)


@pytest.mark.parametrize("fill", ["nndsvd", "nndsvda"])
def test_nndsvd_is_scikit_learns(fill: str, X: np.ndarray) -> None:
    W, H = inits.start(fill, torch.from_numpy(X), 4, Streams([0]))
    codes, components = _initialize_nmf(X.T, 4, init=fill, eps=1e-15)
    np.testing.assert_allclose(H[0].numpy(), codes.T, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(W[0].numpy(), components.T, rtol=1e-6, atol=1e-9)


def test_nndsvd_keeps_zeros_and_its_variants_fill_them(X: np.ndarray) -> None:
    starts = {fill: inits.start(fill, torch.from_numpy(X), 4, Streams([0])) for fill in inits.CHOICES}
    assert (starts["nndsvd"][0] == 0).any()
    assert (starts["nndsvda"][0] > 0).all() and (starts["nndsvdar"][0] > 0).all()


def test_only_the_random_fill_of_nndsvd_depends_on_the_seed(X: np.ndarray) -> None:
    for fill, same in {"nndsvd": True, "nndsvda": True, "nndsvdar": False}.items():
        W, _ = inits.start(fill, torch.from_numpy(X), 4, Streams([0, 1]))
        assert torch.equal(W[0], W[1]) == same, fill


def test_nndsvd_refuses_a_rank_above_the_sides_of_X_with_a_hint(X: np.ndarray) -> None:
    with pytest.raises(NotApplicable, match=r"rank 13 .* 13 × 29 X, got rank 14; use init=uniform"):
        fit(MultiplicativeNMF(rank=14, init="nndsvda"), X)


def test_seed_gives_the_same_start_whatever_the_method_the_order_and_the_dtype(X: np.ndarray) -> None:
    W, H = inits.start("uniform", torch.from_numpy(X), 4, Streams([5]))
    for beta in (2.0, 1.0):
        start = next(MultiplicativeNMF(rank=4, beta=beta).iterates(Problem(torch.from_numpy(X)), Streams([9, 5])))
        assert torch.equal(start.W[1], W[0]) and torch.equal(start.H[1], H[0])
    single = Streams([5]).uniform("W", (13, 4), torch.zeros(1))
    double = Streams([5]).uniform("W", (13, 4), torch.zeros(1, dtype=torch.float64))
    torch.testing.assert_close(single.double(), double, rtol=0, atol=1e-7)


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_sparse_X_gives_what_dense_X_gives_restart_by_restart(beta: float, X: np.ndarray) -> None:
    X[X < 0.7] = 0
    X[3], X[:, 7] = 0, 0
    solver, options = MultiplicativeNMF(rank=4, beta=beta), {"stopping": Stopping(max_iter=60), "dtype": "float64"}
    sparse = fit(solver, scipy.sparse.csr_array(X), seeds=[2, 5], **options)
    for result, dense in zip(sparse, fit(solver, X, seeds=[2, 5], **options), strict=True):
        (alone,) = fit(solver, scipy.sparse.csr_array(X), seeds=[result.seed], **options)
        assert result.objective == pytest.approx(dense.objective, rel=1e-9)
        torch.testing.assert_close(result.factorization.W, dense.factorization.W, rtol=1e-6, atol=1e-9)
        torch.testing.assert_close(result.factorization.H, alone.factorization.H, rtol=1e-6, atol=1e-9)
        error = losses.relative_error(SparseMatrix.of(scipy.sparse.csr_array(X), torch.float64), result.factorization)
        assert error == pytest.approx(losses.relative_error(torch.from_numpy(X), dense.factorization), rel=1e-9)


@pytest.mark.parametrize("solver", [MultiplicativeNMF(rank=4, beta=1.5), MultiplicativeNMF(rank=4, init="nndsvda")])
def test_sparse_X_is_refused_where_WH_or_a_dense_svd_would_be_needed(solver: MultiplicativeNMF, X: np.ndarray) -> None:
    with pytest.raises(NotApplicable, match=r"sparse.*dataset\.dense=true"):
        fit(solver, scipy.sparse.csr_array(X))
