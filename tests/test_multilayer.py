"""Multilayer NMF and hierarchical NMF, which adds a label term to its last layer."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from labelled import share_found, with_labels
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score

from nmfbench import load_dataset
from nmfbench.errors import ConfigError
from nmfbench.fitting import fit
from nmfbench.numerics.problem import Problem
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.hals import HALS
from nmfbench.solvers.hierarchical import HierarchicalNMF
from nmfbench.solvers.multilayer import MultilayerNMF

RANKS = [6, 4, 3]


@pytest.fixture
def partly(X: np.ndarray) -> Problem:
    return with_labels(X / X.max())


def after(solver, X, sweeps: int, seed: int = 5):
    stopping = Stopping(max_iter=sweeps, check_every=1)
    return fit(solver, X, seeds=[seed], stopping=stopping, dtype="float64")[0].factorization


def test_one_layer_is_hals_with_unit_columns(X: np.ndarray) -> None:
    plain, one = after(HALS(rank=4), X, 100), after(MultilayerNMF(ranks=[4]), X, 100)
    torch.testing.assert_close(one.reconstruct(), plain.reconstruct(), rtol=1e-9, atol=1e-12)
    length = plain.W.norm(dim=0)
    torch.testing.assert_close(one.Ws[0], plain.W / length, rtol=1e-7, atol=1e-10)
    torch.testing.assert_close(one.Hs[0], plain.H * length[:, None], rtol=1e-7, atol=1e-10)


def test_first_layer_does_not_feel_the_others(X: np.ndarray) -> None:
    deep, shallow = after(MultilayerNMF(ranks=RANKS), X, 50), after(MultilayerNMF(ranks=RANKS[:1]), X, 50)
    assert torch.equal(deep.Hs[0], shallow.Hs[0])


def test_ends_where_every_layer_is_at_rest(X: np.ndarray) -> None:
    # What layer by layer to convergence would give too: nothing moves in any layer, given the one below.
    chain = after(MultilayerNMF(ranks=RANKS), X, 1000)
    data = torch.from_numpy(X)
    for W, H in zip(chain.Ws, chain.Hs, strict=True):
        R = W @ H - data
        for factor, gradient in ((W, R @ H.mT), (H, W.mT @ R)):
            assert gradient.min() > -1e-6
            assert (gradient * factor).abs().max() < 1e-6
        data = H


def test_columns_of_every_layer_have_unit_length(X: np.ndarray) -> None:
    for W in after(MultilayerNMF(ranks=RANKS), X, 10).Ws:
        torch.testing.assert_close(W.norm(dim=0), torch.ones(W.shape[1], dtype=W.dtype))


def test_objective_is_the_sum_over_the_layers(X: np.ndarray) -> None:
    (result,) = fit(MultilayerNMF(ranks=RANKS), X, stopping=Stopping(max_iter=10), dtype="float64")
    W, H = (tuple(f.numpy() for f in fs) for fs in (result.factorization.Ws, result.factorization.Hs))
    parts = [np.square(below - w @ h).sum() / 2 for below, w, h in zip((X, *H[:-1]), W, H, strict=True)]
    assert len(parts) == 3 and result.objective == pytest.approx(sum(parts), rel=1e-12)


def test_hierarchical_without_labels_is_multilayer(X: np.ndarray) -> None:
    plain, hierarchical = after(MultilayerNMF(ranks=RANKS), X, 30), after(HierarchicalNMF(ranks=RANKS), X, 30)
    assert hierarchical.B is None
    assert all(torch.equal(a, b) for a, b in zip(plain.Ws + plain.Hs, hierarchical.Ws + hierarchical.Hs, strict=True))


def test_labels_reach_the_last_layer_alone(partly: Problem) -> None:
    with_labels = after(HierarchicalNMF(ranks=RANKS, lam=10), partly, 30)
    without = after(HierarchicalNMF(ranks=RANKS), replace(partly, labels=None, labelled=None), 30)
    assert torch.equal(with_labels.Hs[1], without.Hs[1])
    assert not torch.allclose(with_labels.Hs[2], without.Hs[2], rtol=0.01)
    assert with_labels.label_scores.shape == (5, 29)


def test_labels_of_weight_zero_leave_the_layers_alone(partly: Problem) -> None:
    free = after(HierarchicalNMF(ranks=RANKS, lam=0), partly, 30)
    plain = after(MultilayerNMF(ranks=RANKS), partly.X, 30)
    torch.testing.assert_close(free.Hs[-1], plain.Hs[-1], rtol=1e-9, atol=1e-12)


def test_first_sweep_with_labels_is_that_of_plain_lines(partly: Problem) -> None:
    solver, lam = HierarchicalNMF(ranks=[1], lam=3), 3
    start, end = after(solver, partly, 0), after(solver, partly, 1)
    X, L = partly.X, partly.labelled.double()
    Y = torch.nn.functional.one_hot(partly.labels, 5).T * L
    w, h = start.Ws[0][:, 0], start.Hs[0][0]
    b = Y @ h / (L * h @ h)
    h = (w @ X + lam * b @ Y) / (w @ w + lam * L * (b @ b))
    w = X @ h / (h @ h)
    length = w.norm()
    torch.testing.assert_close(end.Ws[0][:, 0], w / length)
    torch.testing.assert_close(end.Hs[0][0], h * length)
    torch.testing.assert_close(end.B[:, 0], b / length)


def test_one_layer_with_labels_never_raises_its_objective(partly: Problem) -> None:
    (result,) = fit(HierarchicalNMF(ranks=[4], lam=3), partly, stopping=Stopping(max_iter=200, check_every=1))
    values = np.array([value for _, value, _ in result.history])
    assert (np.diff(values) <= 1e-12 * values[:-1]).all()
    W, H, B = result.factorization.Ws[0], result.factorization.Hs[0], result.factorization.B
    Y = torch.nn.functional.one_hot(partly.labels, 5).T
    misfit = (Y - B @ H)[:, partly.labelled].square().sum()
    assert values[-1] == pytest.approx(((partly.X - W @ H).square().sum() / 2 + 1.5 * misfit).item(), rel=1e-12)
    assert all((factor >= 0).all() for factor in (W, H, B))


def test_restart_in_a_batch_equals_the_run_alone_with_labels(partly: Problem) -> None:
    solver = HierarchicalNMF(ranks=RANKS)
    for result in fit(solver, partly, seeds=[7, 5, 3], stopping=Stopping(max_iter=50)):
        alone = after(solver, partly, 50, seed=result.seed)
        torch.testing.assert_close(result.factorization.label_scores, alone.label_scores, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("labelled", ["one", "all"])
def test_one_label_and_all_labels_are_fine(labelled: str, partly: Problem) -> None:
    mask = torch.arange(29) == 3 if labelled == "one" else torch.ones(29, dtype=torch.bool)
    chain = after(HierarchicalNMF(ranks=RANKS), replace(partly, labelled=mask), 30)
    assert all(part.isfinite().all() for part in (*chain.Ws, *chain.Hs, chain.label_scores))


def test_two_fifths_of_the_labels_help_to_find_the_others() -> None:
    assert (
        share_found(HierarchicalNMF(ranks=[9, 4], lam=10), 200)
        == 1
        > share_found(HierarchicalNMF(ranks=[9, 4], lam=0), 200)
    )


def test_planted_topics_are_found_at_the_first_layer(data_dir: str) -> None:
    data = load_dataset("hierarchy", level=9)
    for result in fit(HierarchicalNMF(ranks=[9, 4, 2]), data.X, seeds=range(5), stopping=Stopping(max_iter=200)):
        found = KMeans(9, n_init=10, random_state=0).fit_predict(result.factorization.codes[0].numpy().T)
        assert normalized_mutual_info_score(data.y, found) == pytest.approx(1)


def test_negative_weight_is_refused() -> None:
    with pytest.raises(ConfigError, match="lam must be nonnegative, got -1"):
        HierarchicalNMF(rank=4, lam=-1)
