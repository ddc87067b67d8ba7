"""What a run computes, and how far two records of the same run lie apart. Knows records alone."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nmfbench.records import Record

BY_TIME = ("max_seconds", "start")
"""The statuses of fits that a time limit ended: how far they came depends on the machine's speed."""
ROUNDING = {"float32": 1e-5, "float64": 1e-9}
"""Size up to which a difference counts as rounding, by dtype.

Measured on 19 solvers, 1 thread against 2: up to 3e-6, in float64 1e-13, where the method does not amplify rounding.
nsnmf and dnsnmf do in float32: their fits end elsewhere.
"""
FLOOR = 1e-3
"""Smaller values are rounding itself, so a difference is measured against this at least."""
OBJECTIVES = ("final objective", "objective")
_COUNTED = ("dead", "negative_fraction")
"""Metrics that count entries on one side of a threshold. Rounding moves entries across it."""
LINES = 8
"""How many differences of a run are shown."""


@dataclass(frozen=True)
class Difference:
    """A number, or the status, in which two records of a run differ.

    Parameters
    ----------
    name: what differs: "status", "nmi, layer 1, n_clusters 20".
    first: its value in one record.
    second: its value in the other.
    size: |first − second| over the larger absolute value, or over `FLOOR` if both are smaller, but for the objective,
        which has the scale of the data. Infinite where one is no finite number.
    """

    name: str
    first: Any
    second: Any
    size: float


def rounding(record: Record) -> float:
    """The size up to which a difference from this record counts as rounding."""
    return ROUNDING.get(str(record["config"].get("dtype")), ROUNDING["float64"])


def computed(record: Record, whole: bool = False) -> dict[str, Any]:
    """What a run computed, by name: status, iterations, objective and metrics, but no times.

    ``whole``: also what a single rounding may change, which only the same machine repeats: every k-means start, and
    metrics that count entries.
    """
    values = {"status": record["status"], "iterations": record["iterations"]}
    values |= {"final objective": record["objective"]} if "objective" in record else {}
    for row in record["metrics"]:
        place = [f"{k} {v}" for k, v in row.items() if k not in ("metric", "value", "starts") and v is not None]
        name = ", ".join([str(row["metric"]), *place])
        if whole or not name.startswith(_COUNTED):
            values[name] = row["value"]
        if whole:
            values |= {f"{name}, start {i}": value for i, value in enumerate(row.get("starts") or (), start=1)}
    return values


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Difference]:
    """Where two results of `computed` differ in what both have, the largest difference first."""
    both = {name: (first[name], second[name]) for name in first if name in second}
    differing = [Difference(name, a, b, _size(name, a, b)) for name, (a, b) in both.items() if a != b]
    return sorted(differing, key=lambda difference: -difference.size)


def shown(differences: Sequence[Difference], sides: tuple[str, str] = ("kept", "other")) -> list[str]:
    """The largest differences in lines, and how many more there are."""
    lines = [f"  {d.name}: {sides[0]} {d.first}, {sides[1]} {d.second}" for d in differences[:LINES]]
    return lines + ([f"  and {len(differences) - LINES} more"] if len(differences) > LINES else [])


def _size(name: str, a: Any, b: Any) -> float:
    if not all(type(value) in (int, float) and math.isfinite(value) for value in (a, b)):
        return math.inf
    floor = 0.0 if name in OBJECTIVES else FLOOR
    return abs(a - b) / max(abs(a), abs(b), floor)
