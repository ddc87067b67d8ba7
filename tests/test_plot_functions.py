"""nmfbench.plot: pictures as functions that return axes, as in a notebook."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

import nmfbench
from nmfbench import FitResult, plot
from nmfbench.errors import ConfigError


@pytest.fixture(autouse=True)
def figures() -> Iterator[None]:
    """Draw into memory, and forget the figures."""
    matplotlib.use("agg")
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    short = {"seeds": 2, "stopping.max_iter": 20, "threads": 1, "dataset.n_samples": 20, "evaluator.n_init": 1}
    folder = tmp_path_factory.mktemp("plot") / "r"
    return nmfbench.run("solver=mu,hals", dataset="synthetic", rank=[2, 3, 4], results_dir=folder, **short)


@pytest.fixture(scope="module")
def fits() -> dict[str, list[FitResult]]:
    X = np.random.default_rng(0).uniform(size=(12, 20))
    return {
        name: nmfbench.fit(solver, X, seeds=3, max_iter=30)
        for name, solver in {"mu": nmfbench.MultiplicativeNMF(rank=3), "hals": nmfbench.HALS(rank=3)}.items()
    }


def test_pictures_of_runs_show_the_rows_that_are_left(runs: pd.DataFrame) -> None:
    ax = plot.scores(runs[(runs["solver"] == "mu") & (runs["rank"] > 2)], metric="error")
    assert isinstance(ax, Axes) and ax.figure is plt.gcf()
    assert sorted(tick.get_text() for tick in ax.get_yticklabels()) == ["mu, rank 3", "mu, rank 4"]
    means = runs[(runs["metric"] == "error") & (runs["solver"] == "mu") & (runs["rank"] > 2)]["mean"]
    drawn = [line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 1 and line.get_markersize() == 5]
    np.testing.assert_allclose(sorted(drawn), sorted(means))


def test_sweep_and_convergence_are_chosen_like_records(runs: pd.DataFrame) -> None:
    ax = plot.sweep(runs, "rank", solver="hals")
    (line,) = [line for line in ax.lines if line.get_label() == "hals"]
    assert list(line.get_xdata()) == [2, 3, 4] and ax.get_xlabel() == "rank"
    left, right = plot.convergence(runs, solver="mu", rank=3)
    assert (left.get_xlabel(), right.get_xlabel(), len(left.lines)) == ("iterations", "seconds", 1)
    assert plot.frontier(runs).get_xlabel() == "seconds of a fit"
    folder = Path(runs.attrs["records"][0]).parents[3]
    assert len(plot.scores(folder, solver="mu").get_yticklabels()) == 3


def test_fits_are_drawn_without_records(fits: dict[str, list[FitResult]]) -> None:
    left, _ = plot.convergence(fits)
    assert {line.get_label() for line in left.lines} == {"mu", "hals"}
    (images,) = plot.bases(fits["mu"][0], shape=(3, 4))
    W = fits["mu"][0].factorization.W.numpy()
    np.testing.assert_allclose(images.images[0].get_array()[:3, :4], W[:, 0].reshape(3, 4) / W[:, 0].max(), rtol=1e-6)
    words = plot.bases(fits["mu"][0], feature_names=list("abcdefghijkl"))
    assert len(words) == 3 and words[0].texts[0].get_text().startswith("component 0")
    y = np.arange(20) % 2
    assert plot.codes(fits["mu"][0], y).get_xlabel() == "samples, sorted by class"
    counted = [int(text.get_text()) for text in plot.confusion(fits["mu"][0], y).texts]
    assert sum(counted) == 20
    maps = plot.maps(fits["mu"][0], scene=np.arange(20).reshape(4, 5))
    assert [ax.get_title() for ax in maps] == ["1", "2", "3"]


def test_what_cannot_be_drawn_is_said(runs: pd.DataFrame, fits: dict[str, list[FitResult]]) -> None:
    fit = fits["mu"][0]
    with pytest.raises(ConfigError, match="one picture, and there are 2"):
        plot.sweep(pd.concat([runs]).pipe(_with_two_keys))
    with pytest.raises(ConfigError, match="does not know its records"):
        plot.scores(pd.DataFrame({"dataset": ["d"]}))
    with pytest.raises(ConfigError, match="y must hold a label for each of the 20 samples, got 2"):
        plot.codes(fit, [0, 1])
    with pytest.raises(ConfigError, match="one of the samples 0 to 19"):
        plot.maps(fit, scene=np.arange(12).reshape(3, 4))
    with pytest.raises(ConfigError, match="maps cannot be drawn: nothing here has what it shows"):
        plot.maps(fit)
    with pytest.raises(ConfigError, match=r"e.g. fit\(…\)\[0\]"):
        plot.bases(fits["mu"])


def _with_two_keys(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs, and others with another key swept."""
    folder = Path(runs.attrs["records"][0]).parents[3]
    short = {"seeds": 1, "stopping.max_iter": 2, "threads": 1, "dataset.n_samples": 20, "evaluator.n_init": 1}
    nmfbench.run(
        "solver=mu", dataset="synthetic", rank=2, results_dir=folder, **short | {"solver.lam": [0.1, 0.2, 0.3]}
    )
    return nmfbench.load_records(folder)
