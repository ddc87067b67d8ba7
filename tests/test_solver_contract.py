"""The promises of every solver, claim by claim, for every YAML in configs/solver and both dtypes."""

import re
from dataclasses import MISSING, fields, replace
from inspect import cleandoc
from itertools import islice, product

import numpy as np
import pytest
import torch
from contract import (
    RANK,
    SEEDS,
    SOLVERS,
    TOO_SMALL,
    build,
    labelled,
    problem_of,
    refusal,
    run,
    shared_fit,
    states,
    weighted,
)

from nmfbench import config
from nmfbench.errors import ConfigError, DataError, NotApplicable
from nmfbench.fitting import fit
from nmfbench.numerics.factorization import Hierarchy
from nmfbench.numerics.problem import DTYPES
from nmfbench.solvers.base import Stopping

every_solver = pytest.mark.parametrize("name", SOLVERS)
ONE_PRODUCT = ("deep_mu", "wnnf_deep", "dnsnmf")
"""Methods of several layers whose every layer has the same product of bases and codes."""
dtypes = pytest.mark.parametrize("dtype", sorted(DTYPES))


@every_solver
def test_yaml_lists_exactly_the_fields_of_its_class(name: str) -> None:
    listed = config.defaults("solver", name)
    del listed["_target_"]
    assert set(listed) == {f.name for f in fields(build(name))}


@every_solver
def test_yaml_gives_the_defaults_of_its_class(name: str) -> None:
    solver = build(name)
    listed = config.defaults("solver", name)
    for field in fields(solver):
        if field.name != "rank":
            default = field.default if field.default_factory is MISSING else field.default_factory()
            assert listed[field.name] == default, field.name


@every_solver
def test_yaml_opens_with_a_line_that_describes_it(name: str) -> None:
    assert len(config.describe("solver", name)) > 10


@every_solver
def test_docstring_gives_the_problem_first_and_the_source_last(name: str) -> None:
    first, *others = cleandoc(type(build(name)).__doc__).splitlines()
    assert first.startswith(("min ", "Nothing is minimised")) and len(first) <= 120
    # Both are cells of the README's table.
    source = r"\((19|20)\d\d\)|Kobayashi & Watanabe"
    assert name == "raw" or re.search(source, others[-1]), "the last line must be the source, with its year"


@every_solver
@dtypes
def test_factors_keep_the_dtype_and_have_the_shapes_of_the_problem(name: str, dtype: str, X: np.ndarray) -> None:
    m, n = X.shape
    for result in shared_fit(name, dtype).results:
        factors = result.factorization.factors.values()
        assert all(factor.dtype == DTYPES[dtype] and factor.ndim == 2 for factor in factors)
        assert all(codes.ndim == 2 and codes.shape[1] == n for codes in result.factorization.codes)
        assert result.factorization.reconstruct().shape == (m, n)


@every_solver
def test_bases_codes_and_links_of_the_layers_fit_together(name: str, X: np.ndarray) -> None:
    kind = shared_fit(name, "float64").results[0].factorization
    bases, codes, links = kind.bases, kind.codes, kind.links
    assert len(links) == max(0, len(bases) - 1) and len(codes) == max(1, len(bases))
    for link, below, above in zip(links, bases, bases[1:], strict=False):
        assert link.shape == (above.shape[1], below.shape[1])
    if name == "raw":
        assert bases == [] and torch.equal(codes[0], kind.reconstruct())
    elif kind.layering == "convolution":
        assert len(bases) == 1 and bases[0].shape[1] == RANK
    else:
        assert [W.shape for W in bases] == [(len(X), len(H)) for H in codes]
        centre = torch.from_numpy(X.mean(1, keepdims=True)) if name == "pca" else 0
        torch.testing.assert_close(bases[-1] @ codes[-1] + centre, kind.reconstruct())


@every_solver
def test_links_say_how_a_layer_is_made_of_its_neighbour(name: str, X: np.ndarray) -> None:
    kind = shared_fit(name, "float64").results[0].factorization
    bases, codes, links = kind.bases, kind.codes, kind.links
    for l, link in enumerate(links):
        if kind.layering == "codes":
            torch.testing.assert_close(bases[l + 1], bases[l] @ link.mT)
        else:
            torch.testing.assert_close(codes[l + 1], link @ codes[l])
        if name in ONE_PRODUCT:
            torch.testing.assert_close(bases[l] @ codes[l], kind.reconstruct())


@every_solver
@dtypes
def test_same_seed_gives_the_same_numbers(name: str, dtype: str, X: np.ndarray) -> None:
    first, second = (run(name, X, dtype=dtype) for _ in range(2))
    assert first.objective == second.objective
    for a, b in zip(first.factorization.codes, second.factorization.codes, strict=True):
        assert torch.equal(a, b)


@every_solver
def test_restart_in_a_batch_equals_the_run_alone(name: str) -> None:
    batch = shared_fit(name).results
    assert [result.seed for result in batch] == list(SEEDS)
    for result in batch:
        (alone,) = shared_fit(name, seeds=(result.seed,)).results
        assert result.objective == pytest.approx(alone.objective, rel=1e-6)
        for a, b in zip(result.factorization.codes, alone.factorization.codes, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)


@every_solver
def test_seeds_differ_unless_the_method_draws_nothing(name: str) -> None:
    one, other = (shared_fit(name, seeds=(seed,)) for seed in SEEDS[:2])
    codes = (fits.results[0].factorization.codes for fits in (one, other))
    same = all(torch.equal(a, b) for a, b in zip(*codes, strict=True))
    drawn = bool(one.streams or other.streams)
    assert same == (not drawn) == (not build(name).draws)
    assert not (drawn and build(name).direct)


@every_solver
@dtypes
def test_factors_are_nonnegative_where_the_method_says_so(name: str, dtype: str) -> None:
    claim = build(name).nonnegative
    for result in shared_fit(name, dtype).results:
        if claim == "all":
            assert all((factor >= 0).all() for factor in result.factorization.factors.values())
        if claim in ("all", "codes"):
            assert all((codes >= 0).all() for codes in result.factorization.codes)


@every_solver
@dtypes
def test_objective_of_a_monotone_method_never_rises(name: str, dtype: str) -> None:
    if not build(name).monotone:
        pytest.skip(f"{name} does not claim it")
    slack = {"float32": 1e-5, "float64": 1e-10}[dtype]
    for result in shared_fit(name, dtype).results:
        objectives = np.array([objective for _, objective, _ in result.history])
        assert len(objectives) == 51 and (np.diff(objectives) <= slack * objectives[:-1]).all()


@every_solver
@dtypes
def test_objective_falls_from_its_start(name: str, dtype: str) -> None:
    for result in shared_fit(name, dtype).results:
        assert result.history[-1][1] < result.history[0][1] or build(name).direct


@every_solver
def test_objective_is_one_finite_number_a_restart(name: str, X: np.ndarray) -> None:
    solver, problem = build(name), problem_of(X)
    factorization = next(states(solver, problem, [0, 1, 2]))
    objective = solver.objective(problem, factorization)
    assert objective.shape == (3,) and objective.isfinite().all()


@every_solver
@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_multiples_of_X_have_the_same_codes_up_to_a_factor(name: str, factor: float, X: np.ndarray) -> None:
    solvers = [build(name), *([weighted(name)] if weighted(name) != build(name) else [])]
    places = [problem_of, *([labelled] if weighted(name).uses_labels else [])]
    for solver, place in product(solvers, places):
        assert solver.scale_free
        (plain,), (scaled,) = (
            fit(solver, place(X * by), seeds=[3], stopping=Stopping(max_iter=10)) for by in (1.0, factor)
        )
        for H, multiple in zip(plain.factorization.codes, scaled.factorization.codes, strict=True):
            ratio = torch.linalg.vector_norm(multiple) / torch.linalg.vector_norm(H)
            torch.testing.assert_close(multiple / ratio, H, rtol=1e-6, atol=1e-9 * H.abs().max().item())


@every_solver
def test_penalty_is_the_part_of_the_objective_that_vanishes_with_its_weights(name: str, X: np.ndarray) -> None:
    solver, problem = weighted(name), labelled(X)
    with torch.no_grad():
        *_, state = islice(states(solver, problem, [0, 1]), 3)
    weights = {
        f.name: getattr(solver, f.name)
        for f in fields(solver)
        if f.name in ("lam", "lams", "lam_labels", "l1", "l2", "alpha")
    }
    penalty, objective = solver.penalty(problem, state), solver.objective(problem, state)
    assert (penalty is None) == (not weights)
    if penalty is None:
        return
    zeros = {key: [0.0, 0.0] if key in ("lams", "alpha") else 0.0 for key in weights}
    if isinstance(state, Hierarchy) and state.alphas is not None:  # which carries its weights
        state = replace(state, alphas=torch.zeros_like(state.alphas))
    assert penalty.shape == (2,) and (penalty != 0).all()
    torch.testing.assert_close(replace(solver, **zeros).objective(problem, state), objective - penalty)


@every_solver
@dtypes
def test_fit_leaves_X_and_the_global_generators_alone(name: str, dtype: str) -> None:
    assert shared_fit(name, dtype).left_alone


@every_solver
def test_negative_entries_are_refused_unless_the_method_accepts_them(name: str, X: np.ndarray) -> None:
    X[2, 5] = -0.5
    if build(name).accepts_negative:
        assert np.isfinite(run(name, X).objective)
    else:
        with pytest.raises(NotApplicable, match=r"-0\.5"):
            run(name, X)


@every_solver
@dtypes
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_entries_that_are_not_finite_are_refused_with_their_place(
    name: str, dtype: str, bad: float, X: np.ndarray
) -> None:
    X[2, 5] = bad
    X[7, 1] = bad
    with pytest.raises(DataError, match=r"2 entries.*feature 2, sample 5"):
        run(name, X, dtype=dtype)


def test_only_solvers_of_the_benchmark_may_refuse_small_data() -> None:
    assert set(TOO_SMALL) <= set(SOLVERS)


EDGES = {
    "a zero row": lambda X: X * (np.arange(13) != 4)[:, None],
    "a zero column": lambda X: X * (np.arange(29) != 4),
    "zero rows and columns": lambda X: X * (np.arange(13) % 3 > 0)[:, None] * (np.arange(29) % 3 > 0),
    "one sample": lambda X: X[:, :1],
    "one feature": lambda X: X[:1],
    "all zero": lambda X: X * 0,
    "constant": lambda X: X * 0 + 0.7,
    "a single non-zero": lambda X: (np.arange(13 * 29) == 40).reshape(13, 29) * 1.0,
}


@every_solver
@pytest.mark.parametrize("dtype", [pytest.param("float32", marks=pytest.mark.slow), "float64"])
@pytest.mark.parametrize("rank", [1, RANK])
@pytest.mark.parametrize("edge", EDGES)
def test_degenerate_data_gives_finite_factors_unless_it_is_too_small_for_this_method(
    name: str, edge: str, rank: int, dtype: str, X: np.ndarray
) -> None:
    X = EDGES[edge](X)
    if words := refusal(name, problem_of(X, dtype), rank):
        with pytest.raises(NotApplicable, match=words):
            run(name, X, rank=rank, dtype=dtype)
        return
    result = run(name, X, rank=rank, dtype=dtype, max_iter=30, check_every=10)
    assert result.status in ("max_iter", "converged", "solved", "stopped") and np.isfinite(result.objective)
    tensors = [*result.factorization.factors.values(), *result.factorization.codes, result.factorization.reconstruct()]
    assert all(tensor.isfinite().all() for tensor in tensors)


@every_solver
@pytest.mark.parametrize("rank", [0, -1])
def test_rank_below_one_is_refused(name: str, rank: int) -> None:
    if "rank" not in config.defaults("solver", name):
        pytest.skip(f"{name} has no rank")
    with pytest.raises(ConfigError, match=f"rank must be at least 1, got {rank}"):
        build(name, rank)


@every_solver
@pytest.mark.parametrize("rank", [1.5, "many", True])
def test_rank_that_is_no_integer_is_refused(name: str, rank: object) -> None:
    if "rank" not in config.defaults("solver", name):
        pytest.skip(f"{name} has no rank")
    with pytest.raises(ConfigError, match=r"solver\.rank"):
        build(name, rank)  # type: ignore[arg-type]


@every_solver
def test_rank_above_the_sides_of_X_is_fitted_unless_the_start_does_not_reach_it(name: str, X: np.ndarray) -> None:
    if words := refusal(name, problem_of(X), rank := 20):
        with pytest.raises(NotApplicable, match=rf"{words}.*\b13\b"):
            run(name, X, rank=rank)
    else:
        assert np.isfinite(run(name, X, rank=rank).objective)


@every_solver
@pytest.mark.parametrize("kind", ["int32", "uint8", "bool", "float16", "float32"])
def test_real_numbers_of_any_kind_are_cast(name: str, kind: str, X: np.ndarray) -> None:
    cast = (X * 9).astype(kind)
    given, plain = run(name, cast, max_iter=2), run(name, cast.astype(np.float64), max_iter=2)
    assert given.objective == plain.objective


@every_solver
@pytest.mark.parametrize("kind", ["complex128", "object", "U8"])
def test_what_is_no_real_number_is_refused(name: str, kind: str, X: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="real numbers"):
        run(name, X.astype(kind))
