"""Cost of a fit on data of ImageNet's size: python benchmarks/imagenet.py [--threads 1] [--quick].

The methods of the ImageNet block of the WNNF paper's Table 3a at rank 1,000 on `imagenet_like`: 2,048 features, 50,000
samples in 1,000 classes. It writes imagenet_fits to results/bench: processor seconds of an iteration, hours of all that
a method's YAML asks for, and the peak of the memory beside X. Two iterations of mu, an epoch of wnnf and the whole of
pca are timed, with their starts. unfolded is left out: with exact least squares of 1,000 unknowns, a minute is not
enough for two steps on 2,500 samples. What k-means with 1,000 clusters takes is in clustering.py.
"""

import argparse

import nmfbench  # noqa: F401  Imported before torch to stop OpenMP's threads from spinning.

# isort: split
import numpy as np
import torch
from measured import Table, options, peak_memory

from nmfbench import PCA, WNNF, Dataset, MultiplicativeNMF, Solver, Stopping, fit, load_dataset

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


if __name__ == "__main__":
    given = options(__doc__).parse_args()
    torch.set_num_threads(given.threads)
    data, mib = peak_memory(lambda: load_dataset("imagenet_like", **(QUICK if given.quick else FULL)))
    print(f"loading takes {mib:,.0f} MiB at its peak, X has {data.X.nbytes / 2**20:,.0f} MiB")
    fits(given, data)
