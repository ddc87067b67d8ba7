"""`nmfbench plot`: what the figures show, from which runs, and the messages about missing runs."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from shell import run

from nmfbench.cli import main
from nmfbench.commands import pictures
from nmfbench.config import options
from nmfbench.errors import DataMissing
from nmfbench.numerics import hierarchies
from nmfbench.numerics.factorization import Hierarchy
from nmfbench.numerics.problem import Problem
from nmfbench.reports import plots
from nmfbench.reports.figures import FIGURES, PaperFigure, TableFigure, common, deep_kl, dnsnmf
from nmfbench.reports.plots import Tiles
from nmfbench.running.composing import requests
from nmfbench.running.measuring import arrays

ROOT = Path(__file__).resolve().parents[1]
TINY = "dataset=synthetic dataset.n_samples=20 dataset.n_features=12 dataset.n_classes=2 evaluator.n_init=1"
rng = np.random.default_rng(0)


def drawn(runs):
    W = common.best_of(runs, "mu").fitted.factors["W"]
    return plots.tiles([[Tiles("bases", common.images(W, (3, 4)), 2)]], f"{len(runs)} runs", "a note", width=3)


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A figure of mu's bases, from an experiment with another method and a run that is not shown."""
    configs = tmp_path / "configs" / "experiment"
    configs.mkdir(parents=True)
    lines = [f"solver=mu {TINY} rank=2,3", f"solver=deep_kl solver.pretrain=2 {TINY} rank=2"]
    text = "# @package _global_\n# tiny\nseeds: 2\nsave_codes: true\nstopping:\n  max_iter: 3\nruns:\n"
    (configs / "tiny.yaml").write_text(text + "".join(f"  - {line}\n" for line in lines))
    monkeypatch.setenv("NMFBENCH_CONFIG", str(tmp_path / "configs"))
    rank_2 = PaperFigure(
        "a figure", ("experiment=tiny solver=mu",), drawn, shows=lambda config: config["solver"]["rank"] == 2
    )
    monkeypatch.setitem(FIGURES, "tiny_fig1", rank_2)
    return tmp_path / "my results"


def test_missing_runs_are_named_with_the_command_that_makes_them(tiny: Path, capsys) -> None:
    assert main(["plot", "tiny_fig1", "--results", str(tiny)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert "tiny_fig1 is missing mu on synthetic, all seeds" in lines, "nothing was ever run here"
    assert run(tiny, "experiment=tiny", "solver=mu", "seeds=[0]") == 0
    capsys.readouterr()
    assert main(["plot", "tiny_fig1", f"results_dir='{tiny}'"]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("tiny_fig1 is missing mu on synthetic rank=2 ") and first.endswith(", seed 1")
    assert second == f"make them with: nmfbench run experiment=tiny solver=mu 'results_dir={tiny}'"
    assert not (tiny / "figures").exists()


def test_figure_is_written_from_the_runs_and_is_the_same_bytes_again(tiny: Path, capsys) -> None:
    assert run(tiny, "experiment=tiny", "solver=mu") == 0
    written = []
    for _ in range(2):
        assert main(["plot", "tiny_fig1", "--results", str(tiny)]) == 0
        written.append([(tiny / "figures" / f"tiny_fig1.{kind}").read_bytes() for kind in ("png", "pdf")])
    assert f"written to {tiny / 'figures' / 'tiny_fig1'}.png and .pdf" in capsys.readouterr().out
    assert written[0] == written[1]
    assert written[0][0][:4] == b"\x89PNG" and written[0][1][:5] == b"%PDF-" and b"CreationDate" not in written[0][1]


def test_numbers_of_a_figure_are_written_beside_it_behind_how_they_were_made(tiny: Path, monkeypatch, capsys) -> None:
    assert run(tiny, "experiment=tiny", "solver=mu") == 0
    assert main(["plot", "tiny_fig1", "--results", str(tiny)]) == 0
    assert not (tiny / "figures" / "tiny_fig1.csv").exists()
    counted = replace(FIGURES["tiny_fig1"], numbers=lambda runs: pd.DataFrame([{"runs": len(runs), "paper": None}]))
    monkeypatch.setitem(FIGURES, "tiny_fig1", counted)
    capsys.readouterr()
    assert main(["plot", "tiny_fig1", "--results", str(tiny)]) == 0
    assert capsys.readouterr().out.endswith("tiny_fig1.png, .pdf and .csv\n")
    written = (tiny / "figures" / "tiny_fig1.csv").read_text().splitlines()
    assert written[0].startswith("# Made by nmfbench") and written[-2:] == ["runs,paper", "2,"]


def test_record_without_its_codes_is_named_with_the_setting_that_makes_them(tiny: Path, capsys) -> None:
    assert run(tiny, "experiment=tiny", "solver=mu", "save_codes=false") == 0
    assert main(["plot", "tiny_fig1", "--results", str(tiny)]) == 1
    first = capsys.readouterr().err.splitlines()
    (line, *_) = [line for line in first if line.startswith("tiny_fig1 is missing the codes of mu on synthetic")]
    assert line.endswith("refit=true save_codes=true makes them")
    assert run(tiny, "experiment=tiny", "solver=mu", "refit=true", "save_codes=true") == 0
    assert main(["plot", "tiny_fig1", "--results", str(tiny)]) == 0


def test_plot_without_a_name_lists_all_and_a_wrong_name_proposes_the_nearest(capsys) -> None:
    assert main(["plot"]) == 0
    listed = capsys.readouterr().out
    for name, figure in FIGURES.items():
        assert name in listed and all(f"nmfbench run {arguments}\n" in listed for arguments in figure.runs)
    assert main(["plot", "wnnf_fig4"]) == 2
    assert "no figure is called 'wnnf_fig4'; did you mean wnnf_fig3 or wnnf_fig2" in capsys.readouterr().err


def test_figure_whose_runs_are_missing_leaves_the_others_to_be_drawn(tiny: Path, tmp_path, monkeypatch, capsys) -> None:
    assert run(tiny, "experiment=tiny", "solver=mu") == 0
    monkeypatch.setenv("NMFBENCH_DATA", str(tmp_path))
    assert main(["plot", "deep_kl_fig8_9", "tiny_fig1", "--results", str(tiny)]) == 1
    output = capsys.readouterr()
    assert (
        "deep_kl_fig8_9 is missing deep_kl_minvol on tumor, all seeds" in output.err
        and "tiny_fig1.png and .pdf" in output.out
    )


def test_every_figure_is_every_one_whose_data_is_here(tmp_path: Path, monkeypatch, capsys) -> None:
    def plot(name: str, words: list[str], results: Path) -> int:
        if name == "survey_fig5":
            raise DataMissing("urban is not here")
        return 0

    monkeypatch.setattr(pictures, "_paper_figure", plot)
    assert main(["plot", "--all", "--results", str(tmp_path)]) == 0
    assert main(["plot", "survey_fig5", "wnnf_fig2", "--results", str(tmp_path)]) == 3
    assert capsys.readouterr().err.count("survey_fig5: urban is not here") == 2


@cache
def chosen(arguments: str) -> int:
    """How many configurations these words choose from their experiment."""
    return sum(len(request.composed) for request in requests(arguments.split()))


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_names_runs_of_an_experiment_that_make_figures_makes(name: str) -> None:
    made = (ROOT / "Makefile").read_text().partition("FIGURES :=")[2].partition("figures:")[0]
    for arguments in FIGURES[name].runs:
        experiment = arguments.split()[0].removeprefix("experiment=")
        assert experiment in options("experiment")
        # A figure of a published table needs no run, and Urban is a file that only its owner has.
        assert experiment in made or isinstance(FIGURES[name], TableFigure) or experiment == "urban"
        if " " in arguments:  # what it chooses from the experiment is there
            assert chosen(arguments)


def test_layer_costs_do_not_depend_on_the_scale_of_the_factors() -> None:
    X, ranks = rng.uniform(0.1, 1, (7, 9)), [4, 3]
    Ws = [rng.uniform(0.1, 1, (7, r)) for r in ranks]
    Hs = [rng.uniform(0.1, 1, shape) for shape in ((4, 9), (3, 4))]

    def costs_of(Ws: list[np.ndarray], Hs: list[np.ndarray]) -> np.ndarray:
        kind = Hierarchy(tuple(map(torch.from_numpy, Ws)), tuple(map(torch.from_numpy, Hs)), torch.ones(2))
        return deep_kl.layer_costs(X, arrays(kind))

    # The same hierarchy with W₁ divided by D: its codes and the next layer's follow.
    D = np.array([2.0, 3.0, 5.0, 7.0])
    costs = costs_of(Ws, Hs)
    np.testing.assert_allclose(costs_of([Ws[0] / D, Ws[1]], [D[:, None] * Hs[0], Hs[1] / D]), costs)
    D = Hs[0].sum(1)
    Y, V = Ws[0] * D, Ws[1] @ (Hs[1] * D)
    assert costs[1] == pytest.approx(np.sum(Y * np.log(Y / V) - Y + V))
    assert costs[0] == pytest.approx(
        hierarchies.costs(Problem(torch.from_numpy(X)), [*_tensors(Ws[0])], [*_tensors(Hs[0])], 1.0).item()
    )


def _tensors(*arrays: np.ndarray) -> list[torch.Tensor]:
    return [torch.from_numpy(array)[None] for array in arrays]


def test_ratios_of_figs_2_and_4_stand_beside_the_printed_ones() -> None:
    X, ranks = rng.uniform(0.1, 1, (7, 9)), [4, 3, 2]

    def finished(solver: str, seed: int, max_iter: int) -> common.Run:
        sizes = zip([9, *ranks], ranks, strict=False)
        Ws, Hs = [rng.uniform(0.1, 1, (7, r)) for r in ranks], [rng.uniform(0.1, 1, (r, c)) for c, r in sizes]
        made = arrays(Hierarchy(tuple(map(torch.from_numpy, Ws)), tuple(map(torch.from_numpy, Hs)), torch.ones(3)))
        record = {"solver": solver, "seed": seed, "config": {"stopping": {"max_iter": max_iter}}}
        return common.Run(record, made, lambda: SimpleNamespace(X=X))

    deep = {(s, i): finished("deep_kl", s, i) for s in (0, 1) for i in (0, 500)}
    final = [finished("multilayer_kl", s, 1000) for s in (0, 1)]
    costs = {key: deep_kl.layer_costs(X, r.fitted) for key, r in deep.items()}
    ratios = [100 * costs[s, 500] / deep_kl.layer_costs(X, final[s].fitted) for s in (0, 1)]
    for name, printed in (("deep_kl_fig2", [108.3, 26.8, 4.4]), ("deep_kl_fig4", [107.5, 30, 22])):
        table = FIGURES[name].numbers([*deep.values(), *final])
        last = table[table["iteration"] == 500]
        assert list(last["paper"]) == printed and table.loc[table["iteration"] == 0, "paper"].isna().all()
        np.testing.assert_allclose(last["median"], np.mean(ratios, axis=0))
        np.testing.assert_allclose(last[["low", "high"]].T, [np.min(ratios, 0), np.max(ratios, 0)])
        assert list(last["n"]) == [2, 2, 2] and list(table.columns[:2]) == ["layer", "iteration"]


def test_minima_of_fig_2_stand_beside_the_printed_ones_of_that_penalty() -> None:
    W, H = rng.normal(size=(5, 2)), rng.random((2, 7))
    runs = [
        common.Run(
            {"solver": solver, "objective": 1.0, "config": {"solver": {"lam": lam}}},
            SimpleNamespace(factors={"W": W, "H": H}),
            None,
        )
        for solver, lam in (("wnnf", 0.1), ("wnnf", 0.0), ("mu", 0.0))
    ]
    table = FIGURES["wnnf_fig2"].numbers(runs)
    assert list(table["minimum"]) == [W.min(), H.min()] * 3
    assert list(table["paper"][:2]) == [-0.008, -0.03] and table["paper"][2:].isna().all()
    assert table["negative_fraction"][0] == (W < 0).mean() and table["negative_fraction"][1] == 0


def test_tiles_are_scaled_one_by_one_and_parted_by_gaps() -> None:
    images = np.stack([np.full((2, 3), 5.0), np.arange(6.0).reshape(2, 3), np.zeros((2, 3))])
    figure = plots.tiles(
        [[Tiles("three", images, 2), Tiles("signed", -images[1:2], 1, signed=True)]], "t", "n", width=4
    )
    left, right = figure.axes
    page = np.ma.filled(left.images[0].get_array().astype(float), np.nan)
    assert page.shape == (5, 7) and np.isnan(page[2, :3]).all() and np.isnan(page[:2, 3]).all()
    assert (page[:2, :3] == 1).all() and page[1, 6] == 1 and (page[3:, :3] == 0).all()
    assert (page[3:, 4:] < 0).all()  # no image there
    assert right.images[0].get_clim() == (-1, 1) and right.images[0].get_array().min() == -1
    assert [ax.get_title() for ax in figure.axes] == ["three", "signed"]
    assert len(plots.tiles([[Tiles("one", images, 3)]], "t", "n", width=3, scale="share").axes) == 2


def test_histograms_count_every_entry_and_part_the_signs_at_zero() -> None:
    W, H = rng.normal(size=(50, 4)), rng.random((4, 31))
    figure = plots.histograms({"A": {"φ(W)": W, "φ(H)": H}, "B": {"W": H, "H": abs(W)}}, "t", "n")
    assert len(figure.axes) == 4
    bars = figure.axes[0].patches
    below = sum(bar.get_height() for bar in bars if bar.get_x() + bar.get_width() < 1e-9)
    assert sum(bar.get_height() for bar in bars) == W.size and below == (W < 0).sum()
    texts = [[text.get_text() for text in ax.get_legend().get_texts()] for ax in figure.axes]
    assert texts[0][0] == f"min = {W.min():.2g}".replace("-", "−") and texts[1] == ["min ≥ 0", "0.0% below 0"]


def test_ratios_are_medians_over_the_runs_with_the_printed_value_at_the_end() -> None:
    values = np.array([[2.0, 1.0, 0.5], [4.0, 2.0, 0.25], [3.0, 0.9, 0.4]])
    (ax,) = plots.ratios([0, 5, 10], {"layer 1": values}, {"layer 1": 0.3}, "t", "n").axes
    (curve,) = [line for line in ax.lines if line.get_label() == "layer 1"]
    np.testing.assert_array_equal(curve.get_xydata(), [[0, 3], [5, 1], [10, 0.4]])
    assert any(list(line.get_ydata()) == [0.3] for line in ax.lines) and len(ax.collections) == 1


def test_depths_show_mean_and_standard_deviation_in_percent() -> None:
    (ax,) = plots.depths({"A": [[0.5, 0.7], [0.6, 0.8]], "B": [[0.4], [0.5]]}, "t", "n").axes
    a, b = ax.containers
    np.testing.assert_allclose(a.lines[0].get_ydata(orig=False), [60, 70])
    np.testing.assert_allclose(b.lines[0].get_ydata(orig=False), [40, 50])
    low, high = a.lines[2][0].get_segments()[0][:, 1]
    assert (high - low) / 2 == pytest.approx(100 * np.std([0.5, 0.7], ddof=1))


def test_sweeps_show_mean_and_standard_deviation_in_their_panel() -> None:
    values = rng.random((4, 3))
    panels = {("cosine", "A"): {"one": values, "two": values[:1]}, ("error", "A"): {"one": 2 * values}}
    figure = plots.sweeps(panels, [0, 0.1, 1], "noise", "t", "n")
    above, below = figure.axes
    one, two = above.containers
    np.testing.assert_allclose(one.lines[0].get_ydata(orig=False), values.mean(0))
    low, high = one.lines[2][0].get_segments()[0][:, 1]
    assert (high - low) / 2 == pytest.approx(values[:, 0].std(ddof=1))
    np.testing.assert_allclose(two.lines[0].get_ydata(orig=False), values[0])
    np.testing.assert_allclose(below.containers[0].lines[0].get_ydata(orig=False), 2 * values.mean(0))
    assert above.get_title() == "A" and (above.get_ylabel(), below.get_ylabel()) == ("cosine", "error")
    assert [tick.get_text() for tick in below.get_xticklabels()] == ["0", "0.1", "1"]


def test_bars_of_accuracy_against_depth_say_what_varies() -> None:
    def record(ranks: list[int], seed: int, people: str) -> common.Run:
        row = {"metric": "accuracy", "n_clusters": 10, "layer": len(ranks), "value": 0.5}
        config = {"solver": {"ranks": ranks}, "dataset": {"sha256": people}}
        name = "jaffe" if people == "all" else "yale"
        return common.Run({"dataset": name, "seed": seed, "config": config, "metrics": [row]}, None, None)

    depths = [[10 * 2**k for k in reversed(range(depth))] for depth in range(1, 6)]
    runs = [record(ranks, seed, people) for seed in range(3) for ranks in depths for people in ("all", f"set {seed}")]
    for made in runs:
        if made.record["dataset"] == "yale" and len(made.setting("ranks")) == 2:
            made.record["metrics"][0]["value"] = 0.7
    table = dnsnmf.depth_numbers(runs).set_index(["dataset", "layers"])
    assert (
        list(table.loc["Yale", "mean"]) == [50, 70, 50, 50, 50] and (table["n"] == 3).all() and (table["sd"] == 0).all()
    )
    assert set(table.loc["Yale", "over"]) == {"3 draws of people"}
    assert set(table.loc["JAFFE", "over"]) == {"3 seeds, one set of people"}
    (ax,) = dnsnmf.dnsnmf_fig9(runs).axes
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["JAFFE, ± sd over 3 seeds, one set of people", "Yale, ± sd over 3 draws of people"]


def test_representations_show_codes_above_their_sparsity() -> None:
    codes, sparsity = rng.random((3, 5)), np.linspace(0.1, 0.5, 5)
    figure = plots.representations({"A": (codes, sparsity), "B": (0 * codes, sparsity)}, "t", "n")
    above, b_above, below, *_ = figure.axes
    np.testing.assert_allclose(above.images[0].get_array(), codes / codes.max(0))
    assert (b_above.images[0].get_array() == 0).all() and "mean sparsity 0.30" in above.get_title()
    np.testing.assert_allclose([bar.get_height() for bar in below.patches], sparsity)


def test_of_several_runs_that_fit_a_figure_shows_the_one_with_the_least_objective() -> None:
    runs = [
        SimpleNamespace(solver=solver, setting={"lam": lam}.get, record={"objective": objective})
        for solver, lam, objective in [("mu", 0, 3.0), ("mu", 0, 2.0), ("mu", 0, 5.0), ("mu", 1, 1.0), ("raw", 0, 0.0)]
    ]
    assert common.best_of(runs, "mu", lam=0) is runs[1] and common.best_of(runs, "mu") is runs[3]
