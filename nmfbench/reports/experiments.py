"""What an experiment's YAML says of its table, and what that makes of the records. Knows records, not runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from nmfbench.config import structured
from nmfbench.errors import ConfigError
from nmfbench.records import Record

T = TypeVar("T")
Key = tuple[Any, ...]
BEST = "best per cell (uses labels, as in the paper)"


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """Under ``tuning``: settings are chosen by this metric on those seeds.

    The data is drawn anew for each seed from a number of classes, as in the dnsNMF paper. A record here carries its
    ``setting``, which is what the experiment varies in the solver.
    """

    metric: str
    seeds: list[int]
    classes: list[int]

    def blocks(self, records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
        """The table's records, merged over class counts, by two rules.

        First with one setting for each method and dataset, chosen on the tuning seeds, which the table leaves out; a
        method without a run on those is left out.
        Then with the best setting for each cell, chosen by the labels of the very draws that it is scored on.
        """
        tuning = [record for record in records if record["seed"] in self.seeds]
        table = [record for record in records if record["seed"] not in self.seeds]
        fair, best = self._chosen(tuning, _method), self._chosen(table, _cell)
        return (
            [record | {"variant": record["setting"]} for record in _merged(table, _method, fair)],
            [
                record
                | {
                    "variant": "",
                    "dataset": f"{record['dataset']}, {BEST}",
                    "config": record["config"] | {"rule": BEST},
                }
                for record in _merged(table, _cell, best)
            ],
        )

    def _chosen(self, records: Sequence[Record], key: Callable[[Record], Key]) -> dict[Key, str]:
        """For each key the setting with the highest mean of the metric in the top layer; of equals the first.

        Settings of which some runs are missing or failed are compared on the draws that all of them have.
        """
        scores: dict[Key, dict[str, dict[Key, float]]] = {}
        for record in records:
            of_setting = scores.setdefault(key(record), {}).setdefault(record["setting"], {})
            draw = record["seed"], record["config"]["dataset"]["classes"]
            of_setting |= {
                (*draw, row["n_clusters"]): row["value"]
                for row in _top(record)
                if row["metric"] == self.metric and row["value"] is not None
            }
        chosen = {}
        for k, settings in scores.items():
            scored = {setting: values for setting, values in settings.items() if values} or settings
            shared = set.intersection(*map(set, scored.values()))
            chosen[k] = max(scored, key=lambda setting: sum(scored[setting][draw] for draw in shared))
        return chosen


@dataclass(frozen=True, kw_only=True)
class Relative:
    """Under ``relative``: a metric over that of the solver ``to`` at the same seed."""

    metric: str
    to: str
    name: str

    def added(self, records: Sequence[Record]) -> list[Record]:
        """The records, those of other solvers with the quotient as a metric of that name."""
        theirs = {(r["dataset"], r["seed"]): self._values(r) for r in records if r["solver"] == self.to}
        found = []
        for record in records:
            divisors = theirs.get((record["dataset"], record["seed"]), {}) if record["solver"] != self.to else {}
            rows = [
                {"layer": layer, "n_clusters": k, "metric": self.name, "value": value / divisors[layer, k]}
                for (layer, k), value in self._values(record).items()
                if divisors.get((layer, k))
            ]
            found.append(record | {"metrics": record["metrics"] + rows})
        return found

    def _values(self, record: Record) -> dict[Key, float]:
        rows = [row for row in record["metrics"] if row["metric"] == self.metric and row["value"] is not None]
        return {(row["layer"], row["n_clusters"]): row["value"] for row in rows}


def split(records: Sequence[Record], by: Sequence[str]) -> list[Record]:
    """The records, their datasets divided by ``by``, of layers and label_fraction: a block of the table for each."""
    return [
        record | {"dataset": ", ".join([record["dataset"], *(SPLITS[key](record) for key in by)])} for record in records
    ]


def _layers(record: Record) -> str:
    n = len(record["config"]["solver"].get("ranks") or [1])
    return f"{n} layer{'s' if n > 1 else ''}"


def _labels(record: Record) -> str:
    share = record["config"].get("label_fraction", 0)
    return f"{share:.0%} of the labels" if share else "no labels"


SPLITS = {"layers": _layers, "label_fraction": _labels}


@dataclass(frozen=True, kw_only=True)
class Order:
    """Under ``order``: solvers in the order of their printed scores with as many clusters as classes."""

    solvers: list[str]


@dataclass(frozen=True)
class Table:
    """What is to be shown."""

    notes: list[str]
    """Sentences about the protocol."""
    metric: str | None
    """What is shown first and tested, if it is not the evaluator's."""
    split: list[str]
    """By what else than the dataset there are blocks."""
    tuning: Tuning | None
    relative: Relative | None
    order: Order | None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Table":
        """From an experiment's YAML; all that it does not say is empty. Raises ConfigError."""

        def part(key: str, kind: type[T]) -> T | None:
            return structured(config[key], kind, key) if config.get(key) else None

        by = list(config.get("split") or ())
        if unknown := {*by} - {*SPLITS}:
            raise ConfigError(f"split must name {' and '.join(SPLITS)}, got {', '.join(map(str, unknown))}")
        return cls(
            notes=list(config.get("notes") or ()),
            metric=config.get("metric"),
            split=by,
            tuning=part("tuning", Tuning),
            relative=part("relative", Relative),
            order=part("order", Order),
        )


def _method(record: Record) -> Key:
    return record["dataset"], record["solver"]


def _cell(record: Record) -> Key:
    return *_method(record), record["config"]["dataset"]["classes"]


def _top(record: Record) -> list[dict[str, Any]]:
    """The metrics of the codes that the dnsNMF paper clusters."""
    top = max((row.get("layer") or 0 for row in record["metrics"]), default=0)
    return [row for row in record["metrics"] if row.get("layer") == top]


def _merged(records: Sequence[Record], key: Callable[[Record], Key], chosen: dict[Key, str]) -> list[Record]:
    """One record a method and seed: the metrics of all class counts, each of the setting chosen for it."""
    groups: dict[Key, list[Record]] = {}
    for record in records:
        if record["setting"] == chosen.get(key(record)):
            groups.setdefault((*_method(record), record["seed"]), []).append(record)
    return [_sum(group) for group in groups.values()]


def _sum(group: list[Record]) -> Record:
    first, counts = group[0], sorted(record["config"]["dataset"]["classes"] for record in group)
    samples = sorted(record["data"]["samples"] for record in group)
    said = set.intersection(*(set(record["data"]["preprocessing"]) for record in group))
    statuses = dict.fromkeys(record["status"] for record in sorted(group, key=lambda record: record["status"]))
    common = first["config"]["dataset"] | {"classes": f"{counts[0]} to {counts[-1]}"}
    return first | {
        "rank": None,
        "config": first["config"] | {"dataset": common, "solver": first["config"]["solver"] | {"rank": None}},
        "status": " or ".join(statuses),
        "objective": None,  # of other data in each
        "seconds": sum(record["seconds"] for record in group) / len(group),
        "metrics": [row for record in group for row in _top(record)],
        "data": first["data"]
        | {
            "samples": f"{samples[0]} to {samples[-1]}",
            "classes": common["classes"],
            # What is true of one draw alone is left out.
            "preprocessing": [sentence for sentence in first["data"]["preprocessing"] if sentence in said],
        },
    }
