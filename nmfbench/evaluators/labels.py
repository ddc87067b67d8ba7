"""Does a method that learns from labels find the others?"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nmfbench.datasets.base import Dataset
from nmfbench.errors import NotApplicable
from nmfbench.evaluators.base import Evaluator, Fitted, scored


@dataclass(frozen=True, kw_only=True)
class Labels(Evaluator):
    """Classification accuracy of argmax B·S against the labels, over all samples and over those not seen in training.

    A solver that learnt no classifier, because it cannot or because it saw no label, has no row.
    """

    metric: ClassVar[str] = "classification"
    also: ClassVar[tuple[str, ...]] = ("classification_unseen",)

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
