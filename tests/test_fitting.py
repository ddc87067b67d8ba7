"""fit(): when it stops, what it writes down, and what it refuses. Solvers here count; their numbers are known."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from nmfbench import HALS, WNNF, FitResult, MultiplicativeNMF, fit, fitting
from nmfbench.errors import ConfigError
from nmfbench.numerics.factorization import Factorization, Product
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Solver, Stopping

X = np.ones((3, 4))


@dataclass(frozen=True, kw_only=True)
class Counting(Solver):
    """min f over nothing: the objective after i iterations of seed s is f(i, s)."""

    stopping: ClassVar[Stopping] = Stopping(max_iter=7, check_every=1)
    last: int = 10**9
    halving: bool = False

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Factorization]:
        S = len(rng.seeds)
        self.on_step(0)
        state = torch.zeros(S, 1, 1, dtype=torch.float64)
        for i in range(self.last + 1):
            state = state.clone()
            seeds = torch.tensor(rng.seeds, dtype=torch.float64)[:, None, None]
            state[:] = 2.0**-i * (1 + seeds) if self.halving else 1000 - i + seeds
            yield Product(state.expand(S, 3, 1), state.expand(S, 1, 4))
            self.on_step(i + 1)

    def objective(self, problem: Problem, factorization: Factorization) -> torch.Tensor:
        return factorization.factors["W"][:, 0, 0]

    def on_step(self, i: int) -> None:
        """For a test to make a step take time."""


class Clock:
    """Time that passes only when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.now = 100.0
        monkeypatch.setattr(fitting.time, "perf_counter", lambda: self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds


def test_max_iter_counts_iterations_after_the_start() -> None:
    (result,) = fit(Counting(), X, stopping=Stopping(max_iter=4, check_every=1))
    assert (result.status, result.iterations, result.objective) == ("max_iter", 4, 996)
    assert [look[:2] for look in result.history] == [(0, 1000), (1, 999), (2, 998), (3, 997), (4, 996)]


def test_no_iteration_at_all_gives_the_start() -> None:
    (result,) = fit(Counting(), X, stopping=Stopping(max_iter=0))
    assert (result.status, result.iterations, result.objective) == ("max_iter", 0, 1000)


def test_solvers_own_rule_holds_unless_another_is_given() -> None:
    assert fit(Counting(), X)[0].iterations == 7


def test_objective_is_looked_at_every_so_often_and_at_the_end() -> None:
    (result,) = fit(Counting(), X, stopping=Stopping(max_iter=10, check_every=4))
    assert [look[0] for look in result.history] == [0, 4, 8, 10]


def test_restart_ends_when_the_fall_between_two_looks_is_within_tol() -> None:
    # The objective falls by 1 a step, by 2 a look: 2/992 is the first ≤ 0.002017.
    (result,) = fit(Counting(), X, stopping=Stopping(max_iter=100, tol=2 / 992, check_every=2))
    assert (result.status, result.iterations) == ("stopped", 2)  # 2/992 in 2 iterations is not converged
    (never,) = fit(Counting(), X, stopping=Stopping(max_iter=100, tol=1e-4, check_every=2))
    assert never.status == "max_iter"


def test_rise_never_ends_a_fit() -> None:
    class Waves(Counting):
        """Objectives 10, 9, 9 + 1e-9, 8, 8."""

        def objective(self, problem: Problem, factorization: Factorization) -> torch.Tensor:
            step = int(1000 - factorization.factors["W"][0, 0, 0])
            return torch.tensor([[10, 9, 9 + 1e-9, 8, 8, 1][step]], dtype=torch.float64)

    (result,) = fit(Waves(), X, stopping=Stopping(max_iter=5, tol=1e-6, check_every=1))
    assert (result.status, result.iterations) == ("stopped", 4)


def test_method_that_rises_at_every_look_runs_to_its_limit() -> None:
    class Rising(Counting):
        def objective(self, problem: Problem, factorization: Factorization) -> torch.Tensor:
            return -super().objective(problem, factorization)

    (result,) = fit(Rising(), X, stopping=Stopping(max_iter=6, tol=1e-9, check_every=1))
    assert (result.status, result.iterations) == ("max_iter", 6)


def test_tol_of_zero_never_stops_even_a_standstill() -> None:
    class Still(Counting):
        def objective(self, problem: Problem, factorization: Factorization) -> torch.Tensor:
            return torch.ones(1)

    assert fit(Still(), X, stopping=Stopping(max_iter=9, tol=0, check_every=1))[0].iterations == 9
    assert fit(Still(), X, stopping=Stopping(max_iter=9, tol=1e-12, check_every=1))[0].iterations == 1


def test_each_restart_ends_by_itself_and_keeps_that_state() -> None:
    # Objectives 1000 − i + seed fall by 1: the fall is within tol · objective for the seed with the larger one.
    rule = Stopping(max_iter=5, tol=1 / 1500, check_every=1)
    small, large = fit(Counting(), X, seeds=[0, 1000], stopping=rule, together=True)
    assert (large.status, large.iterations, large.objective) == ("stopped", 1, 1999)
    assert (small.status, small.iterations, small.objective) == ("max_iter", 5, 995)
    assert large.factorization.factors["W"][0, 0] == 1999 and large.factorization.factors["W"].shape == (3, 1)


def test_generator_that_ends_stops_the_fit() -> None:
    (result,) = fit(Counting(last=3), X, stopping=Stopping(max_iter=50, check_every=10))
    assert (result.status, result.iterations, result.objective) == ("stopped", 3, 997)
    assert [look[0] for look in result.history] == [0, 3]


@pytest.mark.parametrize("together", [False, True])
def test_max_seconds_bounds_the_time_of_each_restart(together: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    monkeypatch.setattr(Counting, "on_step", lambda self, i: clock.wait(2.0 if together else 1.0))
    rule = Stopping(max_iter=100, max_seconds=3.5, check_every=50)
    results = fit(Counting(), X, seeds=[0, 1], stopping=rule, together=together)
    assert [(r.status, r.iterations, r.seconds) for r in results] == [("max_seconds", 3, 4.0)] * 2


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "solver", [MultiplicativeNMF(rank=7), HALS(rank=7), WNNF(rank=7)], ids=lambda s: type(s).__name__
)
def test_bits_of_a_restart_do_not_depend_on_the_seeds_beside_it(solver: Solver, threads: int) -> None:
    X = np.random.default_rng(0).uniform(size=(61, 190)).astype(np.float32)
    torch.set_num_threads(threads)
    try:
        several = fit(solver, X, seeds=[4, 0, 3], stopping=Stopping(max_iter=30))
        for result in several:
            (alone,) = fit(solver, X, seeds=[result.seed], stopping=Stopping(max_iter=30))
            assert result.batch == (result.seed,) and result.objective == alone.objective
            for factor, other in zip(*(r.factorization.factors.values() for r in (result, alone)), strict=True):
                assert torch.equal(factor, other)
    finally:
        torch.set_num_threads(1)


def test_time_is_that_of_the_solver_and_leaves_looks_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    plain = Counting.objective

    def slow(self: Counting, problem: Problem, factorization: Factorization) -> torch.Tensor:
        clock.wait(1000.0)
        return plain(self, problem, factorization)

    monkeypatch.setattr(Counting, "on_step", lambda self, i: clock.wait(2.0))
    monkeypatch.setattr(Counting, "objective", slow)
    rule = Stopping(max_iter=3, check_every=1)
    results = fit(Counting(), X, seeds=[4, 2], stopping=rule, together=True, on_look=lambda look: clock.wait(500.0))
    for result in results:  # a step takes 2 s (the start as well), which two restarts share
        assert [seconds for *_, seconds in result.history] == [1.0, 2.0, 3.0, 4.0]
        assert result.seconds == 4.0 and result.batch == (4, 2)


def test_results_come_in_the_order_of_the_seeds() -> None:
    results = fit(Counting(), X, seeds=[5, 0, 3])
    assert [(r.seed, r.objective) for r in results] == [(5, 998), (0, 993), (3, 996)]


@pytest.mark.parametrize("seeds", [[], [1, 1], [0, 2, 0]])
def test_no_seed_and_the_same_seed_twice_are_refused(seeds: list[int]) -> None:
    with pytest.raises(ConfigError, match="distinct"):
        fit(Counting(), X, seeds=seeds)


def test_look_tells_iteration_and_the_mean_over_those_that_still_run() -> None:
    looks: list[fitting.Look] = []
    rule = Stopping(max_iter=3, tol=1 / 1500, check_every=1)
    fit(Counting(), X, seeds=[0, 1000], stopping=rule, on_look=looks.append, together=True)
    assert [(look.iteration, look.objective) for look in looks] == [(0, 1500), (1, 999), (2, 998)]
    assert all(look.stopping == rule for look in looks)


class Raising(Counting):
    def on_step(self, i: int) -> None:
        if i == 2:
            raise ZeroDivisionError("at step 2")


def test_error_of_a_single_seed_is_raised() -> None:
    with pytest.raises(ZeroDivisionError, match="at step 2"):
        fit(Raising(), X)


def test_error_among_several_seeds_is_written_down_with_its_traceback() -> None:
    results = fit(Raising(), X, seeds=[0, 1])
    assert all(isinstance(r, FitResult) and r.status == "failed" and r.factorization is None for r in results)
    assert [r.error for r in results] == ["ZeroDivisionError: at step 2"] * 2
    assert "on_step" in results[0].traceback and math.isfinite(results[0].seconds)


def test_refusal_before_the_fit_is_raised_for_several_seeds_too() -> None:
    with pytest.raises(ConfigError, match="X ≥ 0"):
        fit(MultiplicativeNMF(rank=1), -X, seeds=[0, 1])


def test_solver_that_yields_nothing_is_named() -> None:
    class Empty(Counting):
        def iterates(self, problem: Problem, rng: Streams) -> Iterator[Factorization]:
            yield from ()

    with pytest.raises(RuntimeError, match=r"Empty\.iterates yielded nothing"):
        fit(Empty(), X)


def test_restart_that_is_not_finite_from_its_start_has_no_factors() -> None:
    class Nan(Counting):
        def objective(self, problem: Problem, factorization: Factorization) -> torch.Tensor:
            return torch.tensor([math.nan, 1.0])

    bad, good = fit(Nan(), X, seeds=[0, 1], together=True)
    assert (bad.status, bad.error, bad.factorization) == ("diverged", "not finite at iteration 0", None)
    assert good.status == "converged" and good.iterations == 7


@pytest.mark.parametrize("rule", [{"max_iter": -1}, {"tol": -1e-9}, {"check_every": 0}, {"max_seconds": 0}])
def test_stopping_rule_that_cannot_be_is_refused_by_name(rule: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(rule))):
        Stopping(**rule)


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4), (0, 4), (3, 0)])
def test_X_that_is_no_matrix_is_refused_with_its_shape(shape: tuple) -> None:
    with pytest.raises(ConfigError, match="must be a matrix"):
        fit(Counting(), np.ones(shape))


@pytest.mark.parametrize("device", ["tpu", "cuda:999", "meta", ""])
def test_device_that_is_not_there_is_refused(device: str) -> None:
    with pytest.raises(ConfigError, match="device"):
        fit(Counting(), X, device=device)


def test_rise_of_a_method_that_claims_to_be_monotone_is_in_its_result(X: np.ndarray) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Rising(MultiplicativeNMF):
        """min the iteration's distance from 3: falls, then rises."""

        def objective(self, problem, factorization):
            return (factorization.W[:, 0, 0] * 0 + abs(next(self.counter) - 3)).double()

    rising = Rising(rank=2)
    object.__setattr__(rising, "counter", iter(range(100)))
    (result,) = fit(rising, X, stopping=Stopping(max_iter=5, check_every=1), dtype="float64")
    assert result.rises == [(4, 1.0), (5, 1.0)]
    assert not fit(MultiplicativeNMF(rank=2), X, stopping=Stopping(max_iter=50, check_every=1))[0].rises
