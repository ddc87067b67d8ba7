"""A run's outcomes: the time and the memory that they report, and the batches that it is solved in."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from nmfbench.datasets.base import Dataset
from nmfbench.evaluators import Evaluator
from nmfbench.numerics.factorization import Factorization, Product
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.running import measuring
from nmfbench.solvers.base import Solver, Stopping

DATA = Dataset("twos", np.full((3, 4), 2.0))


@dataclass(frozen=True, kw_only=True)
class Idle(Solver):
    """min 0: every step does what a test puts in its place."""

    stopping: ClassVar[Stopping] = Stopping(max_iter=3, check_every=1)

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Factorization]:
        while True:
            self.on_step()
            yield Product(problem.X.new_ones(len(rng.seeds), 3, 1), problem.X.new_ones(len(rng.seeds), 1, 4))

    def objective(self, problem: Problem, factorization: Factorization):
        return factorization.factors["W"][:, 0, 0]

    def on_step(self) -> None:
        pass


@dataclass(frozen=True, kw_only=True)
class Nothing(Evaluator):
    """Measures nothing."""

    metric: ClassVar[str] = "nmi"

    def check(self, dataset, labelled) -> None:
        pass

    def evaluate(self, fitted, dataset, seed, labelled) -> list:
        return []


def summaries(seeds: list[int], dtype: str = "float32") -> list[dict]:
    outcomes = list(measuring.run(Idle(), DATA, Nothing(), seeds=seeds, dtype=dtype))
    assert [outcome.fit["status"] for outcome in outcomes] == ["converged"] * len(seeds)  # its objective is constant
    return [outcome.fit for outcome in outcomes]


def test_cpu_seconds_are_those_of_the_solver_shared_by_the_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = [50.0]
    monkeypatch.setattr(time, "process_time", lambda: cpu[0])
    monkeypatch.setattr(Idle, "on_step", lambda self: cpu.__setitem__(0, cpu[0] + 3.0))
    # The start and three steps, 3 s each, of two restarts.
    assert [summary["cpu_seconds"] for summary in summaries([4, 2])] == [6.0, 6.0]


def test_cpu_seconds_count_work_and_not_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(self: Idle) -> None:
        end = time.process_time() + 0.02
        while time.process_time() < end:
            pass

    monkeypatch.setattr(Idle, "on_step", work)
    (busy,) = summaries([0])
    monkeypatch.setattr(Idle, "on_step", lambda self: time.sleep(0.02))
    (waiting,) = summaries([0])
    assert busy["cpu_seconds"] >= 4 * 0.02 > 2 * waiting["cpu_seconds"] and waiting["seconds"] >= 4 * 0.02


@pytest.mark.parametrize(("platform", "unit"), [("linux", 2**10), ("darwin", 2**20)])
def test_peak_memory_is_in_mebibytes_whatever_the_unit_of_the_platform(
    platform: str, unit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring.sys, "platform", platform)
    monkeypatch.setattr(measuring.resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=300 * unit))
    assert measuring.failed(0, ValueError()).fit["peak_memory_mib"] == 300


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_peak_memory_is_what_the_system_says() -> None:
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    (summary,) = summaries([0])
    assert summary["peak_memory_mib"] == pytest.approx(peak / 2**10, rel=0.1)


@pytest.mark.parametrize(("dtype", "expected"), [("float32", [[0, 1, 2], [3, 4, 5], [6]]), ("float64", [[0], [1]])])
def test_restarts_of_a_batch_take_at_most_a_quarter_of_the_memory(
    dtype: str, expected: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A restart is counted as six arrays like X, of 12 numbers of 4 bytes: a quarter holds three, and one of 8 bytes.
    memory = {"SC_PHYS_PAGES": 4 * 3 * 6 * 12 * 4, "SC_PAGE_SIZE": 1}
    monkeypatch.setattr(measuring.os, "sysconf", memory.__getitem__)
    batches = [summary["batch"] for summary in summaries([seed for batch in expected for seed in batch], dtype)]
    assert batches == [batch for batch in expected for _ in batch]
