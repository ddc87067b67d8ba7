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
    """Runs the tasks that it is given. Leaving its context stops those that still run; what they have is kept.

    Parameters
    ----------
    slots: the tasks that run at once, which may change while workers come and go.
    ahead: how many more it may be given, so that none of its workers waits for the next one.
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
        """Where that many workers would run, in words."""

    @abstractmethod
    def start(self, workers: int, settings: Settings) -> AbstractContextManager[Engine]:
        """An engine with that many workers, where their number is ours to choose. Raises ConfigError."""
