"""fit(): the only loop. Clock, history, stopping and divergence live here; a solver only steps."""

import contextlib
import math
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

import torch

from nmfbench.errors import ConfigError
from nmfbench.numerics import convergence, display, losses
from nmfbench.numerics.factorization import Factorization
from nmfbench.numerics.pieces import summed
from nmfbench.numerics.plain import plain, typed
from nmfbench.numerics.problem import Problem, place
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Solver, Stopping

ROUNDING = {torch.float32: 1e-5, torch.float64: 1e-10}
"""Relative increase of an objective up to which it counts as rounding."""


@dataclass(frozen=True)
class Look:
    """The state of a fit at one check of the objectives.

    Parameters
    ----------
    iteration: sweeps so far, ≥ 0.
    objective: mean over the restarts that still run; None: the method is in its start.
    seconds: wall time of the whole batch so far.
    stopping: the rule by which the fit ends, its time limit that of the whole batch.
    """

    iteration: int
    objective: float | None
    seconds: float
    stopping: Stopping


@dataclass
class FitResult:
    """One restart: its factors without the restart axis, and how it ended.

    Parameters
    ----------
    seed: the seed of the restart.
    status: converged by the measure that is the same for all methods (see `numerics.convergence`), whatever ended the
        fit. Else what ended it: max_iter; max_seconds; start, if that time was up before the method's first sweep;
        stopped, by its own rule; solved, in one step; diverged; failed.
    iterations: iteration of the last finite state.
    seconds: wall time of the batch when this restart ended, divided by the number of restarts in the batch.
    batch: the seeds that were solved together.
    factorization: the last finite one; None: the fit failed.
    objective: its objective; None: the fit failed.
    penalty: the part of it that is a penalty, at the end; None: the method has none.
    cpu_seconds: processor time, divided like ``seconds``.
    history: (iteration, objective, seconds) at each check.
    rises: (iteration, increase) where the objective of a monotone method rose beyond rounding.
    error: why it failed or diverged; None: it did not.
    traceback: Python's traceback of a failed fit.
    """

    seed: int
    status: str
    iterations: int
    seconds: float
    batch: tuple[int, ...]
    factorization: Factorization | None = None
    objective: float | None = None
    penalty: float | None = None
    cpu_seconds: float = 0.0
    history: list[tuple[int, float, float]] = field(default_factory=list)
    rises: list[tuple[int, float]] = field(default_factory=list)
    error: str | None = None
    traceback: str | None = None

    def __repr__(self) -> str:  # the generated one would print every factor
        shapes = "" if self.factorization is None else f"; {display.shapes(self.factorization.shown)}"
        return f"<FitResult of seed {self.seed}: {self._ended()}{shapes}>"

    def _repr_html_(self) -> str:
        factors = "" if self.factorization is None else self.factorization._repr_html_()
        return f"<p>Seed {self.seed}: {escape(self.error or self._ended())}.</p>{factors}"

    def _ended(self) -> str:
        objective = "no objective" if self.objective is None else f"objective {_digits(self.objective)}"
        return f"{self.status} after {self.iterations} iterations and {self.seconds:.3g} s, {objective}"


class FitResults(list[FitResult]):
    """The results of `fit`, a list of one for each seed, which a notebook shows as a table."""

    def _repr_html_(self) -> str:
        rows = [(r.seed, r.status, r.iterations, f"{r.seconds:.3g}", _digits(r.objective)) for r in self]
        return display.table(["seed", "status", "iterations", "seconds", "objective"], rows)


def _digits(number: float | None) -> str:
    return "–" if number is None else f"{number:.6g}"


def fit(
    solver: Solver,
    X: Any,
    *,
    observed: Any = None,
    seeds: int | Sequence[int] = (0,),
    stopping: Stopping | None = None,
    max_iter: int | None = None,
    dtype: str = "float32",
    device: str = "cpu",
    on_look: Callable[[Look], None] | None = None,
    on_end: Callable[[FitResult], None] | None = None,
    together: bool | None = None,
) -> FitResults:
    """Factorize X from each seed; one result a seed, in order.

    X is a (m features, n samples) array of real numbers, or a Problem made by `place` from one; it is never changed.
    ``observed`` (m, n) is False for the entries of an array X that are missing and may hold anything; None: none are.
    ``seeds=3`` means 0, 1, 2. ``stopping`` replaces the solver's own rule, ``max_iter`` its number of iterations alone.
    ``on_end`` is given each restart as it ends, while others may still run. Raises ConfigError or NotApplicable if the
    solver cannot take X, DataError for NaN or infinite entries and for those that vanish in ``dtype``. An error inside
    the solver is raised for a single seed; of several seeds, those that fail have ``status == "failed"``. A method that
    draws nothing is fitted once for all.

    ``together``: whether all restarts are one batch; None: on a GPU, where a batch is many times faster. On a CPU it
    takes 0.5 to 3 times as long as restarts one by one, and only those have the same bits whatever seeds are asked for.
    A method whose missing entries are filled in (`Solver.skips_missing`) is fitted one by one everywhere.
    """
    if not isinstance(solver, Solver):
        raise ConfigError(f"solver must be a solver with its settings, e.g. HALS(rank=5), got {solver!r}")
    if not (stopping is None or isinstance(stopping, Stopping)):
        raise ConfigError(f"stopping must be a Stopping, e.g. Stopping(max_iter=100), got {stopping!r}")
    seeds = _seeds(seeds)
    if isinstance(X, Problem) and observed is not None:
        raise ConfigError("X is a Problem, which has its own mask: place(X, observed=…)")
    problem = X if isinstance(X, Problem) else place(X, dtype, device, observed=observed)
    solver.check(problem)
    rule = stopping or solver.stopping
    if max_iter is not None:
        rule = replace(rule, max_iter=max_iter)
    on_end = on_end or (lambda result: None)
    if not solver.draws and len(seeds) > 1:
        (result,) = _fit_batch(solver, problem, tuple(seeds[:1]), rule, on_look, lambda result: None)
        results = [replace(result, seed=seed) for seed in seeds]
        for result in results:
            on_end(result)
        return FitResults(results)
    batched = problem.X.device.type != "cpu" if together is None else together
    if len(seeds) > 1 and batched and not _fills(solver, problem):
        with contextlib.suppress(Exception):  # one by one below, so that only the culprit fails
            return FitResults(_fit_batch(solver, problem, tuple(seeds), rule, on_look, on_end))
    results = FitResults()
    for seed in seeds:
        try:
            results += _fit_batch(solver, problem, (seed,), rule, on_look, on_end)
        except Exception as error:
            if len(seeds) == 1:
                raise
            results.append(failure(seed, error))
            on_end(results[-1])
    return results


def _fills(solver: Solver, problem: Problem) -> bool:
    """Tell whether the missing entries of this problem are filled in before each sweep of this method."""
    return problem.observed is not None and not solver.skips_missing


def _seeds(seeds: Any) -> list[int]:
    """Return the seeds as a list; a number stands for that many, from 0 on."""
    given = plain(seeds)
    listed = list(range(given)) if type(given) is int else typed("seeds", given, list[int])
    if not listed or len(set(listed)) != len(listed) or min(listed) < 0:
        raise ConfigError(f"seeds must be distinct, at least 0 and at least one, got {seeds!r}")
    return listed


def failure(seed: int, error: Exception) -> FitResult:
    """Return the result of a seed whose fit raised."""
    reason = f"{type(error).__name__}: {error}"
    return FitResult(
        seed, "failed", 0, 0.0, (seed,), error=reason, traceback="".join(traceback.format_exception(error))
    )


class _Clock:
    """Time spent inside the solver, without checks of the objective."""

    def __init__(self, device: torch.device):
        self.device, self.wall, self.cpu = device, 0.0, 0.0

    def __enter__(self) -> None:
        self._start = (time.perf_counter(), time.process_time())

    def __exit__(self, *exc: object) -> None:
        self.wall += time.perf_counter() - self._start[0]
        self.cpu += time.process_time() - self._start[1]

    def settle(self) -> None:
        """Wait until the device has done what the solver asked of it; the wait counts as the solver's time."""
        if self.device.type == "cuda":
            with self:
                torch.cuda.synchronize(self.device)


def _fit_batch(
    solver: Solver,
    problem: Problem,
    seeds: tuple[int, ...],
    rule: Stopping,
    on_look: Callable[[Look], None] | None,
    on_end: Callable[[FitResult], None],
) -> list[FitResult]:
    S, fills = len(seeds), _fills(solver, problem)
    problem = problem.fillable() if fills else problem
    rule = replace(rule, max_seconds=rule.max_seconds and rule.max_seconds * S)
    clock = _Clock(problem.X.device)
    iterates = solver.iterates(problem, Streams(seeds))
    results = [FitResult(seed, "max_iter", 0, 0.0, seeds) for seed in seeds]
    running = list(range(S))
    rounding = ROUNDING[problem.X.dtype]
    factorization: Factorization | None = None
    iteration, started_late = -1, False

    def late() -> bool:
        if rule.max_seconds is None:
            return False
        clock.settle()
        return clock.wall > rule.max_seconds

    while running:
        in_start, exhausted = factorization is None, False
        try:
            with torch.no_grad(), clock:
                following = next(iterates)
            while following is None:
                if on_look:
                    on_look(Look(0, None, clock.wall, rule))
                assert isinstance(iterates, Generator)
                with torch.no_grad(), clock:
                    following = iterates.send(late())
            factorization, iteration = following, iteration + 1
            if fills:  # now, so that the objective sees the product in the place of what is missing too
                with torch.no_grad(), clock:
                    problem.fill(factorization.bases[0][0], factorization.codes[0][0])
        except StopIteration:
            exhausted = True
        if factorization is None:
            raise RuntimeError(f"{type(solver).__name__}.iterates yielded nothing")
        started_late |= in_start and late()
        last = exhausted or iteration >= rule.max_iter
        over = late() and iteration > 0
        if not (last or over or iteration % rule.check_every == 0):
            continue
        clock.settle()  # and not before, so that a GPU works through a queue of steps
        objective_of = solver.objective(problem, factorization)
        objectives, smallest = objective_of.tolist(), torch.finfo(objective_of.dtype).tiny
        finite = factorization.finite().tolist()
        ended = []
        for s in running:
            result, objective, before = results[s], objectives[s], results[s].objective
            result.seconds, result.cpu_seconds = clock.wall / S, clock.cpu / S
            fall = math.nan if before is None else before - objective
            stalled = rule.tol > 0 and 0 <= fall <= rule.tol * abs(objective)
            reason = hint = ""
            if not (finite[s] and math.isfinite(objective)):
                reason = "not finite"
            elif (vanishes := abs(objective) < smallest) or stalled:
                reason = losses.lost_to_scale(problem, factorization.restart(s), vanishes)
                hint = '; scale X, or use dtype="float64"'
            if reason:
                kept = f"; its state at iteration {result.iterations} is kept" if result.history else ""
                result.status, result.error = "diverged", f"{reason} at iteration {iteration}{kept}{hint}"
                ended.append(s)
                continue
            result.iterations, result.objective = iteration, objective
            result.factorization = factorization.restart(s)  # kept in case the next state diverges
            if not (result.history and result.history[-1][0] == iteration):
                result.history.append((iteration, objective, clock.wall / S))
            rise = math.nan if before is None else objective - before - rounding * abs(before)
            if solver.monotone and rise > 0 and rise > _floor(problem):
                result.rises.append((iteration, -fall))
            converged = (last or over or stalled or rule.converged) and convergence.has_converged(result.history)
            if last or over or stalled or converged:
                own = "solved" if solver.direct else "stopped" if exhausted or stalled else ""
                limit = own or ("max_iter" if last else "max_seconds")
                result.status = "start" if started_late else "converged" if converged else limit
                ended.append(s)
        penalties = solver.penalty(problem, factorization) if ended else None
        for s in ended:
            if penalties is not None and results[s].iterations == iteration:
                results[s].penalty = penalties[s].item()
            running.remove(s)
            on_end(results[s])
        if on_look and running:
            on_look(Look(iteration, sum(objectives[s] for s in running) / len(running), clock.wall, rule))
    return results


def _floor(problem: Problem) -> float:
    """Return the largest objective increase that rounding alone can cause."""
    size = summed(problem.entries, torch.abs_) + problem.square
    precision = torch.finfo(problem.X.dtype)
    # Sums over entries, ranks and layers all round. Up to 58 roundings were observed, so allow 100.
    return 100 * precision.eps * size + precision.tiny**0.5 if size else math.inf
