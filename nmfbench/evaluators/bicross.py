"""Bi-cross-validation: the error on a block of X whose rows and columns the fit never saw."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.sparse import issparse

from nmfbench.datasets.base import Dataset
from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.evaluators.base import Evaluator, Fitted, require_all_entries
from nmfbench.evaluators.metric import Metric
from nmfbench.numerics.nnls import nnls
from nmfbench.numerics.rng import Streams


@dataclass(frozen=True, kw_only=True)
class Bicross(Evaluator):
    """Root mean squared error of every layer on a block of features and samples that its fit never saw.

    Let X = [A B; C D] after a permutation of its rows and columns. The fit sees D alone. Its bases W_D and codes H_D
    are extended to the other rows and columns by least squares, B ≈ W_A H_D and C ≈ W_D H_A, and A is predicted as
    W_A H_A. The extension of a non-negative factor is non-negative. Rows and columns are divided into ``folds`` groups
    at random; the seeds 0 to folds² − 1 hold out each pair of groups once, and the next folds² divide anew.
    Errors are in the unit of the scaled X. A fit sees 1/folds fewer samples and features, which limits its rank.
    Owen & Perry (2009), Sec. 5: non-negative factors

    Parameters
    ----------
    folds: number of groups of rows and of columns, ≥ 2. Owen & Perry recommend 2: a quarter of X is predicted.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("bicross_rmse", "RMSE on a held-out block", better="lower"),
        Metric("bicross_ratio", "RMSE over that of 0 on a held-out block", "%", 1, "lower"),
    )
    hides: ClassVar[bool] = True
    splits_features: ClassVar[bool] = True

    folds: int = 2

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise ConfigError(f"folds must be at least 2, got {self.folds}")

    def check(self, dataset: Dataset, labelled: np.ndarray | None) -> None:
        """Accept every dataset; `hidden` refuses those whose rows and columns cannot be hidden."""

    def hidden(self, dataset: Dataset, seed: int) -> np.ndarray:
        require_all_entries("bicross", dataset)
        if issparse(dataset.X):
            raise NotApplicable(
                f"evaluator=bicross needs a dense X, and {dataset.name} is sparse; dataset.dense=true makes it dense"
            )
        if dataset.views:
            raise NotApplicable(
                f"evaluator=bicross divides the features, which the views of {dataset.name} do not allow"
            )
        if min(dataset.X.shape) < self.folds:
            m, n = dataset.X.shape
            raise NotApplicable(f"evaluator.folds={self.folds} needs as many features and samples, and X is {m} × {n}")
        rows, columns = self._held_out(dataset, seed)
        return rows[:, None] | columns

    def _held_out(self, dataset: Dataset, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the masks (m,) and (n,) of the rows and columns of A."""
        division, block = divmod(seed, self.folds**2)
        groups = (Streams([division])(f"bicross {of}")[0] for of in ("rows", "columns"))
        rows, columns = (
            draw.permutation(size) % self.folds for draw, size in zip(groups, dataset.X.shape, strict=True)
        )
        return rows == block // self.folds, columns == block % self.folds

    def evaluate(
        self, fitted: Fitted, dataset: Dataset, seed: int, labelled: np.ndarray | None
    ) -> list[dict[str, Any]]:
        fitted.require_bases()
        if fitted.layering == "convolution":
            return []
        rows, columns = self._held_out(dataset, seed)
        X = np.asarray(dataset.X, np.float64)
        metrics: list[dict[str, Any]] = []
        A, B, C = X[np.ix_(rows, columns)], X[np.ix_(rows, ~columns)], X[np.ix_(~rows, columns)]
        size = np.sqrt(np.mean(A**2))
        for layer, (W, H) in enumerate(zip(fitted.bases, fitted.codes, strict=True), start=1):
            W_A = continued(H.T, B.T, signed=W.min() < 0).T
            H_A = continued(W, C, signed=H.min() < 0)
            rmse = np.sqrt(np.mean((A - W_A @ H_A) ** 2))
            measured = {"bicross_rmse": rmse} | ({"bicross_ratio": rmse / size} if size else {})
            row = {"layer": layer, "n_clusters": None}
            metrics += [row | {"metric": name, "value": float(value)} for name, value in measured.items()]
        return metrics


def continued(A: np.ndarray, X: np.ndarray, signed: bool) -> np.ndarray:
    """Return argmin ‖X − AS‖ (r, n) for A (m, r) and X (m, n), over S ≥ 0 unless ``signed``."""
    A = A.astype(np.float64)
    if signed:
        return np.linalg.lstsq(A, X)[0]
    gram, cross = (torch.from_numpy(np.ascontiguousarray(product)) for product in (A.T @ A, A.T @ X))
    return nnls(gram, cross).numpy()
