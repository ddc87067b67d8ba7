"""Blocks, quotients and tuning of an experiment's table, on records written by hand."""

from dataclasses import replace

import pytest

from nmfbench.errors import ConfigError
from nmfbench.reports.blocks import BEST, in_order, split, tuned, with_quotient
from nmfbench.reports.frames import compare
from nmfbench.reports.settings import Relative, Table, Tuning

TUNING = Tuning(metric="accuracy", seeds=[100], classes=[2])


def record(solver: str, setting: str, classes: int, seed: int, accuracy: float, **changes) -> dict:
    """A run on that many classes: its top layer is the second."""
    metrics = [
        {"metric": "accuracy", "value": 0.99, "layer": 1, "n_clusters": classes},
        {"metric": "accuracy", "value": accuracy, "layer": 2, "n_clusters": classes},
        {"metric": "error", "value": 0.1},
    ]
    config = {"solver": {"name": solver, "ranks": [9, classes]}, "dataset": {"name": "d", "classes": classes}}
    preprocessing = [f"{classes} of 9 classes, draw {seed}", "divided"]
    whole = {
        "dataset": "d",
        "solver": solver,
        "setting": {"solver.x": setting},
        "rank": classes,
        "seed": seed,
        "seconds": 1.0,
        "iterations": 9,
    }
    whole |= {"config": config, "status": "max_iter", "objective": 1.0, "metrics": metrics}
    return whole | {"data": {"features": 4, "samples": 10 * classes, "preprocessing": preprocessing}} | changes


def table() -> list[dict]:
    """Setting b is better on the tuning seed; on the table's seeds a is, with two classes alone."""
    scores = {("a", 2, 100): 0.1, ("b", 2, 100): 0.2}
    scores |= {("a", 2, seed): 0.9 for seed in (0, 1)} | {("b", 2, seed): 0.5 for seed in (0, 1)}
    scores |= {("a", 3, seed): 0.3 for seed in (0, 1)} | {("b", 3, seed): 0.4 for seed in (0, 1)}
    return [record("s", setting, k, seed, value) for (setting, k, seed), value in scores.items()]


def shown(records: list[dict]) -> dict[tuple[int, int], float]:
    return {(r["seed"], row["n_clusters"]): row["value"] for r in records for row in r["metrics"]}


def test_one_setting_is_chosen_on_seeds_that_the_table_leaves_out() -> None:
    fair, _ = tuned(table(), TUNING)
    assert [r["variant"] for r in fair] == 2 * [{"solver.x": "b"}] and {r["seed"] for r in fair} == {0, 1}
    assert shown(fair) == {(0, 2): 0.5, (1, 2): 0.5, (0, 3): 0.4, (1, 3): 0.4}


def test_best_per_cell_chooses_by_the_scores_it_shows_and_says_so() -> None:
    _, best = tuned(table(), TUNING)
    assert shown(best) == {(0, 2): 0.9, (1, 2): 0.9, (0, 3): 0.4, (1, 3): 0.4}
    assert {(r["dataset"], r["block"]) for r in best} == {("d", BEST)} and "uses labels" in BEST


def test_merged_records_hold_the_top_layer_of_all_class_counts_and_what_is_true_of_all() -> None:
    fair, _ = tuned(table(), TUNING)
    assert all(row["layer"] == 2 for r in fair for row in r["metrics"])
    assert fair[0]["data"] == {"features": 4, "samples": "20 to 30", "classes": "2 to 3", "preprocessing": ["divided"]}
    assert fair[0]["objective"] is None and fair[0]["rank"] is None


def test_of_equal_settings_the_first_is_chosen_and_a_failed_run_is_never_the_best() -> None:
    records = [record("s", "a", 2, 100, 0.5), record("s", "b", 2, 100, 0.5), record("s", "a", 2, 0, 0.3)]
    records += [record("s", "b", 2, 0, 0.8), record("t", "a", 2, 100, 0.0, metrics=[], status="failed")]
    records += [record("t", "b", 2, 100, 0.0), record("t", "a", 2, 0, 0.7), record("t", "b", 2, 0, 0.6)]
    fair, _ = tuned(records, TUNING)
    assert {r["solver"]: r["variant"]["solver.x"] for r in fair} == {"s": "a", "t": "b"}


def test_settings_are_compared_on_the_draws_that_all_of_them_have() -> None:
    scores = {("a", 100): 0.8, ("a", 101): 0.2, ("b", 100): 0.7, ("a", 0): 0.5, ("b", 0): 0.5}
    fair, _ = tuned([record("s", s, 2, seed, v) for (s, seed), v in scores.items()], replace(TUNING, seeds=[100, 101]))
    assert {r["variant"]["solver.x"] for r in fair} == {"a"}, "on draw 101, which b lacks, a is worse"


def test_method_without_a_tuning_run_is_left_out_rather_than_chosen_on_the_tables_draws() -> None:
    fair, best = tuned([*table(), record("t", "a", 2, 0, 0.9), record("t", "b", 2, 0, 0.8)], TUNING)
    assert {r["solver"] for r in fair} == {"s"} and {r["solver"] for r in best} == {"s", "t"}


def test_quotient_is_taken_seed_by_seed_and_layer_by_layer() -> None:
    records = [record("s", "", 2, seed, 0.2 + seed) for seed in (0, 1)] + [record("t", "", 2, 0, 0.4)]
    found = with_quotient(records, Relative(metric="accuracy", to="t", name="quotient"))
    quotients = [[row["value"] for row in r["metrics"] if row["metric"] == "quotient"] for r in found]
    assert quotients == [pytest.approx([1.0, 0.5]), [], []], "seed 1 of t is not there, and t is not divided by itself"


def test_blocks_by_layers_and_labels() -> None:
    one = record("s", "", 2, 0, 0.5)
    half = one | {"config": one["config"] | {"label_fraction": 0.4, "solver": {"name": "s", "ranks": [9]}}}
    names = [r["block"] for r in split([one, half], ["layers", "label_fraction"])]
    assert names == ["2 layers, no labels", "1 layer, 40% of the labels"]
    other = half | {"dataset": "e"}
    assert in_order([other, one, half], ["layers", "label_fraction"]) == [other, half, one], "fewer layers first"
    assert in_order([half, one], ["label_fraction", "layers"]) == [one, half], "no labels first"


def test_blocks_by_settings_of_solver_and_data_leave_out_what_is_not_set() -> None:
    config = record("s", "", 2, 0, 0.5)["config"]
    noisy = config | {"dataset": config["dataset"] | {"noise": 0.1}, "solver": config["solver"] | {"alpha": [1, 1]}}
    records = [record("s", "", 2, 0, 0.5), record("s", "", 2, 0, 0.5, config=noisy)]
    split_by = Table.of({"split": ["solver", "solver.alpha", "dataset.noise"]}).split
    assert [r["block"] for r in split(records, split_by)] == ["s", "s, alpha = [1, 1], noise = 0.1"]
    with pytest.raises(ConfigError, match=r"table\.split must name layers, label_fraction, solver, corrupt or"):
        Table.of({"split": ["noise"]})


def test_draws_of_whole_data_are_independent_and_draws_of_its_classes_are_not() -> None:
    whole = [record(s, "", 2, seed, v + seed / 99) for s, v in (("s", 0.5), ("t", 0.4)) for seed in range(6)]
    for one in whole:
        one["environment"] = {}
        one["config"]["evaluator"] = {}
        one["config"]["dataset"] = {"name": "d", "draw": one["seed"], "sha256": str(one["seed"])}
    classes = [r | {"config": r["config"] | {"dataset": r["config"]["dataset"] | {"classes": 2}}} for r in whole]
    tested, untested = (compare(records, "accuracy", {}) for records in (whole, classes))
    assert list(tested["n"]) == list(untested["n"]) and (tested["p"] < 0.05).any() and untested["p"].isna().all()
