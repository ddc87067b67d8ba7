"""The methods on each dataset, from records: the runs of each, and the best first."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nmfbench.evaluators.metric import Metric
from nmfbench.records import Record
from nmfbench.reports import blocks, frames, notes
from nmfbench.reports.declared import declarations, metric_of
from nmfbench.reports.words import common_settings, parts


@dataclass(frozen=True)
class Method:
    """The runs of one method with one setting on one dataset.

    Parameters
    ----------
    solver: the solver's name.
    setting: its settings that differ from its YAML, without those that all methods share, in words.
    rank: its rank; None: it has none.
    swept: settings that a sweep may vary: rank, number of layers, and those that differ from the YAMLs, by dotted key.
    records: its finished runs, one a seed and draw.
    values: the metric in the top layer of each run, at the smallest number of clusters.
    """

    solver: str
    setting: str
    rank: int | None
    swept: Mapping[str, Any]
    records: list[Record]
    values: list[float]

    @property
    def label(self) -> str:
        rank = f"rank {self.rank}" if self.rank is not None else ""
        return ", ".join(filter(None, [self.solver, self.setting, rank]))

    def value(self, key: str) -> Any:
        """Return its rank, number of layers, or any setting by its dotted key; None if it has none."""
        group, _, name = key.partition(".")
        node = self.records[0]["config"].get(group)
        return self.swept.get(key, node.get(name) if isinstance(node, dict) else None)

    @property
    def mean(self) -> float:
        return float(np.mean(self.values))

    @property
    def sd(self) -> float:
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else math.nan

    @property
    def error(self) -> float:
        """Return the mean reconstruction error; infinite if no run has one."""
        errors = [row["value"] for record in self.records for row in record["metrics"] if row["metric"] == "error"]
        known = [value for value in errors if value is not None]
        return float(np.mean(known)) if known else math.inf

    @property
    def seconds(self) -> float:
        return float(np.mean([record["seconds"] for record in self.records]))


def ranked(records: Sequence[Record], metric: str | None = None) -> Iterator[tuple[str, list[Method], Metric]]:
    """Yield each dataset with its methods, the best first, and the metric that ranks them."""
    records = [record for record in blocks.told_apart(records) if record["status"] != "failed"]
    declared = declarations(records)
    for dataset in dict.fromkeys(record["dataset"] for record in records):
        of_dataset = [record for record in records if record["dataset"] == dataset]
        name = metric or next((shown for record in of_dataset for shown in notes.shown_metrics(record)), "error")
        by = metric_of(name, declared)
        if methods := list(_methods(of_dataset, name)):
            # Among tied methods, the one with the lowest reconstruction error comes first.
            yield dataset, sorted(methods, key=lambda method: (by.sign * method.mean, method.error)), by


def _methods(records: Sequence[Record], metric: str) -> Iterator[Method]:
    """Yield the methods that have this metric."""
    groups = frames.group_repetitions(records)
    alone = len({(record["solver"], *parts(record)) for record in records}) == 1
    shared = parts(records[0]) if alone else common_settings(records)
    for group in groups:
        scored = [(record, value) for record in group if (value := _value(record, metric)) is not None]
        if scored:
            first = group[0]
            setting = ", ".join(word for word in parts(first) if word not in shared)
            depth = len(first["config"]["solver"].get("ranks") or [1])
            swept = {"rank": first.get("rank"), "layers": depth, **(first.get("variant") or {})}
            values = [value for _, value in scored]
            yield Method(first["solver"], setting, first.get("rank"), swept, [r for r, _ in scored], values)


def _value(record: Record, metric: str) -> float | None:
    rows = [row for row in record["metrics"] if row["metric"] == metric and row["value"] is not None]
    if not rows:
        return None
    top = max(row.get("layer") or 0 for row in rows)  # a measure of the whole factorization has no layer
    of_top = (row for row in rows if (row.get("layer") or 0) == top)
    return float(min(of_top, key=lambda row: row.get("n_clusters") or 0)["value"])
