"""From records to the long form: one row per method, layer, cluster count and metric; and the tests between methods."""

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from nmfbench import papers
from nmfbench.evaluators.metric import Metric
from nmfbench.records import Record, digest
from nmfbench.reports.declared import metric_of
from nmfbench.reports.words import variant_words

COLUMNS = [
    "dataset",
    "block",
    "solver",
    "variant",
    "rank",
    "layer",
    "n_clusters",
    "metric",
    "mean",
    "sd",
    "n",
    "best",
    "paper",
    "difference",
    "iterations",
    "seconds",
    "fall",
    "status",
]
_KEYS = COLUMNS[:8]
Declared = Mapping[str, Metric]


def frame(
    records: Sequence[Record], declared: Declared, refused: Sequence[tuple[str, str]] = (), by_name: bool = True
) -> pd.DataFrame:
    """The long form: `COLUMNS`, and "printed", a list of (paper, its number) for each row.

    mean, sd (over seeds, n − 1) and n; best: the value of the seed with the lowest objective; paper and difference
    where a paper prints the number; iterations and seconds: mean per seed; fall: mean relative fall of the objective
    over the last 100 iterations. Metrics of unit % are in percent. ``refused``: pairs (dataset, solver) where the
    solver cannot take the data; each has an empty row. Without ``by_name``, methods stand in the order of their
    records.
    """
    rows = []
    for repetitions in group_repetitions(records):
        rows += sorted(
            _rows(repetitions, declared), key=lambda row: (row.get("layer") or 0, row.get("n_clusters") or 0)
        )
    shown = {record["dataset"] for record in records}
    rows += [
        {"dataset": dataset, "block": "", "solver": solver, "variant": "", "n": 0, "status": "not applicable"}
        for dataset, solver in dict.fromkeys(refused)
        if dataset in shown
    ]
    _summarise(rows)
    table = pd.DataFrame({column: [row.get(column, math.nan) for row in rows] for column in [*COLUMNS, "printed"]})
    for column in ("rank", "layer", "n_clusters", "n"):
        table[column] = table[column].astype("Int64")
    return table.sort_values(_KEYS, kind="stable", na_position="first", ignore_index=True) if by_name else table


def group_repetitions(records: Sequence[Record]) -> list[list[Record]]:
    """Groups of records that differ in their seed and draw alone; of each seed and draw, the newest record.

    Groups are in the order of their first records. If two groups would have the same name in a table, their difference
    in data, code, version or threads is added to their variants.
    """
    identified = _identified(records)
    by_group: dict[tuple[Any, ...], dict[Any, Record]] = {run: {} for run, _, _ in identified}
    for run, _, record in sorted(identified, key=lambda one: one[1]):
        repetitions = by_group[run]
        repetition = record["seed"], record["config"]["dataset"].get("draw")
        repetitions[repetition] = _completed(repetitions.get(repetition), record)
    groups = [list(repetitions.values()) for repetitions in by_group.values()]
    names = [_row_name(group[0]) for group in groups]
    for name in [name for name, count in Counter(names).items() if count > 1]:
        alike = [i for i, other in enumerate(names) if other == name]
        for i, difference in zip(alike, _differences([groups[i] for i in alike]), strict=True):
            groups[i] = [record | {"variant": (record.get("variant") or {}) | difference} for record in groups[i]]
    return groups


def _differences(groups: Sequence[Sequence[Record]]) -> list[dict[str, Any]]:
    """The keys of the config in which groups of one name differ, checksums cut to 6 digits."""
    flat = [
        {
            f"{node}.{key}": value
            for node, values in _identity(group[0]["config"]).items()
            if isinstance(values, dict)
            for key, value in values.items()
        }
        | {"threads": group[0]["environment"].get("threads")}
        for group in groups
    ]
    every = dict.fromkeys(key for config in flat for key in config)
    keys = [key for key in every if len({repr(config.get(key)) for config in flat}) > 1]
    cut = ("dataset.sha256", "solver.source", "evaluator.source")
    # Evaluators have different settings: each names its own. A class says no more than its name, ``hidden`` repeats it.
    keys = [key for key in keys if not (key.endswith("._target_") or key.startswith("hidden."))]
    return [{k: str(config[k])[:6] if k in cut else config[k] for k in keys if k in config} for config in flat]


def _identified(records: Sequence[Record]) -> list[tuple[tuple[Any, ...], tuple[bool, str, str], Record]]:
    """Each record behind a key that all repetitions of its run share, and a key to sort by."""
    known: dict[str, tuple[str, str]] = {}  # most repetitions have the same config
    identified = []
    for record in records:
        text = repr(record["config"])
        if text not in known:
            known[text] = digest(_identity(record["config"])), digest(record["config"])
        identity, of_config = known[text]
        # Sums depend on the number of threads in their last digits, and some methods carry that far.
        run = record.get("block", ""), identity, record["environment"].get("threads")
        # The newest is last. Failed records are first, so that a failure replaces no measurement.
        precedence = record["status"] != "failed", str(record["environment"].get("date")), of_config
        identified.append((run, precedence, record))
    return identified


def _identity(config: dict[str, Any]) -> dict[str, Any]:
    """The config that repetitions share: without the draw of the data and the list of cluster counts."""
    dataset = {key: value for key, value in config["dataset"].items() if key != "draw"}
    if "draw" in config["dataset"]:
        del dataset["sha256"]  # each draw has its own
    evaluator = {key: value for key, value in config["evaluator"].items() if key != "n_clusters"}
    return config | {"dataset": dataset, "evaluator": evaluator}


def _completed(older: Record | None, newer: Record) -> Record:
    """The newer record, with the older record's metrics that it lacks, such as those of other cluster counts."""
    if older is None:
        return newer
    new = {_metric_key(row) for row in newer["metrics"]}
    kept = [row for row in older["metrics"] if _metric_key(row) not in new]
    return newer | {"metrics": kept + newer["metrics"]}


def _row_name(record: Record) -> tuple[Any, ...]:
    return record["dataset"], record.get("block", ""), record["solver"], variant_words(record), record.get("rank")


def _metric_key(row: dict[str, Any]) -> tuple[Any, ...]:
    return row.get("layer"), row.get("n_clusters"), row["metric"]


def _rows(repetitions: Sequence[Record], declared: Declared) -> list[dict[str, Any]]:
    first = repetitions[0]
    statuses = [record["status"] for record in repetitions]
    common = {
        "dataset": first["dataset"],
        "block": first.get("block", ""),
        "solver": first["solver"],
        "variant": variant_words(first),
        "rank": first.get("rank"),
        "status": ", ".join(f"{statuses.count(s)} {s}" for s in sorted(set(statuses))),
    }
    ran = [record for record in repetitions if record["status"] != "failed"]
    if not ran:
        return [common | {"n": 0}]
    common |= {key: sum(record[key] for record in ran) / len(ran) for key in ("iterations", "seconds")}
    falls = [fall for record in ran if (fall := record.get("fall")) is not None]
    common["fall"] = sum(falls) / len(falls) if falls else math.nan
    with_objective = [record for record in ran if record.get("objective") is not None]
    # A direct method reaches the same objective from every seed, so no seed is best.
    differ = len(with_objective) == 1 or len({record["objective"] for record in with_objective}) > 1
    best = ran.index(min(with_objective, key=lambda r: r["objective"])) if differ else None
    values: dict[tuple[Any, ...], dict[int, float]] = {}
    for i, record in enumerate(ran):  # not by seed: another draw of the data has the same seeds
        for row in record["metrics"]:
            key, value = _metric_key(row), row["value"]
            if value is not None and math.isfinite(value):
                values.setdefault(key, {})[i] = value
            elif row.get("n_clusters") is not None:  # a score that is not defined has a dash, and no column less
                values.setdefault(key, {})
    # A merged record has several class counts; papers print numbers for each of its parts.
    printed: dict[tuple[Any, ...], Any] = {}
    for part in first.get("parts", [first]):
        printed |= papers.printed(part)
    rows = []
    for (layer, n_clusters, metric), by_record in values.items():
        scale = metric_of(metric, declared).scale
        row = common | {
            "layer": layer,
            "n_clusters": n_clusters,
            "metric": metric,
            "values": [scale * value for value in by_record.values()],
            "n": len(by_record),
            "best": float(scale * by_record[best]) if best in by_record else math.nan,
        }
        if numbers := printed.get((layer, n_clusters, metric)):
            row |= {"paper": numbers[0][1], "printed": [(paper.title, number) for paper, number in numbers]}
        rows.append(row)
    return rows or [common | {"n": 0}]  # where all seeds diverged from their start


def _summarise(rows: Sequence[dict[str, Any]]) -> None:
    """Add mean, sd and difference to the rows that have values; those with as many values at once, for speed."""
    by_count: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        if n := row["n"]:
            by_count.setdefault(n, []).append(row)
    for n, alike in by_count.items():
        values = np.array([row["values"] for row in alike], dtype=float)
        means = values.sum(1) / n
        sds = np.sqrt(((means[:, None] - values) ** 2).sum(1) / (n - 1)) if n > 1 else np.full(len(alike), math.nan)
        for row, mean, sd in zip(alike, means.tolist(), sds.tolist(), strict=True):
            row |= {"mean": mean, "sd": sd} | ({"difference": mean - row["paper"]} if "paper" in row else {})


def compare(records: Sequence[Record], metric: str, declared: Declared) -> pd.DataFrame:
    """The first method of each block, in the order of the records, against each of its others, seed by seed.

    One row per block × method × layer: n, shift (how much larger the metric of the first is, in its unit, in the mean
    over the cluster counts that both have), its 95 % interval low and high, p, and p_holm, corrected for all rows. A
    method of fewer layers is compared with the first method's top layer. Where each seed draws its own classes of the
    data, seeds share samples and are no independent pairs, so there low, high and p are NaN.
    """
    from nmfbench.reports.statistics import Effect, holm, paired  # scipy.stats takes a second

    rows = []
    by_block: dict[tuple[str, str], list[list[Record]]] = {}
    for repetitions in group_repetitions(records):
        by_block.setdefault((repetitions[0]["dataset"], repetitions[0].get("block", "")), []).append(repetitions)
    for (dataset, block), (first, *others) in by_block.items():
        ours = by_repetition(first, metric, declared)
        top = max((layer for layer, _ in ours if layer), default=None)
        for other in others:
            theirs = by_repetition(other, metric, declared)
            layers = dict.fromkeys(layer for layer, _ in theirs)
            for layer in layers:
                reference = layer if len(layers) > 1 else top
                counts = [k for of, k in theirs if of == layer and (reference, k) in ours]
                pairs = [(ours[reference, k], theirs[layer, k]) for k in counts]
                shared = set.intersection(*({*a} & {*b} for a, b in pairs)) if pairs else ()
                if len(shared) > 1:  # one seed is no evidence
                    a, b = ([sum(pair[i][r] for pair in pairs) / len(pairs) for r in sorted(shared)] for i in (0, 1))
                    method = {"solver": other[0]["solver"], "variant": variant_words(other[0]), "layer": layer}
                    rows.append({"dataset": dataset, "block": block} | method | vars(paired(a, b)))
                    if draws_classes(first[0]):
                        rows[-1] |= dict.fromkeys(("low", "high", "p"), math.nan)
    tested = [row for row in rows if not math.isnan(row["p"])]
    for row, p in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row["p_holm"] = p
    columns = ["dataset", "block", "solver", "variant", "layer", *(f.name for f in dataclasses.fields(Effect))]
    return pd.DataFrame(rows, columns=[*columns, "p_holm"]).astype({"layer": "Int64"})


def verdicts(
    records: Sequence[Record], solvers: Sequence[str], metric: str, declared: Declared
) -> dict[tuple[str, str], str]:
    """(dataset, block) → whether these solvers come in that order, each tested against the next.

    They are compared at as many clusters as there are classes.
    """
    from nmfbench.reports.statistics import holm, paired

    values_of: dict[tuple[str, str], dict[str, dict[Any, float]]] = {}
    classes = {}
    for repetitions in group_repetitions(records):
        first = repetitions[0]
        block, k = (first["dataset"], first.get("block", "")), first["data"]["classes"]
        values = by_repetition(repetitions, metric, declared)
        top = max((layer for layer, count in values if layer and count == k), default=None)
        if first["solver"] in solvers and top and not draws_classes(first):  # as in `compare`
            values_of.setdefault(block, {})[first["solver"]] = values[top, k]
            classes[block] = k
    sentences = {}
    for block, scores in values_of.items():
        pairs = [
            [(scores[a][r], scores[b][r]) for r in scores[a] if r in scores[b]]
            for a, b in pairwise(solver for solver in solvers if solver in scores)
        ]
        if len(scores) < len(solvers) or min(map(len, pairs)) < 2:  # one seed is no evidence
            continue
        effects = [paired(*zip(*pair, strict=True)) for pair in pairs]
        ps = holm([effect.p for effect in effects])
        if not all(effect.shift > 0 for effect in effects):
            verdict = "does not hold"
        elif max(ps) < 0.05:
            verdict = "holds"
        else:
            verdict = "holds in the means, but not beyond chance"
        tests = ", ".join(
            f"{a} over {b} {effect.shift:+.1f} (p = {p:.2g})"
            for (a, b), effect, p in zip(pairwise(solvers), effects, ps, strict=True)
        )
        sentences[block] = (
            f"Printed order {' > '.join(solvers)} at k = {classes[block]}: {verdict}. {tests}; p corrected by Holm "
            f"for these {len(ps)} tests."
        )
    return sentences


def draws_classes(record: Record) -> bool:
    """Whether each seed draws its own classes of the data. Draws of whole planted sets share nothing."""
    return {"draw", "classes"} <= {*record["config"]["dataset"]}


def by_repetition(
    repetitions: Sequence[Record], metric: str, declared: Declared
) -> dict[tuple[Any, Any], dict[Any, float]]:
    """(layer, cluster count) → (seed, draw) → value in the unit shown."""
    values: dict[tuple[Any, Any], dict[Any, float]] = {}
    for record in repetitions:
        for row in record["metrics"]:
            if row["metric"] == metric and row["value"] is not None:
                repetition = record["seed"], record["config"]["dataset"].get("draw")
                scaled = metric_of(metric, declared).scale * row["value"]
                values.setdefault((row.get("layer"), row.get("n_clusters")), {})[repetition] = scaled
    return values
