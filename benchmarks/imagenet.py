"""Cost of the ImageNet block of the WNNF paper's Table 3a: python benchmarks/imagenet.py [--threads 1] [--quick].

The data is `imagenet_like`: 2,048 features, 50,000 samples in 1,000 classes. Two parts, both by default; they write
imagenet_fits and imagenet_kmeans to results/bench:
- fits: processor seconds of an iteration at rank 1,000, hours of all that a method's YAML asks for, and the peak of the
  memory beside X. Two iterations of mu, an epoch of wnnf and the whole of pca are timed, with their starts. unfolded is
  left out: with exact least squares of 1,000 unknowns, a minute is not enough for two steps on 2,500 samples.
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


def fits(given: argparse.Namespace, data: Dataset) -> None:
    table = Table(given, "imagenet_fits", "solver", "cpu_s", "iterations", "hours_a_seed", "memory_beside_X")
    X, rank = np.asarray(data.X, np.float32), data.n_classes or 1
    methods: dict[str, tuple[Solver, int]] = {
        "mu": (MultiplicativeNMF(rank=rank), 2),
        "wnnf": (WNNF(rank=rank, reading="penalty", lam=0.1), 1),
        "pca": (PCA(rank=rank), 1),
    }
    for name, (solver, steps) in methods.items():
        few = None if solver.direct else Stopping(max_iter=steps, tol=0, check_every=steps)
        (result,), mib = peak_memory(lambda solver=solver, few=few: fit(solver, X, stopping=few))
        whole = 1 if solver.direct else solver.stopping.max_iter
        took = result.cpu_seconds / steps
        table.row(name, took, whole, took * whole / 3600, f"{mib:,.0f} MiB, {mib * 2**20 / X.nbytes:.2f} X")
    table.close(f"X has {X.nbytes / 2**20:,.0f} MiB")


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
