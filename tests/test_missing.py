"""Missing entries: what every solver that accepts them promises, and what is refused."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
import torch
from contract import RANK, SOLVERS, build, matrix, states

from nmfbench.errors import ConfigError, DataError, NotApplicable
from nmfbench.fitting import FitResult, fit
from nmfbench.numerics.problem import Problem, place
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.hals import HALS
from nmfbench.solvers.mu import MultiplicativeNMF
from nmfbench.solvers.weak import WeakSolver

MASK = np.random.default_rng(1).random(matrix().shape) > 0.3
ACCEPTING = [name for name in SOLVERS if build(name).accepts_missing]
every_accepting = pytest.mark.parametrize("name", ACCEPTING)
FIRST_LAYER_DESCENDS = {"multilayer": 2.0, "hierarchical": 2.0, "multilayer_kl": 1.0}
"""β of the methods that are not monotone as a whole."""
LIGHT = {"gnmf": {"lam": 0.01}, "sparse": {"lam": 0.01}}
LIGHT |= {"wnnf": {"lam": 1e-6, "lr": 0.03}, "wnnf_deep": {"lam": 1e-6, "lr": 0.03}}
"""Weights of penalties that else decide the factors, whatever the data."""


def problem(X: np.ndarray, observed: np.ndarray | None = MASK) -> Problem:
    return place(X, "float64", shape=(len(X), 1), observed=observed)


def run(name: str, data: Problem, max_iter: int = 20) -> FitResult:
    (result,) = fit(build(name), data, seeds=[3], stopping=Stopping(max_iter=max_iter, check_every=1))
    return result


def codes_and_objectives(result: FitResult) -> list[torch.Tensor]:
    return [*result.factorization.codes, torch.tensor([objective for _, objective, _ in result.history])]


@every_accepting
def test_mask_that_hides_nothing_changes_no_bit(name: str, X: np.ndarray) -> None:
    masked, plain = run(name, problem(X, np.ones_like(MASK))), run(name, problem(X, None))
    for a, b in zip(codes_and_objectives(masked), codes_and_objectives(plain), strict=True):
        assert torch.equal(a, b)


@every_accepting
def test_updates_under_a_mask_have_those_without_one_as_their_limit(name: str, X: np.ndarray) -> None:
    plain = problem(X, None)
    masked = replace(plain, observed=torch.ones(X.shape, dtype=torch.bool))  # which `place` would not make
    for a, b in zip(*(codes_and_objectives(run(name, data, 10)) for data in (masked, plain)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)


@every_accepting
def test_entries_under_the_mask_may_be_anything(name: str, X: np.ndarray) -> None:
    expected = run(name, problem(X))
    for strange in (np.nan, 1e300, -7.0):
        for a, b in zip(
            codes_and_objectives(run(name, problem(np.where(MASK, X, strange)))),
            codes_and_objectives(expected),
            strict=True,
        ):
            assert torch.equal(a, b)


@every_accepting
def test_planted_matrix_is_fitted_better_than_its_copy_with_means(name: str) -> None:
    generator = np.random.default_rng(5)
    X = generator.uniform(size=(13, 2)) ** 2 @ generator.uniform(size=(2, 29)) ** 2 + 0.01
    if name == "wnnf_deconv":
        pytest.skip("its kernels have more entries than these images, so it fits any copy")
    solver = replace(build(name), **LIGHT.get(name, {}))
    stopping = Stopping(max_iter=400 if name == "deep_mu" or name.startswith("wnnf") else 40)
    errors = []
    for data in (problem(X), replace(problem(X), observed=None)):
        (result,) = fit(solver, data, seeds=[3], stopping=stopping)
        V = result.factorization.bases[0] @ result.factorization.codes[0]
        errors.append(np.linalg.norm((X - V.numpy())[MASK]))
    assert errors[0] < 0.5 * errors[1]


@pytest.mark.parametrize("name", FIRST_LAYER_DESCENDS)
def test_first_layer_of_a_layerwise_method_does_not_lose_observed_entries(name: str, X: np.ndarray) -> None:
    results = [run(name, problem(X), max_iter=n) for n in range(12)]
    layers = ((result.factorization.bases[0], result.factorization.codes[0]) for result in results)
    lost = np.array([_loss(X, W @ H, FIRST_LAYER_DESCENDS[name]) for W, H in layers])
    assert (np.diff(lost) <= 1e-10 * lost[:-1]).all() and lost[-1] < 0.9 * lost[0]


def _loss(X: np.ndarray, V: torch.Tensor, beta: float) -> float:
    x, v = X[MASK], V.numpy()[MASK]
    return float((x * np.log(x / v) - x + v).sum() if beta == 1 else ((x - v) ** 2).sum() / 2)


@every_accepting
def test_objective_is_that_of_data_filled_in_from_the_first_layer(name: str, X: np.ndarray) -> None:
    solver, data = build(name), problem(X).fillable()
    if isinstance(solver, WeakSolver):  # which takes X in the unit of its own mean unless its reading is absolute
        solver = replace(solver, reading="penalty")
    with torch.no_grad():
        *_, state = islice(states(solver, data, [0]), 4)
    if getattr(state, "XHt", None) is not None:  # the product of the last step belongs to its data
        state = replace(state, XHt=None)
    factors = state.bases[0][0], state.codes[0][0]
    if state.layering == "convolution":
        factors = state.reconstruct()[0], torch.eye(X.shape[1], dtype=torch.float64)
    data.fill(*factors)
    filled = replace(data, observed=None)
    loss, expected = (
        solver.objective(p, state) - (0 if (penalty := solver.penalty(p, state)) is None else penalty)
        for p in (data, filled)
    )
    torch.testing.assert_close(loss, expected, rtol=1e-9, atol=0)


@every_accepting
def test_restart_in_a_batch_equals_the_run_alone(name: str, X: np.ndarray) -> None:
    stopping = Stopping(max_iter=15)
    batch = fit(build(name), problem(X), seeds=[4, 9], stopping=stopping, together=True)
    (alone,) = fit(build(name), problem(X), seeds=[9], stopping=stopping)
    for a, b in zip(batch[1].factorization.codes, alone.factorization.codes, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)


@every_accepting
def test_fit_does_not_change_the_problem_that_it_is_given(name: str, X: np.ndarray) -> None:
    data = problem(X)
    before = data.X.clone()
    run(name, data, max_iter=3)
    assert torch.equal(data.X, before)


def test_at_least_fourteen_solvers_accept_missing_entries() -> None:
    assert len(ACCEPTING) >= 14 and {"mu", "hals", "semi", "ssnmf"} <= {*ACCEPTING}


@pytest.mark.parametrize("solver", [MultiplicativeNMF, HALS])
def test_accelerated_variants_refuse_a_mask(solver: type, X: np.ndarray) -> None:
    with pytest.raises(NotApplicable, match="missing"):
        fit(solver(rank=3, accelerate="inner"), X, observed=MASK)


def test_missing_entries_start_as_the_mean_of_their_feature(X: np.ndarray) -> None:
    data = problem(np.where(MASK, X, np.nan))
    expected = np.where(MASK, X, [[feature[seen].mean()] for feature, seen in zip(X, MASK, strict=True)])
    np.testing.assert_allclose(data.X.numpy(), expected, rtol=1e-15)
    start = next(HALS(rank=4, init="nndsvd").iterates(data, Streams([0])))
    torch.testing.assert_close(
        start.W, next(HALS(rank=4, init="nndsvd").iterates(problem(expected, None), Streams([0]))).W
    )


WRONG = {
    "another shape": (MASK.T, ConfigError, r"of shape \(13, 29\), got bool of shape \(29, 13\)"),
    "numbers": (MASK * 1.0, ConfigError, "True or False .* got float64"),
    "a feature without an entry": (MASK & (np.arange(13) != 4)[:, None], DataError, "1 features .* first feature 4 "),
    "samples without an entry": (MASK & (np.arange(29) < 27), DataError, "2 samples .* first sample 27 "),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_masks_are_refused(kind: str, X: np.ndarray) -> None:
    observed, error, words = WRONG[kind]
    with pytest.raises(error, match=words):
        fit(HALS(rank=2), X, observed=observed)


def test_mask_of_a_sparse_X_and_a_second_mask_are_refused_and_observed_NaN_is_found(X: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="needs a dense X"):
        fit(HALS(rank=2), scipy.sparse.csc_array(X), observed=MASK)
    with pytest.raises(ConfigError, match="has its own mask"):
        fit(HALS(rank=2), problem(X), observed=MASK)
    X[~MASK] = np.nan
    (i, j), *_ = np.argwhere(MASK)
    X[i, j] = np.inf
    with pytest.raises(DataError, match=f"1 entries .* feature {i}, sample {j} "):
        fit(HALS(rank=2), X, observed=MASK)


def test_standstill_is_judged_by_the_observed_entries(X: np.ndarray) -> None:
    lone = np.where(np.arange(X.size).reshape(X.shape) == 40, 1e-6, 0)  # an observed one
    stopping = Stopping(max_iter=30, check_every=1)
    (result,) = fit(MultiplicativeNMF(rank=RANK), lone, observed=MASK, seeds=[3], stopping=stopping)
    assert result.status != "diverged" and not result.error
