"""Multiplicative updates on mini-batches: against scikit-learn, against the full batch, and in little memory."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import MiniBatchNMF
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nmfbench import MultiplicativeNMF, OnlineMultiplicativeNMF, Stopping, fit
from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.numerics import inits, pieces
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams

betas = pytest.mark.parametrize("beta", [2.0, 1.0, 0.0])


def factors_after(solver: OnlineMultiplicativeNMF, X: np.ndarray, epochs: int) -> tuple[np.ndarray, np.ndarray]:
    (result,) = fit(solver, X, seeds=[5], stopping=Stopping(max_iter=epochs), dtype="float64")
    return result.factorization.W.numpy(), result.factorization.H.numpy()


@betas
@pytest.mark.parametrize(("batch_size", "forget"), [(7, 0.7), (10, 0.1), (100, 0.5), (29, 1.0)])
def test_equals_scikit_learn_from_the_same_start(
    beta: float, batch_size: int, forget: float, X: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    solver = OnlineMultiplicativeNMF(rank=4, beta=beta, batch_size=batch_size, forget=forget)
    # scikit-learn's memory starts with 1 in any unit of X; at this mean, one sample has the same weight.
    X = X / X.mean() * 4 ** (1 / (2 * beta - 1))
    if beta == 0:  # its memory starts with W where it holds W² later, so start where they agree
        uniform = inits.start
        monkeypatch.setattr(
            inits, "start", lambda *given: (torch.ones(1, 13, 4, dtype=torch.float64), uniform(*given)[1])
        )
    W0, H0 = factors_after(solver, X, 0)
    sklearn = MiniBatchNMF(
        *(4,), init="custom", batch_size=batch_size, beta_loss=beta, forget_factor=forget, max_iter=20, tol=0,
        max_no_improvement=None,
    )  # fmt: skip
    codes = sklearn.fit_transform(X.T.copy(), W=H0.T.copy(), H=W0.T.copy())
    W, H = factors_after(solver, X, 20)
    np.testing.assert_allclose(H, codes.T, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(W, sklearn.components_.T, rtol=1e-10, atol=1e-14)


@betas
def test_one_batch_without_memory_is_mu(beta: float, X: np.ndarray) -> None:
    ours, full = OnlineMultiplicativeNMF(rank=4, beta=beta, forget=0), MultiplicativeNMF(rank=4, beta=beta)
    for mine, theirs in zip(factors_after(ours, X, 50), factors_after(full, X, 50), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9)


@betas
def test_objective_is_that_of_mu_whatever_the_batches(beta: float, X: np.ndarray) -> None:
    problem = Problem(torch.from_numpy(X))
    state = next(OnlineMultiplicativeNMF(rank=4).iterates(problem, Streams([0, 1])))
    ours = OnlineMultiplicativeNMF(rank=4, beta=beta, batch_size=7).objective(problem, state)
    torch.testing.assert_close(ours, MultiplicativeNMF(rank=4, beta=beta).objective(problem, state))


@betas
def test_feature_that_is_zero_in_the_first_batch_is_fitted(beta: float, X: np.ndarray) -> None:
    X[3, :10] = 0 if beta else 1e-6
    W, H = factors_after(OnlineMultiplicativeNMF(rank=4, beta=beta, batch_size=5), X, 100)
    assert (W @ H)[3, 10:].mean() == pytest.approx(X[3, 10:].mean(), rel=0.3)


@betas
def test_ends_near_mu(beta: float, X: np.ndarray) -> None:
    stopping = Stopping(max_iter=300)
    ours, full = (
        fit(kind(rank=4, beta=beta, **own), X, stopping=stopping, dtype="float64")[0].objective
        for kind, own in ((OnlineMultiplicativeNMF, {"batch_size": 10}), (MultiplicativeNMF, {}))
    )
    assert ours < 1.2 * full  # other minima are near


def test_zeros_are_refused_where_the_divergence_is_infinite(X: np.ndarray) -> None:
    X[3, 4] = 0
    assert np.isfinite(fit(OnlineMultiplicativeNMF(rank=4, beta=1.0), X)[0].objective)
    with pytest.raises(NotApplicable, match="infinite where X is 0"):
        fit(OnlineMultiplicativeNMF(rank=4, beta=0.0), X)


@pytest.mark.parametrize(
    ("setting", "words"), [({"beta": 0.5}, "beta must be one of 0, 1, 2"), ({"forget": 1.1}, r"forget .* \[0, 1\]")]
)
def test_settings_out_of_range_are_refused(setting: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        OnlineMultiplicativeNMF(rank=4, **setting)


class Largest(TorchDispatchMode):
    """Notes the number of entries of the largest tensor that is made; views of others count as nothing."""

    entries = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        given, made = (
            {leaf.untyped_storage().data_ptr(): leaf.numel() for leaf in tree_leaves(tree) if torch.is_tensor(leaf)}
            for tree in ((args, kwargs), result)
        )
        self.entries = max([self.entries, *(size for storage, size in made.items() if storage not in given)])
        return result


@betas
@pytest.mark.parametrize("order", ["C", "F"])
def test_step_and_objective_make_no_array_as_large_as_X(
    beta: float, order: str, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pieces.ENTRIES, "cpu", 1000)
    X = np.random.default_rng(0).uniform(0.1, 1, (60, 500)).astype(np.float32)
    np.save(tmp_path / "X.npy", np.asarray(X, order=order))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="c")  # torch warns of one that is read-only
    problem = Problem(torch.from_numpy(mapped))
    solver = OnlineMultiplicativeNMF(rank=4, beta=beta, batch_size=32)
    with torch.no_grad():
        steps = solver.iterates(problem, Streams([0]))
        with Largest() as largest:
            solver.objective(problem, [next(steps) for _ in range(3)][-1])
    assert 4 * 500 <= largest.entries < 60 * 500 / 4
