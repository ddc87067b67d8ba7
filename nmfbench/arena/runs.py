"""From a protocol to runs: the configurations of trials and scores, planned and made as any other sweep."""

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
class Wanted:
    """Runs of one method on one task: a setting, from several seeds, under one evaluator."""

    task: Task
    solver: str
    setting: Setting
    seeds: tuple[int, ...]
    evaluator: str = "arena"


def tuning(protocol: Protocol, task: Task, solver: str, settings: Sequence[Setting]) -> Iterator[Wanted]:
    """The runs that choose between the trials of a method; none if it has one trial."""
    for setting in settings if len(settings) > 1 else ():
        yield Wanted(task, solver, setting, protocol.tuning_seeds)
        if protocol.heldout_seeds:
            yield Wanted(task, solver, setting, protocol.heldout_seeds, "heldout")


def scoring(protocol: Protocol, task: Task, solver: str, setting: Setting) -> Iterator[Wanted]:
    """The runs that score a setting: on all seeds, and once with hidden entries."""
    yield Wanted(task, solver, setting, tuple(protocol.scored_seeds))
    yield Wanted(task, solver, setting, (0,), "heldout")


class Entering:
    """Composes the runs of a protocol.

    Parameters
    ----------
    protocol: the rules.
    composer: Hydra over the config folders of the command line.
    words: overrides that hold for every run: results_dir, launcher, jobs, and what describes data of one's own.
    solvers: the methods that are run; None: every entrant.
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

    def first(self) -> Request:
        """All trials on the tuning seeds, and the scores of the defaults."""
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

    def second(self, chosen: Sequence[tuple[Task, str, Setting]]) -> Request:
        """The scores of settings that were chosen."""
        return self.request(
            [w for task, solver, setting in chosen for w in scoring(self.protocol, task, solver, setting)]
        )

    def request(self, wanted: Sequence[Wanted]) -> Request:
        """The configurations of these runs, as a sweep."""
        composed = [self._composed(runs) for runs in wanted]
        return Request(composed, Table(), None, (), self.composer.folders)

    def _composed(self, runs: Wanted) -> Composed:
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
