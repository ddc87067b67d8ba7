"""Compare two records of the same run by the numbers that they hold."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nmfbench.records import Record

BY_TIME = ("max_seconds", "start")
"""Statuses of fits that a time limit ended. How far such a fit gets depends on the speed of the machine."""
ROUNDING = {"float32": 1e-5, "float64": 1e-9}
"""Size up to which a difference counts as rounding, by dtype.

With 1 thread and with 2, results of 19 solvers differed by up to 3e-6 (float64: 1e-13). nsnmf and dnsnmf are
exceptions: in float32 they amplify rounding errors, and their fits end elsewhere.
"""
FLOOR = 1e-3
"""Smallest denominator of a relative difference. Smaller values consist of rounding errors."""
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
        which has the scale of the data. Infinite if either value is not a finite number.
    """

    name: str
    first: Any
    second: Any
    size: float


def ended_by_time(fit: Mapping[str, Any], limit: float | None) -> bool:
    """Whether a time limit in seconds ended this fit: then another machine, or another load, ends it elsewhere.

    A fit that had converged when its time was over has the status converged; its seconds tell.
    """
    return fit["status"] in BY_TIME or (limit is not None and fit["seconds"] >= limit)


def rounding(record: Record) -> float:
    """The size up to which a difference from this record counts as rounding."""
    return ROUNDING.get(str(record["config"].get("dtype")), ROUNDING["float64"])


def computed(record: Record, whole: bool = False) -> dict[str, Any]:
    """The results of a run by name: status, iterations, objective and metrics, but no times.

    With ``whole``, add every k-means start and the metrics that count entries. One rounding error can change these, so
    only the same machine repeats them.
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
    """Compare two outputs of `computed`. Returns the differences in the values that both have, the largest first."""
    both = {name: (first[name], second[name]) for name in first if name in second}
    differing = [Difference(name, a, b, _size(name, a, b)) for name, (a, b) in both.items() if a != b]
    return sorted(differing, key=lambda difference: -difference.size)


def shown(differences: Sequence[Difference], sides: tuple[str, str] = ("kept", "other")) -> list[str]:
    """Format the largest differences, one a line, and count the others."""
    lines = [f"  {d.name}: {sides[0]} {d.first}, {sides[1]} {d.second}" for d in differences[:LINES]]
    return lines + ([f"  and {len(differences) - LINES} more"] if len(differences) > LINES else [])


def _size(name: str, a: Any, b: Any) -> float:
    if not all(type(value) in (int, float) and math.isfinite(value) for value in (a, b)):
        return math.inf
    floor = 0.0 if name in OBJECTIVES else FLOOR
    return abs(a - b) / max(abs(a), abs(b), floor)
