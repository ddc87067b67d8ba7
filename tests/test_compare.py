"""`nmfbench compare`: two methods cell by cell."""

from pathlib import Path

import numpy as np
import pytest
from test_charts import record

from nmfbench.cli import main
from nmfbench.errors import ConfigError
from nmfbench.reports.comparing import compared
from nmfbench.reports.statistics import paired


def runs(solver: str, values: list[float], rank: int = 3) -> list[dict]:
    return [record(solver, rank, seed, nmi) for seed, nmi in enumerate(values)]


def test_cell_is_the_paired_test_of_the_shared_seeds() -> None:
    draw = np.random.default_rng(0)
    a, b = draw.uniform(0.5, 0.6, 8), draw.uniform(0.4, 0.5, 10)
    table, conclusion = compared(runs("a", list(a)), runs("b", list(b)))
    effect = paired(list(100 * a), list(100 * b[:8]))
    (row,) = table.to_dict("records")
    assert (row["dataset"], row["k"], row["n"]) == ("d", 2, 8)
    assert [row["A"], row["B"]] == pytest.approx([100 * a.mean(), 100 * b[:8].mean()])
    assert [row[key] for key in ("difference", "low", "high", "p")] == pytest.approx(
        [effect.shift, effect.low, effect.high, effect.p]
    )
    assert f"A is better (higher NMI) beyond chance in 1 of 1 cell, by {effect.shift:.3g}." in conclusion
    assert "says nothing about other data" in conclusion


def test_few_seeds_are_said_to_be_too_few() -> None:
    table, conclusion = compared(runs("a", [0.5, 0.6, 0.7]), runs("b", [0.1, 0.2, 0.3]))
    assert table["p"].item() == pytest.approx(0.25)
    assert "With 3 seeds and 1 test no p can be below 0.25: add seeds." in conclusion


def test_one_seed_is_not_tested() -> None:
    table, conclusion = compared(runs("a", [0.5]), runs("b", [0.1]))
    assert table["p"].isna().all() and table["difference"].item() == pytest.approx(40)
    assert "1 of 1 cells have one seed" in conclusion and "No difference in NMI is beyond chance" in conclusion


def test_side_with_several_methods_is_refused_with_both_named() -> None:
    with pytest.raises(ConfigError, match=r"A has several methods on d, such as a rank=3 and a rank=4; choose one"):
        compared(runs("a", [0.5]) + runs("a", [0.5], rank=4), runs("b", [0.1]))
    with pytest.raises(ConfigError, match="share no dataset"):
        compared(runs("a", [0.5]), [run | {"dataset": "e"} for run in runs("b", [0.1])])


def test_command_prints_the_table_and_the_conclusion(tmp_path: Path, capsys) -> None:
    words = ["solver=mu,hals,pca", "dataset=synthetic", "dataset.n_samples=20", "rank=2", "seeds=6"]
    assert main(["run", "-m", *words, "stopping.max_iter=20", "threads=1", f"results_dir='{tmp_path}'"]) == 0
    capsys.readouterr()
    assert main(["compare", "solver=mu rank=2", "solver=hals", "--results", str(tmp_path), "--metric", "error"]) == 0
    printed = capsys.readouterr().out
    assert "synthetic" in printed and "A: solver=mu rank=2. B: solver=hals." in printed
    assert "B is better (lower relative error" in printed and "beyond chance in 1 of 1 cell, by" in printed
    assert main(["compare", "solver=mu", "solver=wnnf", "--results", str(tmp_path)]) == 2
