"""K-means on the codes, compared with the classes."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import issparse
from threadpoolctl import threadpool_limits

from nmfbench.datasets.base import Dataset
from nmfbench.datasets.labels import numbered
from nmfbench.errors import ConfigError, DataError
from nmfbench.evaluators.base import Evaluator, Fitted, scored
from nmfbench.evaluators.metric import Metric
from nmfbench.numerics import rng
from nmfbench.numerics.plain import plain, real_matrix, typed

NORMALIZERS = ("arithmetic", "geometric", "max", "min")
Scores = dict[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Clustering(Evaluator):
    """K-means on the columns of each layer's codes, scored against the labels.

    NMI under four normalisers ("nmi" is the arithmetic one), accuracy under the best one-to-one assignment of clusters
    to classes, and the adjusted Rand index. Samples of one class have no value: every clustering would agree with them.

    Parameters
    ----------
    n_clusters: cluster counts, each ≥ 1; None: those of the dataset, else its number of classes.
    n_init: k-means starts a seed, ≥ 1; the papers do not print it.
    select: inertia: the start with the lowest inertia; mean: the mean over the starts; best: the start with the highest
        accuracy, the lowest inertia in a tie. best lets the labels choose: the dnsNMF paper's "best result" of 20.
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
        if self.select not in ("inertia", "mean", "best"):
            raise ConfigError(f"select must be inertia, mean or best, got {self.select!r}")

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
                best = min(range(self.n_init), key=lambda i: self._preference(*starts[i]))
                for metric in starts[0][1]:
                    values = [scores[metric] for _, scores in starts]
                    known = [value for value in values if value is not None]
                    mean = float(np.mean(known)) if known else None
                    value = mean if self.select == "mean" else values[best]
                    rows.append({"layer": layer, "n_clusters": k, "metric": metric, "value": value, "starts": values})
        return rows

    def _preference(self, inertia: float, scores: Scores) -> tuple[float, float]:
        """A key that sorts the start to keep first."""
        return -(scores["accuracy"] or 0) if self.select == "best" else 0, inertia

    def _start(self, points: np.ndarray, k: int, y: np.ndarray, seed: int, i: int) -> tuple[float, Scores]:
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


def scores(y: np.ndarray, clusters: np.ndarray) -> Scores:
    """NMI under each normaliser, accuracy and adjusted Rand index of a clustering, as fractions of 1.

    All are None if y has one class: nothing can be found there, and scikit-learn's conventions would call it perfect.
    """
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
    from sklearn.metrics.cluster import contingency_matrix

    if (y == y[0]).all():
        return dict.fromkeys(metric.name for metric in Clustering.metrics)
    table = contingency_matrix(y, clusters)
    matched = linear_sum_assignment(table, maximize=True)
    found: Scores = {
        "nmi" if name == "arithmetic" else f"nmi_{name}": float(
            normalized_mutual_info_score(y, clusters, average_method=name)
        )
        for name in NORMALIZERS
    }
    return found | {
        "accuracy": float(table[matched].sum() / len(y)),
        "ari": float(adjusted_rand_score(y, clusters)),
    }


def evaluate(
    codes: Any, y: Any, n_clusters: int | Sequence[int] | None = None, *, seed: int = 0, n_init: int = 10
) -> dict[int, Scores]:
    """Cluster codes (r, n) and score them against labels y (n,): ``{n_clusters: {metric: value}}``.

    Labels may be numbers, texts or bools. A value is None if y has one class. Raises ConfigError for codes that are no
    real matrix and settings that do not fit, DataError for entries that are not finite and labels that are missing.
    """
    H, labels = _codes(codes), numbered(y, "y")
    n = H.shape[1]
    if len(labels) != n:
        turned = "; codes hold a sample a column: give codes.T" if len(labels) == len(H) else ""
        raise ConfigError(f"codes are of {n} samples, but y has {len(labels)} labels{turned}")
    given = plain(n_clusters)
    counts = typed("n_clusters", [given] if type(given) is int else given, list[int] | None)
    clustering = Clustering(n_clusters=counts, n_init=typed("n_init", n_init, int))
    if counts and max(counts) > n:
        raise ConfigError(f"n_clusters has {max(counts)}, but there are {n} samples")
    if typed("seed", seed, int) < 0:
        raise ConfigError(f"seed must be at least 0, got {seed}")
    table: dict[int, Scores] = {}
    for row in clustering.cluster([H], labels, int(seed)):
        table.setdefault(row["n_clusters"], {})[row["metric"]] = row["value"]
    return table


def _codes(codes: Any) -> np.ndarray:
    H = real_matrix(codes, "codes", "component")
    H = H.cpu().numpy() if hasattr(H, "cpu") else H.toarray() if issparse(H) else H
    if not (finite := np.isfinite(H)).all():
        component, sample = np.argwhere(~finite)[0].tolist()
        raise DataError(
            f"codes have {(~finite).sum()} NaN or infinite entries, the first at component {component}, sample "
            f"{sample} (counted from 0)"
        )
    return H


def _distances_kept(points: np.ndarray) -> np.ndarray:
    """Rotate points (n, m) into at most n dimensions. K-means only sees distances, and raw pixels have m ≫ n."""
    n, dimensions = points.shape
    if dimensions <= n:
        return points
    return np.linalg.qr(points.T).R.T
