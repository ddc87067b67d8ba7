"""K-means on the codes, compared with the classes."""

import contextlib
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
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

    def prepare(self) -> None:
        import sklearn.cluster  # noqa: F401  It takes a second.

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
        with _one_thread():
            layers = [_distances_kept(np.asarray(H, dtype=np.float64).T) for H in codes]
            for (layer, points), k in product(enumerate(layers, start=1), self.n_clusters or [len(np.unique(y))]):
                starts = [(inertia, scores(y, found)) for inertia, found in self._starts(points, k, seed)]
                best = min(range(self.n_init), key=lambda i: self._preference(*starts[i]))
                for metric in starts[0][1]:
                    values = [scores[metric] for _, scores in starts]
                    known = [value for value in values if value is not None]
                    mean = float(np.mean(known)) if known else None
                    value = mean if self.select == "mean" else values[best]
                    rows.append({"layer": layer, "n_clusters": k, "metric": metric, "value": value, "starts": values})
        return rows

    def labels(self, codes: np.ndarray, k: int, seed: int) -> np.ndarray:
        """The clusters (n,), numbered from 0, of codes (r, n): those of the start with the lowest inertia."""
        with _one_thread():
            points = _distances_kept(np.asarray(codes, dtype=np.float64).T)
            return min(self._starts(points, k, seed), key=lambda start: start[0])[1]

    def _starts(self, points: np.ndarray, k: int, seed: int) -> Iterator[tuple[float, np.ndarray]]:
        """Inertia and clusters of each k-means start."""
        from sklearn.cluster import KMeans  # planning builds this class, and scikit-learn takes seconds to import

        for i in range(self.n_init):
            # Lloyd's algorithm, the default, also wins at 1,000 clusters: see benchmarks/clustering.py.
            state = rng.integer(f"kmeans {i}", seed)
            kmeans = KMeans(k, n_init=1, max_iter=self.max_iter, random_state=state).fit(points)
            yield float(kmeans.inertia_), kmeans.labels_

    def _preference(self, inertia: float, scores: Scores) -> tuple[float, float]:
        """A key that sorts the start to keep first."""
        return -(scores["accuracy"] or 0) if self.select == "best" else 0, inertia


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Hold k-means to one thread: the bits of scikit-learn's depend on their number.

    One block holds all starts, because `threadpool_limits` searches the process for libraries, which takes as long as a
    start.
    """
    from sklearn.exceptions import ConvergenceWarning

    with threadpool_limits(1), warnings.catch_warnings():
        # scikit-learn warns about fewer distinct codes than clusters; the score already shows that.
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def scores(y: np.ndarray, clusters: np.ndarray) -> Scores:
    """NMI under each normaliser, accuracy and adjusted Rand index of a clustering, as fractions of 1.

    All are None if y has one class: nothing can be found there, and scikit-learn's conventions would call it perfect.
    The other values are scikit-learn's to the last bit. Its own functions check the labels and count the table anew for
    each value, and take longer than k-means on small data.
    """
    from scipy.optimize import linear_sum_assignment

    if (y == y[0]).all():
        return dict.fromkeys(metric.name for metric in Clustering.metrics)
    classes, class_of = np.unique(y, return_inverse=True)
    nonempty, cluster_of = np.unique(clusters, return_inverse=True)
    cells = np.bincount(class_of * len(nonempty) + cluster_of, minlength=len(classes) * len(nonempty))
    table = cells.reshape(len(classes), len(nonempty))
    n, in_class, in_cluster = len(y), table.sum(1), table.sum(0)

    i, j = np.nonzero(table)
    n_ij, log_n = table[i, j], math.log(n)
    terms = n_ij / n * (np.log(n_ij) - log_n) + n_ij / n * (-np.log(in_class[i] * in_cluster[j]) + log_n + log_n)
    # Rounding errors of a single cluster would be divided by its entropy, which is zero.
    terms[(np.abs(terms) < np.finfo(float).eps) | (len(nonempty) == 1)] = 0
    information = max(float(terms.sum()), 0.0)
    of_classes, of_clusters = (float(-(m / n * (np.log(m) - log_n)).sum()) for m in (in_class, in_cluster))
    entropies = {
        "nmi": (of_classes + of_clusters) / 2,
        "nmi_geometric": math.sqrt(of_classes * of_clusters),
        "nmi_max": max(of_classes, of_clusters),
        "nmi_min": min(of_classes, of_clusters),
    }

    # Ordered pairs of samples: in one cluster (positive) or two; a pair is true if its classes say the same.
    squares = int((n_ij**2).sum())
    tp, fp, fn = squares - n, int((in_cluster**2).sum()) - squares, int((in_class**2).sum()) - squares
    tn = n**2 - squares - fp - fn
    by_chance = (tp + fn) * (fn + tn) + (tp + fp) * (fp + tn)
    return {
        **{name: information / entropy if information else 0.0 for name, entropy in entropies.items()},
        "accuracy": float(table[linear_sum_assignment(table, maximize=True)].sum() / n),
        "ari": 2.0 * (tp * tn - fn * fp) / by_chance if fp or fn else 1.0,
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
