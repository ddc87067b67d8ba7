"""Figures: what they show of saved runs, what they say of missing ones, and that they do not change by themselves."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from nmfbench.cli import main
from nmfbench.datasets.base import Dataset
from nmfbench.errors import DataMissing
from nmfbench.evaluators import Fitted
from nmfbench.plots import PLOTS, Run, save, tiles


def a_run(
    solver: str, dataset: str, fitted: Fitted, data: Dataset, metrics=(), seed: int = 0, sweeps: int = 9, **parameters
) -> Run:
    config = {"solver": {"name": solver, **parameters}, "stopping": {"max_iter": sweeps}}
    record = {"config": config, "dataset": dataset, "solver": solver, "seed": seed, "metrics": list(metrics)}
    return Run(record, lambda: data, lambda: fitted)


def test_tiles_scale_each_image_to_its_own_maximum_and_part_them_by_a_line() -> None:
    whole = tiles(np.array([[[1.0, 2]], [[0, 0]], [[5, -10]]]), columns=2)
    assert whole.shape == (3, 5)
    np.testing.assert_equal(whole[0], [0.5, 1, np.nan, 0, 0])
    np.testing.assert_equal(whole[2], [0.5, -1, np.nan, np.nan, np.nan])


def test_curves_divide_each_layer_by_the_same_seed_of_the_other_method() -> None:
    def errors(a: float, b: float) -> list[dict]:
        return [{"metric": "layer_error", "layer": layer, "value": v} for layer, v in ((1, a), (2, b))]

    make = partial(a_run, dataset="cbcl", fitted=Fitted([]), data=Dataset("cbcl", np.ones((1, 1))), ranks=[2, 1])
    runs = [make("multilayer_kl", metrics=errors(10.0 * (s + 1), 100.0), seed=s, sweeps=1000) for s in (0, 1)]
    runs += [
        make("deep_kl", metrics=errors(20.0 * (s + 1), 50.0 / n), seed=s, sweeps=n) for s in (0, 1) for n in (1, 5)
    ]
    (axis,) = PLOTS["deep_kl_fig2"].draw(runs).axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in axis.get_lines()}
    assert lines["layer 1"] == [[1, 2], [5, 2]] and lines["layer 2"] == [[1, 0.5], [5, 0.1]]


def test_maps_are_upright_and_weigh_codes_by_their_bases() -> None:
    data = Dataset("samson", np.ones((2, 6)), truth={"grid": np.array([3, 2])})
    H = np.arange(6.0)[None]  # down the first column of pixels, then down the second
    fitted = Fitted([H, H], {"W1": np.ones((2, 1)), "W2": np.ones((2, 1)), "H1": H, "H2": np.ones((1, 1))})
    runs = [a_run(name, "samson", fitted, data) for name in ("deep_kl_minvol", "lc_dmf", "multilayer_kl")]
    axes = PLOTS["deep_kl_fig10_11"].draw(runs).axes
    assert [axis.get_title() for axis in axes[:4]] == [
        *("deep_kl_minvol, layer 1", "lc_dmf, layer 1", "multilayer_kl, layer 1", "deep_kl_minvol, layer 2")
    ]
    np.testing.assert_allclose(axes[0].images[0].get_array(), np.array([[0, 3], [1, 4], [2, 5]]) / 5)


def wnnf_runs() -> list[Run]:
    data, ablation = Dataset("orl", np.ones((1, 1))), {"eta": 0.1, "loss": "l1"}
    return [
        a_run("wnnf", "orl", Fitted([], {"W": np.array([low, 1.0]), "H": np.ones(3)}), data, lam=lam, **ablation)
        for lam, low in ((0.1, -0.008), (0.0, -3.0))
    ]


def test_histograms_say_the_least_entry() -> None:
    titles = [axis.get_title() for axis in PLOTS["wnnf_fig2"].draw(wnnf_runs()).axes]
    assert titles[0].endswith("λ = 0.1: least entry -0.008") and titles[2].endswith("λ = 0: least entry -3")


def test_depth_curve_has_the_accuracy_of_the_top_layer() -> None:
    runs = [
        a_run("dnsnmf", "yale", Fitted([]), Dataset("yale", np.ones((1, 1))), metrics, seed=seed, ranks=[9] * depth)
        for depth in (1, 2)
        for seed in (0, 1)
        for metrics in [[{"metric": "accuracy", "layer": l, "value": l / 4 + seed / 10} for l in range(1, depth + 1)]]
    ]
    (axis,) = PLOTS["dnsnmf_fig9"].draw(runs).axes
    np.testing.assert_allclose(axis.get_lines()[0].get_xydata(), [[1, 30], [2, 55]])


def test_files_are_the_same_each_time(tmp_path: Path) -> None:
    written = [save(PLOTS["wnnf_fig2"].draw(wnnf_runs()), tmp_path / name) for name in ("a", "b")]
    for first, second in zip(*written, strict=True):
        assert first.read_bytes() == second.read_bytes() and first.stat().st_size > 1000


def test_missing_runs_are_named_with_the_command_that_makes_them(tmp_path: Path, capsys) -> None:
    assert main(["plot", "wnnf_fig2", "--results", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "runs are missing; to run them: nmfbench run experiment=wnnf_table2" in said
    assert "left out: wnnf_fig2: no run of wnnf on orl is there" in said
    assert main(["plot", "wnnf_fig", "--results", str(tmp_path)]) == 2
    assert "no figure is called 'wnnf_fig'; did you mean wnnf_fig" in capsys.readouterr().err


def test_without_a_name_the_figures_are_listed_with_their_experiments(capsys) -> None:
    assert main(["plot"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [*PLOTS]


def test_run_without_codes_says_so() -> None:
    def gone() -> Fitted:
        raise DataMissing("left no codes")

    config = {"solver": {"name": "wnnf", "lam": 0.1, "eta": 0.1, "loss": "l1"}}
    run = Run({"config": config, "dataset": "orl", "solver": "wnnf"}, lambda: Dataset("orl", np.ones((1, 1))), gone)
    with pytest.raises(DataMissing, match="left no codes"):
        PLOTS["wnnf_fig2"].draw([run])
