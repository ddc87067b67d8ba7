"""The factors of a small hierarchy themselves, beside those that a paper prints."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from nmfbench import papers
from nmfbench.datasets.base import Dataset
from nmfbench.errors import NotApplicable
from nmfbench.evaluators.base import Evaluator, Fitted

MOST = 50


@dataclass(frozen=True, kw_only=True)
class Factors(Evaluator):
    """‖W_{l−1} − W_l H_l‖² of each layer of a hierarchy of bases, W_0 = X, at columns of W_l of maximum 10.

    Other factorizations of several layers have no row. Exhibits are the factors, each with its rows of X or its samples
    down, and for the survey's ratings and ranks the printed factors beside them: bases stand in the printed order, each
    matched with one of the printed ones by their cosines.
    De Handschutter, Gillis & Siebert (2021), Sec. 4.1.1
    """

    metric: ClassVar[str] = "squared_error"

    def check(self, dataset: Dataset, labelled: np.ndarray | None) -> None:
        if max(dataset.X.shape) > MOST:
            raise NotApplicable(
                f"evaluator=factors shows every entry, of at most {MOST} features and samples; {dataset.name} has "
                f"{dataset.X.shape[0]} × {dataset.X.shape[1]}"
            )

    def evaluate(
        self, fitted: Fitted, dataset: Dataset, seed: int, labelled: np.ndarray | None
    ) -> list[dict[str, Any]]:
        errors = squared_errors(dataset.X, at_ten(fitted))
        return [
            {"layer": layer, "n_clusters": None, "metric": self.metric, "value": error}
            for layer, error in enumerate(errors, start=1)
        ]

    def exhibits(self, fitted: Fitted, dataset: Dataset) -> list[tuple[str, pd.DataFrame]]:
        ours, printed = at_ten(fitted), papers.deep_onmf_factors()
        shapes = {name: factor.shape for name, factor in printed.items()}
        if (dataset.name, shapes) != ("ratings", {name: factor.shape for name, factor in ours.items()}) or (
            "no scaling" not in dataset.preprocessing
        ):
            printed = {}
        if printed:
            ours = _in_order(ours, printed)
        features = [str(i) for i in range(1, len(dataset.X) + 1)] if dataset.vocabulary is None else dataset.vocabulary
        found = [_verdict(dataset.X, ours, printed)] if printed else []
        for name, factor in ours.items():
            rows, shown = (features, "feature") if name[0] == "W" else (range(1, factor.shape[1] + 1), "sample")
            transposed = name != "H2" and name[0] == "H"
            ...
        return found
