"""Semi-supervised NMF, and the labels that a solver may see as matrices."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from labelled import share_found, with_labels
from sklearn.decomposition import NMF

from nmfbench.errors import ConfigError
from nmfbench.fitting import fit
from nmfbench.numerics import label_term
from nmfbench.numerics.problem import Problem, place
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.mu import MultiplicativeNMF
from nmfbench.solvers.ssnmf import SemiSupervisedNMF


@pytest.fixture
def partly(X: np.ndarray) -> Problem:
    return with_labels(X / X.max())


def after(solver, problem: Problem, sweeps: int, seed: int = 5):
    return fit(solver, problem, seeds=[seed], stopping=Stopping(max_iter=sweeps, check_every=1))[0].factorization


def test_labels_are_one_hot_where_they_are_seen_and_zero_elsewhere(partly: Problem) -> None:
    Y, L = label_term.seen(partly)
    assert Y.dtype == L.dtype == torch.float64
    assert torch.equal(L.bool(), partly.labelled)
    assert torch.equal(Y.sum(0), L)
    assert torch.equal(Y.argmax(0)[partly.labelled], partly.labels[partly.labelled])


def test_labels_outside_the_mask_are_never_read(partly: Problem) -> None:
    hidden = replace(partly, labels=torch.where(partly.labelled, partly.labels, -1))
    assert all(torch.equal(a, b) for a, b in zip(label_term.seen(partly), label_term.seen(hidden), strict=True))


def test_no_mask_and_an_empty_mask_mean_no_labels(partly: Problem) -> None:
    assert label_term.seen(replace(partly, labels=None, labelled=None)) is None
    assert label_term.seen(replace(partly, labelled=torch.zeros(29, dtype=torch.bool))) is None


def test_misfit_counts_labelled_columns_alone(partly: Problem) -> None:
    Y, L = label_term.seen(partly)
    B, H = torch.rand(2, 5, 4, dtype=Y.dtype), torch.rand(2, 4, 29, dtype=Y.dtype)
    columns = partly.labelled
    expected = (Y - B @ H)[..., columns].square().sum((-2, -1))
    torch.testing.assert_close(label_term.misfit(Y, L, B, H), expected)


def test_equals_the_ssnmf_package_from_the_same_start(partly: Problem) -> None:
    package = pytest.importorskip("ssnmf.ssnmf")
    solver = SemiSupervisedNMF(rank=4, lam=0.7)
    start, end = after(solver, partly, 0), after(solver, partly, 100)
    Y, L = (part.numpy() for part in label_term.seen(partly))
    A, S, B = (factor.numpy() for factor in (start.Ws[0], start.Hs[0], start.B))
    theirs = package.SSNMF_N(
        partly.X.numpy(), 4, modelNum=3, A=A, S=S, B=B, Y=Y, L=np.tile(L, (5, 1)), lam=0.7, tol=-np.inf
    )
    theirs.mult(numiters=100, eps=1e-300)
    for ours, its in ((end.Ws[0], theirs.A), (end.Hs[0], theirs.S), (end.B, theirs.B)):
        np.testing.assert_allclose(ours.numpy(), its, rtol=1e-8, atol=1e-12)


def test_without_labels_it_is_plain_nmf(X: np.ndarray) -> None:
    solver, problem = SemiSupervisedNMF(rank=4), place(X, "float64")
    start, end = after(solver, problem, 0), after(solver, problem, 100)
    assert end.B is None and end.label_scores is None
    # scikit-learn updates its W first, as the paper does.
    sklearn = NMF(4, solver="mu", init="custom", tol=0, max_iter=100)
    A = sklearn.fit_transform(X, W=start.Ws[0].numpy(), H=start.Hs[0].numpy())
    np.testing.assert_allclose(end.Ws[0].numpy(), A, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(end.Hs[0].numpy(), sklearn.components_, rtol=1e-8, atol=1e-12)


def test_starts_where_mu_starts(partly: Problem) -> None:
    ours, plain = after(SemiSupervisedNMF(rank=4), partly, 0), after(MultiplicativeNMF(rank=4), partly, 0)
    assert torch.equal(ours.Ws[0], plain.W) and torch.equal(ours.Hs[0], plain.H)


def test_labels_of_weight_zero_leave_the_factors_alone(partly: Problem) -> None:
    free = after(SemiSupervisedNMF(rank=4, lam=0), partly, 50)
    plain = after(SemiSupervisedNMF(rank=4), replace(partly, labels=None, labelled=None), 50)
    assert torch.equal(free.Hs[0], plain.Hs[0]) and free.label_scores.shape == (5, 29)


def test_objective_with_labels_never_rises_and_is_both_terms(partly: Problem) -> None:
    solver = SemiSupervisedNMF(rank=4, lam=3)
    (result,) = fit(solver, partly, stopping=Stopping(max_iter=300, check_every=1))
    values = np.array([value for _, value, _ in result.history])
    assert (np.diff(values) <= 1e-12 * values[:-1]).all() and values[-1] < 0.9 * values[0]
    A, S, B = result.factorization.Ws[0], result.factorization.Hs[0], result.factorization.B
    Y = torch.nn.functional.one_hot(partly.labels, 5).T
    misfit = (Y - B @ S)[:, partly.labelled].square().sum()
    assert values[-1] == pytest.approx(((partly.X - A @ S).square().sum() + 3 * misfit).item(), rel=1e-12)


def test_restart_in_a_batch_equals_the_run_alone_with_labels(partly: Problem) -> None:
    solver = SemiSupervisedNMF(rank=4)
    for result in fit(solver, partly, seeds=[7, 5, 3], stopping=Stopping(max_iter=50)):
        alone = after(solver, partly, 50, seed=result.seed)
        torch.testing.assert_close(result.factorization.label_scores, alone.label_scores, rtol=1e-6, atol=1e-9)


def test_two_fifths_of_the_labels_help_to_find_the_others() -> None:
    assert share_found(SemiSupervisedNMF(rank=4, lam=10), 200) == 1 > share_found(SemiSupervisedNMF(rank=4, lam=0), 200)


def test_negative_weight_is_refused() -> None:
    with pytest.raises(ConfigError, match="lam must be nonnegative, got -1"):
        SemiSupervisedNMF(rank=4, lam=-1)
