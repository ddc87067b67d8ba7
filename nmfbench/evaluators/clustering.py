"""K-means on the codes, compared with the classes."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from threadpoolctl import threadpool_limits

from nmfbench.datasets.base import Dataset
from nmfbench.errors import ConfigError
from nmfbench.evaluators.base import Evaluator, Fitted, scored
from nmfbench.evaluators.metric import Metric
from nmfbench.numerics import rng

NORMALIZERS = ("arithmetic", "geometric", "max", "min")


@dataclass(frozen=True, kw_only=True)
class Clustering(Evaluator):
    """K-means on the columns of each layer's codes, scored against the labels.

    NMI under four normalisers ("nmi" is the arithmetic one), accuracy under the best one-to-one assignment of clusters
    to classes, and the adjusted Rand index.

    Parameters
    ----------
    n_clusters: cluster counts, each ≥ 1; None: those of the dataset, else its number of classes.
    n_init: k-means starts a seed, ≥ 1; the papers do not print it.
    select: inertia or mean: the value of the start with the lowest inertia, or the mean over the starts. Labels never
        choose.
    max_iter: iterations of one k-means start, ≥ 1; scikit-learn's default.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("nmi", "NMI (arithmetic normaliser)", "%", 1, "higher"),
        Metric("nmi_geometric", "NMI (geometric normaliser)", "%", 1, "higher", shown=False),
        Metric("nmi_max", "NMI (maximum normaliser)", "%", 1, "higher", shown=False),
        Metric("nmi_min", "NMI (minimum normaliser)", "%", 1, "higher", shown=False),
        Metric("accuracy", "clustering accuracy", "%", 1, "higher", shown=False),
        Metric("ari", "adjusted Rand index", better="higher", shown=False),
    )

    n_clusters: list[int] | None = None
    n_init: int = 10
    select: str = "inertia"
    max_iter: int = 300

    def __post_init__(self) -> None:
        if self.n_clusters is not None and (not self.n_clusters or min(self.n_clusters) < 1):
            raise ConfigError(f"n_clusters must be positive integers, got {list(self.n_clusters)}")
        for name in ("n_init", "max_iter"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.select not in ("inertia", "mean"):
            raise ConfigError(f"select must be inertia or mean, got {self.select!r}")

    def check(self, dataset: Dataset, labelled: np.ndarray | None) -> None:
        n_samples = len(scored(dataset, labelled))
        if self.n_clusters is not None and max(self.n_clusters) > n_samples:
            raise ConfigError(f"evaluator.n_clusters has {max(self.n_clusters)}, but there are {n_samples} samples")

    def evaluate(
        self, fitted: Fitted, dataset: Dataset, seed: int, labelled: np.ndarray | None
    ) -> list[dict[str, Any]]:
        """Rows of layer (1 first), n_clusters, metric, value and starts (the value of each k-means start)."""
        if dataset.y is None:
            return []
        samples = scored(dataset, labelled)
        return self.cluster([H[:, samples] for H in fitted.codes], dataset.y[samples], seed)

    def cluster(self, codes: Sequence[np.ndarray], y: np.ndarray, seed: int) -> list[dict[str, Any]]:
        """The rows of `evaluate` for codes (r_l, n) of each layer and labels y (n,)."""
        rows = []
        for layer, H in enumerate(codes, start=1):
            points = _distances_kept(np.asarray(H, dtype=np.float64).T)
            for k in self.n_clusters or [len(np.unique(y))]:
                starts = [self._start(points, k, y, seed, i) for i in range(self.n_init)]
                best = min(range(self.n_init), key=lambda i: starts[i][0])
                for metric in starts[0][1]:
                    values = [scores[metric] for _, scores in starts]
                    value = values[best] if self.select == "inertia" else float(np.mean(values))
                    rows.append({"layer": layer, "n_clusters": k, "metric": metric, "value": value, "starts": values})
        return rows

    def _start(self, points: np.ndarray, k: int, y: np.ndarray, seed: int, i: int) -> tuple[float, dict[str, float]]:
        """(inertia, scores) of k-means start i."""
        # Planning builds this class, and scikit-learn takes seconds to import.
        from sklearn.cluster import KMeans
        from sklearn.exceptions import ConvergenceWarning

        kmeans = KMeans(k, n_init=1, max_iter=self.max_iter, random_state=rng.integer(f"kmeans {i}", seed))
        # Use one thread, because the bits of scikit-learn's k-means depend on the number of threads.
        with threadpool_limits(1), warnings.catch_warnings():
            # scikit-learn warns about fewer distinct codes than clusters; the score already shows that.
            warnings.simplefilter("ignore", ConvergenceWarning)
            clusters = kmeans.fit_predict(points)
        return float(kmeans.inertia_), scores(y, clusters)


def scores(y: np.ndarray, clusters: np.ndarray) -> dict[str, float]:
    """NMI under each normaliser, accuracy and adjusted Rand index of a clustering, as fractions of 1."""
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
    from sklearn.metrics.cluster import contingency_matrix

    table = contingency_matrix(y, clusters)
    matched = linear_sum_assignment(table, maximize=True)
    nmi = {
        "nmi" if name == "arithmetic" else f"nmi_{name}": normalized_mutual_info_score(y, clusters, average_method=name)
        for name in NORMALIZERS
    }
    return {k: float(v) for k, v in nmi.items()} | {
        "accuracy": float(table[matched].sum() / len(y)),
        "ari": float(adjusted_rand_score(y, clusters)),
    }


def evaluate(
    codes: np.ndarray, y: np.ndarray, n_clusters: int | Sequence[int] | None = None, *, seed: int = 0, n_init: int = 10
) -> dict[int, dict[str, float]]:
    """Cluster codes (r, n) and score them against labels y (n,): ``{n_clusters: {metric: value}}``."""
    counts = None if n_clusters is None else [n_clusters] if isinstance(n_clusters, int) else list(n_clusters)
    table: dict[int, dict[str, float]] = {}
    for row in Clustering(n_clusters=counts, n_init=n_init).cluster([np.asarray(codes)], np.asarray(y), seed):
        table.setdefault(row["n_clusters"], {})[row["metric"]] = row["value"]
    return table


def _distances_kept(points: np.ndarray) -> np.ndarray:
    """Rotate points (n, m) into at most n dimensions. K-means only sees distances, and raw pixels have m ≫ n."""
    n, dimensions = points.shape
    if dimensions <= n:
        return points
    return np.linalg.qr(points.T).R.T
