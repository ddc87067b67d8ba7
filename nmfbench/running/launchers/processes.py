"""Launcher `processes`: this process, or several of this machine."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from nmfbench.progress import FitProgress
from nmfbench.records import Record
from nmfbench.running import executing
from nmfbench.running.executing import Task
from nmfbench.running.launchers.base import Died, Engine, Launcher
from nmfbench.running.launchers.workers import WorkerEnded, Workers
from nmfbench.running.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Processes(Launcher):
    """Processes of this machine, no server. One worker is this process itself."""

    def describe(self, workers: int, settings: Settings) -> str:
        return "this process" if workers == 1 else f"{workers} processes of this machine"

    @contextmanager
    def start(self, workers: int, settings: Settings) -> Iterator[Engine]:
        if workers == 1:
            yield _Here()
            return
        with Workers(run_quietly) as started:
            yield _There(started, workers)


def run_quietly(task: Task) -> dict[int, Record]:
    """Run a task in a worker: without a terminal it says from time to time how far it is."""
    with FitProgress(task.job.label, bar=False) as progress:
        return executing.run(task, progress)


class _Here:
    """Runs tasks in this process."""

    slots, ahead = 1, 0

    def __init__(self) -> None:
        self.tasks: deque[Task] = deque()

    def submit(self, task: Task) -> None:
        self.tasks.append(task)

    def wait(self) -> tuple[Task, dict[int, Record] | Exception]:
        task = self.tasks.popleft()
        try:
            with FitProgress(task.job.label) as progress:
                return task, executing.run(task, progress)
        except Exception as error:
            return task, error


class _There:
    """Runs each task in one of several processes."""

    ahead = 0

    def __init__(self, workers: Workers, slots: int):
        self.workers, self.slots = workers, slots

    def submit(self, task: Task) -> None:
        self.workers.call(task)

    def wait(self) -> tuple[Task, dict[int, Record] | Exception]:
        (task,), outcome = self.workers.wait()
        return task, Died(str(outcome)) if isinstance(outcome, WorkerEnded) else outcome
