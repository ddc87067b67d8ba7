"""Claims: what their YAMLs may say, the effect on a task, the verdict and its power."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from nmfbench import config
from nmfbench.arena import claims, figures, scores
from nmfbench.arena.claims import Claim, Verdict
from nmfbench.arena.protocol import Protocol, Task
from nmfbench.errors import ConfigError
from nmfbench.records import Record
from nmfbench.reports.statistics import paired
from nmfbench.solvers.base import Solver

RULES = Protocol(
    name="small", tasks=tuple(Task(dataset=f"t{i}", name=f"t{i}") for i in range(8)), seeds=1, max_seconds=1.0
)
PAIR = Claim(name="one", says="wnnf over mu", kind="pairs", smallest=2.0, pairs=[["wnnf", "mu"]])


def record(solver: str, task: str, nmi: float, setting: dict[str, Any] | None = None, **metrics: float) -> Record:
    values = {"nmi": nmi, "silhouette": 0.5} | metrics
    return {
        "config": {
            "dataset": {"name": task},
            "evaluator": {"name": "arena"},
            "stopping": {"converged": True, "max_seconds": 1.0},
        },
        "dataset": task,
        "solver": solver,
        "seed": 0,
        "rank": 2,
        "status": "converged",
        "setting": setting or {},
        "data": {"classes": 2},
        "metrics": [{"layer": 1, "metric": name, "value": value} for name, value in values.items()],
    }


def verdict(claim: Claim, records: list[Record]) -> Verdict:
    return claims.verdict(claim, scores.cells(records, RULES), RULES)


@pytest.mark.parametrize("name", config.options("claims"))
def test_every_claim_reads_and_its_methods_can_be_built(name: str) -> None:
    claim = claims.read(name)
    assert claim.says and claim.smallest > 0
    assert claim.pairs or claim.sides() or claim.kind in ("error", "stacked")
    for solver, setting in claim.sides():
        node = {k: 4 if v == "${rank}" else v for k, v in config.defaults("solver", solver).items()}
        changed = {key.partition(".")[2]: value for key, value in setting.items()}
        assert changed.keys() <= node.keys()
        assert isinstance(config.build(node | changed, Solver, "solver"), Solver)


@pytest.mark.parametrize(
    ("change", "words"), [({"kind": "guess"}, "kind must be one of"), ({"smallest": 0}, "smallest must be positive")]
)
def test_impossible_claim_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        replace(PAIR, **change)


@pytest.mark.parametrize(
    ("leads", "words"),
    [
        ([4, 5, 6, 5, 4, 7, 5, 6], "holds"),
        ([0.4, 0.5, 0.6, 0.5, 0.4, 0.7, 0.5, 0.6], "holds, but too small to matter"),
        ([-4, -5, -6, -5, -4, -7, -5, -6], "the opposite holds"),
        ([0.1, -0.2, 0.3, -0.1, 0.2, -0.3, 0.1, -0.1], "no effect that matters"),
        ([9, -8, 7, -6, 5, -4, 8, 1], "undecided"),
        ([-9, -8, -9, -7, 0.5, 0.7, -8, 0.6], "no gain that matters"),
    ],
)
def test_verdict_follows_from_the_interval_and_the_smallest_effect(leads: list[float], words: str) -> None:
    pairs = zip(RULES.tasks, leads, strict=True)
    records = [
        made
        for task, lead in pairs
        for made in (record("wnnf", task.dataset, 0.5 + lead / 100), record("mu", task.dataset, 0.5))
    ]
    found = verdict(PAIR, records)
    assert found.words == words
    assert found.effects == pytest.approx(dict(zip([task.name for task in RULES.tasks], leads, strict=True)))
    assert found.p == pytest.approx(stats.wilcoxon(leads, method="exact").pvalue, abs=0.02)


def test_task_that_lacks_a_method_has_no_effect() -> None:
    assert verdict(PAIR, [record("wnnf", "t0", 0.5)]).effects == {}
    assert verdict(PAIR, []).words == "not tested"
    assert np.isnan(verdict(PAIR, []).shift)


def test_setting_of_a_side_is_another_trial_and_the_defaults_are_recognised() -> None:
    claim = replace(PAIR, pairs=[["wnnf eta=0.1", "wnnf eta=0"]])
    records = [record("wnnf", "t0", 0.6), record("wnnf", "t0", 0.5, {"solver.eta": 0})]
    assert verdict(claim, records).effects == pytest.approx({"t0": 10})


def test_error_that_orders_the_methods_has_correlation_one() -> None:
    claim = Claim(name="e", says="", kind="error", smallest=0.3)
    records = [
        record(solver, "t0", 0.9 - i / 10, error=0.1 + i) for i, solver in enumerate(["mu", "hals", "anls", "wnnf"])
    ]
    assert verdict(claim, records).effects == pytest.approx({"t0": 1})
    controls = [record("raw", "t0", 0.1, error=0.0)]  # no method: it would turn the order round
    assert verdict(claim, [*records, *controls]).effects == pytest.approx({"t0": 1})


def test_layers_together_are_compared_with_the_last() -> None:
    claim = Claim(name="s", says="", kind="stacked", smallest=1)
    records = [record("deep_mu", "t0", 0.5, nmi_stacked=0.7), record("deep_kl", "t0", 0.5, nmi_stacked=0.4)]
    assert verdict(claim, [*records, record("mu", "t0", 0.1)]).effects == pytest.approx({"t0": 5})


def test_starts_that_matter_more_than_solvers_have_a_positive_effect() -> None:
    claim = Claim(name="g", says="", kind="starts", smallest=1, solvers=["mu", "hals"], starts=["uniform", "spa"])
    records = [
        record(
            solver,
            "t0",
            0.5 + 0.1 * (start == "spa") + 0.02 * (solver == "hals"),
            {"solver.init": start} if start == "spa" else {},
        )
        for solver in claim.solvers
        for start in claim.starts
    ]
    assert verdict(claim, records).effects == pytest.approx({"t0": 10 - 2})


def test_number_of_starts_makes_no_effect_by_itself() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.normal(size=(4000, 4))
    two, four = (np.mean([claims._difference(list(row[:k])) for row in drawn]) for k in (2, 4))
    assert two == pytest.approx(four, rel=0.03)


def test_tasks_of_one_dataset_count_once() -> None:
    claim = replace(PAIR, corrupt={"salt_pepper": 0.2, "outliers": 0.1})
    records = []
    for task in claim.tasks(RULES)[:8]:
        for solver, nmi in (("wnnf", 0.6), ("mu", 0.5)):
            made = record(solver, task.dataset, nmi)
            made["config"]["dataset"]["corrupt"] = {"kind": task.corrupt, "level": task.level}
            records.append(made)
    found = claims.verdict(claim, scores.cells(records, replace(RULES, tasks=claim.tasks(RULES))), RULES)
    assert len(found.effects) == 8 and found.datasets == 4
    assert found.words == "undecided"  # eight datasets could say that it holds


def test_corrupted_tasks_are_tasks_of_their_own() -> None:
    tasks = replace(PAIR, corrupt={"salt_pepper": 0.2, "outliers": 0.1}).tasks(RULES)
    assert len({task.name for task in tasks}) == 16
    clean, (noisy, *_) = record("mu", "t0", 0.5), tasks
    assert not noisy.has(clean) and RULES.tasks[0].has(clean)
    clean["config"]["dataset"]["corrupt"] = {"kind": "salt_pepper", "level": 0.2, "draw": 0}
    assert noisy.has(clean) and not RULES.tasks[0].has(clean)


def test_power_grows_with_the_effect_and_is_the_level_without_one() -> None:
    spread = list(np.random.default_rng(0).normal(size=12))
    powers = [claims.power(spread, size) for size in (1e-9, 0.5, 1, 3)]
    assert powers == sorted(powers)
    assert powers[0] < 0.1 and powers[-1] > 0.95


def test_power_is_that_of_the_interval() -> None:
    spread = np.random.default_rng(1).normal(size=9)
    assert claims.power(list(spread[:5]), 100) == 0  # five datasets never reach 5 %
    rng, moved = np.random.default_rng(0), spread - np.median(spread) + 1
    found = [paired(list(rng.choice(moved, size=9)), [0.0] * 9).low > 0 for _ in range(1000)]
    assert claims.power(list(spread), 1) == pytest.approx(np.mean(found), abs=0.05)


def test_picture_of_the_claims_has_each_in_multiples_of_what_matters() -> None:
    found = [
        Verdict(replace(PAIR, name="one", smallest=2.0), {"t0": 4.0}, 1, 4.0, 2.0, 6.0, 0.01, 0.9),
        Verdict(replace(PAIR, name="none"), {}, 0, *[float("nan")] * 5),
    ]
    chart = figures.effects(found)
    (ax,) = chart.figure.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["one: holds"]
    interval, point = ax.get_lines()[1:]
    assert list(interval.get_xdata()) == [1.0, 3.0] and list(point.get_xdata()) == [2.0]
    assert list(chart.numbers["claim"]) == ["one", "none"]
