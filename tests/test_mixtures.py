"""Archetypal analysis, convex NMF and concept factorization: their formulas in plain numpy, and what they claim."""

from itertools import islice

import numpy as np
import pytest
import torch
from contract import states

from nmfbench.errors import ConfigError
from nmfbench.fitting import FitResult, fit
from nmfbench.numerics import mixtures
from nmfbench.numerics.mixtures import Mixtures, Samples
from nmfbench.numerics.problem import Problem
from nmfbench.solvers.archetypal import ArchetypalAnalysis
from nmfbench.solvers.base import Solver, Stopping
from nmfbench.solvers.concept import ConceptFactorization
from nmfbench.solvers.convex import ConvexNMF
from nmfbench.solvers.deep_archetypal import DeepArchetypalAnalysis
from nmfbench.solvers.deep_concept import DeepConceptFactorization


@pytest.fixture(params=["through X", "through K"])
def data(request: pytest.FixtureRequest, X: np.ndarray) -> np.ndarray:
    """A matrix for which products go through X (13 × 29), and one for which XᵀX is formed (29 × 13)."""
    return X if request.param == "through X" else np.ascontiguousarray(X.T)


def after(solver: Solver, X: np.ndarray, sweeps: int, tol: float = 0.0) -> FitResult:
    stopping = Stopping(max_iter=sweeps, tol=tol, check_every=1)
    (result,) = fit(solver, X, seeds=[5], stopping=stopping, dtype="float64")
    return result


def factors(solver: Solver, X: np.ndarray, sweeps: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """A and H of one layer after 0, 1, … sweeps."""
    fits = islice(states(solver, Problem(torch.from_numpy(X)), [5]), sweeps + 1)
    return [(state.As[0][0].numpy().copy(), state.Hs[0][0].numpy().copy()) for state in fits]


def test_gram_products_are_the_same_through_X_and_through_K(data: np.ndarray) -> None:
    X, B = torch.from_numpy(data), torch.from_numpy(np.random.default_rng(1).normal(size=(2, 4, data.shape[1])))
    samples = Samples.of(X)
    assert (samples.K is None) == (data.shape == (13, 29))
    torch.testing.assert_close(samples.times(B), B @ (X.mT @ X))
    assert samples.norm.item() == pytest.approx(np.linalg.norm(data, 2) ** 2)


def test_concept_factorization_takes_the_steps_of_the_paper_and_scales_bases_to_unit_length(data: np.ndarray) -> None:
    K = data.T @ data
    (A, H), *found = factors(ConceptFactorization(rank=4), data, 3)
    for A_found, H_found in found:
        H = H * (A.T @ K) / (A.T @ K @ A @ H)
        A = A * (K @ H.T) / (K @ A @ H @ H.T)
        length = np.sqrt(np.diag(A.T @ K @ A))
        A, H = A / length, H * length[:, None]
        np.testing.assert_allclose(A_found, A, rtol=1e-9)
        np.testing.assert_allclose(H_found, H, rtol=1e-9)
        np.testing.assert_allclose(np.linalg.norm(data @ A_found, axis=0), 1)


@pytest.mark.parametrize("signed", [False, True])
def test_convex_nmf_takes_the_steps_of_the_paper(signed: bool, data: np.ndarray) -> None:
    data = data - signed * data.mean()
    m, n = data.shape
    if n <= 2 * m:
        K = data.T @ data
        plus, minus = np.maximum(K, 0), np.maximum(-K, 0)
    else:  # the parts that the parts of X make
        P, M = np.maximum(data, 0), np.maximum(-data, 0)
        plus, minus = P.T @ P + M.T @ M, P.T @ M + M.T @ P
    np.testing.assert_allclose(plus - minus, data.T @ data, atol=1e-12)
    (A, H), *found = factors(ConvexNMF(rank=4), data, 3)
    for A_found, H_found in found:
        G = H.T
        G = G * np.sqrt((plus @ A + G @ A.T @ minus @ A) / (minus @ A + G @ A.T @ plus @ A))
        A = A * np.sqrt((plus @ G + minus @ A @ G.T @ G) / (minus @ G + plus @ A @ G.T @ G))
        H = G.T
        np.testing.assert_allclose(A_found, A, rtol=1e-8)
        np.testing.assert_allclose(H_found, H, rtol=1e-8)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("solver", [ConvexNMF(rank=4), ArchetypalAnalysis(rank=4)])
def test_objective_of_signed_data_never_rises(solver: Solver, signed: bool, data: np.ndarray) -> None:
    values = [value for _, value, _ in after(solver, data - signed * data.mean(), 50).history]
    assert np.diff(values).max() <= 1e-10 * values[0] and values[-1] < values[0]


def gap(K: np.ndarray, A: np.ndarray, H: np.ndarray) -> float:
    """What a linear step to the best corners of the simplices promises at most, over ½‖X‖²: 0 where both blocks are
    solved."""
    gradients = ((A, K @ A @ H @ H.T - K @ H.T), (H, A.T @ K @ A @ H - A.T @ K))
    return max(((g * P).sum(0) - g.min(0)).sum() for P, g in gradients) / (np.trace(K) / 2)


def test_archetypal_analysis_ends_where_both_blocks_are_solved(data: np.ndarray) -> None:
    for X in (data, data - data.mean()):
        solver = ArchetypalAnalysis(rank=4)
        found = after(solver, X, 100).factorization
        A, H = found.As[0].numpy(), found.Hs[0].numpy()
        assert min(A.min(), H.min()) >= 0
        np.testing.assert_allclose(A.sum(0), 1)
        np.testing.assert_allclose(H.sum(0), 1)
        start = after(solver, X, 0).factorization
        assert gap(X.T @ X, A, H) < 1e-5 < 1e-3 < gap(X.T @ X, start.As[0].numpy(), start.Hs[0].numpy())


@pytest.mark.parametrize(
    ("init", "sweeps", "within"), [("uniform", 150, 0.2), ("furthest_sum", 150, 0.11), ("spa", 5, 1e-6)]
)
def test_corners_of_planted_data_become_the_archetypes(init: str, sweeps: int, within: float) -> None:
    generator = np.random.default_rng(3)
    W, H = generator.normal(size=(9, 4)), generator.dirichlet(np.full(4, 0.5), 60).T
    X = np.hstack([W @ H, W])
    found = after(ArchetypalAnalysis(rank=4, init=init), X, sweeps).factorization.bases[-1].numpy()
    distances = np.linalg.norm(W[:, :, None] - found[:, None], axis=0)
    assert sorted(distances.argmin(1)) == [0, 1, 2, 3] and distances.min(1).max() < within


def test_as_many_archetypes_as_samples_reproduce_the_samples(X: np.ndarray) -> None:
    found = after(ArchetypalAnalysis(rank=29), X, 20).factorization
    np.testing.assert_allclose(found.reconstruct().numpy(), X, atol=1e-6)


@pytest.mark.parametrize(
    ("deep", "shallow"),
    [
        (DeepArchetypalAnalysis, ArchetypalAnalysis(rank=6)),
        (DeepConceptFactorization, ConceptFactorization(rank=6)),
    ],
)
def test_first_layer_is_the_shallow_method_and_does_not_feel_the_others(deep: type, shallow: Solver, data) -> None:
    solvers = (shallow, deep(ranks=[6]), deep(ranks=[6, 4, 3]))
    plain, one, three = (after(solver, data, 5).factorization for solver in solvers)
    for found in (one, three):
        for a, b in ((found.Hs[0], plain.Hs[0]), (found.As[0], plain.As[0])):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-14)


def test_a_layer_is_the_shallow_method_on_the_codes_below(data: np.ndarray) -> None:
    fits = islice(states(DeepConceptFactorization(ranks=[6, 4]), Problem(torch.from_numpy(data)), [5]), 2)
    before, later = (state.restart(0) for state in fits)
    H1, A, H = later.Hs[0].numpy(), before.As[1].numpy(), before.Hs[1].numpy()
    K = H1.T @ H1
    H = H * (A.T @ K) / (A.T @ K @ A @ H)
    A = A * (K @ H.T) / (K @ A @ H @ H.T)
    length = np.sqrt(np.diag(A.T @ K @ A))
    np.testing.assert_allclose(later.As[1].numpy(), A / length, rtol=1e-9)
    np.testing.assert_allclose(later.Hs[1].numpy(), H * length[:, None], rtol=1e-9)


def test_deep_archetypes_are_mixtures_of_the_codes_below(data: np.ndarray) -> None:
    found = after(DeepArchetypalAnalysis(ranks=[6, 4, 3]), data, 60).factorization
    below = data
    for A, H, W in zip(found.As, found.Hs, found.chain.Ws, strict=True):
        np.testing.assert_allclose(A.numpy().sum(0), 1)
        np.testing.assert_allclose(H.numpy().sum(0), 1)
        np.testing.assert_allclose(W.numpy(), below @ A.numpy())
        assert gap(below.T @ below, A.numpy(), H.numpy()) < 5e-3
        below = H.numpy()


def test_factors_are_bases_codes_and_weights_of_samples(X: np.ndarray) -> None:
    found = after(DeepConceptFactorization(ranks=[6, 4]), X, 2).factorization
    assert list(found.factors) == ["W1", "W2", "H", "A1", "A2"]
    A, H = torch.rand(2, 29, 4), torch.rand(2, 4, 29)
    one = Mixtures(Samples(torch.from_numpy(X).float(), None), (A,), (H,))
    assert list(one.factors) == ["W", "H", "A"] and one.finite().tolist() == [True, True]
    torch.testing.assert_close(one.restart(1).reconstruct(), torch.from_numpy(X).float() @ A[1] @ H[1])


def test_bases_of_unit_length_leave_the_product(X: np.ndarray) -> None:
    samples, (At, H) = Samples.of(torch.from_numpy(X)), torch.rand(2, 1, 4, 29, dtype=torch.float64)
    scaled, AK, H_scaled = mixtures.unit_bases(At, samples.times(At), H)
    torch.testing.assert_close(scaled.mT @ H_scaled, At.mT @ H)
    torch.testing.assert_close(AK, samples.times(scaled))


@pytest.mark.parametrize("solver", [ArchetypalAnalysis, DeepArchetypalAnalysis])
def test_parameters_out_of_range_are_refused(solver: type) -> None:
    with pytest.raises(ConfigError, match="inner must be at least 1, got 0"):
        solver(rank=4, inner=0)
    with pytest.raises(ConfigError, match="init must be one of uniform, furthest_sum, spa, snpa, kmeans, got 'nndsvd'"):
        solver(rank=4, init="nndsvd")
