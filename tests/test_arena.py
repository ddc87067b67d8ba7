"""The arena: rules, trials, choices that see no label, scores, and the command."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nmfbench import config
from nmfbench.arena import controls, criteria, protocol, scores
from nmfbench.arena.protocol import Protocol, Task
from nmfbench.arena.trials import search_space, trials
from nmfbench.datasets.scaling import proposed
from nmfbench.errors import ConfigError, DataMissing
from nmfbench.records import Record, packs
from nmfbench.reports.renderers import csv
from nmfbench.running.cards import loader_of
from nmfbench.solvers.base import Solver

TASKS = [task for name in ("lite", "full") for task in protocol.read(name).tasks]
RULES = Protocol(
    name="small",
    tasks=(Task(dataset="uci_iris", name="uci_iris", scaling="max"), Task(dataset="uci_wine", name="uci_wine")),
    trials=3,
    seeds=2,
    max_seconds=1.0,
    criterion="stability",
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


@pytest.mark.parametrize("criterion", protocol.CRITERIA)
def test_no_choice_depends_on_a_label(records: list[Record], criterion: str) -> None:
    rules = replace(RULES, criterion=criterion)

    def tuned() -> list[Any]:
        return [cell.chosen(rules, criterion).setting for cell in scores.cells(records, rules).values()]  # type: ignore[union-attr]

    before = tuned()
    for made in records:
        for row in made["metrics"]:
            row |= {"value": 1 - row["value"]} if row["metric"] in scores.SCORES else {}
            row |= {"classes": [1, 0, 1, 0]} if "classes" in row else {}
    assert tuned() == before


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
        ("evaluator", {"name": "arena", "k": None, "n_init": 100}),
        ("evaluator", {"name": "arena", "k": 9}),
        ("dataset", {"name": "uci_iris", "scaling": "none"}),
        ("dataset", {"name": "uci_iris", "scaling": "max", "subset": 20}),
    ],
)
def test_record_of_another_protocol_does_not_count(records: list[Record], group: str, value: Any) -> None:
    for made in records:
        made["config"] = made["config"] | {group: value}
    assert not scores.cells(records, RULES)


def test_stability_needs_every_tuning_seed(records: list[Record]) -> None:
    rules = replace(RULES, tuning_seeds=(100, 101, 102))
    (cell,) = scores.cells(records, rules).values()
    assert cell.chosen(rules, "stability").setting == {}  # type: ignore[union-attr]


def test_fit_whose_start_took_all_the_time_is_capped(records: list[Record]) -> None:
    for made in records:
        made["status"] = "start" if made["seed"] == 0 else made["status"]
    assert scores.table(scores.cells(records, RULES), RULES)["capped"].tolist() == [0.5] * 3


def test_more_trials_than_the_budget_are_named(records: list[Record]) -> None:
    found = scores.cells(records, RULES).values()
    assert not list(scores.over_budget(found, RULES))
    assert list(scores.over_budget(found, replace(RULES, trials=1))) == [
        "mu has 2 trials on uci_iris; the arena allows 1"
    ]


def test_data_of_another_checksum_is_named(records: list[Record]) -> None:
    others = [record(solver, RULES.tasks[0], 0, 0.5, [0, 0, 1, 1]) for solver in ("hals", "mine")]
    assert not list(scores.other_data(scores.cells([*records, *others], RULES).values()))
    others[1]["config"]["dataset"]["sha256"] = "ab"
    assert list(scores.other_data(scores.cells([*records, *others], RULES).values())) == [
        "mine on uci_iris: the data has another checksum than that of the other methods"
    ]


PUBLISHED = [path for path in packs.published() if path.name.removesuffix(packs.SUFFIX) in ("lite", "full")]


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.name)
def test_published_choices_follow_from_the_tuning_seeds_within_the_budget(path: Path) -> None:
    rules, records = protocol.read(path.name.removesuffix(packs.SUFFIX)), packs.read(path).records
    whole = scores.cells(records, rules)
    tuning = scores.cells([made for made in records if made["seed"] in rules.tuning_seeds], rules)
    assert not list(scores.over_budget(whole.values(), rules))
    for name, cell in whole.items():
        tuned = cell.chosen(rules, rules.criterion)
        if name in tuning:
            again = tuning[name].chosen(rules, rules.criterion)
            assert (tuned and tuned.setting) == (again.setting if again else {}), name
        else:  # a method with one setting
            assert list(cell.trials) == ["{}"], name


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.name)
def test_published_scores_are_those_of_the_published_records(path: Path) -> None:
    name = path.name.removesuffix(packs.SUFFIX)
    made = scores.table(scores.cells(packs.read(path).records, protocol.read(name)), protocol.read(name))
    shown = csv.read(path.with_name(f"{name}.csv"))[1]
    shown = shown[~shown["licensed"] & ~shown["solver"].isin(["labels", "random"])]
    keys, numbers = ["task", "solver", "row"], [*scores.SCORES, "error", "heldout", "stability", "seconds", "capped"]
    made, shown = (table.set_index(keys)[numbers].sort_index() for table in (made, shown))
    pd.testing.assert_frame_equal(made, shown, check_dtype=False, rtol=1e-5)


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
    assert followed.loc[["stability", "silhouette", "random"], "over_random"].tolist() == pytest.approx([-10, 10, 0])


def test_interval_of_a_criterion_is_over_tasks() -> None:
    made = [
        record("mu", task, seed, nmi, [0, 0, 1, 1], setting)
        for task, best in zip(RULES.tasks, (0.9, 0.5), strict=True)
        for seed in (100, 101)
        for nmi, setting in ((0.3, {}), (best, {"solver.a": 1}), (0.3, {"solver.a": 2}))
    ]
    for one in made:
        one["config"]["dataset"].update(scaling="max" if one["dataset"] == "uci_iris" else None)
    row = criteria.followed(scores.cells(made, RULES).values(), RULES).set_index("criterion").loc["silhouette"]
    assert row[["low", "over_random", "high"]].round(3).tolist() == [13.333, 26.667, 40.0]
