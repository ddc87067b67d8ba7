"""Classification accuracy of methods that learn from labels."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nmfbench.datasets.base import Dataset
from nmfbench.errors import NotApplicable
from nmfbench.evaluators.base import Evaluator, Fitted, scored
from nmfbench.evaluators.metric import Metric


@dataclass(frozen=True, kw_only=True)
class Labels(Evaluator):
    """Classification accuracy of argmax B·S against the labels, over all samples and over those not seen in training.

    A solver without a classifier, because it cannot learn one or saw no label, has no row.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("classification", "classification accuracy, all samples", "%", 1, "higher"),
        Metric("classification_unseen", "classification accuracy, unseen labels", "%", 1, "higher"),
    )

    def check(self, dataset: Dataset, labelled: np.ndarray | None) -> None:
        if dataset.y is None:
            raise NotApplicable(f"evaluator=labels needs labels, and {dataset.name} has none")

    def evaluate(
        self, fitted: Fitted, dataset: Dataset, seed: int, labelled: np.ndarray | None
    ) -> list[dict[str, Any]]:
        if fitted.label_scores is None or dataset.y is None:
            return []
        right = fitted.label_scores.argmax(0) == dataset.y
        layer = len(fitted.codes)
        measured = {"classification": right.mean(), "classification_unseen": right[scored(dataset, labelled)].mean()}
        return [{"layer": layer, "n_clusters": None, "metric": m, "value": float(v)} for m, v in measured.items()]
