"""Cost of the ImageNet block of the WNNF paper's Table 3a: python benchmarks/imagenet.py [--threads 1] [--quick].

The data is `imagenet_like`: 2,048 features, 50,000 samples in 1,000 classes. Two parts, both by default; they write
imagenet_fits and imagenet_kmeans to results/bench:
- fits: processor seconds of an iteration at rank 1,000, and of all that a method's YAML asks for. An iteration is timed
  at 2,500 and 5,000 samples and extrapolated to 50,000 by a·n + b·n², because an epoch of wnnf moves every code at
  every batch. mu is timed at 50,000 too, as a check, with the peak of the memory beside X. unfolded is left out: with
  exact least squares of 1,000 unknowns, a minute of processor time is not enough for two steps on 2,500 samples.
- kmeans: one start on the codes of pca, as evaluation runs it, stopped after 10 or 30 iterations: seconds and NMI. At
  rank 1,000 for 500 clusters alone; more clusters take in proportion, as the rows at rank 100 show.
"""

import argparse
import time

import nmfbench  # noqa: F401  Imported before torch to stop OpenMP's threads from spinning.

# isort: split
import numpy as np
import torch
from measured import Table, options, peak_memory

from nmfbench import PCA, WNNF, Dataset, MultiplicativeNMF, Solver, Stopping, fit, load_dataset
from nmfbench.evaluators.clustering import Clustering

FULL = {"n_features": 2048, "n_samples": 50_000, "n_classes": 1000}
QUICK = {"n_features": 128, "n_samples": 2_000, "n_classes": 40}


def solvers(rank: int) -> dict[str, Solver]:
    return {
        "mu": MultiplicativeNMF(rank=rank),
        "wnnf": WNNF(rank=rank, reading="penalty", lam=0.1),
        "pca": PCA(rank=rank),
    }


def iteration(solver: Solver, X: np.ndarray) -> float:
    """Processor seconds of one iteration: a fit of two less a fit of one, which has the start as well."""
    if solver.direct:
        return fit(solver, X)[0].cpu_seconds
    once, twice = (fit(solver, X, stopping=Stopping(max_iter=i, tol=0, check_every=i))[0] for i in (1, 2))
    return twice.cpu_seconds - once.cpu_seconds


def fits(given: argparse.Namespace, data: Dataset) -> None:
    table = Table(given, "imagenet_fits", "solver", "n_2500", "n_5000", "n_50000", "iterations", "hours_a_seed")
    X, n = np.asarray(data.X, np.float32), data.n_samples
    rank = data.n_classes or 1
    for name, solver in solvers(rank).items():
        iteration(solvers(2)[name], X[:, :50])  # what is slow at first, such as imports
        small, large = iteration(solver, X[:, : n // 20]), iteration(solver, X[:, : n // 10])
        # a·n + b·n² through both points, n in units of the smaller.
        b = max(0.0, large - 2 * small) / 2
        whole = 20 * (small - b) + 400 * b
        steps = 1 if solver.direct else solver.stopping.max_iter
        table.row(name, small, large, whole, steps, whole * steps / 3600)
    mu = MultiplicativeNMF(rank=rank)
    (result,), mib = peak_memory(lambda: fit(mu, X, stopping=Stopping(max_iter=2, tol=0, check_every=2)))
    table.close(
        f"mu at {n:,} samples, measured: {result.cpu_seconds / 2:.1f} s an iteration (start included), {mib:,.0f} MiB "
        f"beside X of {X.nbytes / 2**20:,.0f} MiB"
    )


def kmeans(given: argparse.Namespace, data: Dataset) -> None:
    table = Table(given, "imagenet_kmeans", "rank", "clusters", "iterations_at_most", "cpu_s", "nmi_percent")
    classes = data.n_classes or 1
    Clustering(n_init=1).cluster([np.eye(3)], np.arange(3), 0)  # imports
    for rank in (classes // 10, classes):
        (result,) = fit(PCA(rank=rank), np.asarray(data.X, np.float32))
        assert result.factorization is not None and data.y is not None
        codes = result.factorization.codes[-1].numpy()
        cases = [(classes // 2, 10), (classes, 10), (classes, 30)]
        for k, limit in cases if rank < classes else [(classes // 2, 10)]:
            evaluation = Clustering(n_clusters=[k], n_init=1, max_iter=limit)
            start = time.process_time()
            rows = evaluation.cluster([codes], data.y, 0)
            took = time.process_time() - start
            table.row(rank, k, limit, took, 100 * next(row["value"] for row in rows if row["metric"] == "nmi"))
    table.close()


PARTS = {part.__name__: part for part in (fits, kmeans)}

if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all, in this order")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    data, mib = peak_memory(lambda: load_dataset("imagenet_like", **(QUICK if given.quick else FULL)))
    print(f"loading takes {mib:,.0f} MiB at its peak, X has {data.X.nbytes / 2**20:,.0f} MiB")
    for part in given.parts:
        PARTS[part](given, data)
