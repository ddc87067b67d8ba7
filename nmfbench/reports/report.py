"""build(): records in, a report out. A report is a value: renderers turn it into text, Markdown, LaTeX or CSV."""

import dataclasses
import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pandas as pd

from nmfbench.config import nearest
from nmfbench.errors import ConfigError
from nmfbench.records import Record
from nmfbench.reports import blocks, frames, notes
from nmfbench.reports.declared import declarations
from nmfbench.reports.grids import (
    SORTED_COLUMNS,
    Cell,
    Grid,
    Shown,
    by_class_count,
    by_method,
    by_part,
    cells_of,
    differences,
    label,
)
from nmfbench.reports.settings import Table
from nmfbench.reports.warnings import warnings
from nmfbench.reports.words import DASH, common_settings, variant_words


@dataclass(frozen=True)
class Block:
    """The part of a report on one dataset.

    Parameters
    ----------
    heading: the dataset and its size.
    grids: its tables.
    exhibits: tables of the restart with the lowest objective of each method.
    sentences: how to read them.
    warnings: those of the sentences that warn; the long form repeats them.
    """

    heading: str
    grids: list[Grid]
    exhibits: list[Grid]
    sentences: list[str]
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """All that a renderer needs.

    Parameters
    ----------
    blocks: one for each dataset, or for each part of a dataset that the layout splits off.
    sentences: what holds for all blocks.
    frame: the long form (see `frames.frame`), every metric.
    header: sentences above the long form: protocol and provenance.
    """

    blocks: list[Block]
    sentences: list[str]
    frame: pd.DataFrame
    header: list[str] = field(default_factory=list)


def build(
    records: Sequence[Record],
    table: Table | None = None,
    *,
    metric: str | None = None,
    sort: str | None = None,
    refused: Sequence[tuple[str, str]] = (),
    absent: Mapping[str, str] = MappingProxyType({}),
) -> Report:
    """The report on these records, laid out as an experiment's table. Without ``table``, methods are sorted by name.

    ``metric`` is shown first; without it the table's or the evaluator's. ``sort``: a metric or column to sort methods
    by, the best first; empty: the metric shown first. ``refused``: pairs (dataset, solver) where the solver cannot take
    the data. ``absent``: dataset → why it is not here. Raises ConfigError for a metric or column that no record has.
    """
    layout = table or Table()
    records = blocks.with_scalings(records if table else blocks.told_apart(records))
    if layout.relative:
        records = blocks.with_quotient(records, layout.relative)
    if layout.split:
        records = blocks.split(blocks.in_order(records, layout.split) if layout.together else records, layout.split)
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
    if sort and sort not in (*known, *SORTED_COLUMNS):
        raise ConfigError(f"no table has a column {sort!r}{nearest(sort, [*SORTED_COLUMNS, *known])}")
    what = Shown(list(dict.fromkeys([first, *shown])), declared, bool(layout.tuning), sort, layout.together)
    compared = frames.compare(tested, first, declared) if table else None
    orders: dict[Any, str] = frames.verdicts(tested, layout.order.solvers, first, declared) if layout.order else {}
    if layout.together:
        built = [
            _block(part, [r for r in records if r["dataset"] == dataset], what, compared, None, layout.notes)
            for dataset, part in long.groupby("dataset", sort=False)
        ]
    else:
        built = [
            _block(part, _of_block(records, dataset, block), what, compared, orders.get((dataset, block)), layout.notes)
            for (dataset, block), part in long.groupby(["dataset", "block"], sort=False)
        ]
    # A sentence that holds for all blocks stands once, below them.
    first_sentences = built[0].sentences if len(built) > 1 else []
    shared = [s for s in first_sentences if all(s in block.sentences for block in built)]
    warned = [f"{b.heading.partition(':')[0]}: {warning}" for b in built for warning in b.warnings]
    built = [dataclasses.replace(b, sentences=[s for s in b.sentences if s not in shared]) for b in built]
    present = {record["dataset"] for record in records}
    built += [Block(f"{name}: {DASH}", [], [], [why]) for name, why in absent.items() if name not in present]
    return Report(built, shared, long, [*layout.notes, *warned, *notes.provenance(records)])


def _of_block(records: Sequence[Record], dataset: Any, block: Any) -> list[Record]:
    return [record for record in records if (record["dataset"], record.get("block", "")) == (dataset, block)]


def _block(
    part: pd.DataFrame,
    records: list[Record],
    shown: Shown,
    compared: pd.DataFrame | None,
    verdict: str | None,
    protocol: Sequence[str],
) -> Block:
    block = "" if shown.together else records[0].get("block", "")
    samples, features, classes = (_span(records, key) for key in ("samples", "features", "classes"))
    known_labels = f"{classes} class{'' if classes == '1' else 'es'}" if classes else "no labels"
    name = f"{records[0]['dataset']}, {block}" if block else records[0]["dataset"]
    heading = f"{name}: {samples} samples × {features} features, {known_labels}"
    common = common_settings(records)
    metrics = [m for m in shown.metrics if m in {*part["metric"]}]
    if shown.together:
        part = blocks.without_parts(part)
        grids = [by_part(part, metrics, shown, common)]
    elif shown.by_class_count:
        grids = [by_class_count(part, metric, shown, common) for metric in metrics]
    else:
        grids = [by_method(part, metrics, shown, common, _commands(records))]
    warned = _warnings(records, common) if shown.together else warnings(records, common)
    sentences = [*protocol, *([f"All methods: {', '.join(common)}."] if common else []), *warned]
    if compared is not None:
        tests = compared[compared["dataset"] == records[0]["dataset"]]
        tests = blocks.without_parts(tests) if shown.together else tests[tests["block"] == block]
        if len(tests):
            grids.append(differences(tests, shown, common))
            labels = {
                (solver, variant): " ".join(label(solver, variant, common))
                for solver, variant in zip(part["solver"], part["variant"], strict=True)
            }
            untested = bool(tests["p"].isna().all())
            drawn = "draw" in records[0]["config"]["dataset"]
            sentences += notes.on_comparison(
                part, records[0]["solver"], shown.first, compared, untested, drawn, shown.declared, labels
            )
    sentences += [verdict] if verdict else []
    visible = part[part["metric"].isin(metrics)]
    sentences += notes.on_block(
        visible, records, shown.first, metrics, shown.declared, shown.by_class_count, shown.together
    )
    return Block(heading, grids, _exhibits(records), sentences, warned)


def _commands(records: Sequence[Record]) -> dict[tuple[str, str, Any], str]:
    """(solver, variant, rank) → the command that makes the runs of that row."""
    commands = {}
    for repetitions in frames.group_repetitions(records):
        record = repetitions[0]
        # A method of a file is named by it.
        files = (record["config"]["solver"].get(key) or "" for key in ("function", "estimator", "module"))
        solver = next((file for file in files if ".py:" in file), record["solver"])
        words = {"solver": solver, "dataset": record["config"]["dataset"]["name"]}
        words |= {"rank": record["rank"]} if record.get("rank") is not None else {}
        words |= {key: value for key, value in (record.get("variant") or {}).items() if key != "dataset.draw"}
        seeds = sorted({repetition["seed"] for repetition in repetitions})
        words["seeds"] = len(seeds) if seeds == list(range(len(seeds))) else seeds
        settings = [shlex.quote(f"{key}={_override(value)}") for key, value in words.items()]
        commands[record["solver"], variant_words(record), record.get("rank")] = " ".join(["nmfbench run", *settings])
    return commands


def _override(value: Any) -> str:
    """The value as a word of the command line has it."""
    if isinstance(value, list):
        return f"[{','.join(map(_override, value))}]"
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


def _warnings(records: Sequence[Record], common: Sequence[str]) -> list[str]:
    """The warnings about each part of a dataset whose parts stand together, behind its name."""
    by_part: dict[str, list[Record]] = {}
    for record in records:
        by_part.setdefault(record["block"], []).append(record)
    return [f"{part}: {warning}" for part, of_part in by_part.items() for warning in warnings(of_part, common)]


def _span(records: Sequence[Record], key: str) -> str:
    """The size of the data, or from the smallest to the largest where runs differ in it."""
    sizes = list(dict.fromkeys(record["data"][key] for record in records if record["data"][key]))
    numbers = [size for size in sizes if isinstance(size, int)]
    return f"{min(numbers)} to {max(numbers)}" if len(numbers) > 1 else ", ".join(map(str, sizes))


def _exhibits(records: Sequence[Record]) -> list[Grid]:
    """The exhibits of the restart with the lowest objective of each method."""
    grids = []
    exhibited = any(record.get("exhibits") for record in records)
    for repetitions in frames.group_repetitions(records) if exhibited else []:
        scored = [record for record in repetitions if record.get("objective") is not None]
        best: Any = min(scored, key=lambda record: float(record["objective"]), default=None)
        for exhibit in best["exhibits"] if best else []:
            columns = list(zip(*exhibit["rows"], strict=True)) or [() for _ in exhibit["columns"]]
            numeric = frozenset(i for i, column in enumerate(columns) if all(map(_is_number, column)))
            rows: list[list[Cell]] = [[(cell,) for cell in row] for row in exhibit["rows"]]
            title = f"{best['solver']} (seed {best['seed']}): {exhibit['title']}"
            grids.append(Grid(cells_of(exhibit["columns"]), rows, title, numeric=numeric))
    return grids


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False
