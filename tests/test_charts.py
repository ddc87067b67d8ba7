"""Pictures of any runs: each shows the numbers of the records."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmfbench.cli import main
from nmfbench.records import Store
from nmfbench.reports import charts

METRICS = [{"name": "nmi", "title": "NMI", "unit": "%", "decimals": 1, "better": "higher", "shown": True}]


def record(solver: str, rank: int, seed: int, nmi: float, seconds: float = 1.0, **variant: Any) -> dict[str, Any]:
    """A finished run on a dataset of 20 samples, with two looks after the start."""
    config = {"solver": {"name": solver, "rank": rank, **variant}, "dataset": {"name": "d", "sha256": "0" * 64}}
    rows = [{"layer": 1, "n_clusters": 2, "metric": "nmi", "value": nmi}]
    return {
        "config": config | {"evaluator": {"name": "clustering"}, "stopping": {}, "label_fraction": 0.0},
        "dataset": "d",
        "solver": solver,
        "variant": {f"solver.{key}": value for key, value in variant.items()},
        "rank": rank,
        "seed": seed,
        "status": "max_iter",
        "iterations": 10,
        "seconds": seconds,
        "objective": 10.0 - nmi,
        "history": [[0, 20.0, 0.0], [5, 10.0, 0.5], [10, 10.0 - nmi, 1.0]],
        "metrics": rows,
        "declared": METRICS,
        "environment": {"threads": 1, "date": "2026"},
        "data": {"samples": 20, "features": 5, "classes": 2, "preprocessing": []},
    }


def drawn(records: list[dict[str, Any]], kind: str) -> list[charts.Chart]:
    return list(charts.charts(records, [kind]))


def test_scores_are_the_means_over_seeds_and_the_best_comes_first() -> None:
    records = [record("a", 3, seed, nmi) for seed, nmi in enumerate((0.2, 0.4))]
    records += [record("b", 3, seed, nmi) for seed, nmi in enumerate((0.5, 0.9))]
    (chart,) = drawn(records, "scores")
    assert chart.numbers["method"].tolist() == ["b, rank 3", "a, rank 3"]
    np.testing.assert_allclose(chart.numbers["mean"], [70, 30])
    np.testing.assert_allclose(chart.numbers["sd"], [np.std([50, 90], ddof=1), np.std([20, 40], ddof=1)])
    (ax,) = chart.figure.axes
    assert [tick.get_text() for tick in ax.get_yticklabels()] == chart.numbers["method"].tolist()
    assert "best: b, rank 3, 70" in chart.text


def test_sweep_has_a_line_for_each_method_over_what_was_varied() -> None:
    records = [record("a", rank, 0, rank / 10) for rank in (2, 4, 8)] + [record("b", 2, 0, 0.1)]
    (chart,) = drawn(records, "sweep")
    assert chart.name == "sweep_d_rank"
    assert chart.numbers[["method", "rank", "mean"]].to_numpy().tolist() == [["a", 2, 20], ["a", 4, 40], ["a", 8, 80]]
    (line,) = [line for line in chart.figure.axes[0].lines if line.get_label() == "a"]
    np.testing.assert_allclose(line.get_xydata(), [[2, 20], [4, 40], [8, 80]])


def test_sweep_of_a_setting_keeps_other_settings_and_ranks_apart() -> None:
    records = [record("a", rank, 0, lam, lam=lam) for rank in (2, 4) for lam in (0.001, 0.01, 0.1)]
    (chart,) = drawn(records, "sweep")
    assert chart.name == "sweep_d_lam" and set(chart.numbers["method"]) == {"a, rank 2", "a, rank 4"}
    assert chart.figure.axes[0].get_xscale() == "log"


def test_sweep_has_the_value_of_the_yaml_too_and_any_budget() -> None:
    records = [record("a", 2, 0, theta, theta=theta) for theta in (0.1, 0.9)]
    default = record("a", 2, 0, 0.5, theta=0.5)
    (chart,) = drawn([*records, default | {"variant": {}}], "sweep")
    assert chart.numbers[["method", "theta", "mean"]].to_numpy().tolist() == [
        ["a", 0.1, 10],
        ["a", 0.5, 50],
        ["a", 0.9, 90],
    ]
    budgets = [record("a", 2, 0, i / 100) for i in (5, 10, 20)]
    for i, made in zip((5, 10, 20), budgets, strict=True):
        made["config"] |= {"stopping": {"max_iter": i}, "evaluator": {"name": "clustering", "max_iter": 300}}
        made["variant"] = {"stopping.max_iter": i}
    (chart,) = drawn(budgets, "sweep")
    assert chart.name == "sweep_d_max_iter" and chart.numbers["method"].unique().tolist() == ["a"]
    assert chart.numbers["max_iter"].tolist() == [5, 10, 20]


def test_sweep_over_the_depth_counts_layers() -> None:
    records = [record("deep", 2, 0, nmi / 10, ranks=[4] * nmi + [2]) for nmi in (1, 2, 3)]
    (chart,) = drawn(records, "sweep")
    assert chart.name == "sweep_d_layers"
    assert chart.numbers[["method", "layers", "mean"]].to_numpy().tolist() == [
        ["deep", 2, 10], ["deep", 3, 20], ["deep", 4, 30]
    ]  # fmt: skip


def test_frontier_joins_the_methods_that_no_faster_one_beats() -> None:
    runs = {"fast": (0.3, 1.0), "slow": (0.6, 9.0), "worse": (0.2, 5.0)}
    (chart,) = drawn([record(name, 3, 0, nmi, seconds) for name, (nmi, seconds) in runs.items()], "frontier")
    on = dict(zip(chart.numbers["method"], chart.numbers["no faster one is better"], strict=True))
    assert on == {"fast, rank 3": True, "slow, rank 3": True, "worse, rank 3": False}


def test_convergence_is_relative_to_each_start() -> None:
    (chart,) = drawn([record("a", 3, seed, nmi) for seed, nmi in enumerate((0.1, 0.5, 0.9))], "convergence")
    assert chart.numbers["objective"].tolist() == [20, 10, 9.5]  # the seed of median objective
    (line,) = chart.figure.axes[1].lines
    np.testing.assert_allclose(line.get_xydata(), [[0.5, 0.5], [1, 0.475]])
    many = drawn([record(name, 3, 0, 0.5) for name in "abcdefgh"], "convergence")[0].figure.axes[0].lines
    assert len({(line.get_linestyle(), line.get_marker()) for line in many}) == 8  # told apart in grey


def test_no_two_lines_look_alike() -> None:
    looks = charts._lines([str(i) for i in range(charts.MOST_LINES)])
    assert len({(look["linestyle"], look["marker"]) for look in looks.values()}) == charts.MOST_LINES


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("charts") / "r"
    words = ["solver=mu,hals,pca", "dataset=synthetic", "dataset.n_samples=20", "rank=2,3,4", "seeds=2"]
    assert main(["run", "-m", *words, "stopping.max_iter=20", "threads=1", f"results_dir='{folder}'"]) == 0
    return folder


def test_plot_writes_pictures_and_their_numbers(results: Path, capsys) -> None:
    assert (
        main(["plot", "scores", "sweep", "frontier", "convergence", "solver=mu,hals", "--results", str(results)]) == 0
    )
    names = ["scores_synthetic", "sweep_synthetic_rank", "frontier_synthetic", "convergence_synthetic"]
    for name in names:
        for kind in ("png", "pdf", "svg", "csv"):
            assert (results / "figures" / f"{name}.{kind}").stat().st_size > 300
    scores = (results / "figures/scores_synthetic.csv").read_text()
    assert "mu, rank 4" in scores and "pca" not in scores
    assert "written to" in capsys.readouterr().out


def test_plot_of_another_metric_shows_that_metric(results: Path) -> None:
    assert main(["plot", "scores", "--metric", "error", "--results", str(results)]) == 0
    best = (results / "figures/scores_synthetic.csv").read_text().splitlines()
    errors = [float(line.split(",")[-3]) for line in best if line.startswith('"')]
    assert errors == sorted(errors) and 0 <= errors[0] < 1


def test_plot_without_what_it_shows_says_so(results: Path, capsys) -> None:
    assert main(["plot", "sweep", "rank=2", "--results", str(results)]) == 2
    assert "three values of a key" in capsys.readouterr().err
    assert main(["plot", "scres", "--results", str(results)]) == 2
    assert "did you mean scores" in capsys.readouterr().err


def test_pictures_are_the_same_bytes_again(results: Path) -> None:
    paths = [results / f"figures/scores_synthetic.{kind}" for kind in ("png", "pdf", "svg")]
    assert main(["plot", "scores", "--results", str(results)]) == 0
    first = [path.read_bytes() for path in paths]
    assert main(["plot", "scores", "--results", str(results)]) == 0
    assert [path.read_bytes() for path in paths] == first
    assert Store(results).load()[0]
