"""Deep sparse NMF: λ = 0 is multilayer NMF, its blocks against scikit-learn's Lasso, and which factors get sparse."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso

from nmfbench import DeepSparseNMF, MultilayerNMF, fit, load_dataset
from nmfbench.errors import ConfigError
from nmfbench.solvers.base import Stopping

RANKS = [6, 4, 3]


def after(solver, X: np.ndarray, sweeps: int):
    return fit(solver, X, seeds=[5], stopping=Stopping(max_iter=sweeps, check_every=1), dtype="float64")[0]


@pytest.mark.parametrize("of", ["H", "both"])
def test_pretraining_without_weight_is_multilayer_nmf(of: str, X: np.ndarray) -> None:
    deep = after(DeepSparseNMF(ranks=RANKS, lam=0, of=of, pretrain=30), X, 0).factorization
    plain = after(MultilayerNMF(ranks=RANKS), X, 30).factorization
    torch.testing.assert_close(deep.chain.Ws, plain.Ws, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(deep.chain.Hs[-1], plain.Hs[-1], rtol=1e-8, atol=1e-10)


def test_chain_is_the_same_product_with_unit_columns(X: np.ndarray) -> None:
    state = after(DeepSparseNMF(ranks=RANKS, of="W"), X, 5).factorization
    W1, W2, W3 = state.Ws
    torch.testing.assert_close(state.reconstruct(), W1 @ W2 @ W3 @ state.H)
    for W in state.chain.Ws:
        torch.testing.assert_close(W.norm(dim=0), torch.ones(W.shape[1]).double())
    torch.testing.assert_close(state.codes[0], state.chain.Ws[1] @ state.codes[1])


def lasso(A: np.ndarray, X: np.ndarray, lam: float) -> np.ndarray:
    model = Lasso(alpha=lam / len(X), positive=True, fit_intercept=False, tol=1e-14, max_iter=100_000)
    return np.stack([model.fit(A, x).coef_ for x in X.T], 1)


def test_codes_of_a_sweep_are_those_of_the_lasso(X: np.ndarray) -> None:
    state = after(DeepSparseNMF(ranks=[5, 3], lam=0.2, pretrain=5, inner=1000), X, 1).factorization
    bases = (state.Ws[0] @ state.Ws[1]).numpy()
    np.testing.assert_allclose(state.H, lasso(bases, X, state.weights[2].item()), atol=1e-5)
    assert state.weights[:2].tolist() == [0, 0]


def test_first_bases_of_a_sweep_are_those_of_the_lasso(X: np.ndarray) -> None:
    solver = DeepSparseNMF(ranks=[5, 3], lam=0.2, of="W", pretrain=5, inner=1500)
    start, end = after(solver, X, 0).factorization, after(solver, X, 1).factorization
    codes = (start.Ws[1] @ start.H).numpy()
    expected = lasso(codes.T, X.T, start.weights[0].item()).T
    # The codes have rank 3, so only the product of the five bases and the codes is unique.
    np.testing.assert_allclose(end.Ws[0].numpy() @ codes, expected @ codes, atol=1e-6)
    assert start.weights[2] == 0 and (end.H.norm(dim=1) <= 1 + 1e-12).all()


def test_weights_are_lambda_times_the_largest_of_the_linear_terms(X: np.ndarray) -> None:
    start = after(DeepSparseNMF(ranks=RANKS, lam=0.2, of="both", pretrain=5), X, 0).factorization
    W1, W2, W3 = (W.numpy() for W in start.Ws)
    H = start.H.numpy()
    terms = [X @ (W2 @ W3 @ H).T, W1.T @ X @ (W3 @ H).T, (W1 @ W2).T @ X @ H.T, (W1 @ W2 @ W3).T @ X]
    np.testing.assert_allclose(start.weights, [0.2 * term.max() for term in terms])


@pytest.mark.parametrize("of", ["H", "W", "both"])
def test_what_is_penalised_gets_sparser_with_lambda_and_no_sweep_rises(of: str) -> None:
    X = load_dataset("digits").X[:, ::9]
    shares = []
    for lam in (0.0, 0.03):
        solver = DeepSparseNMF(ranks=[16, 8], of=of, lam=lam, pretrain=30)
        (result,) = fit(solver, X, stopping=Stopping(max_iter=30, check_every=1), dtype="float64")
        assert not result.rises and result.history[-1][1] < result.history[0][1]
        penalised = {"H": ["H"], "W": ["W1", "W2"], "both": ["H", "W1", "W2"]}[of]
        shares.append(np.array([(result.factorization.factors[name] > 0).double().mean() for name in penalised]))
    assert (shares[1] < shares[0] - 0.03).all()


def test_lambda_one_makes_all_codes_zero(X: np.ndarray) -> None:
    assert (after(DeepSparseNMF(ranks=[5, 3], lam=1.0), X, 2).factorization.H == 0).all()


def test_unknown_factor_is_refused() -> None:
    with pytest.raises(ConfigError, match="of must be one of H, W, both, got 'V'"):
        DeepSparseNMF(rank=4, of="V")


@pytest.mark.parametrize("of", ["W", "both"])
def test_restart_in_a_batch_equals_the_run_alone_with_its_own_weights(of: str, X: np.ndarray) -> None:
    solver = DeepSparseNMF(ranks=[5, 3], of=of, pretrain=10)
    batch = fit(solver, X, seeds=[7, 5], stopping=Stopping(max_iter=10), dtype="float64", together=True)
    alone = after(solver, X, 10).factorization
    assert batch[1].batch == (7, 5) and not torch.equal(batch[0].factorization.weights, alone.weights)
    torch.testing.assert_close(batch[1].factorization.weights, alone.weights)
    torch.testing.assert_close(batch[1].factorization.codes, alone.codes, rtol=1e-6, atol=1e-9)
