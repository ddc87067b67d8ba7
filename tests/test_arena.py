"""The arena: rules, trials, choices that see no label, scores, and the command."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nmfbench import config
from nmfbench.arena import controls, criteria, protocol, scores
from nmfbench.arena.protocol import Protocol, Task
from nmfbench.arena.trials import search_space, trials
from nmfbench.datasets.base import Dataset
from nmfbench.datasets.scaling import proposed
from nmfbench.errors import ConfigError, DataMissing
from nmfbench.evaluators.arena import Arena, purity
from nmfbench.evaluators.base import Fitted
from nmfbench.records import Record
from nmfbench.running.cards import loader_of
from nmfbench.solvers.base import Solver

TASKS = [task for name in ("lite", "full") for task in protocol.read(name).tasks]
RULES = Protocol(
    name="small",
    tasks=(Task(dataset="uci_iris", name="uci_iris", scaling="max"), Task(dataset="uci_wine", name="uci_wine")),
    trials=3,
    seeds=2,
    max_seconds=1.0,
)


# Rules


@pytest.mark.parametrize("task", {task.dataset: task for task in TASKS}.values(), ids=lambda task: task.dataset)
def test_scaling_follows_from_the_data_alone(task: Task) -> None:
    try:
        raw = loader_of(config.defaults("dataset", task.dataset)).read()
    except DataMissing as missing:
        pytest.skip(str(missing))
    assert task.scaling == proposed(raw.X, raw.feature_names).scaling


def test_lite_has_twelve_sets_that_anyone_can_have() -> None:
    assert len({task.dataset for task in protocol.read("lite").tasks if not task.licensed}) >= 12


def test_twice_the_rank_is_a_track_of_its_own() -> None:
    full = protocol.read("full")
    assert {task.times for task in full.tasks} == {1, 2}
    assert len({task.name for task in full.tasks}) == len(full.tasks)


def test_seed_that_would_choose_and_score_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"seeds \[1\] would choose settings and score them"):
        replace(RULES, tuning_seeds=(1, 100))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"trials": 0}, "trials must be at least 1"),
        ({"max_seconds": 0.0}, "max_seconds must be positive"),
        ({"criterion": "nmi"}, "criterion must be one of"),
        ({"heldout_seeds": (7,)}, r"heldout_seeds \[7\] must be among tuning_seeds"),
        ({"tuning_seeds": (100,), "criterion": "stability"}, "two tuning_seeds"),
    ],
)
def test_impossible_rule_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        replace(RULES, **change)


# Trials


@pytest.mark.parametrize("solver", config.options("solver"))
def test_every_trial_of_a_solver_can_be_built_and_the_defaults_are_the_first(solver: str) -> None:
    defaults = {k: 4 if v == "${rank}" else v for k, v in config.defaults("solver", solver).items()}
    settings = trials(solver, 6)
    assert settings[0] == {} and len(settings) <= 6
    assert len({scores.key(setting) for setting in settings}) == len(settings)
    assert len(search_space(solver)) <= 3
    for setting in settings:
        built = config.build(defaults | {k.partition(".")[2]: v for k, v in setting.items()}, Solver, "solver")
        assert isinstance(built, Solver)


def test_space_of_four_parameters_is_refused(tmp_path: Path) -> None:
    (tmp_path / "solver").mkdir()
    text = "_target_: x.Y\na: 1\nb: 1\nc: 1\nd: 1\nsearch: {a: [1], b: [1], c: [1], d: [1]}\n"
    (tmp_path / "solver" / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match="names 4 parameters; three are allowed"):
        search_space("mine", [tmp_path])
    (tmp_path / "solver" / "mine.yaml").write_text("_target_: x.Y\nalpha: 1\nsearch: {alfa: [1]}\n")
    with pytest.raises(ConfigError, match=r"names alfa, which is not a parameter.*alpha"):
        search_space("mine", [tmp_path])


# The evaluator


def test_clusters_and_classes_stand_in_the_record_and_give_its_scores() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 10)
    H = np.eye(3)[:, y] + rng.uniform(0, 0.4, (3, 30))
    data = Dataset("three", rng.uniform(size=(7, 30)), y)
    rows = Arena().evaluate(Fitted([H]), data, 0, None)
    values = {row["metric"]: row["value"] for row in rows}
    (kept,) = [row for row in rows if "clusters" in row]
    assert kept["classes"] == y.tolist()
    assert values["purity"] == purity(y, np.asarray(kept["clusters"])) == values["accuracy"] == 1
    assert values["silhouette_codes"] > 0.5 > values["silhouette"]


def test_another_label_changes_nothing_that_chooses_a_trial() -> None:
    rng = np.random.default_rng(0)
    y, X, codes = np.repeat([0, 1, 2], 10), rng.uniform(size=(7, 30)), [rng.uniform(size=(k, 30)) for k in (5, 3)]
    changed = np.where(np.arange(30) == 4, 2, y)
    rows = [Arena().evaluate(Fitted(codes), Dataset("three", X, labels), 0, None) for labels in (y, changed)]
    chosen = [
        [(row["value"], row.get("clusters")) for row in of_labels if row["metric"].startswith("silhouette")]
        for of_labels in rows
    ]
    assert chosen[0] == chosen[1]
    assert rows[0] != rows[1]


def test_codes_of_all_layers_together_are_scored_beside_each_layer() -> None:
    rng = np.random.default_rng(0)
    y, noise = np.repeat([0, 1, 2], 10), rng.uniform(size=(3, 30))
    rows = Arena().evaluate(Fitted([np.eye(3)[:, y] * 100, noise]), Dataset("three", noise, y), 0, None)
    nmi = {row["layer"]: row["value"] for row in rows if row["metric"] in ("nmi", "nmi_stacked")}
    assert nmi[None] > 0.9 > nmi[2]


def test_purity_is_the_share_of_the_commonest_class_of_each_cluster() -> None:
    assert purity(np.array([0, 0, 1, 1, 1]), np.array([0, 0, 0, 1, 1])) == 4 / 5


def test_unlabelled_data_has_as_many_clusters_as_components() -> None:
    rng = np.random.default_rng(0)
    rows = Arena().evaluate(Fitted([rng.uniform(size=(4, 30))]), Dataset("x", rng.uniform(size=(7, 30))), 0, None)
    assert {row["metric"] for row in rows} == {"silhouette", "silhouette_codes"}
    assert {row["n_clusters"] for row in rows} == {4}


# Choices and scores


def record(
    solver: str, task: Task, seed: int, nmi: float, clusters: list[int], setting: dict[str, Any] | None = None
) -> Record:
    """A record as the arena reads it."""
    silhouette = {"layer": 1, "n_clusters": 2, "metric": "silhouette", "value": nmi / 2, "clusters": clusters}
    return {
        "config": {
            "dataset": {"name": task.dataset, "scaling": task.scaling},
            "evaluator": {"name": "arena"},
            "stopping": {"converged": True, "max_seconds": RULES.max_seconds},
        },
        "dataset": task.dataset,
        "solver": solver,
        "seed": seed,
        "rank": 2,
        "status": "converged",
        "setting": setting or {},
        "data": {"classes": 2},
        "seconds": 1.0,
        "history": [(0, 2.0, 0.0), (10, 1.0, 0.5), (20, 0.999, 1.0)],
        "metrics": [
            *({"layer": 1, "n_clusters": 2, "metric": name, "value": nmi} for name in scores.SCORES),
            silhouette | {"classes": [0, 0, 1, 1]},
        ],
    }


@pytest.fixture
def records() -> list[Record]:
    """Two trials on one task: the defaults disagree between seeds; the other is stable, and better on scored seeds."""
    task, other = RULES.tasks[0], {"solver.lam": 2.0}
    unstable = [[0, 0, 1, 1], [0, 1, 0, 1]]
    made = [record("mu", task, seed, 0.6, unstable[seed % 2]) for seed in (0, 1, 100, 101)]
    return made + [record("mu", task, seed, 0.4 + (seed < 2) / 2, unstable[0], other) for seed in (0, 1, 100, 101)]


def test_trial_is_chosen_by_the_criterion_and_the_oracle_by_the_labels(records: list[Record]) -> None:
    (cell,) = scores.cells(records, RULES).values()
    chosen = {name: cell.chosen(RULES, name) for name in ("stability", "silhouette", "nmi")}
    assert {name: trial and trial.setting for name, trial in chosen.items()} == {
        "stability": {"solver.lam": 2.0},
        "silhouette": {},
        "nmi": {},
    }
    table = scores.table(scores.cells(records, RULES), RULES).set_index("row")
    assert table["nmi"].round(6).to_dict() == {"default": 60, "tuned": 90, "best": 60}
    assert table.loc["tuned", "setting"] == "lam=2.0"
    assert table["to_1_percent"].tolist() == [0.5] * 3


def test_no_choice_depends_on_a_scored_seed(records: list[Record]) -> None:
    before = [setting for _, _, setting in scores.choices(scores.cells(records, RULES).values(), RULES)]
    for made in records:
        if made["seed"] in RULES.scored_seeds:
            for row in made["metrics"]:
                row["value"] = 1 - row["value"]
                row["clusters"] = [1, 0, 0, 1]
    assert [setting for _, _, setting in scores.choices(scores.cells(records, RULES).values(), RULES)] == before


def test_defaults_win_a_tie() -> None:
    task, same = RULES.tasks[0], [0, 0, 1, 1]
    made = [record("mu", task, seed, 0.5, same, setting) for seed in (100, 101) for setting in ({"solver.a": 1}, {})]
    (cell,) = scores.cells(made, RULES).values()
    assert [cell.chosen(RULES, name).setting for name in ("stability", "silhouette")] == [{}, {}]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("group", "value"),
    [
        ("stopping", {"converged": True, "max_seconds": 9}),
        ("evaluator", {"name": "clustering"}),
        ("dataset", {"name": "uci_iris", "scaling": "none"}),
        ("dataset", {"name": "uci_iris", "scaling": "max", "subset": 20}),
    ],
)
def test_record_of_another_protocol_does_not_count(records: list[Record], group: str, value: Any) -> None:
    for made in records:
        made["config"] = made["config"] | {group: value}
    assert not scores.cells(records, RULES)


def test_controls_frame_every_task(records: list[Record]) -> None:
    table = pd.DataFrame(controls.controls(scores.cells(records, RULES), RULES)).set_index(["solver", "row"])
    assert table.loc[("labels", "tuned"), "nmi"] == 100
    assert table.loc[("random", "tuned"), "accuracy"] < 100


def test_criterion_that_follows_the_labels_has_correlation_one_and_no_regret() -> None:
    task = RULES.tasks[0]
    made = [
        record("mu", task, seed, nmi, [0, 0, 1, 1], setting)
        for seed in (100, 101)
        for nmi, setting in ((0.3, {}), (0.5, {"solver.a": 1}), (0.4, {"solver.a": 2}))
    ]
    followed = criteria.followed(scores.cells(made, RULES).values(), RULES).set_index("criterion")
    assert followed.loc["silhouette", ["cells", "correlation", "gain", "regret"]].tolist() == [1, 1, 20, 0]
    assert followed.loc["random", "gain"] == pytest.approx(10)
    assert followed.loc["stability", "gain"] == 0  # all are stable, so the defaults stay
