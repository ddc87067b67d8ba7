"""build(): records in, a report out. A report is a value: renderers turn it into text, Markdown, LaTeX or CSV."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pandas as pd

from nmfbench.config import nearest
from nmfbench.errors import ConfigError
from nmfbench.evaluators.metric import Metric
from nmfbench.records import Record
from nmfbench.reports import blocks, frames, notes
from nmfbench.reports.declared import declarations, metric_of
from nmfbench.reports.settings import Table
from nmfbench.reports.words import DASH, four_digits, number, parts

_SORTED_COLUMNS = ("rank", "seconds")
Cell = tuple[str, ...]
"""The lines of a cell."""


@dataclass(frozen=True)
class Grid:
    """A table as it is shown.

    Parameters
    ----------
    headings: one a column, each of one or several lines.
    rows: cells, each of one or several lines.
    title: stands above it; empty: nothing does.
    keys: how many columns, from the left, name a row; a renderer that must wrap repeats them.
    numeric: which columns are set flush right.
    """

    headings: list[Cell]
    rows: list[list[Cell]]
    title: str = ""
    keys: int = 1
    numeric: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Block:
    """The part of a report on one dataset.

    Parameters
    ----------
    heading: the dataset and its size.
    grids: its tables.
    exhibits: tables of the restart with the lowest objective of each method.
    sentences: how to read them.
    """

    heading: str
    grids: list[Grid]
    exhibits: list[Grid]
    sentences: list[str]


@dataclass(frozen=True)
class Report:
    """All that a renderer needs.

    Parameters
    ----------
    blocks: one a dataset, or a part of one.
    sentences: what holds for all blocks.
    frame: the long form (see `frames.frame`), every metric.
    header: sentences that stand above the long form: protocol and provenance.
    """

    blocks: list[Block]
    sentences: list[str]
    frame: pd.DataFrame
    header: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Shown:
    """The choices that all grids of a report share."""

    metrics: list[str]
    declared: Mapping[str, Metric]
    by_class_count: bool
    sort: str | None

    @property
    def first(self) -> Metric:
        return metric_of(self.metrics[0], self.declared)


def build(
    records: Sequence[Record],
    table: Table | None = None,
    *,
    metric: str | None = None,
    sort: str | None = None,
    refused: Sequence[tuple[str, str]] = (),
    absent: Mapping[str, str] = MappingProxyType({}),
) -> Report:
    """The report on these records: laid out as an experiment's table, or all of them by name.

    ``metric`` is shown first; without it the table's or the evaluator's. ``sort``: a metric or column to sort methods
    by, the best first; empty: the metric shown first. ``refused``: pairs (dataset, solver) where the solver cannot take
    the data. ``absent``: dataset → why it is not here. Raises ConfigError for a metric or column that no record has.
    """
    layout = table or Table()
    records = list(records)
    if layout.relative:
        records = blocks.with_quotient(records, layout.relative)
    if layout.split:
        records = blocks.split(records, layout.split)
    tested = records
    if layout.tuning:
        tested, best = blocks.tuned(records, layout.tuning)
        records = [*tested, *best]
        metric = metric or layout.tuning.metric
    declared = declarations(records)
    shown = list(dict.fromkeys(name for record in records for name in notes.shown_metrics(record)))
    first = metric or layout.metric or next(iter(shown), "nmi")
    if layout.tuning:
        shown = [first, "nmi_max", "nmi"]
    long = frames.frame(records, declared, refused, by_name=table is None)
    known = sorted(long["metric"].dropna().unique())
    if metric and metric not in known:
        raise ConfigError(f"no record has a metric {metric!r}{nearest(metric, known)}")
    if sort and sort not in (*known, *_SORTED_COLUMNS):
        raise ConfigError(f"no table has a column {sort!r}{nearest(sort, [*_SORTED_COLUMNS, *known])}")
    what = _Shown(list(dict.fromkeys([first, *shown])), declared, bool(layout.tuning), sort)
    compared = frames.compare(tested, first, declared) if table else None
    orders: dict[Any, str] = frames.verdicts(tested, layout.order.solvers, first, declared) if layout.order else {}
    built = [
        _block(part, _of_block(records, dataset, block), what, compared, orders.get((dataset, block)), layout.notes)
        for (dataset, block), part in long.groupby(["dataset", "block"], sort=False)
    ]
    # A sentence that holds for all blocks stands once, below them.
    first_sentences = built[0].sentences if len(built) > 1 else []
    shared = [s for s in first_sentences if all(s in block.sentences for block in built)]
    built = [Block(b.heading, b.grids, b.exhibits, [s for s in b.sentences if s not in shared]) for b in built]
    built += [Block(f"{dataset}: {DASH}", [], [], [reason]) for dataset, reason in absent.items()]
    return Report(built, shared, long, [*layout.notes, *notes.provenance(records)])


def _of_block(records: Sequence[Record], dataset: Any, block: Any) -> list[Record]:
    return [record for record in records if (record["dataset"], record.get("block", "")) == (dataset, block)]


def _block(
    part: pd.DataFrame,
    records: list[Record],
    shown: _Shown,
    compared: pd.DataFrame | None,
    verdict: str | None,
    protocol: Sequence[str],
) -> Block:
    data, block = records[0]["data"], records[0].get("block", "")
    classes = f", {data['classes']} classes" if data["classes"] else ", no labels"
    name = f"{records[0]['dataset']}, {block}" if block else records[0]["dataset"]
    heading = f"{name}: {data['samples']} samples × {data['features']} features{classes}"
    common = _common(records)
    metrics = [m for m in shown.metrics if m in {*part["metric"]}]
    if shown.by_class_count:
        grids = [_by_class_count(part, metric, shown, common) for metric in metrics]
    else:
        grids = [_wide(part, metrics, shown, common)]
    sentences = [*protocol, *([f"All methods: {', '.join(common)}."] if common else [])]
    if compared is not None:
        tests = compared[(compared["dataset"] == records[0]["dataset"]) & (compared["block"] == block)]
        if len(tests):
            grids.append(_differences(tests, shown, common))
            label = {
                (solver, variant): " ".join(_label(solver, variant, common))
                for solver, variant in zip(part["solver"], part["variant"], strict=True)
            }
            sentences += notes.on_comparison(part, records[0]["solver"], shown.first, compared, shown.declared, label)
    sentences += [verdict] if verdict else []
    visible = part[part["metric"].isin(metrics)]
    sentences += notes.on_block(visible, records, shown.first, metrics, shown.declared, shown.by_class_count)
    return Block(heading, grids, _exhibits(records), sentences)


def _cells(words: Sequence[str]) -> list[Cell]:
    return [(word,) for word in words]


def _exhibits(records: Sequence[Record]) -> list[Grid]:
    """The exhibits of the restart with the lowest objective of each method."""
    grids = []
    for repetitions in frames.grouped(records):
        scored = [record for record in repetitions if record.get("objective") is not None]
        best: Any = min(scored, key=lambda record: float(record["objective"]), default=None)
        for exhibit in best["exhibits"] if best else []:
            columns = list(zip(*exhibit["rows"], strict=True)) or [() for _ in exhibit["columns"]]
            numeric = frozenset(i for i, column in enumerate(columns) if all(map(_is_number, column)))
            rows: list[list[Cell]] = [[(cell,) for cell in row] for row in exhibit["rows"]]
            title = f"{best['solver']} (seed {best['seed']}): {exhibit['title']}"
            grids.append(Grid(_cells(exhibit["columns"]), rows, title, numeric=numeric))
    return grids


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def _common(records: Sequence[Record]) -> list[str]:
    """The settings that every method of a block has changed alike. A method that takes no step has no stopping rule."""
    methods = {(r["solver"], tuple(parts(r["variant"], r["config"]))): r for r in records}
    if len(methods) < 2:
        return []

    def shares(words: Sequence[str], record: Record, word: str) -> bool:
        key = word.partition("=")[0].removeprefix("stopping.")
        return word in words or (not record["iterations"] and key in record["config"]["stopping"])

    longest = max((words for _, words in methods), key=len)
    return [word for word in longest if all(shares(words, record, word) for (_, words), record in methods.items())]


def _label(solver: Any, variant: Any, common: Sequence[str]) -> Cell:
    changed = [part for part in variant.split(", ") if part and part not in common]
    return (solver, ", ".join(changed)) if changed else (solver,)


def _differences(tests: pd.DataFrame, shown: _Shown, common: Sequence[str]) -> Grid:
    """The tests of the first method against the others, a row a method and layer."""
    with_layers = bool((tests["layer"] > 1).any())
    rows: list[list[Cell]] = []
    for _, test in tests.iterrows():
        spec = "+" + _spec(shown.first, max(abs(test[["shift", "low", "high"]])))
        interval = DASH if pd.isna(test["low"]) else f"{test['low']:{spec}} to {test['high']:{spec}}"
        cells = [f"{test['shift']:{spec}}", interval, f"{test['p_holm']:.2g}", str(test["n"])]
        layer = [(number(test["layer"], "d"),)] if with_layers else []
        rows.append([_label(test["solver"], test["variant"], common), *layer, *((cell,) for cell in cells)])
    headings = ["against", *(["layer"] if with_layers else []), "difference", "95 % interval", "p", "n"]
    return Grid(_cells(headings), rows)


def _wide(part: pd.DataFrame, metrics: Sequence[str], shown: _Shown, common: Sequence[str]) -> Grid:
    """A row a method, variant, rank and layer. Where codes were clustered, the first metric at each cluster count."""
    first = part[part["metric"] == metrics[0]] if metrics else part.head(0)
    counts = sorted(first["n_clusters"].dropna().unique())
    layered = (part["layer"].dropna() > 1).any()
    columns = [f"k = {k}" for k in counts] or [*metrics, *(["objective"] if "objective" not in metrics else [])]
    keys = ["solver", "rank", *(["layer"] if layered else [])]
    stability = ["stability"] if "stability" in {*part["metric"]} else []  # seed 0 alone has none
    tail = [*([] if "error" in columns else ["error"]), *stability, "seconds", "ended"]
    rows: list[tuple[float, list[Cell]]] = []
    for (solver, variant, rank), method in part.groupby(["solver", "variant", "rank"], sort=False, dropna=False):
        whole = method[method["layer"].isna()].set_index("metric")["mean"]
        for layer in sorted(method["layer"].dropna().unique()) or [pd.NA]:
            # A measure of the whole factorization (sparsity_W, say) has neither layer nor k.
            here = (method["layer"] == layer).fillna(False) | method["layer"].isna()
            visible = method[method["metric"].isin(metrics[:1] if counts else metrics) & here]
            cells = {
                f"k = {row['n_clusters']}" if counts else row["metric"]: _cell(row, shown)
                for _, row in visible.iterrows()
            }
            cells |= {"solver": _label(solver, variant, common), "rank": (number(rank, "d"),)}
            cells |= {"layer": (number(layer, "d"),), "objective": (number(whole.get("objective"), ".6g"),)}
            cells = {"error": (number(whole.get("error"), ".4f"),)} | cells
            cells |= {"stability": (number(whole.get("stability"), ".2f"),)}
            cells |= {"seconds": (number(method["seconds"].iloc[0], ".2f"),), "ended": (method["status"].iloc[0],)}
            row = [cells.get(heading, (DASH,)) for heading in (*keys, *columns, *tail)]
            rows.append((_rank_of(method[here], shown), row))
    if shown.sort is not None:
        rows.sort(key=lambda row: row[0])  # a stable sort, so equal ones stay in their order
    return Grid(_cells([*keys, *columns, *tail]), [row for _, row in rows], keys=len(keys))


def _rank_of(method: pd.DataFrame, shown: _Shown) -> float:
    """A key that sorts the best first: the mean of a metric over the cluster counts, or a column."""
    if shown.sort is None:
        return 0.0
    name = shown.sort or shown.metrics[0]
    if name in _SORTED_COLUMNS:
        value, sign = float(method[name].iloc[0]) if pd.notna(method[name].iloc[0]) else math.nan, 1
    else:
        value = float(method.loc[method["metric"] == name, "mean"].mean())
        sign = 1 if metric_of(name, shown.declared).better == "lower" else -1
    return math.inf if math.isnan(value) else sign * value


def _by_class_count(part: pd.DataFrame, metric: str, shown: _Shown, common: Sequence[str]) -> Grid:
    """A row a class count, and one for the mean over them; a column a method."""
    scored = part[part["metric"] == metric]
    methods = [
        (_label(solver, variant, common), method)
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
    rows.append([("mean",), *(_cell(row, shown) for row in means)])
    return Grid([(metric,), *(label for label, _ in methods)], rows)


def _cell(row: pd.Series, shown: _Shown) -> Cell:
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
    numbers = row["printed"] if isinstance(row["printed"], list) and len(row["printed"]) > 1 else [("", row["paper"])]
    beside = "; ".join(
        f"{f'{paper} ' if paper else ''}{value:{digits}}, {row['mean'] - value:+{digits}}" for paper, value in numbers
    )
    return (cell, f"({beside})")


def _spec(metric: Metric, size: float) -> str:
    return four_digits(size) if metric.decimals is None else f".{metric.decimals}f"
