"""The figures of the layers of the toy hierarchy, from runs made here."""

from types import SimpleNamespace

import numpy as np
import pytest

from nmfbench.reports import heatmaps
from nmfbench.reports.figures import FIGURES, common, neural

rng = np.random.default_rng(0)


def run(solver: str, objective: float, seed: int = 0) -> common.Run:
    """A run of two layers, 4 and 2 topics, in the order of its solver."""
    bases, codes = [rng.random((12, 4)), rng.random((12, 2))], [rng.random((4, 9)), rng.random((2, 9))]
    if solver == "deep_mu":
        bases, codes = bases[::-1], codes[::-1]
    metrics = [{"metric": "topics", "n_clusters": k, "value": k / 10} for k in (4, 2)]
    config = {"solver": {"name": solver, "ranks": [4, 2]}, "dataset": {"name": "mine"}}
    record = {"solver": solver, "objective": objective, "metrics": metrics, "config": config, "seed": seed}
    record |= {"data": {"features": 12, "samples": 9, "classes": 2}, "variant": {}}
    fitted = SimpleNamespace(bases=bases, codes=codes)
    return common.Run(record, fitted, lambda: SimpleNamespace(X=np.arange(108.0).reshape(12, 9)))


def test_layers_of_every_method_come_with_most_topics_first() -> None:
    for solver in neural.METHODS:
        assert [(A.shape, S.shape) for A, S in neural.layers(run(solver, 1.0))] == [
            ((12, 4), (4, 9)),
            ((12, 2), (2, 9)),
        ]


def test_components_are_drawn_in_the_order_of_the_samples_with_the_same_product() -> None:
    H = np.array([[0, 0, 0, 1.0], [2, 0, 0, 0], [0, 0, 0, 0], [0, 3, 1, 0]])
    W = rng.random((5, 4))
    layer = heatmaps.Layer("", W, H).in_order
    np.testing.assert_allclose(layer.W @ layer.H, W @ H)
    assert [int(np.flatnonzero(row)[0]) if row.any() else None for row in layer.H] == [0, 1, 3, None]
    np.testing.assert_allclose(layer.W.max(0), 1)


def test_figure_shows_the_run_of_the_lowest_objective_of_each_method_and_X() -> None:
    runs = [run(solver, objective) for solver in neural.METHODS for objective in (3.0, 1.0, 2.0)]
    figure = FIGURES["neural_unsupervised"].draw(runs)
    images = [ax.images[0].get_array() for ax in figure.axes if ax.images]
    best = [pair for solver in neural.METHODS for pair in neural.layers(common.best_of(runs, solver))]
    for W, H in best:
        assert sum(image.shape == (12, 9) and np.allclose(image, W @ H) for image in images) == 1
    assert any(np.array_equal(image, runs[0].dataset.X) for image in images)
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert len(titles) == 7 and titles[0].startswith("Neural NMF, 4 topics\nerror ") and titles[0].endswith("NMI 40")


def test_numbers_are_means_over_the_seeds_of_every_layer() -> None:
    runs = [run(solver, 1.0, seed) for solver in neural.METHODS for seed in (0, 1, 2)]
    table = FIGURES["neural_semisupervised"].numbers(runs)
    assert list(table["topics"]) == [4, 2] * 3 and list(table["layer"]) == [1, 2] * 3 and (table["n"] == 3).all()
    X = runs[0].dataset.X
    errors = [np.linalg.norm(X - A @ S) / np.linalg.norm(X) for A, S in (neural.layers(r)[1] for r in runs[6:])]
    assert table["error_mean"].iloc[-1] == pytest.approx(np.mean(errors))
    assert table["nmi_mean"].tolist() == pytest.approx([40, 20] * 3) and table["paper_error"].isna().all()


def test_figures_need_the_runs_of_their_labels_and_ranks_alone() -> None:
    def config(ranks: list[int], share: float | None) -> dict:
        return {"solver": {"ranks": ranks}, "label_fraction": share}

    unsupervised, semisupervised = (FIGURES[f"neural_{name}"].shows for name in ("unsupervised", "semisupervised"))
    assert unsupervised(config([9, 4], 0)) and unsupervised(config([4, 9], None))
    assert not (unsupervised(config([9, 4], 0.4)) or unsupervised(config([9, 4, 2], 0)))
    assert semisupervised(config([2, 4, 9], 0.4)) and not semisupervised(config([9, 4, 2], 1.0))
