"""From records to the blocks of an experiment's table: split, quotients, and settings that were chosen elsewhere."""

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import pandas as pd

from nmfbench.progress import plural
from nmfbench.records import Record
from nmfbench.reports.settings import Relative, Tuning
from nmfbench.reports.words import labels_seen

Key = tuple[Any, ...]
BEST = "best per cell (uses labels, as in the paper)"


def split(records: Sequence[Record], keys: Sequence[str]) -> list[Record]:
    """The records, each with its block: by layers, labels, solver, corruption, or a setting of data or solver."""
    words = {"layers": _layers, "label_fraction": _labels, "solver": lambda record: str(record["solver"])}
    words["corrupt"] = lambda record: str(corruption(record).get("kind", "clean"))
    return [
        record | {"block": ", ".join(filter(None, ((words.get(key) or partial(_part, key))(record) for key in keys)))}
        for record in records
    ]


def _part(key: str, record: Record) -> str:
    """The setting in words; empty where it is not set."""
    group, _, name = key.partition(".")
    node = corruption(record) if group == "corrupt" else record["config"][group]
    value = node.get(name)
    return "" if value is None else f"{name} = {value}"


def corruption(record: Record) -> dict[str, Any]:
    """The kind, level and draw by which the record's data was corrupted; empty if it was not."""
    return dict(record["config"]["dataset"].get("corrupt", {}))


def in_order(records: Sequence[Record], keys: Sequence[str]) -> list[Record]:
    """The records, those of a dataset in the order of the numbers by which `split` divides them: layers, labels."""
    numbers = {"layers": _n_layers, "label_fraction": lambda record: record["config"].get("label_fraction", 0)}
    datasets = list(dict.fromkeys(record["dataset"] for record in records))

    def place(record: Record) -> Key:
        return datasets.index(record["dataset"]), *(numbers[key](record) for key in keys if key in numbers)

    return sorted(records, key=place)


def without_parts(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the long form, whose variants do not name what tells the parts of a dataset apart.

    These are the settings that all variants of a method in one part have alike, and not all of its variants in the
    others: the ranks of a part of so many layers, say.
    """
    words = rows["variant"].map(lambda variant: tuple(filter(None, variant.split(", "))))

    def shared(variants: Iterable[tuple[str, ...]]) -> set[str]:
        return set.intersection(*map(set, variants))

    whole = {solver: shared(of) for solver, of in words.groupby(rows["solver"])}
    parts = {place: shared(of) for place, of in words.groupby([rows["solver"], rows["block"]])}
    kept = [
        ", ".join(word for word in own if word in whole[solver] or word not in parts[solver, block])
        for own, solver, block in zip(words, rows["solver"], rows["block"], strict=True)
    ]
    return rows.assign(variant=kept)


def told_apart(records: Sequence[Record]) -> list[Record]:
    """The records; two sets of data with the same name and settings get part of their checksums behind the name.

    Two files of one name in different folders are such sets. Data that each seed draws for itself is one set.
    """
    checksums: dict[str, set[str]] = {}
    settings = ["" if "draw" in record["config"]["dataset"] else _settings_of_data(record) for record in records]
    for record, key in zip(records, settings, strict=True):
        checksums.setdefault(key, set()).add(record["config"]["dataset"].get("sha256", ""))
    return [
        record | {"dataset": f"{record['dataset']} ({record['config']['dataset']['sha256'][:6]})"}
        if key and len(checksums[key]) > 1
        else record
        for record, key in zip(records, settings, strict=True)
    ]


def with_scalings(records: Sequence[Record]) -> list[Record]:
    """The records; where a dataset has several scalings, each record names its own, also that of the YAML."""
    scalings: dict[str, list[Any]] = {}
    for record in records:
        scalings.setdefault(record["dataset"], []).append(record["config"]["dataset"].get("scaling", "max"))
    swept = {name for name, used in scalings.items() if any(scaling != used[0] for scaling in used)}
    return [r | {"variant": _with_scaling(r)} if r["dataset"] in swept else r for r in records]


def _with_scaling(record: Record) -> dict[str, Any]:
    """The record's variant with the scaling behind the solver's settings, whether or not it is that of the YAML."""
    variant = (record.get("variant") or {}) | {"dataset.scaling": record["config"]["dataset"].get("scaling", "max")}
    keys = sorted(variant, key=lambda key: (not key.startswith("solver."), key != "dataset.scaling"))
    return {key: variant[key] for key in keys}


def _settings_of_data(record: Record) -> str:
    settings = {key: value for key, value in record["config"]["dataset"].items() if key != "sha256"}
    return json.dumps([record["dataset"], settings], sort_keys=True)


def _n_layers(record: Record) -> int:
    return len(record["config"]["solver"].get("ranks") or [1])


def _layers(record: Record) -> str:
    return plural(_n_layers(record), "layer")


def _labels(record: Record) -> str:
    share = record["config"].get("label_fraction", 0)
    return labels_seen(record) or (f"{share:.0%} of the labels" if share else "no labels")


def with_quotient(records: Sequence[Record], relative: Relative) -> list[Record]:
    """The records, where solvers other than ``relative.to`` also have their metric over its metric at the same seed."""
    divisors = {(r["dataset"], r["seed"]): _values(r, relative.metric) for r in records if r["solver"] == relative.to}
    title = f"{relative.metric} over that of {relative.to}"
    declared = {"name": relative.name, "title": title, "unit": "%", "decimals": 1, "better": "lower"}
    extended = []
    for record in records:
        theirs = divisors.get((record["dataset"], record["seed"]), {}) if record["solver"] != relative.to else {}
        rows = [
            {"layer": layer, "n_clusters": k, "metric": relative.name, "value": value / theirs[layer, k]}
            for (layer, k), value in _values(record, relative.metric).items()
            if theirs.get((layer, k))
        ]
        # Show the quotient next to the metric that it is computed from.
        known = record.get("declared", [])
        names = [declaration["name"] for declaration in known]
        place = names.index(relative.metric) + 1 if relative.metric in names else len(names)
        declarations = [*known[:place], declared, *known[place:]] if known else []
        extended.append(record | {"metrics": record["metrics"] + rows, "declared": declarations})
    return extended


def _values(record: Record, metric: str) -> dict[Key, float]:
    rows = [row for row in record["metrics"] if row["metric"] == metric and row["value"] is not None]
    return {(row["layer"], row["n_clusters"]): row["value"] for row in rows}


def tuned(records: Sequence[Record], tuning: Tuning) -> tuple[list[Record], list[Record]]:
    """The table's records, merged over class counts, by two rules.

    The first list has one setting for each method and dataset, chosen on the tuning seeds, which the table leaves out.
    It lacks methods without a run on those seeds. The second list has the best setting for each cell, chosen by the
    labels of the same draws that it is scored on.
    """
    choosing = [record for record in records if record["seed"] in tuning.seeds]
    shown = [record for record in records if record["seed"] not in tuning.seeds]
    fair, best = _chosen(choosing, _method, tuning.metric), _chosen(shown, _cell, tuning.metric)
    return (
        [record | {"variant": record["setting"]} for record in _merged(shown, _method, fair)],
        [record | {"variant": {}, "block": BEST} for record in _merged(shown, _cell, best)],
    )


def _chosen(records: Sequence[Record], key: Callable[[Record], Key], metric: str) -> dict[Key, str]:
    """The setting of each key with the highest mean of the metric in the top layer, the first in a tie.

    If runs of a setting are missing or failed, settings are compared on the draws that all of them have.
    """
    scores: dict[Key, dict[str, dict[Key, float]]] = {}
    for record in records:
        of_setting = scores.setdefault(key(record), {}).setdefault(_setting(record), {})
        draw = record["seed"], record["config"]["dataset"]["classes"]
        of_setting |= {
            (*draw, row["n_clusters"]): row["value"]
            for row in _top(record)
            if row["metric"] == metric and row["value"] is not None
        }
    chosen = {}
    for k, settings in scores.items():
        scored = {setting: values for setting, values in settings.items() if values} or settings
        shared = set.intersection(*map(set, scored.values()))
        chosen[k] = max(scored, key=lambda setting: sum(scored[setting][draw] for draw in shared))
    return chosen


def _setting(record: Record) -> str:
    return json.dumps(record["setting"], sort_keys=True)


def _method(record: Record) -> Key:
    return record["dataset"], record["solver"]


def _cell(record: Record) -> Key:
    return *_method(record), record["config"]["dataset"]["classes"]


def _top(record: Record) -> list[dict[str, Any]]:
    """The metrics of the codes that the dnsNMF paper clusters."""
    top = max((row.get("layer") or 0 for row in record["metrics"]), default=0)
    return [row for row in record["metrics"] if row.get("layer") == top]


def _merged(records: Sequence[Record], key: Callable[[Record], Key], chosen: dict[Key, str]) -> list[Record]:
    """One record a method and seed: the metrics of all class counts, each from the setting chosen for it."""
    groups: dict[Key, list[Record]] = {}
    for record in records:
        if _setting(record) == chosen.get(key(record)):
            groups.setdefault((*_method(record), record["seed"]), []).append(record)
    return [_merged_record(group) for group in groups.values()]


def _merged_record(group: list[Record]) -> Record:
    first, counts = group[0], sorted(record["config"]["dataset"]["classes"] for record in group)
    samples = sorted(record["data"]["samples"] for record in group)
    in_all = set.intersection(*(set(record["data"]["preprocessing"]) for record in group))
    statuses = dict.fromkeys(record["status"] for record in sorted(group, key=lambda record: record["status"]))
    common = first["config"]["dataset"] | {"classes": f"{counts[0]} to {counts[-1]}"}
    return first | {
        "rank": None,
        "parts": group,
        "config": first["config"] | {"dataset": common, "solver": first["config"]["solver"] | {"rank": None}},
        "status": " or ".join(statuses),
        "objective": None,  # each part has other data, so their objectives do not add up, nor do their falls
        "fall": None,
        **{key: sum(record[key] for record in group) / len(group) for key in ("iterations", "seconds")},
        "metrics": [row for record in group for row in _top(record)],
        "data": first["data"]
        | {
            "samples": f"{samples[0]} to {samples[-1]}",
            "classes": common["classes"],
            # Leave out sentences about a single draw.
            "preprocessing": [sentence for sentence in first["data"]["preprocessing"] if sentence in in_all],
        },
    }
