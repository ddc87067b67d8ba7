"""Every metric is declared where it is computed: title, unit, decimals and direction."""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from nmfbench import config
from nmfbench.datasets.base import Dataset
from nmfbench.evaluators import measures
from nmfbench.evaluators.base import Evaluator, Fitted
from nmfbench.evaluators.clustering import Clustering
from nmfbench.evaluators.labels import Labels
from nmfbench.evaluators.layers import Layers
from nmfbench.evaluators.metric import Metric
from nmfbench.evaluators.topics import Topics
from nmfbench.evaluators.unmixing import Unmixing
from nmfbench.reports.declared import declarations
from nmfbench.reports.renderers import RENDERERS
from nmfbench.reports.report import build

rng = np.random.default_rng(0)
# A record of schema 1 declares nothing itself, so the evaluators' own declarations are asked for.
KNOWN = declarations([{}])
X = rng.uniform(size=(30, 24))
TRUTH = {"M": rng.uniform(size=(30, 3)), "A": np.full((3, 24), 1 / 3), "level 4": np.arange(24) % 4}
DATA = Dataset("toy", X, np.arange(24) % 3, truth=TRUTH)
W, H = rng.uniform(size=(30, 4)), rng.uniform(size=(4, 24))
FITTED = Fitted(
    [H],
    {"W": W, "H": H},
    bases=[W],
    label_scores=rng.uniform(size=(3, 24)),
)


@dataclass(frozen=True, kw_only=True)
class Brightness(Evaluator):
    """An evaluator that no file of this program knows."""

    metrics: ClassVar[tuple[Metric, ...]] = (Metric("brightness", "mean brightness", "%", 2, "lower"),)

    def check(self, dataset, labelled) -> None:
        """Every dataset will do."""

    def evaluate(self, fitted, dataset, seed, labelled) -> list[dict]:
        return [{"layer": 1, "n_clusters": None, "metric": "brightness", "value": float(dataset.X.mean())}]


@pytest.mark.parametrize("evaluator", [Clustering(n_clusters=[3]), Labels(), Layers(), Topics(words=3), Unmixing()])
def test_whatever_an_evaluator_measures_it_declares(evaluator: Evaluator) -> None:
    measured = {row["metric"] for row in evaluator.evaluate(FITTED, DATA, 0, None)}
    # The ratio of errors is of two runs, so an experiment's table measures it.
    assert measured == {metric.name for metric in evaluator.metrics} - {"error_ratio"}


def test_whatever_is_measured_on_factors_is_declared() -> None:
    named = {metric.name: metric for metric in measures.declared(["W", "H"])}
    assert {"error", "objective", "stability"} < {*named}
    assert {row["metric"] for row in measures.factor_measures({"W": X, "H": X})} < {*named}
    assert named["sparsity_H"].title == "Hoyer sparsity of H" and not named["sparsity_H"].shown


@pytest.mark.parametrize("name", config.options("evaluator"))
def test_declarations_of_an_evaluator_are_complete(name: str) -> None:
    evaluator = config.build(config.defaults("evaluator", name), Evaluator, "evaluator")
    assert evaluator.metrics[0].shown, "its table shows the first"
    assert len({metric.name for metric in evaluator.metrics}) == len(evaluator.metrics)
    for metric in evaluator.metrics:
        assert metric.title and KNOWN[metric.name] == metric


def test_percent_and_direction() -> None:
    declared = KNOWN
    assert {name for name, metric in declared.items() if metric.scale == 100} >= {
        *("nmi", "nmi_geometric", "nmi_max", "nmi_min", "accuracy", "classification", "classification_unseen"),
        *("code_sparsity", "error_ratio"),
    }
    lower = {name for name, metric in declared.items() if metric.better == "lower"}
    assert {"error", "layer_error", "error_ratio", "spectral_angle", "abundance_rmse"} <= lower
    assert declared["ari"].scale == 1 and declared["ari"].better == declared["coherence"].better == "higher"
    assert declared["objective"].better == "", "methods minimise different objectives"


def test_declaration_survives_json() -> None:
    for metric in KNOWN.values():
        assert Metric.from_dict(json.loads(json.dumps(metric.as_dict()))) == metric
    assert Metric.from_dict({"name": "a", "title": "A", "of a later version": 1}) == Metric("a", "A")


def test_direction_is_checked() -> None:
    with pytest.raises(ValueError, match="better must be higher, lower or empty, got 'smaller'"):
        Metric("a", "A", better="smaller")


def test_metric_of_an_evaluator_defined_elsewhere_is_shown_as_it_declares() -> None:
    record = {
        "config": {"solver": {"name": "mu"}, "dataset": {"name": "toy"}, "evaluator": {}, "dtype": "float32"},
        "data": {"features": 30, "samples": 24, "classes": 3, "preprocessing": []},
        "metrics": Brightness().evaluate(FITTED, DATA, 0, None),
    }
    record |= {"declared": [metric.as_dict() for metric in Brightness.metrics], "exhibits": []}
    record |= {"dataset": "toy", "solver": "mu", "variant": {}, "rank": 4, "seed": 0, "status": "converged"}
    record |= {"seconds": 1.0, "iterations": 1, "objective": 1.0, "environment": {}}
    report = build([record])
    assert report.frame["mean"].tolist() == pytest.approx([100 * X.mean()])
    assert f"{100 * X.mean():.2f}" in RENDERERS["text"](report)


def test_declaring_a_metric_imports_neither_torch_nor_scikit_learn() -> None:
    code = "import sys; import nmfbench.evaluators.metric; print({'torch', 'sklearn', 'pandas'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def test_best_keeps_whole_the_start_that_the_labels_prefer() -> None:
    rows = Clustering(n_clusters=[6], n_init=8, select="best").cluster([X], DATA.y, seed=0)
    (accuracy,) = (row for row in rows if row["metric"] == "accuracy")
    assert accuracy["value"] == max(accuracy["starts"]) > min(accuracy["starts"])
    kept = [i for i, value in enumerate(accuracy["starts"]) if value == accuracy["value"]]
    assert any(all(row["value"] == row["starts"][i] for row in rows) for i in kept)
    assert Clustering().select == "inertia", "never the default"
