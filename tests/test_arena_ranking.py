"""Rankings: strengths, mean ranks and leads, each against another tool."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import optimize, stats

from nmfbench.arena import figures, page, protocol, ranking
from nmfbench.reports import plots


@pytest.fixture
def values() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    drawn = rng.normal(size=(9, 5)) * 5 + np.arange(5) * 3 + 50
    named = pd.DataFrame(drawn, columns=["a", "mu", "c", "d", "e"], index=[f"t{i}" for i in range(9)])
    return named.rename_axis(index="task", columns="solver")


def likeliest(values: np.ndarray, tol: float) -> np.ndarray:
    """Elo of values (tasks, methods) by scipy's optimiser, from the likelihood and with wins counted one by one."""
    k = values.shape[1]
    won = np.array([[0.5 * (i != j) + (values[:, i] > values[:, j]).sum() for j in range(k)] for i in range(k)])

    def negative(logits: np.ndarray) -> float:
        return float((won * np.logaddexp(0, logits[None, :] - logits[:, None])).sum())

    found = optimize.minimize(negative, np.zeros(k), tol=tol).x
    return 1000 + 400 / np.log(10) * (found - found.mean())


def test_elo_is_the_likeliest_by_another_optimiser(values: pd.DataFrame) -> None:
    np.testing.assert_allclose(ranking.elo(values)["elo"], likeliest(values.to_numpy(), 1e-12), atol=0.05)


def test_interval_of_elo_is_that_of_another_tools_bootstrap_over_tasks(values: pd.DataFrame) -> None:
    board, rng, v = ranking.elo(values), np.random.default_rng(8), values.to_numpy()
    drawn = [likeliest(v[rng.integers(9, size=9)], 1e-4) for _ in range(500)]
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    width = (high - low).mean()
    assert np.abs(board["low"] - low).mean() < 0.15 * width and np.abs(board["high"] - high).mean() < 0.15 * width


def test_mean_rank_is_scipys_and_a_missing_method_comes_last(values: pd.DataFrame) -> None:
    board = ranking.ranking(values).set_index("solver")
    expected = stats.rankdata(-values.to_numpy(), axis=1).mean(0)
    np.testing.assert_allclose(board.loc[values.columns, "rank"], expected)
    values.loc["t0", "e"] = np.nan
    board = ranking.ranking(values).set_index("solver")
    places = stats.rankdata(-values.fillna(-1).to_numpy(), axis=1).mean(0)
    np.testing.assert_allclose(board.loc[values.columns, "rank"], places)
    assert board.loc["e", "tasks"] == 8


def test_lead_over_the_control_has_the_p_of_scipy_corrected_for_all(values: pd.DataFrame) -> None:
    board = ranking.against(values, "mu")
    raw = {name: stats.wilcoxon(values[name], values["mu"]).pvalue for name in ("a", "c", "d", "e")}
    assert board.loc["e", "p"] == pytest.approx(
        min(1, 4 * raw["e"]) if raw["e"] == min(raw.values()) else board.loc["e", "p"]
    )
    assert (board["p"] >= pd.Series(raw) - 1e-12).all()


@pytest.fixture
def scores() -> pd.DataFrame:
    """Two tracks of four datasets, one of them licensed; deconv takes the pictures alone."""
    rng, rows = np.random.default_rng(0), []
    kinds = {"orl": "faces", "digits": "pictures", "wine": "tables", "jaffe": "faces"}
    for times in (1, 2):
        for dataset, domain in kinds.items():
            task = protocol.Task(
                dataset=dataset,
                name=dataset if times == 1 else f"{dataset} ×{times}",
                domain=domain,
                times=times,
                licensed=dataset == "jaffe",
            )
            for place, solver in enumerate(("hals", "mu", "raw", "deconv", "labels")):
                if solver != "deconv" or domain == "pictures":
                    nmi = 50 - 5 * place + rng.uniform()
                    measured = {"solver": solver, "nmi": nmi, "seconds": 1.0, "capped": 0.0, "setting": ""}
                    rows += [task.identity | measured | {"row": row} for row in ("default", "tuned", "best")]
    return pd.DataFrame(rows)


def report(scores: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    monkeypatch.setattr(page.notes, "provenance", lambda records: [])
    criteria = pd.DataFrame(columns=["criterion"])
    found = page.report(scores, criteria, protocol.read("lite"), [], [])
    return {
        block.heading: [[" ".join(cell) for cell in row] for row in block.grids[0].rows]
        for block in found.blocks
        if block.grids
    }


def test_two_ranks_on_one_dataset_are_two_rankings(scores: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    headings = list(report(scores, monkeypatch))
    assert headings[:5] == [
        "Each method tuned without labels: 3 tasks",
        "Each method with its defaults: 3 tasks",
        "With 2 times as many components as classes: 3 tasks",
        "With the datasets that not everybody may have: 4 tasks",
        "Without the methods that cannot take every task: 3 tasks",
    ]
    assert len(next(iter(figures.charts(scores))).numbers) == 4
    (duels,) = [chart for chart in figures.charts(scores) if chart.name == "duels"]
    assert duels.numbers.set_index("method").loc["hals", "mu"] == 1


def test_method_is_last_on_a_task_of_a_kind_that_it_does_not_take(
    scores: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = scores[(scores["task"] == "wine")].assign(task="satellite", domain="pictures")
    places = {row[0]: row[1:] for row in report(pd.concat([scores, more]), monkeypatch)["Mean rank by kind of data"]}
    assert places["hals"] == ["1.0", "1.0", "1.0"]
    assert places["deconv"] == ["–", "4.0", "–"]


def test_method_without_results_on_licensed_sets_is_not_last_there(
    scores: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = scores[~((scores["solver"] == "hals") & scores["licensed"])]
    found = report(published, monkeypatch)
    assert [row[0] for row in found["With the datasets that not everybody may have: 4 tasks"]] == ["mu", "raw"]
    assert found["Each method tuned without labels: 3 tasks"][0][0] == "hals"


def test_licensed_sets_alone_are_ranked_too(scores: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = scores[scores["licensed"] & (scores["times"] == 1)]
    assert report(alone, monkeypatch)["Each method tuned without labels: 1 task"][0][0] == "hals"
    assert len(next(iter(figures.charts(alone))).numbers) == 3


def test_differences_of_the_diagram_are_those_of_the_studentized_range(values: pd.DataFrame) -> None:
    long = values.rename_axis("solver", axis=1).stack().rename("nmi").reset_index().assign(row="tuned")
    numbers = figures.apart(long).numbers.set_index(["method", "other"])
    k, n = values.shape[1], len(values)
    places = values.rank(axis=1, ascending=False).mean()
    for a, b in numbers.index:
        apart = abs(places[a] - places[b]) / np.sqrt(k * (k + 1) / (6 * n)) * np.sqrt(2)
        assert numbers.loc[(a, b), "p_nemenyi"] == pytest.approx(stats.studentized_range.sf(apart, k, np.inf), abs=1e-3)


def test_dots_of_the_ranking_play_in_one_pool(scores: pd.DataFrame) -> None:
    scores.loc[scores["row"] == "default", "nmi"] -= 30  # below every tuned one
    numbers = figures.strength(scores[scores["times"] == 1]).numbers
    assert (numbers["elo_default"] < numbers["elo"]).all()


def test_names_hide_neither_each_other_nor_a_dot() -> None:
    figure = Figure(figsize=(5, 4))
    ax = figure.subplots()
    ax.set_xlim(0, 1), ax.set_ylim(0, 1)
    drawn = np.random.default_rng(0).uniform(size=(30, 2))
    plots.named(ax, [(f"method {i}", x, y, i == 0) for i, (x, y) in enumerate(drawn)])
    boxes = [label.get_window_extent() for label in ax.texts]
    assert ax.texts[0].get_text() == "method 0" and len(boxes) > 10
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert not any(box.contains(*ax.transData.transform(dot)) for box in boxes for dot in drawn)
