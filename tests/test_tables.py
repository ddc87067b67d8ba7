"""Tables from records that are written by hand, so that every number is known."""

import copy
import io
import itertools
from dataclasses import replace

import pandas as pd
import pytest

from nmfbench.evaluators.clustering import Clustering
from nmfbench.evaluators.layers import Layers
from nmfbench.evaluators.measures import MEASURES
from nmfbench.reports import frames
from nmfbench.reports.declared import declarations
from nmfbench.reports.renderers import RENDERERS
from nmfbench.reports.report import build
from nmfbench.reports.settings import Table

COLUMNS = ["dataset", "block", "solver", "variant", "rank", "layer", "n_clusters", "metric", "mean", "sd", "n", "best"]
COLUMNS += ["paper", "difference", "iterations", "seconds", "fall", "status"]
WNNF = {"name": "wnnf", "version": 1, "_target_": "nmfbench.solvers.wnnf.WNNF", "rank": 40, "eta": 0.1, "lam": 0.1}
WNNF |= {"loss": "l1", "reading": "penalty", "loss_reduction": "mean", "batch_size": 64, "lr": 1e-3, "curriculum": 0}


def record(seed: int = 0, nmi: float | None = 0.5, objective: float | None = 1.0, **changes) -> dict:
    """A record of WNNF on ORL; changes replace what it says, `solver` and `data` what its config says."""
    config = {
        "solver": WNNF | changes.pop("solver", {}),
        "dataset": {"name": "orl", "sha256": "00", "scaling": "max"} | changes.pop("data", {}),
        "evaluator": {"name": "clustering", "n_clusters": [20], "n_init": 10, "select": "inertia"},
        "stopping": {"max_iter": 1000},
        "dtype": "float32",
    }
    metrics = [{"metric": "error", "value": 0.25}]
    if nmi is not None:
        metrics += [{"metric": "nmi", "value": nmi, "layer": 1, "n_clusters": k, "starts": [nmi]} for k in (20,)]
        metrics += [{"metric": "ari", "value": nmi, "layer": 1, "n_clusters": 20, "starts": [nmi]}]
    declared = [metric.as_dict() for metric in (*Clustering.metrics, *Layers.metrics)]
    declared += [replace(metric, shown=False).as_dict() for metric in MEASURES]
    made = {"nmfbench": "0", "commit": "c" * 40, "dirty": False, "date": "2030-01-01T00:00:00Z", "torch": "2"}
    made |= {"scikit-learn": "1", "cpu": "a machine", "device": "cpu", "threads": 1}
    data = {"features": 10304, "samples": 400, "classes": 40, "preprocessing": ["divided"]}
    whole = {"schema": 2, "declared": declared, "exhibits": [], "block": "", "setting": {}}
    whole |= {"config": config, "dataset": "orl", "solver": "wnnf", "variant": {}, "rank": 40, "seed": seed}
    whole |= {
        "status": "max_iter",
        "iterations": 9,
        "seconds": 2.0,
        "objective": objective,
        "history": [],
        "fall": 1e-4,
    }
    whole |= {"metrics": metrics, "data": data, "environment": made, "error": None}
    return copy.deepcopy(whole | changes)


def row(records: list[dict], metric: str = "nmi") -> pd.Series:
    table = build(records).frame
    (found,) = table[table["metric"] == metric].to_dict("records")
    return found


def test_csv_has_the_columns_that_others_rely_on() -> None:
    report = build([record()])
    assert list(report.frame.columns) == [*COLUMNS, "printed"]
    assert RENDERERS["csv"](replace(report, header=[])).splitlines()[0] == ",".join(COLUMNS)


def test_mean_deviation_number_and_the_restart_with_the_least_objective() -> None:
    found = row([record(0, 0.5, 3.0), record(1, 0.8, 1.0), record(2, 0.2, 2.0, seconds=8.0)])
    assert (found["n"], found["seconds"]) == (3, 4.0)
    assert found["mean"] == pytest.approx(50) and found["sd"] == pytest.approx(30)
    assert found["best"] == pytest.approx(80)


def test_best_is_not_the_best_score() -> None:
    assert row([record(0, 0.9, 2.0), record(1, 0.1, 1.0)])["best"] == pytest.approx(10)


def test_where_all_objectives_are_equal_none_is_best() -> None:
    assert pd.isna(row([record(0, 0.9), record(1, 0.1)])["best"])


def test_nmi_is_in_percent_and_ari_is_not() -> None:
    assert row([record()])["mean"] == 50 and row([record()], "ari")["mean"] == 0.5
    assert row([record()], "error")["mean"] == 0.25


def test_one_seed_has_no_deviation() -> None:
    assert pd.isna(row([record()])["sd"]) and "±" not in RENDERERS["text"](build([record()])).split("Cells")[0]


def test_papers_number_and_the_difference_stand_beside_wnnf_on_orl() -> None:
    found = row([record(0, 0.75, 1.0), record(1, 0.77, 2.0)])
    assert found["paper"] == 78.12 and found["difference"] == pytest.approx(76 - 78.12)
    assert "(78.1, -2.1)" in RENDERERS["text"](build([record(0, 0.76)]))


@pytest.mark.parametrize(
    ("solver", "paper"),
    [
        ({"eta": 0.2}, None),
        ({"lam": 0.3}, None),
        ({"name": "other"}, None),
        ({"eta": 1.0, "lam": 0.0}, 67.57),
        ({"eta": 0.0, "lam": 0.0}, 52.17),
        ({"lr": 0.1}, 78.12),
    ],
)
def test_variant_has_a_papers_number_only_where_the_paper_prints_it(solver: dict, paper: float | None) -> None:
    found = row([record(solver=solver, variant={"solver.changed": 1})])
    assert found["paper"] == paper if paper else pd.isna(found["paper"]) and pd.isna(found["difference"])


def test_other_data_of_the_same_kind_has_no_papers_number() -> None:
    assert pd.isna(row([record(dataset="digits", data={"name": "digits"})])["paper"])


@pytest.mark.parametrize(
    "change",
    [{"solver": {"version": 2}}, {"data": {"sha256": "01"}}, {"solver": {"lr": 0.5}}],
)
def test_records_of_different_config_are_never_averaged(change: dict) -> None:
    table = build([record(0, 0.2), record(1, 0.4, **change)]).frame
    nmi = table[table["metric"] == "nmi"]
    assert sorted(nmi["mean"]) == pytest.approx([20, 40]) and list(nmi["n"]) == [1, 1]
    assert len(nmi[["dataset", "variant"]].drop_duplicates()) == 2, "rows that differ must be told apart"


def test_variants_and_ranks_are_rows_of_their_own() -> None:
    records = [record(), record(variant={"solver.eta": 0.2}, solver={"eta": 0.2}), record(rank=30, solver={"rank": 30})]
    nmi = build(records).frame.query("metric == 'nmi'")
    assert set(zip(nmi["variant"], nmi["rank"], strict=True)) == {("", 40), ("eta=0.2", 40), ("", 30)}
    shown = RENDERERS["text"](build(records))
    assert sum(line.startswith("wnnf") for line in shown.splitlines()) == 3 and "eta=0.2" in shown


def test_draws_of_the_data_are_averaged_like_seeds() -> None:
    draws = [(0, "a", 0.2, 3.0), (1, "b", 0.6, 1.0)]
    records = [
        record(seed, nmi + seed / 10, objective + seed, data={"draw": draw, "sha256": sha})
        for (draw, sha, nmi, objective), seed in itertools.product(draws, (0, 1))
    ]
    found = row(records)
    assert found["n"] == 4 and found["mean"] == pytest.approx(45)
    assert found["best"] == pytest.approx(60), "the least objective is that of draw 1, seed 0"


def test_later_cluster_counts_join_the_earlier_ones_of_a_seed() -> None:
    later = record(0, 0.7)
    later["config"]["evaluator"]["n_clusters"] = [30]
    later["environment"]["date"] = "2031-01-01T00:00:00Z"
    for metric in later["metrics"][1:]:
        metric["n_clusters"] = 30
    nmi = build([later, record(0, 0.5)]).frame.query("metric == 'nmi'")
    assert dict(zip(nmi["n_clusters"], nmi["mean"], strict=True)) == pytest.approx({20: 50, 30: 70})
    assert list(nmi["n"]) == [1, 1]


def test_failed_runs_show_their_status_and_a_dash() -> None:
    bad = record(0, None, None, status="failed", metrics=[])
    for records in ([bad], [bad, record(1)]):
        shown = RENDERERS["text"](build(records))
        assert "1 failed" in shown and "nan" not in shown.lower()
    assert row([bad, record(1)])["n"] == 1 and row([bad, record(1)])["status"] == "1 failed, 1 max_iter"
    assert "–" in RENDERERS["text"](build([bad])).split("Cells")[0]


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_value_that_is_no_number_is_left_out(value: float | None) -> None:
    odd = record(1)
    odd["metrics"][1]["value"] = value
    found = row([record(0, 0.5), odd])
    assert found["n"] == 1 and found["mean"] == 50
    for style in RENDERERS.values():
        assert "nan" not in style(build([record(), odd])).lower()


def test_without_labels_the_objective_is_shown() -> None:
    bare = record(0, None, 12345.0)
    bare["data"]["classes"] = None
    bare["metrics"].append({"metric": "objective", "value": 12345.0})
    shown = RENDERERS["text"](build([bare]))
    assert "no labels" in shown and "12345" in shown and "nmi" not in shown


def test_order_of_the_records_changes_no_byte() -> None:
    scores, variants = [(0, 0.1, 2.0), (1, 0.3, 1.0), (2, 0.7, 3.0)], [({}, 1e-3), ({"solver.lr": 0.1}, 0.1)]
    records = [record(*score, variant=v, solver={"lr": lr}) for score in scores for v, lr in variants]
    for style in RENDERERS.values():
        texts = {style(build(order)) for order in (records, records[::-1], records[3:] + records[:3])}
        assert len(texts) == 1


def test_csv_file_reads_back_behind_its_header() -> None:
    report = build([record(0), record(1, 0.7, 0.5)])
    table, text = report.frame, RENDERERS["csv"](report)
    assert text.startswith("# Made by nmfbench")
    back = pd.read_csv(io.StringIO(text), comment="#")
    assert list(back.columns) == COLUMNS and len(back) == len(table)
    assert back["mean"].tolist() == pytest.approx(table["mean"].tolist())


def test_notes_say_how_the_numbers_were_made() -> None:
    shown = RENDERERS["md"](build([record()]))
    for sentence in (
        "arithmetic normaliser",
        "10 starts, lowest inertia",
        "divided",
        "float32",
        "a machine",
        "Seeds: 0.",
        "WNNF paper",
    ):
        assert sentence in shown, sentence


def test_protocol_in_which_labels_choose_the_start_says_so() -> None:
    chosen = record()
    chosen["config"]["evaluator"]["select"] = "best"
    sentence = "K-means: 10 starts, the start with the highest accuracy, chosen by the labels: no label-free score."
    for style in ("text", "md", "latex"):
        assert sentence in " ".join(RENDERERS[style](build([chosen])).replace("\n%", "").split()), style
        assert "chosen by the labels" not in RENDERERS[style](build([record()]))
    assert pd.isna(row([chosen])["paper"]), "the WNNF paper says nothing of labels"


def test_number_in_an_inferred_row_is_marked_and_counts_in_no_distance() -> None:
    deconv = {"name": "wnnf_deconv", "latent": "sum", "stride": 2}
    records = [record(seed, solver=deconv) | {"solver": "wnnf_deconv"} for seed in (0, 1)] + [record(0), record(1)]
    shown = RENDERERS["text"](build(records, Table()))
    assert "(inferred 76.4, -26.4)" in shown and "(78.1, -28.1)" in shown
    assert "inferred: we inferred in which row" in shown
    assert "printed numbers: wnnf 28.1." in shown
    known = RENDERERS["text"](build([record(solver=deconv | {"stride": 4}) | {"solver": "wnnf_deconv"}], Table()))
    assert "(79.1, -29.1)" in known and "inferred" not in known


def test_draws_that_share_samples_are_counted_and_not_tested() -> None:
    def of(solver: str, scores: list[float], draws: bool) -> list[dict]:
        data = [{"draw": seed, "classes": 5, "sha256": str(seed)} if draws else {} for seed in range(8)]
        made = [record(s, nmi, solver={"name": solver}, data=data[s]) for s, nmi in enumerate(scores)]
        return [r | {"solver": solver, "dataset": "drawn" if draws else "orl"} for r in made]

    high, low = [0.8 + i / 100 for i in range(8)], [0.85 - i / 90 for i in range(8)]
    records = of("a", high, True) + of("b", low, True) + of("a", high, False) + of("b", low, False)
    report = build(records, Table())
    drawn, repeated = report.blocks
    assert [cell[0] for cell in drawn.grids[1].headings] == ["against", "difference", "larger on"]
    ((_, shift, wins),) = drawn.grids[1].rows
    assert wins == ("5 of 8",) and shift == repeated.grids[1].rows[0][1]
    assert "no interval and no p" in " ".join(drawn.sentences)
    assert [cell[0] for cell in repeated.grids[1].headings][-2:] == ["p", "n"]
    assert "Holm for the 1 tests" in " ".join(repeated.sentences)
    assert frames.verdicts(of("a", high, True) + of("b", low, True), ["a", "b"], "nmi", declarations(records)) == {}


def test_latex_is_a_table_whose_notes_are_comments() -> None:
    shown = RENDERERS["latex"](build([record(variant={"solver.batch_size": 8})]))
    assert r"\begin{tabular}" in shown and r"batch\_size=8" in shown
    inside = shown.split(r"\begin{tabular}")[1].split(r"\end{tabular}")
    assert all(line.startswith("%") for line in inside[1].splitlines() if line)


def verdicts(records: list[dict], solvers: list[str]) -> dict[tuple[str, str], str]:
    return frames.verdicts(records, solvers, "nmi", declarations(records))


def test_printed_order_is_tested_each_method_against_the_next() -> None:
    def of(solver: str, scores: list[float], first: int = 0) -> list[dict]:
        made = [record(seed, nmi, solver={"name": solver}) for seed, nmi in enumerate(scores, first)]
        return [r | {"solver": solver, "data": r["data"] | {"classes": 20}} for r in made]

    high, low = [0.8 + i / 100 for i in range(8)], [0.5 + i / 90 for i in range(8)]
    records = of("a", high) + of("b", low) + of("c", [x - 0.1 for x in low])
    sentence = verdicts(records, ["a", "b", "c"])["orl", ""]
    assert sentence.startswith("Printed order a > b > c at k = 20: holds. a over b +29.6 (p = 0.016)")
    assert "does not hold" in verdicts(records, ["b", "a", "c"])["orl", ""]
    close = records[:16] + of("c", [x - (0.1 if i % 2 else -0.09) for i, x in enumerate(low)])
    assert "holds in the means, but not beyond chance" in verdicts(close, ["a", "b", "c"])["orl", ""]
    assert not verdicts(records, ["a", "d"]), "d is not there"
    assert not verdicts([r | {"data": r["data"] | {"classes": 30}} for r in records], ["a", "b"])
    for first in (7, 8):  # one seed or none in common
        assert not verdicts(of("a", high) + of("b", low, first), ["a", "b"])


def test_printed_numbers_of_a_further_metric_name_their_paper() -> None:
    solver = {"name": "deep_kl", "ranks": [80, 40, 20]}
    metrics = [{"metric": metric, "value": 0.5, "layer": 1} for metric in ("layer_error", "code_sparsity")]
    faces = {"name": "cbcl", "images": "rows"}
    records = [record(seed, solver=solver, data=faces, dataset="cbcl", metrics=metrics) for seed in (0, 1)]
    for one in records:
        one["data"] |= {"features": 2429, "samples": 361, "classes": None}
    sentence = "the number that the deep KL-NMF paper prints"
    shown = RENDERERS["md"](build(records, metric="layer_error"))
    assert sentence in shown and "(70.1, -20.1)" in shown
    other = [r | {"data": r["data"] | {"samples": 100}} for r in records]
    assert sentence not in RENDERERS["md"](build(other, metric="layer_error"))


def test_methods_are_compared_in_the_mean_over_the_cluster_counts_that_both_have() -> None:
    def scores(solver: str, *of_seed: tuple[float, ...]) -> list[dict]:
        metrics = [
            [{"metric": "nmi", "value": value, "layer": 1, "n_clusters": k} for k, value in enumerate(values, 2)]
            for values in of_seed
        ]
        made = [record(seed, solver={"name": solver}, metrics=rows) for seed, rows in enumerate(metrics)]
        return [r | {"solver": solver} for r in made]

    first = scores("wnnf", (0.5, 0.9, 0.1), (0.6, 0.8, 0.1), (0.7, 0.7, 0.1))
    # One run has no score at three clusters, and none has one at four.
    records = first + scores("mu", (0.4, 0.6), (0.4, 0.6), (0.4,))
    (row,) = frames.compare(records, "nmi", declarations(records)).to_dict("records")
    assert (row["solver"], row["n"]) == ("mu", 2) and row["shift"] == pytest.approx(20)
