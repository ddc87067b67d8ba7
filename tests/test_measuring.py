"""A run's outcomes: the time and the memory that they report, and the seeds that are fitted together."""

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


def summaries(seeds: list[int]) -> list[dict]:
    outcomes = measuring.fitted(Idle(), DATA, seeds=seeds)
    assert [outcome.fit["status"] for outcome in outcomes] == ["converged"] * len(seeds)  # its objective is constant
    return [outcome.fit for outcome in outcomes]


def test_cpu_seconds_are_those_of_the_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = [50.0]
    monkeypatch.setattr(time, "process_time", lambda: cpu[0])
    monkeypatch.setattr(Idle, "on_step", lambda self: cpu.__setitem__(0, cpu[0] + 3.0))
    # The start and three steps, 3 s each.
    assert [summary["cpu_seconds"] for summary in summaries([4, 2])] == [12.0, 12.0]


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


def test_restarts_are_fitted_alone_on_a_cpu_the_reference_first() -> None:
    assert measuring.blocks(Idle(), [3, 0, 5], 12, "float32", "cpu") == [[0], [3], [5]]


def test_method_that_draws_nothing_is_fitted_once() -> None:
    class Fixed(Idle):
        draws = False

    assert measuring.blocks(Fixed(), [3, 0, 5], 12, "float32", "cpu") == [[0, 3, 5]]


@pytest.mark.parametrize(("dtype", "expected"), [("float32", [[0, 1, 2], [3, 4, 5], [6]]), ("float64", [[0], [1]])])
def test_restarts_on_a_gpu_take_at_most_a_quarter_of_its_memory(
    dtype: str, expected: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A restart is counted as six arrays like X, of 12 numbers of 4 bytes: a quarter holds three, and one of 8 bytes.
    gpu = SimpleNamespace(total_memory=4 * 3 * 6 * 12 * 4)
    monkeypatch.setattr(measuring.torch.cuda, "get_device_properties", lambda device: gpu)
    seeds = [seed for block in expected for seed in block]
    assert measuring.blocks(Idle(), seeds, 12, dtype, "cuda") == expected
