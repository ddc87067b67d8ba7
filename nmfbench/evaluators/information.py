"""The Bayesian information criterion of a factorization."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import issparse

from nmfbench.datasets.base import Dataset
from nmfbench.evaluators.base import Evaluator, Fitted
from nmfbench.evaluators.metric import Metric


@dataclass(frozen=True, kw_only=True)
class Information(Evaluator):
    """BIC = N log(RSS/N) + r(m + n) log N of every layer, for normal errors of one unknown variance on N entries.

    RSS = ‖X − WH‖² over the observed entries, with the bases W (m, r) and codes H (r, n) of that layer; each of their
    entries counts as a parameter. Compare values of several ranks on the same data only; the lowest is the best. A
    convolution has none. Schwarz (1978)
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("bic", "Bayesian information criterion", decimals=0, better="lower"),
    )

    def check(self, dataset: Dataset, labelled: np.ndarray | None) -> None:
        """Accept every dataset."""

    def evaluate(
        self, fitted: Fitted, dataset: Dataset, seed: int, labelled: np.ndarray | None
    ) -> list[dict[str, Any]]:
        fitted.require_bases()
        if fitted.layering == "convolution":
            return []
        rows = []
        for layer, (W, H) in enumerate(zip(fitted.bases, fitted.codes, strict=False), start=1):
            N, rss, square = _fit(dataset, W.astype(np.float64), H.astype(np.float64))
            # A residual below this bound is rounding: an exact fit must not have an infinite BIC.
            mean = max(rss, np.finfo(float).eps * square, np.finfo(float).tiny) / N
            bic = N * np.log(mean) + (W.size + H.size) * np.log(N)
            rows.append({"layer": layer, "n_clusters": None, "metric": "bic", "value": float(bic)})
        return rows


def _fit(dataset: Dataset, W: np.ndarray, H: np.ndarray) -> tuple[int, float, float]:
    """Return the number of observed entries, ‖X − WH‖² and ‖X‖² over them."""
    X = dataset.X
    if issparse(X):  # avoid the product WH, which is dense
        square = float(X.data @ X.data)
        return (
            X.shape[0] * X.shape[1],
            square - 2 * float((W * (X @ H.T)).sum()) + float(((W.T @ W) * (H @ H.T)).sum()),
            square,
        )
    seen = np.ones(X.shape, bool) if dataset.observed is None else dataset.observed
    x = np.asarray(X, np.float64)[seen]
    return int(seen.sum()), float(((x - (W @ H)[seen]) ** 2).sum()), float(x @ x)
