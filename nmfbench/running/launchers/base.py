"""The interface of a launcher: a place that runs tasks, several at once."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from nmfbench.records import Record
from nmfbench.running.executing import Task
from nmfbench.running.settings import Settings


class Died(Exception):
    """The process that ran a task has ended. Its message says how, and what may help."""


class Gone(Exception):
    """The engine has ended with all its workers."""


class Engine(Protocol):
    """Runs tasks. Leaving its context stops those that still run and keeps what they have finished.

    Parameters
    ----------
    slots: number of tasks that run at once. It may change as workers come and go.
    ahead: number of further tasks to submit, so that no worker waits for its next one.
    """

    @property
    def slots(self) -> int: ...

    @property
    def ahead(self) -> int: ...

    def submit(self, task: Task) -> None:
        """Start the task, or line it up."""

    def wait(self) -> tuple[Task, dict[int, Record] | Exception] | None:
        """Wait until a task ends. Returns its records (see `executing.run`), what it raised, or Died.

        None: no task has ended, but `slots` may have changed. Raises Gone.
        """


@dataclass(frozen=True, kw_only=True)
class Launcher(ABC):
    """A place that runs tasks."""

    @property
    def local(self) -> bool:
        """Whether its workers are on this machine, with its devices."""
        return True

    @abstractmethod
    def describe(self, workers: int, settings: Settings) -> str:
        """Say in words where that many workers would run."""

    @abstractmethod
    def start(self, workers: int, settings: Settings) -> AbstractContextManager[Engine]:
        """Start an engine. ``workers`` is ignored where others have started them. Raises ConfigError or Gone."""
