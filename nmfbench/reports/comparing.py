"""Two methods cell by cell: paired differences, and what can be concluded from them."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from nmfbench.errors import ConfigError
from nmfbench.evaluators.metric import Metric
from nmfbench.progress import plural
from nmfbench.records import Record
from nmfbench.reports import blocks, frames, notes
from nmfbench.reports.declared import declarations, metric_of
from nmfbench.reports.words import parts

ALPHA = 0.05
"""A difference counts if its corrected p is below this."""


def compared(a: Sequence[Record], b: Sequence[Record], metric: str | None = None) -> tuple[pd.DataFrame, str]:
    """A row a dataset and number of clusters, in the top layer of each; and a sentence that concludes.

    Columns: dataset, k, A and B (means over the shared seeds, in the metric's unit), difference (Hodges–Lehmann, seed
    by seed), low and high (its 95 % interval), p (signed rank, corrected by Holm for all rows) and n. Raises
    ConfigError where one side has several methods on a dataset, or nothing is shared.
    """
    from nmfbench.reports.statistics import holm, paired  # scipy.stats takes a second

    a, b = ([r for r in blocks.told_apart(side) if r["status"] != "failed"] for side in (a, b))
    declared = declarations([*a, *b])
    name = metric or next((shown for record in [*a, *b] for shown in notes.shown_metrics(record)), "error")
    sides = [_by_dataset(side, label) for side, label in ((a, "A"), (b, "B"))]
    rows: list[dict[str, Any]] = []
    for dataset in (dataset for dataset in sides[0] if dataset in sides[1]):
        ours, theirs = (_top(frames.by_repetition(side[dataset], name, declared)) for side in sides)
        for k in (k for k in ours if k in theirs):
            shared = sorted({*ours[k]} & {*theirs[k]}, key=str)
            if not shared:
                continue
            pair = [[of[k][repetition] for repetition in shared] for of in (ours, theirs)]
            effect = paired(*pair)
            means = {side: sum(values) / len(values) for side, values in zip("AB", pair, strict=True)}
            is_tested = effect.n > 1 and not frames.draws_classes(sides[0][dataset][0])
            rest = {"low": effect.low, "high": effect.high, "p": effect.p} if is_tested else {}
            rows.append({"dataset": dataset, "k": k, **means, "difference": effect.shift, **rest, "n": effect.n})
    if not rows:
        raise ConfigError(f"A and B share no dataset, number of clusters and seed with a value of {name}")
    tested = [row for row in rows if "p" in row]
    for row, p in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row["p"] = p
    table = pd.DataFrame(rows, columns=["dataset", "k", "A", "B", "difference", "low", "high", "p", "n"])
    table["k"] = table["k"].astype("Int64")
    return table, _conclusion(table, metric_of(name, declared))


def _by_dataset(records: Sequence[Record], side: str) -> dict[str, list[Record]]:
    """Dataset → the repetitions of the one method there."""
    found: dict[str, list[Record]] = {}
    for repetitions in frames.group_repetitions(records):
        dataset = repetitions[0]["dataset"]
        if dataset in found:
            names = " and ".join(_words(of[0]) for of in (found[dataset], repetitions))
            raise ConfigError(f"{side} has several methods on {dataset}, such as {names}; choose one by more words")
        found[dataset] = repetitions
    return found


def _top(values: dict[tuple[int | None, int | None], dict[object, float]]) -> dict[int | None, dict[object, float]]:
    """Number of clusters → repetition → value in the top layer."""
    top = max((layer or 0 for layer, _ in values), default=0)
    return {k: of for (layer, k), of in values.items() if (layer or 0) == top}


def _words(record: Record) -> str:
    rank = [f"rank={record['rank']}"] if record.get("rank") is not None else []
    return " ".join([record["solver"], *rank, *parts(record)])


def _conclusion(table: pd.DataFrame, metric: Metric) -> str:
    cells, tested, n = len(table), int(table["p"].notna().sum()), int(table["n"].max())
    sentences = []
    if tested < cells:
        sentences.append(f"{cells - tested} of {cells} cells have one seed, or draws that share samples: no test.")
    beyond = table[table["p"] < ALPHA]
    up = metric.sign * beyond["difference"] < 0 if metric.better else beyond["difference"] > 0
    word = f"better ({metric.better} {metric.title})" if metric.better else "larger"
    for side, of in (("A", beyond[up]), ("B", beyond[~up])):
        if len(of):
            sizes = " to ".join(
                f"{size:.3g}" for size in sorted({of["difference"].abs().min(), of["difference"].abs().max()})
            )
            sentences.append(f"{side} is {word} beyond chance in {len(of)} of {plural(tested, 'cell')}, by {sizes}.")
    if not len(beyond):
        sentences.append(f"No difference in {metric.title} is beyond chance (p below {ALPHA:g}).")
        if tested and (least := min(1.0, 2.0 ** (1 - n) * tested)) >= ALPHA:
            counted = f"{plural(n, 'seed')} and {plural(tested, 'test')}"
            sentences.append(f"With {counted} no p can be below {least:.2g}: add seeds.")
    return " ".join([*sentences, "Seeds are starts on the same data, so this says nothing about other data."])
