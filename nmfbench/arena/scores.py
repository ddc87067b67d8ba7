"""From records to scores: what every method has on every task, under its defaults and under settings chosen for it."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations
from statistics import fmean
from typing import Any

import pandas as pd

from nmfbench import config
from nmfbench.arena.protocol import Protocol, Task
from nmfbench.arena.trials import Setting
from nmfbench.evaluators.clustering import scores as agreement
from nmfbench.records import Record

SCORES = ("nmi", "ari", "accuracy", "purity")
ROWS = ("default", "tuned", "best")
"""A method's rows: with its defaults; tuned without labels; best by the labels, an oracle that no ranking counts."""
_NOTHING: Record = {"metrics": []}


@dataclass
class Trial:
    """The finished records of one setting of a method on a task, by seed."""

    setting: Setting
    arena: dict[int, Record] = field(default_factory=dict)
    heldout: dict[int, Record] = field(default_factory=dict)

    def mean(self, metric: str, seeds: Iterable[int], hidden: bool = False) -> float | None:
        """The mean over the seeds of a metric of the last layer; None unless all of them have it."""
        records = self.heldout if hidden else self.arena
        values = [last_layer(records[seed], metric).get("value") if seed in records else None for seed in seeds]
        known = [value for value in values if value is not None]
        return fmean(known) if known and len(known) == len(values) else None

    def stability(self, seeds: Iterable[int]) -> float | None:
        """The mean adjusted Rand index between the clusters of two of these seeds; None unless all have clusters."""
        clusters = [last_layer(self.arena.get(seed, _NOTHING), "silhouette").get("clusters") for seed in seeds]
        known = [labels for labels in clusters if labels is not None]
        pairs = [agreement_of(a, b) for a, b in combinations(known, 2)]
        return fmean(pairs) if pairs and len(known) == len(clusters) else None


def agreement_of(a: Sequence[int], b: Sequence[int]) -> float:
    """The adjusted Rand index of two clusterings; two that do not divide the samples agree."""
    import numpy as np

    value = agreement(np.asarray(a), np.asarray(b))["ari"]
    return value if value is not None else float(len({*a}) == len({*b}) == 1)


def last_layer(record: Record, metric: str) -> dict[str, Any]:
    """The row of a metric for the last layer that has it; empty if none has."""
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
        """The trial of a setting; None if nothing ran under it."""
        return self.trials.get(key(setting))

    def ordered(self) -> Iterator[Trial]:
        """The trials, the defaults first and the others by their settings, so that ties do not depend on files."""
        yield from (self.trials[name] for name in sorted(self.trials, key=lambda name: (name != "{}", name)))

    def chosen(self, protocol: Protocol, criterion: str) -> Trial | None:
        """The trial that the criterion likes best on the tuning seeds, in a tie the first; the defaults without any.

        ``nmi`` as a criterion reads the labels: it makes the oracle's row.
        """
        trials = list(self.ordered())
        values = [value_of(trial, protocol, criterion) for trial in trials]
        known = [(trial, value) for trial, value in zip(trials, values, strict=True) if value is not None]
        return max(known, key=lambda pair: pair[1])[0] if known else self.trials.get("{}")


def value_of(trial: Trial, protocol: Protocol, criterion: str) -> float | None:
    """The criterion's value for a trial on the tuning seeds, higher for the better; None if it was not measured."""
    if criterion == "stability":
        return trial.stability(protocol.tuning_seeds)
    if criterion == "heldout":
        ratio = trial.mean("heldout_ratio", protocol.heldout_seeds, hidden=True)
        return None if ratio is None else -ratio
    return trial.mean(criterion, protocol.tuning_seeds)


def key(setting: Setting) -> str:
    """A setting as text, whatever the order of its parameters."""
    return json.dumps(setting, sort_keys=True)


def cells(records: Iterable[Record], protocol: Protocol) -> dict[tuple[str, str], Cell]:
    """The finished records that this protocol asks for, by task and solver."""
    found: dict[tuple[str, str], Cell] = {}
    for record in records:
        evaluator = record["config"]["evaluator"].get("name")
        measured = evaluator in ("arena", "heldout") and protocol.has(record) and _as_shipped(record)
        if record["status"] == "failed" or not measured:
            continue
        for task in protocol.tasks:
            if task.has(record):
                cell = found.setdefault((task.name, record["solver"]), Cell(task, record["solver"]))
                trial = cell.trial(record.get("setting") or {})
                (trial.arena if evaluator == "arena" else trial.heldout)[record["seed"]] = record
    return found


def _as_shipped(record: Record) -> bool:
    """Whether the evaluator had the settings of its YAML; data without labels has its own number of clusters."""
    node = record["config"]["evaluator"]
    free = () if record["data"]["classes"] else ("k",)
    return all(node.get(key, value) == value for key, value in _shipped(node["name"]).items() if key not in free)


@cache
def _shipped(evaluator: str) -> dict[str, Any]:
    return {key: value for key, value in config.defaults("evaluator", evaluator).items() if key != "_target_"}


def over_budget(found: Iterable[Cell], protocol: Protocol) -> Iterator[str]:
    """Yield a sentence for each method and task with more trials on the tuning seeds than the protocol allows."""
    for cell in found:
        tried = [t for t in cell.trials.values() if {*protocol.tuning_seeds} & {*t.arena, *t.heldout}]
        if len(tried) > protocol.trials:
            yield f"{cell.solver} has {len(tried)} trials on {cell.task.name}; the arena allows {protocol.trials}"


def other_data(found: Iterable[Cell]) -> Iterator[str]:
    """Yield a sentence for each task whose methods did not all have the same data, as results of others may."""
    by_task: dict[str, dict[str, set[str]]] = {}
    for cell in found:
        for record in (record for trial in cell.trials.values() for record in trial.arena.values()):
            checksum = str(record["config"]["dataset"].get("sha256"))
            by_task.setdefault(cell.task.name, {}).setdefault(checksum, set()).add(cell.solver)
    for task, by_checksum in by_task.items():
        usual = max(by_checksum, key=lambda checksum: len(by_checksum[checksum]))
        if others := sorted({name for key, names in by_checksum.items() if key != usual for name in names}):
            yield f"{', '.join(others)} on {task}: the data has another checksum than that of the other methods"


def choices(cells: Iterable[Cell], protocol: Protocol) -> Iterator[tuple[Task, str, Setting]]:
    """The settings to score beside the defaults: what the criterion chooses, and the labels."""
    for cell in cells:
        for criterion in (protocol.criterion, "nmi"):
            if trial := cell.chosen(protocol, criterion):
                yield cell.task, cell.solver, trial.setting


def table(found: dict[tuple[str, str], Cell], protocol: Protocol) -> pd.DataFrame:
    """The scores: a row for each task, method and `ROWS`, with means over the seeds for scores, in percent.

    seconds: of a fit. capped: share of the seeds that the time limit ended. stability: agreement of the clusters of two
    seeds. heldout: error on hidden entries over that of each feature's mean. to_1_percent: seconds until the objective
    was within 1 % of the lowest that the method reached on the task with the same objective, from any start.
    """
    rows = []
    for cell in found.values():
        chosen = {
            "default": cell.trials.get("{}"),
            "tuned": cell.chosen(protocol, protocol.criterion),
            "best": cell.chosen(protocol, "nmi"),
        }
        for row, trial in chosen.items():
            if trial is not None and {*protocol.scored_seeds} <= {*trial.arena}:
                identity = cell.task.identity | {"solver": cell.solver, "row": row}
                rows.append(identity | _scores(trial, cell, protocol))
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
        "capped": fmean(record["status"] in ("max_seconds", "start") for record in records),
    }


def to_one_percent(records: Sequence[Record], others: Iterable[Record]) -> float | None:
    """Mean seconds until the objective is within 1 % of the lowest that these or other runs of that objective reached.

    None if it never is from one of the seeds, or if nothing is minimised.
    """
    lowest = min((look[1] for record in (*records, *others) for look in record["history"]), default=None)
    if lowest is None:
        return None
    target = lowest + 0.01 * abs(lowest)
    reached = [next((look[2] for look in record["history"] if look[1] <= target), None) for record in records]
    return None if None in reached else fmean(seconds for seconds in reached if seconds is not None)


def _model(setting: Setting) -> str:
    """The part of a setting that decides the objective: all but the start."""
    return key({name: value for name, value in setting.items() if name != "solver.init"})
