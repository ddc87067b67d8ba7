"""Turn a protocol into runs: the configurations of its trials and scores, which run like any other sweep."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nmfbench.arena.protocol import Protocol, Task
from nmfbench.arena.trials import Setting, trials
from nmfbench.errors import DataError
from nmfbench.records import Store
from nmfbench.reports.settings import Table
from nmfbench.running.cards import Cards
from nmfbench.running.composer import Composed, Composer
from nmfbench.running.composing import Request
from nmfbench.running.planning import data_node
from nmfbench.running.settings import Settings


@dataclass(frozen=True)
class MethodRuns:
    """The runs of one method on one task: one setting, several seeds, one evaluator."""

    task: Task
    solver: str
    setting: Setting
    seeds: tuple[int, ...]
    evaluator: str = "arena"


def tuning(protocol: Protocol, task: Task, solver: str, settings: Sequence[Setting]) -> Iterator[MethodRuns]:
    """Yield the runs that decide between the trials of a method; none if it has a single trial."""
    for setting in settings if len(settings) > 1 else ():
        yield MethodRuns(task, solver, setting, protocol.tuning_seeds)
        if protocol.heldout_seeds:
            yield MethodRuns(task, solver, setting, protocol.heldout_seeds, "heldout")


def scoring(protocol: Protocol, task: Task, solver: str, setting: Setting) -> Iterator[MethodRuns]:
    """Yield the runs that score a setting: on all seeds, and once with hidden entries."""
    yield MethodRuns(task, solver, setting, tuple(protocol.scored_seeds))
    yield MethodRuns(task, solver, setting, (0,), "heldout")


class RunComposer:
    """A composer of the runs of a protocol.

    Parameters
    ----------
    protocol: the rules.
    composer: Hydra over the config folders of the command line.
    words: overrides that hold for every run: results_dir, launcher, jobs, and those that describe a user's own data.
    solvers: the methods to run; None: every entrant.
    clusters: number of clusters of data without labels; None: the number of classes.
    """

    def __init__(
        self,
        protocol: Protocol,
        composer: Composer,
        words: Sequence[str],
        solvers: Sequence[str] | None = None,
        clusters: int | None = None,
    ):
        self.protocol, self.composer, self.words, self.clusters = protocol, composer, list(words), clusters
        self.solvers = list(solvers or protocol.entrants(composer.folders))
        self._ranks: dict[str, int | None] = {}
        self.trials = {solver: trials(solver, protocol.trials, composer.folders) for solver in self.solvers}

    def first_round(self) -> Request:
        """Request all trials on the tuning seeds, and the scores of the defaults."""
        return self.request(
            [
                wanted
                for task in self.protocol.tasks
                for solver in self.solvers
                for wanted in (
                    *tuning(self.protocol, task, solver, self.trials[solver]),
                    *scoring(self.protocol, task, solver, {}),
                )
            ]
        )

    def second_round(self, chosen: Sequence[tuple[Task, str, Setting]]) -> Request:
        """Request the scores of the chosen settings."""
        return self.request(
            [runs for task, solver, setting in chosen for runs in scoring(self.protocol, task, solver, setting)]
        )

    def request(self, wanted: Sequence[MethodRuns]) -> Request:
        """Compose the configurations of these runs into one sweep."""
        composed = [self._composed(runs) for runs in wanted]
        return Request(composed, Table(), None, (), self.composer.folders)

    def _composed(self, runs: MethodRuns) -> Composed:
        groups = [f"solver={runs.solver}", f"dataset={runs.task.dataset}", f"evaluator={runs.evaluator}"]
        groups += [f"corrupt={runs.task.corrupt}"] if runs.task.corrupt else []
        base = self.composer.compose([*groups, "stopping=converged", *self.words])
        values: dict[str, Any] = {"seeds": list(runs.seeds), "stopping.max_seconds": self.protocol.max_seconds}
        if self.clusters and runs.evaluator == "arena":
            values["evaluator.k"] = self.clusters
        composed = base.with_values(values | runs.task.values() | runs.setting)
        return composed if runs.task.times == 1 else composed.with_values({"rank": self._rank(composed, runs.task)})

    def _rank(self, composed: Composed, task: Task) -> int | None:
        """Return a multiple of the number of classes; None where the data is missing or has none, as planning says."""
        if task.name not in self._ranks:
            settings = Settings.of(composed.node)
            try:
                classes = Cards(Store(settings.root)).of(data_node(composed, settings.subset)).classes
            except DataError:
                classes = None
            self._ranks[task.name] = classes and task.times * classes
        return self._ranks[task.name]
