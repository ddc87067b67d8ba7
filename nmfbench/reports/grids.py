"""The tables of a block: methods down and cluster counts across, classes down and methods across, and the tests."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from nmfbench.evaluators.metric import Metric
from nmfbench.papers import Inferred
from nmfbench.reports import notes
from nmfbench.reports.declared import metric_of
from nmfbench.reports.words import DASH, four_digits, number

SORTED_COLUMNS = ("rank", "iterations", "seconds", "fall")
Cell = tuple[str, ...]
"""The lines of a cell."""
Row = Mapping[Any, Any]
"""A row of the long form."""


@dataclass(frozen=True)
class Grid:
    """A table as it is shown.

    Parameters
    ----------
    headings: a cell for each column.
    rows: cells, as many in each row as there are headings.
    title: the title above it; empty: none.
    keys: how many columns, from the left, name a row; a renderer that must wrap repeats them.
    numeric: which columns are set flush right.
    commands: for each row, the command that makes its runs; empty: rows are no methods.
    """

    headings: list[Cell]
    rows: list[list[Cell]]
    title: str = ""
    keys: int = 1
    numeric: frozenset[int] = frozenset()
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shown:
    """The choices that all grids of a report share.

    Parameters
    ----------
    metrics: names of the metrics to show, the tested one first.
    declared: name → metric.
    by_class_count: whether rows are class counts and columns methods.
    sort: a metric or column to sort methods by; empty: the first metric; None: methods keep their order.
    """

    metrics: list[str]
    declared: Mapping[str, Metric]
    by_class_count: bool
    sort: str | None

    @property
    def first(self) -> Metric:
        return metric_of(self.metrics[0], self.declared)


def cells_of(words: Sequence[str]) -> list[Cell]:
    """One cell a word."""
    return [(word,) for word in words]


def label(solver: Any, variant: Any, common: Sequence[str]) -> Cell:
    """The name of a method: its solver, and its variant without the settings that all methods share."""
    changed = [part for part in variant.split(", ") if part and part not in common]
    return (solver, ", ".join(changed)) if changed else (solver,)


def differences(tests: pd.DataFrame, shown: Shown, common: Sequence[str]) -> Grid:
    """The tests of the first method against the others, a row a method and layer."""
    with_layers, untested = bool((tests["layer"] > 1).any()), bool(tests["p"].isna().all())
    rows: list[list[Cell]] = []
    for _, test in tests.iterrows():
        spec = "+" + _spec(shown.first, test[["shift", "low", "high"]].abs().max())
        interval = DASH if pd.isna(test["low"]) else f"{test['low']:{spec}} to {test['high']:{spec}}"
        certainty = (
            [f"{test['wins']} of {test['n']}"] if untested else [interval, f"{test['p_holm']:.2g}", str(test["n"])]
        )
        cells = [f"{test['shift']:{spec}}", *certainty]
        layer = [(number(test["layer"], "d"),)] if with_layers else []
        rows.append([label(test["solver"], test["variant"], common), *layer, *((cell,) for cell in cells)])
    certainty = ["larger on"] if untested else ["95 % interval", "p", "n"]
    headings = ["against", *(["layer"] if with_layers else []), "difference", *certainty]
    return Grid(cells_of(headings), rows)


def by_method(
    part: pd.DataFrame, metrics: Sequence[str], shown: Shown, common: Sequence[str], commands: Mapping[Any, str]
) -> Grid:
    """A row a method, variant, rank and layer. Where codes were clustered, the first metric at each cluster count.

    ``commands``: (solver, variant, rank) → the command that makes its runs.
    """
    long = _plain(part)
    counts = sorted({row["n_clusters"] for row in long if row["metric"] in metrics[:1]} - {None})
    layered = any(row["layer"] and row["layer"] > 1 for row in long)
    columns = [f"k = {k}" for k in counts] or [*metrics, *(["objective"] if "objective" not in metrics else [])]
    keys = ["solver", "rank", *(["layer"] if layered else [])]
    stability = ["stability"] if "stability" in {*part["metric"]} else []  # seed 0 alone has none
    tail = [*([] if "error" in columns else ["error"]), *stability, "iterations", "seconds", "fall", "ended"]
    methods: dict[tuple[Any, ...], list[Row]] = {}
    for row in long:
        methods.setdefault((row["solver"], row["variant"], row["rank"]), []).append(row)
    rows: list[tuple[float, list[Cell], str]] = []
    for (solver, variant, rank), method in methods.items():
        run, whole = method[0], {row["metric"]: row["mean"] for row in method if row["layer"] is None}
        for layer in sorted({row["layer"] for row in method} - {None}) or [None]:
            # A measure of the whole factorization (sparsity_W, say) has neither layer nor k.
            here = [row for row in method if row["layer"] in (layer, None)]
            cells = {
                f"k = {row['n_clusters']}" if counts else row["metric"]: _cell(row, shown)
                for row in here
                if row["metric"] in (metrics[:1] if counts else metrics)
            }
            # A fit that ran out of time during initialization does not represent the method.
            name = f"{solver} (its start)" if "start" in run["status"] else solver
            cells |= {"solver": label(name, variant, common), "rank": (number(rank, "d"),)}
            cells |= {"layer": (number(layer, "d"),), "objective": (number(whole.get("objective"), ".6g"),)}
            cells = {"error": (number(whole.get("error"), ".4f"),)} | cells
            cells |= {"stability": (number(whole.get("stability"), ".2f"),)}
            cells |= {"iterations": (number(run["iterations"], ".0f"),), "seconds": (number(run["seconds"], ".2f"),)}
            cells |= {"fall": (number(run["fall"], ".0e"),), "ended": (run["status"],)}
            line = [cells.get(heading, (DASH,)) for heading in (*keys, *columns, *tail)]
            rows.append((_rank_of(here, shown), line, commands.get((solver, variant, rank), "")))
    if shown.sort is not None:
        rows.sort(key=lambda row: row[0])  # a stable sort: ties keep their order
    made_by = tuple(command for *_, command in rows)
    return Grid(cells_of([*keys, *columns, *tail]), [row for _, row, _ in rows], keys=len(keys), commands=made_by)


def _plain(part: pd.DataFrame) -> list[Row]:
    """The rows as dicts, None where a value is missing: pandas takes milliseconds to choose the rows of each method."""
    columns = {name: part[name].astype(object).where(part[name].notna(), None).tolist() for name in part}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _rank_of(method: Sequence[Row], shown: Shown) -> float:
    """A key that sorts the best first: the mean of a metric over the cluster counts, or a column."""
    if shown.sort is None:
        return 0.0
    name = shown.sort or shown.metrics[0]
    if name in SORTED_COLUMNS:
        value, sign = method[0][name], 1
    else:
        means = [row["mean"] for row in method if row["metric"] == name and row["mean"] is not None]
        value = sum(means) / len(means) if means else None
        sign = 1 if metric_of(name, shown.declared).better == "lower" else -1
    return math.inf if value is None else sign * value


def by_class_count(part: pd.DataFrame, metric: str, shown: Shown, common: Sequence[str]) -> Grid:
    """A row a class count, and one for the mean over them; a column a method."""
    scored = part[part["metric"] == metric]
    methods = [
        (label(solver, variant, common), method)
        for (solver, variant), method in scored.groupby(["solver", "variant"], sort=False)
    ]
    rows: list[list[Cell]] = []
    for k in sorted(scored["n_clusters"].dropna().unique()):
        cells = [[_cell(row, shown) for _, row in m[m["n_clusters"] == k].iterrows()] for _, m in methods]
        rows.append([(f"k = {k}",), *(cell[-1] if cell else (DASH,) for cell in cells)])
    # Take the mean over the counts that every method has: a missing run must not move a method's mean.
    shared = set.intersection(*(set(m["n_clusters"]) for _, m in methods)) if methods else set()
    means = [
        pd.Series(
            {"metric": metric, "sd": math.nan, "best": math.nan, "n": 1, "printed": None}
            | dict(m.loc[m["n_clusters"].isin(shared), ["mean", "paper", "difference"]].mean())
        )
        for _, m in methods
    ]
    rows.append([("mean",), *(_cell(dict(row), shown) for row in means)])
    return Grid([(metric,), *(name for name, _ in methods)], rows)


def _cell(row: Row, shown: Shown) -> Cell:
    if pd.isna(row["mean"]):  # a failed run
        return (DASH,)
    metric = metric_of(row["metric"], shown.declared)
    spec = _spec(metric, row["mean"])
    deviation = "" if pd.isna(row["sd"]) else f" ± {row['sd']:{spec}}"
    cell = f"{row['mean']:{spec}}{deviation}"
    if pd.notna(row["best"]) and row["n"] > 1:
        cell += f" [{row['best']:{spec}}]"
    if pd.isna(row["paper"]):
        return (cell,)
    digits = notes.printed_spec(metric)
    numbers = row["printed"] if isinstance(row["printed"], list) else [("", row["paper"])]
    beside = "; ".join(
        f"{f'{paper} ' if len(numbers) > 1 else ''}{'inferred ' if isinstance(value, Inferred) else ''}"
        f"{value:{digits}}, {row['mean'] - value:+{digits}}"
        for paper, value in numbers
    )
    return (cell, f"({beside})")


def _spec(metric: Metric, size: float) -> str:
    return four_digits(size) if metric.decimals is None else f".{metric.decimals}f"
