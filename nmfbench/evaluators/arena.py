"""K-means on the codes for the arena: scores against the classes, criteria that need no labels, and the clusters."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import issparse

from nmfbench.datasets.base import Dataset
from nmfbench.errors import ConfigError
from nmfbench.evaluators.base import Evaluator, Fitted, scored
from nmfbench.evaluators.clustering import Clustering, scores
from nmfbench.evaluators.metric import Metric


@dataclass(frozen=True, kw_only=True)
class Arena(Evaluator):
    """K-means on the codes of each layer, and on those of all layers together, each scaled to norm one.

    The rows of ``silhouette`` also hold the clusters and classes of the samples, so that agreement between seeds and a
    bootstrap over samples can be computed from records alone.

    Parameters
    ----------
    k: number of clusters ≥ 1; None: the number of classes or, without labels, of components.
    n_init: k-means starts a seed, ≥ 1; the one with the lowest inertia counts.
    silhouette_samples: maximum number of samples ≥ 2 for the silhouettes, whose time grows with its square.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        *(metric for metric in Clustering.metrics if metric.name in ("nmi", "accuracy", "ari")),
        Metric("purity", "purity", "%", 1, "higher"),
        Metric("nmi_stacked", "NMI of the codes of all layers together", "%", 1, "higher"),
        Metric("silhouette", "silhouette of the clusters in X", decimals=3, better="higher"),
        Metric("silhouette_codes", "silhouette of the clusters in the codes", decimals=3, better="higher"),
    )

    k: int | None = None
    n_init: int = 10
    silhouette_samples: int = 2000

    def __post_init__(self) -> None:
        for name, lowest in (("k", 1), ("n_init", 1), ("silhouette_samples", 2)):
            if getattr(self, name) is not None and getattr(self, name) < lowest:
                raise ConfigError(f"{name} must be at least {lowest}, got {getattr(self, name)}")

    def check(self, dataset: Dataset, labelled: np.ndarray | None) -> None:
        """Accept every dataset."""

    def prepare(self) -> None:
        import sklearn.cluster
        import sklearn.metrics  # noqa: F401  Its first import takes a second.

    def evaluate(
        self, fitted: Fitted, dataset: Dataset, seed: int, labelled: np.ndarray | None
    ) -> list[dict[str, Any]]:
        samples, rows = scored(dataset, labelled), []
        y = None if dataset.y is None else np.unique(dataset.y, return_inverse=True)[1][samples]
        X = dataset.X[:, samples]
        for layer, codes in enumerate(fitted.codes, start=1):
            H = np.asarray(codes, np.float64)[:, samples]
            k = self.k or (len(H) if y is None else len(np.unique(y)))
            clusters = Clustering(n_init=self.n_init).labels(H, min(k, len(samples)), seed)
            measured: dict[str, float | None] = {}
            if y is not None:
                agreement = scores(y, clusters)
                measured |= {name: agreement[name] for name in ("nmi", "ari", "accuracy")}
                measured["purity"] = purity(y, clusters)
            measured["silhouette"] = None if dataset.observed is not None else self._silhouette(X, clusters)
            measured["silhouette_codes"] = self._silhouette(H, clusters)
            row = {"layer": layer, "n_clusters": k}
            rows += [row | {"metric": name, "value": value} for name, value in measured.items()]
            kept = {"clusters": clusters.tolist()} | ({} if y is None else {"classes": y.tolist()})
            next(row for row in rows if row["layer"] == layer and row["metric"] == "silhouette").update(kept)
        if y is not None and len(fitted.codes) > 1:
            layers = [np.asarray(codes, np.float64)[:, samples] for codes in fitted.codes]
            stacked = np.concatenate([H / (np.linalg.norm(H) or 1) for H in layers])
            clusters = Clustering(n_init=self.n_init).labels(stacked, min(k, len(samples)), seed)
            together: dict[str, Any] = {"layer": None, "n_clusters": k, "metric": "nmi_stacked"}
            rows.append(together | {"value": scores(y, clusters)["nmi"]})
        return rows

    def _silhouette(self, points: Any, clusters: np.ndarray) -> float | None:
        """Return the mean silhouette (Rousseeuw 1987) of clusters (n,) of points (m, n); None for 1 or n clusters."""
        from sklearn.metrics import silhouette_score

        n = len(clusters)
        if n > self.silhouette_samples:
            kept = np.random.default_rng(0).permutation(n)[: self.silhouette_samples]
            points, clusters, n = points[:, kept], clusters[kept], self.silhouette_samples
        if not 2 <= len(np.unique(clusters)) < n:
            return None
        value = silhouette_score(points.T.tocsr() if issparse(points) else points.T, clusters)
        return float(value) if np.isfinite(value) else None


def purity(y: np.ndarray, clusters: np.ndarray) -> float:
    """Return the share of the samples that belong to the most frequent class of their cluster."""
    table = np.zeros((y.max() + 1, clusters.max() + 1), int)
    np.add.at(table, (y, clusters), 1)
    return float(table.max(0).sum() / len(y))
