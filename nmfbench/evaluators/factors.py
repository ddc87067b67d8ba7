"""The factors themselves, for data that is small enough to be read."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from nmfbench import papers
from nmfbench.datasets.base import Dataset
from nmfbench.errors import ConfigError
from nmfbench.evaluators.base import Evaluator, Exhibit, Fitted


@dataclass(frozen=True, kw_only=True)
class Factors(Evaluator):
    """Every factor of a hierarchy W_{l−1} ≈ W_l H_l, scaled so that the largest entry of a basis is ``top``.

    Beside those that the survey on deep matrix factorizations prints for its ratings: De Handschutter, Gillis & Siebert
    (2021), Sec. 4.1.1.
    """

    metric: ClassVar[str] = "objective"

    top: float = 10.0

    def __post_init__(self) -> None:
        if not self.top > 0:
            raise ConfigError(f"top must be positive, got {self.top}")

    def check(self, dataset: Dataset, labelled: np.ndarray | None) -> None:
        if max(dataset.X.shape) > 100:
            raise ConfigError(f"evaluator=factors prints whole factors, and {dataset.name} has {dataset.X.shape}")

    def evaluate(
        self, fitted: Fitted, dataset: Dataset, seed: int, labelled: np.ndarray | None
    ) -> list[dict[str, Any]]:
        return []

    def exhibits(self, fitted: Fitted, dataset: Dataset) -> list[Exhibit]:
        Ws = [np.asarray(W, np.float64) for name, W in fitted.factors.items() if name.startswith("W")]
        Hs = [np.asarray(H, np.float64) for name, H in fitted.factors.items() if name.startswith("H")]
        printed = papers.survey_factors() if dataset.name == "ratings" else {}
        shown: dict[str, np.ndarray] = {}
        order, below = np.arange(dataset.n_samples), np.ones(dataset.n_samples)
        for l, (W, H) in enumerate(zip(Ws, Hs, strict=True), start=1):
            # The columns of H_l follow W_{l−1}; the bases come in the order of the first column that they take.
            H = H[:, order] / below
            order = np.argsort((H > 0).argmax(1), kind="stable")
            scale = W[:, order].max(0) / self.top
            below = np.where(scale > 0, scale, 1)
            shown |= {f"W{l}": W[:, order] / below, f"H{l}": H[order] * below[:, None]}
        found = []
        for name, factor in shown.items():
            found.append(Exhibit(name, _matrix(factor)))
            if name in printed and printed[name].shape == factor.shape:
                found.append(Exhibit(f"{name} as printed", _matrix(printed[name])))
        if printed and printed["W1"].shape == shown["W1"].shape:
            X = np.asarray(dataset.X, np.float64)
            clusters = (printed["W1"] / np.linalg.norm(printed["W1"], axis=0)).T @ X
            rows = {
                "ours": _distance(X, shown["W1"]),
                "W1 as printed": _distance(X, printed["W1"]),
                "its clusters of users, each with its best basis": _clustered(X, clusters.argmax(0)),
            }
            table = pd.DataFrame([[name, f"{value:.3f}"] for name, value in rows.items()], columns=["W1", "value"])
            found.append(Exhibit("½‖X − W1 H1‖², every user at the best multiple of one basis", table))
        return found


def _distance(X: np.ndarray, W: np.ndarray) -> float:
    projections = (W / np.linalg.norm(W, axis=0)).T @ X
    return float((X**2).sum() - (projections.max(0) ** 2).sum()) / 2


def _clustered(X: np.ndarray, clusters: np.ndarray) -> float:
    """The same with the best basis of each cluster of columns, its first singular vector."""
    kept = sum(np.linalg.norm(X[:, clusters == k], 2) ** 2 for k in np.unique(clusters))
    return float((X**2).sum() - kept) / 2


def _matrix(factor: np.ndarray) -> pd.DataFrame:
    columns = [str(j) for j in range(1, factor.shape[1] + 1)]
    shown = [[f"{value:.2f}" if value else "0" for value in row] for row in factor]
    return pd.DataFrame(shown, columns=columns, index=range(1, len(factor) + 1)).reset_index(names="")
