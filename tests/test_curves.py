"""Figures of curves: numbers against the count of people, times against sizes; what they were drawn from."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from shell import run

from nmfbench import config
from nmfbench.cli import main
from nmfbench.papers import rules
from nmfbench.reports import curves, plots
from nmfbench.reports.figures import FIGURES, TableFigure, common, scaling
from nmfbench.reports.renderers import csv

ROOT = Path(__file__).resolve().parents[1]
TINY = "dataset=synthetic dataset.n_samples=20 dataset.n_features=12 dataset.n_classes=2 evaluator.n_init=1"


@pytest.mark.parametrize(
    ("name", "dataset", "printed"), [("6", "orl32", "orl"), ("7", "jaffe", "jaffe"), ("8", "yale", "yale")]
)
def test_figures_6_to_8_show_the_published_table_beside_all_printed_numbers(
    name: str, dataset: str, printed: str
) -> None:
    figure = FIGURES[f"dnsnmf_fig{name}"]
    _, table = csv.read(ROOT / "results/tables/dnsnmf_tables.csv")
    numbers = figure.numbers(table)
    assert len(numbers) == 5 * 9 * 2 and not numbers[["mean", "sd", "paper"]].isna().any(axis=None)
    names = {"mu": "nmf"}
    for row in rules.rows("dnsnmf_tables"):
        if row["dataset"] == printed:
            own = numbers[
                (numbers["solver"].replace(names) == row["method"]) & (numbers["n_clusters"] == int(row["n_classes"]))
            ]
            papers = own.set_index("metric")["paper"]
            assert papers["accuracy"] == float(row["accuracy_percent"]) and papers["nmi_max"] == float(
                row["nmi_percent"]
            )
    drawn = figure.draw(numbers, "Drawn from a test.")
    assert len(drawn.axes) == 10
    ours, theirs = (line for line in drawn.axes[0].lines if line.get_color() in plots.COLOURS)
    dns = numbers[(numbers["solver"] == "dnsnmf") & (numbers["metric"] == "accuracy")]
    np.testing.assert_allclose(ours.get_xydata(), dns[["n_clusters", "mean"]])
    np.testing.assert_allclose(theirs.get_xydata(), dns[["n_clusters", "paper"]])
    note = " ".join(text.get_text().replace("\n", " ") for text in drawn.findobj(Text))
    assert "Drawn from a test." in note and ("one set" in note) == (dataset == "jaffe")


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A figure of the table of a small experiment; nothing is published."""
    folder = tmp_path / "configs" / "experiment"
    folder.mkdir(parents=True)
    line = f"solver=mu {TINY} rank=2,3"
    (folder / "tiny.yaml").write_text(
        f"# @package _global_\n# tiny\nseeds: 2\nstopping:\n  max_iter: 3\nruns:\n  - {line}\n"
    )
    monkeypatch.setenv("NMFBENCH_CONFIG", str(tmp_path / "configs"))
    monkeypatch.setattr(config, "PUBLISHED", tmp_path / "published")

    def draw(numbers: pd.DataFrame, source: str):
        return plots.ratios([1], {"a": np.array([numbers["mean"][:1]])}, {}, "t", source)

    def numbers(table: pd.DataFrame) -> pd.DataFrame:
        return table.loc[table["metric"] == "error", ["rank", "mean", "sd"]].reset_index(drop=True)

    monkeypatch.setitem(FIGURES, "tiny_fig", TableFigure("a figure", "tiny", draw, numbers))
    return tmp_path / "results"


def test_figure_of_a_table_is_drawn_from_records_or_from_the_csv_of_the_whole_table(
    tiny: Path, capsys, monkeypatch
) -> None:
    sources = []
    figure = FIGURES["tiny_fig"]

    def draw(numbers: pd.DataFrame, source: str):
        sources.append(source)
        return figure.draw(numbers, source)

    monkeypatch.setitem(FIGURES, "tiny_fig", TableFigure("a figure", "tiny", draw, figure.numbers))
    assert main(["plot", "tiny_fig", "--results", str(tiny)]) == 1
    error = capsys.readouterr().err
    assert "no whole table" in error and f"nmfbench run experiment=tiny results_dir={tiny}" in error
    assert run(tiny, "experiment=tiny") == 0
    assert main(["plot", "tiny_fig", "--results", str(tiny)]) == 0
    written = (tiny / "figures/tiny_fig.csv").read_text()
    published = config.PUBLISHED / "tables"
    published.mkdir(parents=True)
    (tiny / "tables/tiny.csv").rename(published / "tiny.csv")
    elsewhere = tiny / "elsewhere"
    assert main(["plot", "tiny_fig", "--results", str(elsewhere)]) == 0
    from_records, from_table = sources
    assert from_records.startswith("Drawn from 4 records. Made by nmfbench")
    assert from_table.startswith("Drawn from the table tiny.csv. Made by nmfbench")
    assert (elsewhere / "figures/tiny_fig.csv").read_text() == written, "the same numbers, the same provenance"
    assert main(["plot", "tiny_fig", "seeds=1", "--results", str(elsewhere)]) == 1, (
        "the published table has other seeds"
    )


def test_read_is_the_inverse_of_commented(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1, 2], "b": ["x", "y, #z"]})
    (tmp_path / "t.csv").write_text(csv.commented(["one, two", "three"], table))
    sentences, read = csv.read(tmp_path / "t.csv")
    assert sentences == ["one, two", "three"] and read.equals(table)


def finished(solver: str, m: int, n: int, r: int, seed: int, seconds: float) -> common.Run:
    record = {"solver": solver, "seed": seed, "rank": r, "cpu_seconds": 20 * seconds, "iterations": 20}
    record |= {"data": {"features": m, "samples": n}, "environment": {"cpu": "CPU"}}
    return common.Run(record, None, None)


def test_slopes_of_planted_powers_are_found_in_every_panel() -> None:
    sizes = [(200, n, 10) for n in (2500, 5000, 20000)] + [(m, 5000, 10) for m in (100, 800)]
    sizes += [(200, 5000, r) for r in (5, 40)]
    powers = {"mu": (1.0, 0.9, 0.6), "deep_kl": (1.1, 1.0, 1.4)}
    runs = [
        finished(solver, m, n, r, seed, 1e-9 * m**b * n**a * r**c * factor)
        for solver, (a, b, c) in powers.items()
        for m, n, r in sizes
        for seed, factor in enumerate((1.0, 0.9, 5.0))  # the median leaves an outlier out
    ]
    table = scaling.growth_numbers(runs)
    assert len(table) == 2 * len(sizes) and (table["n"] == 3).all()
    for solver, (a, b, c) in powers.items():
        own = table[table["solver"] == solver].iloc[0]
        assert (own["slope_over_samples"], own["slope_over_features"], own["slope_over_rank"]) == pytest.approx(
            (a, b, c)
        )
    figure = scaling.growth(runs)
    assert len(figure.axes) == 3
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert texts == ["NMF: 1.00", "deep KL-NMF: 1.10", "slope 1"]
    np.testing.assert_allclose(figure.axes[0].lines[0].get_xdata(), [2500, 5000, 20000])
    assert curves.slope(pd.Series([8.0, 4.0], index=[1, 2])) == pytest.approx(-1)
