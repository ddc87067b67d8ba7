"""The parts of a dataset as rows of one table, on records written by hand."""

import numpy as np
import pytest
from test_tables import record

from nmfbench.errors import ConfigError
from nmfbench.evaluators.labels import Labels
from nmfbench.evaluators.metric import Metric
from nmfbench.reports.renderers import RENDERERS
from nmfbench.reports.report import build
from nmfbench.reports.settings import Table

LAYOUT = Table(metric="error", split=["label_fraction", "layers"], together=True)
DECLARED = [metric.as_dict() for metric in (Metric("error", "error", better="lower"), *Labels.metrics)]


def made(solver: str, ranks: list[int], share: float, seed: int, error: float, **own) -> dict:
    """A run on the toy hierarchy, whose variant names ranks, level and share, and settings of its own."""
    variant = {"solver.ranks": ranks, "dataset.level": min(ranks), **own} | ({"label_fraction": share} if share else {})
    of = record(
        seed, None, error, dataset="hierarchy", variant=variant, data={"name": "hierarchy", "level": min(ranks)}
    )
    of["solver"], of["declared"] = solver, DECLARED
    of["config"]["solver"] = {"name": solver, "ranks": ranks} | {key.partition(".")[2]: own[key] for key in own}
    of["config"]["label_fraction"], of["rank"] = share, ranks[-1]
    of["metrics"] = [{"metric": "error", "value": error, "layer": None, "n_clusters": None}]
    of["metrics"] += [
        {"metric": "topics", "value": r / 10, "layer": l, "n_clusters": r} for l, r in enumerate(ranks, start=1)
    ]
    if share:
        of["metrics"].append({"metric": "classification", "value": 0.75, "layer": len(ranks), "n_clusters": None})
    return of


def records() -> list[dict]:
    return [
        made(solver, ranks[::-1] if own else ranks, share, seed, error + share + len(ranks) / 10 + seed / 100, **own)
        for ranks in ([9, 4], [9])
        for solver, error, own in (("neural", 0.1, {}), ("deep_mu", 0.2, {"solver.lam": 0}))
        for share in (0.4, 0)
        for seed in (0, 1, 2)
    ]


def test_parts_are_rows_in_the_order_of_their_numbers_and_methods_are_columns() -> None:
    (block,) = build(records(), LAYOUT).blocks
    table, tests = block.grids
    assert table.headings == [("part",), ("metric",), ("neural",), ("deep_mu", "lam=0")]
    cells = [[" ".join(cell) for cell in row] for row in table.rows]
    assert [row[:2] for row in cells] == [
        ["no labels, 1 layer", "error"],
        ["", "topics, k = 9"],
        ["no labels, 2 layers", "error"],
        ["", "topics, k = 9"],
        ["", "topics, k = 4"],
        ["40% of the labels, 1 layer", "error"],
        ["", "classification"],
        ["", "topics, k = 9"],
        ["40% of the labels, 2 layers", "error"],
        ["", "classification"],
        ["", "topics, k = 9"],
        ["", "topics, k = 4"],
    ]
    assert cells[0][2].startswith("0.2100 ± 0.0100 [0.2000]") and cells[0][3].startswith("0.3100 ± ")
    assert cells[3][2:] == ["90.0 ± 0.0 [90.0]"] * 2, "layers of both directions stand by their number of topics"
    assert tests.headings[:2] == [("part",), ("against",)] and len(tests.rows) == 4
    assert [row[:3] for row in tests.rows[:2]] == [
        [(part,), ("deep_mu", "lam=0"), ("-0.1000",)] for part in ("no labels, 1 layer", "no labels, 2 layers")
    ]


def test_rows_hold_what_a_table_of_every_part_holds() -> None:
    alone = build(records(), Table(metric="error", split=["label_fraction", "layers"]))
    together = build(records(), LAYOUT)
    keys = ["block", "solver", "metric", "layer", "n_clusters"]
    one, other = (report.frame.sort_values(keys, ignore_index=True) for report in (alone, together))
    assert one.equals(other) and len(alone.blocks) == 4
    shown = {cell[0] for row in together.blocks[0].grids[0].rows for cell in row[2:] if cell != ("–",)}
    apart = {cell[0] for block in alone.blocks for row in block.grids[0].rows for cell in row}
    assert {cell for cell in shown if cell.startswith("0.")} <= apart


def test_warnings_name_their_part_and_no_sentence_explains_a_column_that_is_not_there() -> None:
    of = records()
    for one in of:
        if one["solver"] == "deep_mu" and one["config"]["label_fraction"]:
            one["status"], one["fall"] = "max_iter", 0.5
    (block,) = build(of, LAYOUT).blocks
    warned = [sentence for sentence in block.sentences if "Not converged" in sentence]
    assert [sentence.partition(":")[0] for sentence in warned] == [
        "40% of the labels, 1 layer",
        "40% of the labels, 2 layers",
    ]
    text = RENDERERS["markdown" if "markdown" in RENDERERS else "md"](build(of, LAYOUT))
    assert "Stability:" not in text and "Ended:" not in text and "topics (NMI of k-means" in text


def test_a_setting_that_varies_within_a_part_stays_in_the_name_and_layers_of_one_rank_have_a_row_each() -> None:
    of = [made("mu", [4, 4], 0, seed, 0.1 + lam, **{"solver.lam": lam}) for lam in (0, 1) for seed in (0, 1)]
    (block,) = build(of, LAYOUT).blocks
    table = block.grids[0]
    assert table.headings[2:] == [("mu", "lam=0"), ("mu", "lam=1")]
    assert [row[1] for row in table.rows] == [("error",), ("topics, k = 4",), ("topics, k = 4",)]


def test_together_needs_what_tells_the_parts_apart() -> None:
    with pytest.raises(ConfigError, match=r"table\.together needs table.split"):
        Table.of({"together": True})
    assert Table.of({"together": True, "split": ["layers"]}).together


def test_means_are_those_of_the_seeds() -> None:
    frame = build(records(), LAYOUT).frame
    row = frame[(frame["block"] == "40% of the labels, 2 layers") & (frame["metric"] == "error")].iloc[0]
    assert row["mean"] == pytest.approx(np.mean([0.1 + 0.4 + 0.2 + seed / 100 for seed in (0, 1, 2)]))
