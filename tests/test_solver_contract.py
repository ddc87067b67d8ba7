"""The promises of every solver: the claims of nmfbench/contract, for every YAML in configs/solver."""

from dataclasses import fields

import numpy as np
import pytest
from contract import SOLVERS, TOO_SMALL, build, run, subject

from nmfbench.contract import CLAIMS, NotClaimed
from nmfbench.contract.objective import WEIGHTS
from nmfbench.errors import ConfigError, DataError

every_solver = pytest.mark.parametrize("name", SOLVERS)
PROMISES = [
    # Unusual data takes long in both dtypes.
    pytest.param(
        claim,
        dtype,
        id=f"{claim.name}-{dtype}",
        marks=[pytest.mark.slow] * (claim.name in ("degenerate", "small") and dtype == "float32"),
    )
    for claim in CLAIMS.values()
    for dtype in claim.dtypes
]


@every_solver
@pytest.mark.parametrize(("claim", "dtype"), PROMISES)
def test_solver_keeps_its_promise(name: str, claim, dtype: str) -> None:
    try:
        claim.hold(subject(name), dtype)
    except NotClaimed as reason:
        if claim.name == "penalty":  # which a method has if and only if it has weights
            assert not {*WEIGHTS} & {field.name for field in fields(build(name))}, reason
        pytest.skip(f"{name}: {reason}")


@every_solver
def test_every_solver_of_the_benchmark_is_scale_free_and_has_a_reason_for_no_exception(name: str) -> None:
    assert build(name).scale_free and not build(name).unclaimed


def test_only_solvers_of_the_benchmark_may_refuse_small_data() -> None:
    assert set(TOO_SMALL) <= set(SOLVERS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_entries_that_are_not_finite_are_refused_with_their_place(dtype: str, bad: float, X: np.ndarray) -> None:
    X[2, 5] = bad
    X[7, 1] = bad
    with pytest.raises(DataError, match=r"2 entries.*feature 2, sample 5"):
        run("mu", X, dtype=dtype)


@pytest.mark.parametrize("rank", ["many", True])
def test_rank_that_is_no_number_is_refused(rank: object) -> None:
    with pytest.raises(ConfigError, match=r"solver\.rank"):
        build("mu", rank)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["int32", "uint8", "bool", "float16", "float32"])
def test_real_numbers_of_any_kind_are_cast(kind: str, X: np.ndarray) -> None:
    cast = (X * 9).astype(kind)
    given, plain = run("mu", cast, max_iter=2), run("mu", cast.astype(np.float64), max_iter=2)
    assert given.objective == plain.objective


@pytest.mark.parametrize("kind", ["complex128", "object", "U8"])
def test_what_is_no_real_number_is_refused(kind: str, X: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="real numbers"):
        run("mu", X.astype(kind))
