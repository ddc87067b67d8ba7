"""Bad input, drawn at random: every solver ends with finite factors, refuses what it may, or says where it diverged."""

import warnings

import numpy as np
import pytest
from contract import SOLVERS, build, problem_of, refusal
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nmfbench import fit
from nmfbench.errors import NotApplicable
from nmfbench.solvers.base import Stopping

KINDS = ["float64", "float32", "float16", "int32", "uint8", "bool"]


@st.composite
def problems(draw) -> tuple[np.ndarray, int]:
    """X, from ordinary to absurd, and a rank: zero rows, zero columns, constant, huge, tiny, of any dtype and sign."""
    m, n = draw(st.integers(1, 9)), draw(st.integers(1, 11))
    entries = st.floats(0, 1, width=32) | st.sampled_from([0.0, 1.0, 0.5])
    X = draw(arrays(np.float64, (m, n), elements=entries, fill=st.just(draw(st.sampled_from([0.0, 0.3])))))
    if draw(st.booleans()):
        X[draw(st.integers(0, m - 1))] = 0
    if draw(st.booleans()):
        X[:, draw(st.integers(0, n - 1))] = 0
    X = X * draw(st.sampled_from([1.0, 1.0, 1.0, 1e38, 1e20, 1e-20, 1e-38, -1.0]))
    kind = draw(st.sampled_from(KINDS))
    if np.abs(X).max() > 1e4:
        kind = "float64"  # what the others cannot hold would be another X
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return X.astype(kind), draw(st.integers(1, 12))


@pytest.mark.parametrize("dtype", [pytest.param("float32", marks=pytest.mark.slow), "float64"])
@pytest.mark.parametrize("name", SOLVERS)
def test_any_input_gives_finite_factors_a_listed_refusal_or_a_divergence_that_is_named(name: str, dtype: str) -> None:
    @settings(max_examples=20, deadline=None, derandomize=True)
    @given(problems())
    def holds(drawn: tuple[np.ndarray, int]) -> None:
        X, rank = drawn
        solver, problem = build(name, rank, pretrain=5), problem_of(X, dtype)
        if words := refusal(name, problem, rank):
            with pytest.raises(NotApplicable, match=words):
                fit(solver, problem)
            return
        (result,) = fit(solver, problem, stopping=Stopping(max_iter=6, check_every=2))
        if result.status == "diverged":
            assert "iteration" in (result.error or "")
        if result.factorization is None:
            assert result.status == "diverged"
            return
        tensors = [*result.factorization.factors.values(), *result.factorization.codes]
        assert all(tensor.isfinite().all() for tensor in tensors)
        assert np.isfinite(result.objective) and not result.rises
        if solver.nonnegative == "all":
            assert all((tensor >= 0).all() for tensor in tensors)
        # Ordinary numbers are no reason to diverge.
        assert result.status != "diverged" or not 1e-10 < np.abs(X.astype(float)).max() < 1e10

    holds()
