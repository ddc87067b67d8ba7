"""Classification accuracy of methods that learn from labels."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nmfbench.datasets.base import Dataset
from nmfbench.errors import NotApplicable
from nmfbench.evaluators.base import Evaluator, Fitted, scored
from nmfbench.evaluators.clustering import Clustering
from nmfbench.evaluators.metric import Metric


@dataclass(frozen=True, kw_only=True)
class Labels(Evaluator):
    """Classification accuracy of argmax B·S against the labels, over all samples and over those not seen in training.

    A solver without a classifier, because it cannot learn one or saw no label, has no such row. Where the data has
    labels of several levels (``truth["level K"]``, K classes), the codes of each layer of K rows are scored against
    those: k-means with K clusters, the lowest inertia of ten starts, on the samples whose labels were not seen.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("classification", "classification accuracy, all samples", "%", 1, "higher"),
        Metric("classification_unseen", "classification accuracy, unseen labels", "%", 1, "higher"),
        Metric("topics", "NMI of k-means on the layer of k rows with the level of k topics", "%", 1, "higher"),
    )

    def check(self, dataset: Dataset, labelled: np.ndarray | None) -> None:
        if dataset.y is None:
            raise NotApplicable(f"evaluator=labels needs labels, and {dataset.name} has none")

    def evaluate(
        self, fitted: Fitted, dataset: Dataset, seed: int, labelled: np.ndarray | None
    ) -> list[dict[str, Any]]:
        samples, rows = scored(dataset, labelled), []
        for layer, H in enumerate(fitted.codes, start=1):
            if (level := dataset.truth.get(f"level {len(H)}")) is not None:
                clustered = Clustering(n_clusters=[len(H)]).cluster([H[:, samples]], level[samples], seed)
                (nmi,) = (row["value"] for row in clustered if row["metric"] == "nmi")
                rows.append({"layer": layer, "n_clusters": len(H), "metric": "topics", "value": nmi})
        if fitted.label_scores is None or dataset.y is None:
            return rows
        right = fitted.label_scores.argmax(0) == dataset.y
        layer = len(fitted.codes)
        measured = {"classification": right.mean(), "classification_unseen": right[samples].mean()}
        return rows + [
            {"layer": layer, "n_clusters": None, "metric": m, "value": float(v)} for m, v in measured.items()
        ]

    def prepare(self) -> None:
        Clustering().prepare()
