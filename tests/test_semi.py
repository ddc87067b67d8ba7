"""Semi-NMF, shallow and deep: its two steps, its starts, its layers and its graph of labels."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nmfbench import load_dataset
from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.fitting import fit
from nmfbench.numerics import inits
from nmfbench.numerics.graph import same_label
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.numerics.signed import pinv, semi_sweep, square_root_step
from nmfbench.solvers.base import Solver, Stopping
from nmfbench.solvers.deep_semi import DeepSemiNMF
from nmfbench.solvers.semi import SemiNMF


@pytest.fixture
def signed() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(3).normal(size=(13, 29)))


def after(solver: Solver, X: torch.Tensor | Problem, sweeps: int):
    problem = X if isinstance(X, Problem) else Problem(X)
    stopping = Stopping(max_iter=sweeps, tol=0, check_every=1)
    return fit(solver, problem, seeds=[5], stopping=stopping, dtype="float64")[0]


def rule(H: np.ndarray, Z: np.ndarray, X: np.ndarray) -> np.ndarray:
    """The square-root rule as it is printed."""
    A, B = Z.T @ X, Z.T @ Z
    plus, minus = (lambda M: (np.abs(M) + M) / 2), (lambda M: (np.abs(M) - M) / 2)
    return H * np.sqrt((plus(A) + minus(B) @ H) / (minus(A) + plus(B) @ H))


def test_bases_are_the_least_squares_optimum(signed: torch.Tensor) -> None:
    H = torch.from_numpy(np.random.default_rng(1).uniform(size=(2, 4, 29)))
    Z, moved = semi_sweep(signed, H)
    for s in range(2):
        expected = np.linalg.lstsq(H[s].T.numpy(), signed.T.numpy(), rcond=None)[0].T
        np.testing.assert_allclose(Z[s].numpy(), expected, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(moved[s].numpy(), rule(H[s].numpy(), expected, signed.numpy()), rtol=1e-9)


def test_square_root_step_never_raises_the_objective_with_a_graph_or_without(signed: torch.Tensor) -> None:
    generator = np.random.default_rng(1)
    graph = same_label(torch.arange(29) % 3, torch.arange(29) % 4 > 0)
    for lam in (0.0, 0.1, 10.0):
        for _ in range(20):
            Z, H = (
                torch.from_numpy(generator.normal(size=(1, 13, 4))),
                torch.from_numpy(generator.uniform(size=(1, 4, 29))),
            )
            objectives = []
            for _ in range(10):
                objectives.append(((signed - Z @ H).square().sum() + lam * graph.roughness(H)).item())
                H = square_root_step(H, Z.mT @ signed, Z.mT @ Z, *(lam * part for part in graph.split(H)))
            assert (np.diff(objectives) < 0).all()


@pytest.mark.parametrize("rank", [2, 4, 14])
def test_svd_start_is_nonnegative_and_as_good_as_the_svd_of_one_rank_less(rank: int, signed: torch.Tensor) -> None:
    Z, H = inits.semi_svd(signed, rank)
    assert Z.shape == (13, rank) and H.shape == (rank, 29) and (H >= 0).all()
    U, s, Vt = np.linalg.svd(signed.numpy())
    best = (U[:, : rank - 1] * s[: rank - 1]) @ Vt[: rank - 1]
    np.testing.assert_allclose((Z @ H).numpy(), best, atol=1e-10)
    # No sample is lifted further than it must be, and then all by as much.
    lifted = H.amin(0)
    torch.testing.assert_close(lifted, lifted[:1].expand_as(lifted))
    assert (H > 0).all()
    right = H[:-1] - H[-1]
    assert (right.amin(1) >= -right.amax(1)).all(), "the sign whose minimum is larger"


def test_svd_start_of_rank_one_is_the_nonnegative_part_of_the_first_triplet(X: np.ndarray) -> None:
    Z, H = inits.semi_svd(torch.from_numpy(X), 1)
    U, s, Vt = np.linalg.svd(X)
    np.testing.assert_allclose((Z @ H).numpy(), s[0] * U[:, :1] @ Vt[:1], atol=1e-10)


def test_svd_start_has_no_zero_that_a_step_could_not_leave(X: np.ndarray) -> None:
    (result,) = fit(SemiNMF(rank=2), X, stopping=Stopping(max_iter=500), dtype="float64")
    rank_one = np.square(np.linalg.svd(X)[1][1:]).sum()
    assert result.objective < 0.9 * rank_one, "a row of zeros would stay, and leave rank one"


def test_svd_start_of_a_batch_is_that_of_each(signed: torch.Tensor) -> None:
    batch = torch.stack([signed, signed.flip(0) + 1])
    first, second = (inits.semi_svd(x, 4) for x in batch)
    for together, *alone in zip(inits.semi_svd(batch, 4), first, second, strict=True):
        torch.testing.assert_close(together, torch.stack(alone))


def test_only_a_random_start_depends_on_the_seed(signed: torch.Tensor) -> None:
    for init, same in {"svd": True, "random": False}.items():
        _, H = inits.semi(init, signed, 4, Streams([0, 1]))
        assert torch.equal(H[0], H[1]) == same


def test_pseudo_inverse_of_one_broken_matrix_leaves_the_others_alone(signed: torch.Tensor) -> None:
    batch = torch.stack([signed, signed * torch.nan, signed * torch.inf, torch.zeros_like(signed)])
    inverse = pinv(batch)
    assert inverse.isfinite().all()
    torch.testing.assert_close(inverse[0], torch.linalg.pinv(signed))


@pytest.mark.parametrize("dataset", ["orl", "cbcl"])
@pytest.mark.parametrize("init", ["svd", "random"])
def test_objective_never_rises_on_real_faces(dataset: str, init: str, data_dir: str) -> None:
    X = load_dataset(dataset).X
    X = torch.from_numpy(X[:: len(X) // 50, :: X.shape[1] // 60].astype(np.float64))
    objectives = np.array([objective for _, objective, _ in after(SemiNMF(rank=12, init=init), X, 300).history])
    assert len(objectives) == 301 and (np.diff(objectives) <= 1e-12 * objectives[:-1]).all()


def test_better_than_nonnegative_factorization_where_X_is_negative(signed: torch.Tensor) -> None:
    result = after(SemiNMF(rank=4), signed, 500)
    best = np.square(np.linalg.svd(signed.numpy())[1][4:]).sum()
    assert best < result.objective < result.history[0][1] < signed.square().sum()
    assert (result.factorization.H >= 0).all() and (result.factorization.W < 0).any()


@pytest.mark.parametrize("solver", [SemiNMF(rank=4), DeepSemiNMF(rank=4, pretrain=10)])
@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_scale_of_X_does_not_matter(scale: float, solver: Solver, signed: torch.Tensor) -> None:
    plain, scaled = (after(solver, X, 30).factorization for X in (signed, signed * scale))
    torch.testing.assert_close(scaled.reconstruct() / scale, plain.reconstruct())
    torch.testing.assert_close(scaled.codes[0], plain.codes[0])


def test_deep_with_one_layer_is_shallow(signed: torch.Tensor) -> None:
    deep = after(DeepSemiNMF(ranks=[4], pretrain=7), signed, 5)
    shallow = after(SemiNMF(rank=4), signed, 12)
    assert deep.objective == pytest.approx(shallow.objective, rel=1e-10)
    torch.testing.assert_close(deep.factorization.Hs[0], shallow.factorization.H)
    torch.testing.assert_close(deep.factorization.Ws[0], shallow.factorization.W)


def test_layers_are_pre_trained_on_the_codes_below(signed: torch.Tensor) -> None:
    start = after(DeepSemiNMF(ranks=[8, 4], pretrain=9), signed, 0).factorization
    first = after(SemiNMF(rank=8), signed, 9).factorization
    second = after(SemiNMF(rank=4), first.H, 9).factorization
    torch.testing.assert_close(start.Hs, (first.H, second.H))
    torch.testing.assert_close(start.Ws, (first.W, second.W))


@pytest.mark.parametrize("variant", ["product", "survey"])
def test_deep_sweep_is_the_rule_of_the_paper(variant: str, signed: torch.Tensor) -> None:
    solver, X, inverse = DeepSemiNMF(ranks=[8, 6, 4], pretrain=5, variant=variant), signed.numpy(), np.linalg.pinv
    before, now = (after(solver, signed, sweeps).factorization for sweeps in (2, 3))
    (Z1, Z2, Z3), (H1, H2, H3) = ([factor.numpy() for factor in factors] for factors in (before.Ws, before.Hs))
    Z1 = X @ inverse(Z2 @ Z3 @ H3 if variant == "product" else Z2 @ H2)
    H1 = rule(H1, Z1, X)
    Z2 = inverse(Z1) @ X @ inverse(Z3 @ H3)
    H2 = rule(H2, Z1 @ Z2, X)
    Z3 = inverse(Z1 @ Z2) @ X @ inverse(H3)
    H3 = rule(H3, Z1 @ Z2 @ Z3, X)
    for ours, theirs in zip((*now.Ws, *now.Hs), (Z1, Z2, Z3, H1, H2, H3), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-7, atol=1e-9)
    assert after(solver, signed, 3).objective == pytest.approx(np.square(X - Z1 @ Z2 @ Z3 @ H3).sum())


def test_variants_agree_for_two_layers_and_differ_for_three(signed: torch.Tensor) -> None:
    for ranks, same in {(8, 4): True, (8, 6, 4): False}.items():
        solver = DeepSemiNMF(ranks=list(ranks), pretrain=20)
        product, survey = (after(replace(solver, variant=variant), signed, 10) for variant in ("product", "survey"))
        assert (product.objective == pytest.approx(survey.objective, rel=1e-9)) == same


def labelled(X: torch.Tensor) -> Problem:
    return Problem(X, labels=torch.arange(29) % 3, labelled=torch.arange(29) % 4 > 0)


def test_labels_count_only_with_a_weight_and_are_declared_then(signed: torch.Tensor) -> None:
    plain = after(DeepSemiNMF(rank=4, pretrain=20), signed, 10)
    for lams, problem in [(None, labelled(signed)), ([0.0, 0.0], labelled(signed)), ([0.0, 0.5], Problem(signed))]:
        solver = DeepSemiNMF(rank=4, pretrain=20, lams=lams)
        assert solver.uses_labels == (lams == [0.0, 0.5])
        assert after(solver, problem, 10).objective == plain.objective


def test_objective_has_the_graph_of_every_layer(signed: torch.Tensor) -> None:
    problem, lams = labelled(signed), [0.3, 0.7]
    result = after(DeepSemiNMF(rank=4, pretrain=20, lams=lams), problem, 10)
    A = (problem.labelled[:, None] & problem.labelled & (problem.labels[:, None] == problem.labels)).double()
    A.fill_diagonal_(0)
    L = A.sum(0).diag() - A
    expected = (signed - result.factorization.reconstruct()).square().sum()
    for lam, H in zip(lams, result.factorization.codes, strict=True):
        expected = expected + lam * signed.abs().max() ** 2 * (H @ L @ H.T).trace()
    assert result.objective == pytest.approx(expected.item())


def test_weight_draws_the_codes_of_equal_labels_together(signed: torch.Tensor) -> None:
    problem, roughness = labelled(signed), []
    graph = same_label(problem.labels, problem.labelled)
    for lam in (0.0, 10.0, 100.0):
        H = after(DeepSemiNMF(rank=4, pretrain=20, lams=[0.0, lam]), problem, 100).factorization.codes[-1]
        roughness.append(graph.roughness(H / H.norm()).item())
    assert roughness[0] > 2 * roughness[1] > 4 * roughness[2]


def test_ranks_that_the_svd_start_does_not_reach_are_refused_with_a_hint(signed: torch.Tensor) -> None:
    with pytest.raises(NotApplicable, match="svd starts reach rank 14 on 13 × 29 data, got rank 15; use init=random"):
        after(SemiNMF(rank=15), signed, 1)
    with pytest.raises(
        NotApplicable, match="svd starts reach rank 5 on 4 × 29 data, got rank 8, 4, 6; use init=random"
    ):
        after(DeepSemiNMF(ranks=[8, 4, 6]), signed, 1)
    assert np.isfinite(after(SemiNMF(rank=15, init="random"), signed, 5).objective)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"variant": "paper"}, "variant must be one of product, survey, got 'paper'"),
        ({"init": "nndsvd"}, "init must be one of svd, random, spa, snpa, kmeans, got 'nndsvd'"),
        ({"pretrain": -1}, "pretrain must be a number of iterations, 0 or more, got -1"),
        ({"lams": [0.1]}, r"lams must be 2 nonnegative numbers, one a layer, got \[0.1\]"),
        ({"lams": [0.1, -1]}, r"lams must be 2 nonnegative numbers, one a layer, got \[0.1, -1\]"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DeepSemiNMF(rank=4, **parameters)


def test_unknown_start_is_refused() -> None:
    with pytest.raises(ConfigError, match="init must be one of svd, random, spa, snpa, kmeans, got 'ones'"):
        SemiNMF(rank=4, init="ones")
