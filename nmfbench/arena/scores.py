"""Turn records into scores of every method on every task, with its defaults and with settings chosen for it."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from statistics import fmean
from typing import Any

import pandas as pd

from nmfbench.arena.protocol import Protocol, Task
from nmfbench.arena.trials import Setting
from nmfbench.evaluators.clustering import scores as agreement
from nmfbench.records import Record

SCORES = ("nmi", "ari", "accuracy", "purity")
ROWS = ("default", "tuned", "best")
"""The rows of a method: its paper's defaults; tuned without labels; best by labels, an oracle that is never ranked."""


@dataclass
class Trial:
    """The finished records of one setting of a method on a task, by seed."""

    setting: Setting
    arena: dict[int, Record] = field(default_factory=dict)
    heldout: dict[int, Record] = field(default_factory=dict)

    def mean(self, metric: str, seeds: Iterable[int], hidden: bool = False) -> float | None:
        """Average a metric of the last layer over the seeds; None unless all of them have it."""
        records = self.heldout if hidden else self.arena
        values = [last_layer(records[seed], metric).get("value") if seed in records else None for seed in seeds]
        known = [value for value in values if value is not None]
        return fmean(known) if known and len(known) == len(values) else None

    def stability(self, seeds: Iterable[int]) -> float | None:
        """Average the adjusted Rand index over all pairs of these seeds' clusterings; None for fewer than two seeds."""
        clusters = [last_layer(self.arena[seed], "silhouette").get("clusters") for seed in seeds if seed in self.arena]
        pairs = [agreement_of(a, b) for a, b in combinations(filter(None, clusters), 2)]
        return fmean(pairs) if pairs else None


def agreement_of(a: Sequence[int], b: Sequence[int]) -> float:
    """Return the adjusted Rand index of two clusterings; two with a single cluster each agree."""
    import numpy as np

    value = agreement(np.asarray(a), np.asarray(b))["ari"]
    return value if value is not None else float(len({*a}) == len({*b}) == 1)


def last_layer(record: Record, metric: str) -> dict[str, Any]:
    """Return the row of a metric in the last layer that has it; empty if no layer has it."""
    rows = [row for row in record["metrics"] if row["metric"] == metric]
    return max(rows, key=lambda row: row.get("layer") or 0, default={})


@dataclass
class Cell:
    """One method on one task: its trials, the defaults first."""

    task: Task
    solver: str
    trials: dict[str, Trial] = field(default_factory=dict)

    def trial(self, setting: Setting) -> Trial:
        return self.trials.setdefault(key(setting), Trial(setting))

    def find(self, setting: Setting) -> Trial | None:
        """Return the trial of a setting; None if nothing ran under it."""
        return self.trials.get(key(setting))

    def ordered(self) -> Iterator[Trial]:
        """Yield the defaults first and the other trials by their settings, so that ties do not depend on files."""
        yield from (self.trials[name] for name in sorted(self.trials, key=lambda name: (name != "{}", name)))

    def chosen(self, protocol: Protocol, criterion: str) -> Trial | None:
        """Return the trial that the criterion prefers on the tuning seeds, or the defaults if no trial has a value.

        A tie goes to the first trial. ``nmi`` as a criterion uses the labels, for the oracle's row.
        """
        trials = list(self.ordered())
        values = [value_of(trial, protocol, criterion) for trial in trials]
        known = [(trial, value) for trial, value in zip(trials, values, strict=True) if value is not None]
        return max(known, key=lambda pair: pair[1])[0] if known else self.trials.get("{}")


def value_of(trial: Trial, protocol: Protocol, criterion: str) -> float | None:
    """Return the criterion's value on the tuning seeds, the higher the better; None if it was not measured."""
    if criterion == "stability":
        return trial.stability(protocol.tuning_seeds)
    if criterion == "heldout":
        ratio = trial.mean("heldout_ratio", protocol.heldout_seeds, hidden=True)
        return None if ratio is None else -ratio
    return trial.mean(criterion, protocol.tuning_seeds)


def key(setting: Setting) -> str:
    """Write a setting as text that does not depend on the order of its parameters."""
    return json.dumps(setting, sort_keys=True)


def cells(records: Iterable[Record], protocol: Protocol) -> dict[tuple[str, str], Cell]:
    """Group the finished records that belong to this protocol by task and solver."""
    grouped: dict[tuple[str, str], Cell] = {}
    for record in records:
        evaluator = record["config"]["evaluator"].get("name")
        if record["status"] == "failed" or evaluator not in ("arena", "heldout") or not protocol.has(record):
            continue
        for task in protocol.tasks:
            if task.has(record):
                cell = grouped.setdefault((task.name, record["solver"]), Cell(task, record["solver"]))
                trial = cell.trial(record.get("setting") or {})
                (trial.arena if evaluator == "arena" else trial.heldout)[record["seed"]] = record
    return grouped


def choices(cells: Iterable[Cell], protocol: Protocol) -> Iterator[tuple[Task, str, Setting]]:
    """Yield the settings to score in addition to the defaults: the criterion's choice, and the best by labels."""
    for cell in cells:
        for criterion in (protocol.criterion, "nmi"):
            if trial := cell.chosen(protocol, criterion):
                yield cell.task, cell.solver, trial.setting


def table(cells: dict[tuple[str, str], Cell], protocol: Protocol) -> pd.DataFrame:
    """Make a table of scores: a row for each task, method and one of `ROWS`, averaged over the seeds, in percent.

    seconds: time of a fit. capped: share of the seeds that the time limit ended. stability: agreement between the
    clusters of two seeds. heldout: error on hidden entries over that of each feature's mean. to_1_percent: seconds
    until the objective was within 1 % of the lowest that the method reached on the task with the same objective, from
    any start.
    """
    rows = []
    for cell in cells.values():
        chosen = {
            "default": cell.trials.get("{}"),
            "tuned": cell.chosen(protocol, protocol.criterion),
            "best": cell.chosen(protocol, "nmi"),
        }
        for row, trial in chosen.items():
            if trial is not None and {*protocol.scored_seeds} <= {*trial.arena}:
                identity = {"task": cell.task.name, "domain": cell.task.domain, "licensed": cell.task.licensed}
                rows.append(identity | {"solver": cell.solver, "row": row} | _scores(trial, cell, protocol))
    return pd.DataFrame(rows)


def _scores(trial: Trial, cell: Cell, protocol: Protocol) -> dict[str, Any]:
    seeds = list(protocol.scored_seeds)
    records = [trial.arena[seed] for seed in seeds]
    means = {name: trial.mean(name, seeds) for name in SCORES}
    heldout = trial.mean("heldout_ratio", [0], hidden=True)
    same_model = [other for other in cell.ordered() if _model(other.setting) == _model(trial.setting)]
    known = [record for other in same_model for record in other.arena.values()]
    return {
        "setting": ", ".join(f"{name.partition('.')[2]}={value}" for name, value in sorted(trial.setting.items())),
        **{name: None if value is None else 100 * value for name, value in means.items()},
        "error": trial.mean("error", seeds),
        "heldout": None if heldout is None else 100 * heldout,
        "stability": trial.stability(seeds),
        "sparsity": trial.mean("sparsity_H", seeds),
        "dead": trial.mean("dead", seeds),
        "seconds": fmean(record["seconds"] for record in records),
        "to_1_percent": to_one_percent(records, known),
        "capped": fmean(record["status"] == "max_seconds" for record in records),
    }


def to_one_percent(records: Sequence[Record], others: Iterable[Record]) -> float | None:
    """Average the seconds until the objective is within 1 % of the lowest that these or the other runs reached.

    None if one of the seeds never gets there, or if nothing is minimised.
    """
    lowest = min((look[1] for record in (*records, *others) for look in record["history"]), default=None)
    if lowest is None:
        return None
    target = lowest + 0.01 * abs(lowest)
    reached = [next((look[2] for look in record["history"] if look[1] <= target), None) for record in records]
    return None if None in reached else fmean(seconds for seconds in reached if seconds is not None)


def _model(setting: Setting) -> str:
    """Identify the objective that a setting minimises: every parameter counts, except the start."""
    return key({name: value for name, value in setting.items() if name != "solver.init"})
