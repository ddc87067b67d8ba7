"""Deep multiplicative updates: their limits, and that no block raises the objective."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from labelled import with_labels

from nmfbench import fit, load_dataset
from nmfbench.datasets.base import labelled_mask
from nmfbench.errors import ConfigError
from nmfbench.numerics import inits
from nmfbench.numerics.problem import Problem, place
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.deep_mu import DeepMU
from nmfbench.solvers.mu import MultiplicativeNMF
from nmfbench.solvers.ssnmf import SemiSupervisedNMF


@pytest.fixture
def partly(X: np.ndarray) -> Problem:
    return with_labels(X)


@pytest.mark.parametrize("lam", [0.0, 0.3])
def test_one_layer_is_the_shallow_method(lam: float, X: np.ndarray, monkeypatch) -> None:
    solver, problem = DeepMU(ranks=[4], lam=lam), Problem(torch.from_numpy(X))
    start = next(solver.iterates(problem, Streams([2])))
    # The methods draw from streams of different names.
    monkeypatch.setattr(inits, "start", lambda *_: (start.Ws[0], start.H))
    deep, shallow = (
        fit(method, X, seeds=[2], stopping=Stopping(max_iter=20), dtype="float64")[0]
        for method in (solver, MultiplicativeNMF(rank=4, lam=lam))
    )
    torch.testing.assert_close(
        deep.factorization.reconstruct(), shallow.factorization.reconstruct(), rtol=1e-10, atol=0
    )
    assert deep.objective == pytest.approx(shallow.objective, rel=1e-10)


@pytest.mark.parametrize("ranks", [[3], [2, 4], [2, 3, 4], [5, 3]])
@pytest.mark.parametrize("lam", [0.0, 0.1, 10.0])
def test_objective_never_rises(ranks: list[int], lam: float, X: np.ndarray) -> None:
    (result,) = fit(DeepMU(ranks=ranks, lam=lam), X, stopping=Stopping(max_iter=200, check_every=1), dtype="float64")
    assert not result.rises and result.history[-1][1] < result.history[0][1]


def test_fixed_point_has_no_descent_direction(X: np.ndarray) -> None:
    solver, problem = DeepMU(ranks=[2, 3], lam=0.05), Problem(torch.from_numpy(X))
    (result,) = fit(solver, X, stopping=Stopping(max_iter=7000, check_every=1000), dtype="float64")
    state = result.factorization.map(lambda F: F[None].requires_grad_())
    solver.objective(problem, state).backward()
    for F in (*state.Ws, state.H):
        # Karush–Kuhn–Tucker: no gradient where an entry is positive, none inward where it is zero.
        assert (F.grad * F).abs().max() < 1e-4 and F.grad.min() > -1e-2


def test_start_has_the_mean_of_the_data(X: np.ndarray) -> None:
    start = next(DeepMU(ranks=[30, 40]).iterates(Problem(torch.from_numpy(X)), Streams(range(20))))
    assert start.reconstruct().mean().item() == pytest.approx(X.mean(), rel=0.1)


def test_codes_and_ranks_are_those_of_the_paper(X: np.ndarray) -> None:
    assert DeepMU(rank=40).ranks == [20, 40]
    (result,) = fit(DeepMU(ranks=[2, 4]), X, stopping=Stopping(max_iter=2), dtype="float64")
    W1, W2, H = (result.factorization.factors[name] for name in ("W1", "W2", "H"))
    torch.testing.assert_close(result.factorization.codes, [H, W1 @ H])
    torch.testing.assert_close(result.factorization.reconstruct(), W2 @ W1 @ H)
    with pytest.raises(ConfigError, match="lam must be nonnegative, got -1"):
        DeepMU(rank=2, lam=-1)
    with pytest.raises(ConfigError, match="lam_labels must be nonnegative, got -1"):
        DeepMU(rank=2, lam_labels=-1)


def test_one_layer_with_labels_is_semi_supervised_nmf(partly: Problem, monkeypatch) -> None:
    # It goes B, S, A round, semi-supervised NMF A, B, S: so it starts from A after an update, and is one A ahead.
    def after(solver, sweeps: int):
        return fit(solver, partly, seeds=[2], stopping=Stopping(max_iter=sweeps, check_every=1))[0].factorization

    theirs = SemiSupervisedNMF(rank=4, lam=0.7)
    start, first, end, ahead = (after(theirs, sweeps) for sweeps in (0, 1, 30, 31))
    given = {"H": start.Hs[0], "W1": first.Ws[0], "C": start.B}
    monkeypatch.setattr(Streams, "uniform", lambda self, name, *_, **__: given[name][None])
    ours = after(DeepMU(ranks=[4], lam=0, lam_labels=0.7), 30)
    torch.testing.assert_close(ours.H, end.Hs[0], rtol=1e-8, atol=1e-12)
    torch.testing.assert_close(ours.Ws[0], ahead.Ws[0], rtol=1e-8, atol=1e-12)
    torch.testing.assert_close(ours.label_scores, end.label_scores, rtol=1e-8, atol=1e-12)


def test_sweep_with_labels_is_that_of_plain_loops(partly: Problem) -> None:
    solver = DeepMU(ranks=[2, 3], lam=0.2, lam_labels=0.7)
    iterates = solver.iterates(partly, Streams([4]))
    start = next(iterates)
    W1, W2, H, C = (factor[0].numpy().copy() for factor in (*start.Ws, start.H, start.B))
    after = next(iterates)
    X, unit = partly.X.numpy(), partly.X.max().item()
    Y = np.zeros((5, 29))
    Y[partly.labels.numpy(), np.arange(29)] = 1
    L = partly.labelled.numpy().astype(float)
    Y, lam, mu = Y * L, 0.2 * unit ** (4 / 3), 0.7 * unit**2
    C = C * (Y @ H.T) / (C @ (L * H) @ H.T)
    D = W2 @ W1
    H = H * (D.T @ X + mu * C.T @ Y) / (D.T @ D @ H + lam * H + mu * C.T @ C @ (L * H))
    W1 = W1 * (W2.T @ X @ H.T) / (W2.T @ W2 @ W1 @ H @ H.T + lam * W1)
    V = W1 @ H
    W2 = W2 * (X @ V.T) / (W2 @ V @ V.T + lam * W2)
    for ours, plain in ((after.B, C), (after.H, H), (after.Ws[0], W1), (after.Ws[1], W2)):
        np.testing.assert_allclose(ours[0].numpy(), plain, rtol=1e-10)
    value = ((X - W2 @ W1 @ H) ** 2).sum() / 2 + lam / 2 * sum((F**2).sum() for F in (W1, W2, H))
    value += mu / 2 * (L * (Y - C @ H) ** 2).sum()
    assert solver.objective(partly, after).item() == pytest.approx(value, rel=1e-10)


@pytest.mark.parametrize("ranks", [[3], [2, 3, 4]])
def test_objective_with_labels_never_rises(ranks: list[int], partly: Problem) -> None:
    stopping = Stopping(max_iter=200, check_every=1)
    (result,) = fit(DeepMU(ranks=ranks, lam_labels=3.0), partly, stopping=stopping)
    assert not result.rises and result.history[-1][1] < result.history[0][1]


def test_two_fifths_of_the_labels_help_to_find_the_others() -> None:
    data = load_dataset("hierarchy", generate=True, level=4)
    mask = labelled_mask(data.y, 0.4)
    problem = replace(place(data.X, "float64"), labels=torch.as_tensor(data.y), labelled=torch.as_tensor(mask))
    unseen = {}
    for mu in (1e-9, 10):
        solver = DeepMU(ranks=[4, 9], lam=0, lam_labels=mu)
        results = fit(solver, problem, seeds=range(5), stopping=Stopping(max_iter=200))
        right = [r.factorization.label_scores.argmax(0).numpy()[~mask] == data.y[~mask] for r in results]
        unseen[mu] = np.mean(right)
    assert unseen[10] > unseen[1e-9]
