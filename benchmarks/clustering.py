"""Time of evaluation beside its k-means, and of k-means at 1,000 clusters: python benchmarks/clustering.py.

CPU seconds on one thread. The first table evaluates codes of `mu` as a run does: 10 starts for each cluster count of
the dataset. "row" is the share of evaluation in a run of `mu` or `wnnf` as their YAMLs set them, from a fit of a few
iterations. The second compares algorithms from the same k-means++ start on random codes (rank 100, 50,000 samples) of
1,000 classes: seconds, iterations, and how far the inertia lies above that of scikit-learn's Lloyd, which evaluation
uses. It takes five minutes.
"""

import time
import warnings
from collections.abc import Callable
from typing import Any

import nmfbench  # Imported before torch to stop OpenMP's threads from spinning.

# isort: split
import numpy as np
import torch
from measured import options, refuse_if_busy
from sklearn.cluster import KMeans, MiniBatchKMeans, kmeans_plusplus
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from nmfbench.evaluators.clustering import Clustering
from nmfbench.numerics import rng

SMALL = ("digits", "orl", "mfeat")
N_SAMPLES, RANK, N_CLASSES, MAX_ITER = 50_000, 100, 1_000, 300
ITERATIONS = 20
"""Iterations of the short fits from which the time of a whole one is extrapolated."""


def seconds(function: Callable[[], Any], repetitions: int = 1) -> tuple[float, Any]:
    """The median of the CPU seconds of some calls, and what the last of them returned."""
    times = []
    for _ in range(repetitions):
        start = time.process_time()
        returned = function()
        times.append(time.process_time() - start)
    return float(np.median(times)), returned


def small(name: str) -> None:
    data = nmfbench.load_dataset(name)
    assert data.y is not None
    counts = list(data.n_clusters or [data.n_classes])
    fits, H = [], np.empty(0)
    for kind in (nmfbench.WNNF, nmfbench.MultiplicativeNMF):
        solver = kind(rank=data.n_classes)
        stopping = nmfbench.Stopping(max_iter=ITERATIONS, tol=0)
        (fit,) = nmfbench.fit(solver, data.X, seeds=1, stopping=stopping)
        fits.append(fit.cpu_seconds / ITERATIONS * solver.stopping.max_iter)
        H = fit.factorization.H.numpy()
    points = H.T.astype(float)

    def kmeans() -> None:
        for k in counts:
            for i in range(10):
                KMeans(k, n_init=1, random_state=rng.integer(f"kmeans {i}", 0)).fit(points)

    alone, _ = seconds(kmeans, 5)
    whole, _ = seconds(lambda: Clustering(n_clusters=counts).cluster([H], data.y, 0), 5)
    shares = "".join(f"{whole / (whole + fit):>10.1%}" for fit in fits)
    print(f"{name:<10}{data.n_samples:>8}{counts!s:>18}{alone:>9.3f}{whole:>12.3f}{whole / alone:>7.2f}{shares}")


def codes() -> np.ndarray:
    """Codes (50,000, 100) of overlapping classes, non-negative and half of them zero, as NMF has them."""
    draw = np.random.default_rng(0)
    centres = draw.gamma(0.5, 0.5, size=(N_CLASSES, RANK))
    classes = np.arange(N_SAMPLES) % N_CLASSES
    return np.maximum(centres[classes] + draw.normal(size=(N_SAMPLES, RANK)), 0)


def lloyd_in_torch(points: np.ndarray, start: np.ndarray) -> tuple[int, float]:
    """Lloyd's algorithm with scikit-learn's stopping rule: (iterations, inertia)."""
    X, centres = torch.from_numpy(points), torch.from_numpy(start)
    labels, tol = torch.full((len(X),), -1), 1e-4 * X.var(0, correction=0).mean()
    for iteration in range(1, MAX_ITER + 1):
        squares = centres.square().sum(1)
        nearest = torch.cat([torch.addmm(squares, x, centres.mT, alpha=-2).argmin(1) for x in X.split(2048)])
        counts = torch.bincount(nearest, minlength=len(centres)).clamp(min=1)
        moved = torch.zeros_like(centres).index_add_(0, nearest, X) / counts[:, None]
        shift, unchanged = (moved - centres).square().sum(), torch.equal(nearest, labels)
        centres, labels = moved, nearest
        if unchanged or shift <= tol:
            return iteration, float((X - centres[labels]).square().sum())
    raise RuntimeError(f"no end in {MAX_ITER} iterations")


def large() -> None:
    points = codes()
    took, (start, _) = seconds(lambda: kmeans_plusplus(points, N_CLASSES, random_state=0))
    print(f"{'k-means++':<22}{took:>9.1f}")

    def fitted(kind: type, **more: Any) -> Callable[[], tuple[int, float]]:
        estimator = kind(N_CLASSES, init=start, n_init=1, max_iter=MAX_ITER, random_state=0, **more)
        return lambda: (estimator.fit(points).n_iter_, estimator.inertia_)

    algorithms = {
        "Lloyd, scikit-learn": fitted(KMeans, algorithm="lloyd"),
        "Elkan, scikit-learn": fitted(KMeans, algorithm="elkan"),
        "Lloyd, torch": lambda: lloyd_in_torch(points, start),
        "mini-batch of 4,096": fitted(MiniBatchKMeans, batch_size=4096),
        "mini-batch of 16,384": fitted(MiniBatchKMeans, batch_size=16384),
    }
    inertias: list[float] = []
    for name, run in algorithms.items():
        took, (iterations, inertia) = seconds(run)
        inertias.append(inertia)
        print(f"{name:<22}{took:>9.1f}{iterations:>12}{inertia / inertias[0] - 1:>+10.2%}")
    y = np.arange(N_SAMPLES) % N_CLASSES
    took, _ = seconds(lambda: Clustering().cluster([points.T], y, 0))
    print(f"{'evaluation, 10 starts':<22}{took:>9.1f}")


if __name__ == "__main__":
    print(refuse_if_busy(options(__doc__).parse_args()))
    torch.set_num_threads(1)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        print("           samples          clusters  k-means  evaluation  ratio  row wnnf    row mu")
        for name in SMALL:
            small(name)
        print(f"\n{'':<22}{'seconds':>9}{'iterations':>12}{'inertia':>10}")
        large()
