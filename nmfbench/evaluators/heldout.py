"""The error on entries of X that a fit never saw."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import issparse
from scipy.special import xlogy

from nmfbench.datasets.base import Dataset
from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.evaluators.base import Evaluator, Fitted
from nmfbench.evaluators.metric import Metric
from nmfbench.numerics.rng import Streams


@dataclass(frozen=True, kw_only=True)
class Heldout(Evaluator):
    """Root mean squared error and mean Kullback–Leibler divergence of every layer on entries hidden from its fit.

    Each seed hides its own entries, drawn from its stream "heldout": the same for every method, whatever that draws. In
    each row and column the observed entry with the smallest draw stays. Layer l predicts X by its bases times its
    codes; a convolution, which has no such product, is left out. Errors are in the unit of the scaled X. At a ratio of
    100 % a layer is no better than each feature's mean.
    There is no divergence where X has negative entries; predictions below 10⁻⁷ of the mean count as that much for it.
    The relative error that every table shows is that of the entries which were fitted.

    Parameters
    ----------
    share: share of the observed entries that is hidden, in (0, 1); fewer where rows and columns need the rest.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("heldout_rmse", "RMSE on held-out entries", better="lower"),
        Metric("heldout_ratio", "RMSE over that of each feature's observed mean", "%", 1, "lower"),
        Metric("heldout_kl", "mean Kullback–Leibler divergence on held-out entries", better="lower"),
    )
    hides: ClassVar[bool] = True

    share: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ConfigError(f"share must lie between 0 and 1, got {self.share}")

    def check(self, dataset: Dataset, labelled: np.ndarray | None) -> None:
        """Accept every dataset of which entries can be hidden, which `hidden` finds out."""

    def hidden(self, dataset: Dataset, seed: int) -> np.ndarray:
        if issparse(dataset.X):
            raise NotApplicable(
                f"evaluator=heldout needs a dense X, and {dataset.name} is sparse; dataset.dense=true makes it dense"
            )
        m, n = dataset.X.shape
        candidates = np.ones((m, n), dtype=bool) if dataset.observed is None else dataset.observed.copy()
        wanted = round(self.share * candidates.sum())
        draws = np.where(candidates, Streams([seed])("heldout")[0].random((m, n)), 1)
        candidates[np.arange(m), draws.argmin(1)] = False
        candidates[draws.argmin(0), np.arange(n)] = False
        at = np.flatnonzero(candidates)
        wanted = min(wanted, len(at))
        if not wanted:
            raise NotApplicable(
                f"evaluator=heldout finds no entry of {dataset.name} ({m} × {n}) to hide: share {self.share:g} of the "
                "observed ones, and one of each row and column stays"
            )
        hidden = np.zeros((m, n), dtype=bool)
        hidden.flat[at[np.argpartition(draws.flat[at], -wanted)[-wanted:]]] = True
        return hidden

    def evaluate(
        self, fitted: Fitted, dataset: Dataset, seed: int, labelled: np.ndarray | None
    ) -> list[dict[str, Any]]:
        fitted.require_bases()
        if fitted.layering == "convolution":
            return []
        hidden, rows = self.hidden(dataset, seed), []
        x = np.asarray(dataset.X[hidden], np.float64)
        seen = ~hidden if dataset.observed is None else dataset.observed & ~hidden
        means = np.where(seen, dataset.X, 0).sum(1, dtype=np.float64) / seen.sum(1)
        rmse_of_means = np.sqrt(np.mean((x - means[np.nonzero(hidden)[0]]) ** 2))
        for layer, (W, H) in enumerate(zip(fitted.bases, fitted.codes, strict=True), start=1):
            v = (W.astype(np.float64) @ H)[hidden]
            rmse = np.sqrt(np.mean((x - v) ** 2))
            measured = {"heldout_rmse": rmse} | ({"heldout_ratio": rmse / rmse_of_means} if rmse_of_means else {})
            if x.min() >= 0:
                v = v.clip(min=max(1e-7 * x.mean(), np.finfo(np.float64).tiny))
                measured["heldout_kl"] = np.mean(xlogy(x, x / v) - x + v)
            rows += [{"layer": layer, "n_clusters": None, "metric": k, "value": float(q)} for k, q in measured.items()]
        return rows
