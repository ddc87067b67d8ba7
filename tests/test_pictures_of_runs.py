"""Pictures of what one run found: each shows the numbers of the run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nmfbench import load_dataset
from nmfbench.cli import main
from nmfbench.datasets.base import Dataset
from nmfbench.datasets.subset import subset
from nmfbench.evaluators.base import Fitted
from nmfbench.evaluators.clustering import Clustering
from nmfbench.evaluators.unmixing import abundances
from nmfbench.records import Store
from nmfbench.reports import pictures

RECORD = {"dataset": "d", "solver": "s", "rank": 3, "seed": 4, "variant": {}, "config": {}}


@pytest.fixture
def fitted() -> Fitted:
    """Three components of 12 features, whose codes are large for one class each."""
    draw = np.random.default_rng(0)
    y = np.arange(30) % 3
    return Fitted([draw.uniform(0, 0.1, (3, 30)) + np.eye(3)[:, y]], bases=[draw.uniform(size=(12, 3))])


def data(**known: object) -> Dataset:
    return Dataset("d", np.ones((12, 30)), np.arange(30) % 3, **known)


def test_bases_are_images_words_or_curves(fitted: Fitted) -> None:
    W = fitted.bases[0]
    image = pictures.bases(RECORD, fitted, data(shape=(3, 4)))
    shown = np.asarray(image.figure.axes[0].images[0].get_array())
    np.testing.assert_allclose(shown[:3, :4], W[:, 0].reshape(3, 4) / W[:, 0].max())
    words = pictures.bases(RECORD, fitted, data(feature_names=tuple("abcdefghijkl")))
    text = words.figure.axes[1].texts[0].get_text()
    assert text.split("\n")[2] == "abcdefghijkl"[W[:, 1].argmax()]
    curves = pictures.bases(RECORD, fitted, data())
    np.testing.assert_allclose(curves.figure.axes[2].lines[0].get_ydata(), W[:, 2] / W[:, 2].max())
    for chart in (image, words, curves):
        np.testing.assert_array_equal(chart.numbers.filter(like="component"), W)
    assert pictures.bases(RECORD, Fitted(fitted.codes), data()) is None


def test_codes_are_sorted_by_class_and_scaled_by_component(fitted: Fitted) -> None:
    chart = pictures.codes(RECORD, fitted, data())
    shown = np.asarray(chart.figure.axes[0].images[0].get_array())
    H = fitted.codes[0]
    np.testing.assert_allclose(shown[1, 10:20], H[1, 1::3] / H[1].max())
    assert chart.numbers["class"].tolist() == sorted(np.arange(30) % 3)
    np.testing.assert_array_equal(chart.numbers["component 2"], H[2, chart.numbers["sample"]])
    unlabelled = pictures.codes(RECORD, fitted, Dataset("d", np.ones((12, 30)), None))
    assert unlabelled.numbers["largest component"].tolist() == sorted(H.argmax(0))


def cube(**known: object) -> Dataset:
    """A scene of 5 × 7 pixels without its corners and the centre: 30 samples, pixels row by row."""
    there = np.ones((5, 7), dtype=bool)
    there[[0, 0, 4, 4, 2], [0, 6, 0, 6, 3]] = False
    return Dataset("d", np.ones((12, 30)), scene=np.where(there, there.cumsum().reshape(5, 7) - 1, -1), **known)


def test_maps_have_each_abundance_at_its_pixel(fitted: Fitted) -> None:
    chart, scene = pictures.maps(RECORD, fitted, cube()), cube().scene
    axes = [ax for ax in chart.figure.findobj(lambda a: hasattr(a, "images")) if ax.images]
    A = abundances(fitted.bases[0], fitted.codes[0])
    for ax, name in zip(axes[:3], "123", strict=True):
        shown = np.ma.filled(ax.images[0].get_array().astype(float), np.nan)
        assert ax.get_title() == name and np.isnan(shown[scene < 0]).all() and np.isnan(shown).sum() == 5
        np.testing.assert_allclose(shown[scene >= 0], A[int(name) - 1])
        np.testing.assert_allclose(chart.numbers[f"s: {name}"], A[int(name) - 1])
    assert chart.numbers[["row", "column"]].iloc[0].tolist() == [0, 1]
    signed = pictures.maps(RECORD, Fitted([fitted.codes[0] - 0.5], bases=fitted.bases), cube())
    np.testing.assert_allclose(signed.numbers["component 1"], fitted.codes[0][1] - 0.5)
    assert pictures.maps(RECORD, fitted, data()) is None


def test_bases_of_a_cube_are_spectra_beside_the_true_ones(fitted: Fitted) -> None:
    W = fitted.bases[0]
    truth = {"M": W[:, [2, 0]] * 5, "materials": np.array(["rock", "tree"])}
    chart = pictures.bases(RECORD, fitted, cube(truth=truth))
    np.testing.assert_allclose(chart.numbers["rock"], W[:, 2] / W[:, 2].max())
    np.testing.assert_allclose(chart.numbers["rock, true"], chart.numbers["rock"])
    assert "legend has their angle" in chart.figure.get_supxlabel()
    rock = chart.figure.axes[0].get_legend()
    assert rock.get_title().get_text() == "rock" and [t.get_text() for t in rock.get_texts()] == ["truth", "s, 0.0°"]
    unknown = pictures.bases(RECORD, fitted, cube())
    np.testing.assert_allclose(unknown.figure.axes[1].lines[0].get_ydata(), W[:, 1] / W[:, 1].max())


def test_two_settings_of_a_method_have_files_of_their_own(fitted: Fitted) -> None:
    config = {"solver": {"lam": 0.0}}
    names = [
        pictures.codes(RECORD | {"variant": {"solver.lam": lam}, "config": config}, fitted, data()).name
        for lam in (0.1, 0.5)
    ]
    assert names == ["codes_d_s_3_lam=0.1_4", "codes_d_s_3_lam=0.5_4"]


def test_confusion_counts_every_sample_once(fitted: Fitted) -> None:
    chart = pictures.confusion(RECORD, fitted, data())
    counts = chart.numbers.filter(like="cluster").to_numpy()
    np.testing.assert_array_equal(counts, np.diag([10, 10, 10]))
    assert "100.0% lie in the matched cluster" in chart.text
    assert pictures.confusion(RECORD, fitted, Dataset("d", np.ones((12, 30)), None)) is None


def test_plot_draws_the_best_seed_of_each_method_that_has_codes(tmp_path: Path, capsys) -> None:
    words = ["dataset=digits", "rank=5", "stopping.max_iter=5", "threads=1", f"results_dir='{tmp_path}'"]
    assert main(["run", "solver=mu", "seeds=3", "save_codes=true", *words]) == 0
    assert main(["run", "solver=hals", "seeds=1", *words]) == 0
    assert main(["plot", *pictures.KINDS, "--results", str(tmp_path)]) == 0
    records = [record for record in Store(tmp_path).load()[0] if record["solver"] == "mu"]
    best = min(records, key=lambda record: record["objective"])
    for kind in ("bases", "codes", "confusion"):
        files = tmp_path.glob(f"figures/{kind}_digits_mu_5_stopping.max_iter=5_{best['seed']}.*")
        assert {path.suffix for path in files} == {".png", ".pdf", ".svg", ".csv"}
    assert not list(tmp_path.glob("figures/*hals*"))
    table = pd.read_csv(tmp_path / f"figures/confusion_digits_mu_5_stopping.max_iter=5_{best['seed']}.csv", comment="#")
    fitted, _ = Store(tmp_path).load_codes(best["config"], best["seed"])
    clusters = Clustering().labels(fitted.codes[-1], 10, best["seed"])
    sizes = np.bincount(clusters, minlength=10)
    assert sorted(table.filter(like="cluster").sum()) == sorted(sizes)
    assert table.filter(like="cluster").to_numpy().sum() == len(load_dataset("digits").y)
    capsys.readouterr()
    assert main(["plot", "codes", "solver=hals", "--results", str(tmp_path)]) == 2
    assert "save_codes=true refit=true" in capsys.readouterr().err


def test_scene_of_a_subset_has_holes_where_samples_were_left_out() -> None:
    whole = replace(cube(), X=np.arange(30.0)[None])
    part = subset(whole, 8)
    shown = part.scene >= 0
    assert shown.sum() == 8
    np.testing.assert_array_equal(part.X[0][part.scene[shown]], whole.X[0][whole.scene[shown]])
