"""Speed on sparse X against scikit-learn: python benchmarks/sparse.py [--quick] [--threads 1] [--folder results/bench].

mu, mu with β = 1 and hals on TDT2 (where NMFBENCH_DATA has it) and on a random 20,000 × 30,000 with 5 ‰ of its entries
filled, rank 20, float32: whole fits from the same start, as many sweeps, the two by turns. Both must end at the same
objective, or the script fails. A ratio is that of the medians, its spread that of the pairs. Writes sparse.csv and .md.
"""

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import nmfbench  # noqa: F401  Imported before torch to stop OpenMP's threads from spinning.

# isort: split
import numpy as np
import scipy.sparse
import torch
from measured import Seconds, Table, options, seconds
from sklearn.decomposition import NMF
from threadpoolctl import threadpool_limits

from nmfbench import HALS, MultiplicativeNMF, Solver, Stopping, fit, load_dataset
from nmfbench.errors import DataMissing
from nmfbench.numerics import losses
from nmfbench.numerics.problem import Problem, place

RANK = 20
METHODS: dict[str, tuple[Solver, dict[str, Any]]] = {
    "mu": (MultiplicativeNMF(rank=RANK), {"solver": "mu"}),
    "mu β=1": (MultiplicativeNMF(rank=RANK, beta=1.0), {"solver": "mu", "beta_loss": "kullback-leibler"}),
    "hals": (HALS(rank=RANK), {"solver": "cd"}),
}
"""Ours, and the settings of scikit-learn's NMF."""


def datasets(quick: bool) -> dict[str, Any]:
    """X (m, n) by name, as loaders give it."""
    m, n = (2_000, 3_000) if quick else (20_000, 30_000)
    filled = scipy.sparse.random_array((m, n), density=0.005, rng=np.random.default_rng(0), dtype=np.float32)
    sets = {f"{m:,} × {n:,}, 5 ‰": scipy.sparse.csc_array(filled)}
    try:
        return {"tdt2": load_dataset("tdt2").X} | sets if not quick else sets
    except DataMissing as error:
        print(error)
        return sets


def pair(solver: Solver, settings: dict[str, Any], X: Any, sweeps: int) -> tuple[Callable, Callable]:
    """Two functions that fit X and return W (m, r) and H (r, n): ours and scikit-learn's."""
    rule = Stopping(max_iter=sweeps, check_every=sweeps)
    start = fit(solver, X, stopping=Stopping(max_iter=0))[0].factorization
    # scikit-learn has samples in rows and updates its W, our H, first.
    rows, W0, H0 = scipy.sparse.csr_array(X.T, dtype=np.float32), start.W.numpy(), start.H.numpy()

    def ours() -> tuple[np.ndarray, np.ndarray]:
        (result,) = fit(solver, X, stopping=rule)
        return result.factorization.W.numpy(), result.factorization.H.numpy()

    def theirs() -> tuple[np.ndarray, np.ndarray]:
        model = NMF(RANK, init="custom", tol=0, max_iter=sweeps, **settings)
        codes = model.fit_transform(rows, W=H0.T.copy(), H=W0.T.copy())
        return model.components_.T, codes.T

    return ours, theirs


def _objective(problem: Problem, W: np.ndarray, H: np.ndarray, beta: float) -> float:
    factors = [torch.from_numpy(factor.astype(np.float64))[None] for factor in (W, H)]
    return losses.of_product(problem, *factors, beta, floor=1e-300).item()


def main(options: argparse.Namespace) -> None:
    sweeps, repeats = (10, 1) if options.quick else (20, 3)
    columns = ("data", "solver", "sweeps", "ours_s", "sklearn_s", "ours_cpu_s", "sklearn_cpu_s")
    table = Table(options, "sparse", *columns, "ratio", "least", "most", "cpu_ratio", "objective", "difference")
    for name, X in datasets(options.quick).items():
        problem = place(X, "float64")
        for method, (solver, settings) in METHODS.items():
            fits = pair(solver, settings, X, sweeps)
            beta = getattr(solver, "beta", 2.0)
            ours, theirs = (_objective(problem, *run(), beta) for run in fits)
            difference = ours / theirs - 1
            assert abs(difference) < 1e-4, f"{method} on {name} ends at {ours}, scikit-learn at {theirs}"
            times: list[list[Seconds]] = [[seconds(run) for run in fits] for _ in range(repeats)]
            wall = [statistics.median(pair[i].wall for pair in times) for i in (0, 1)]
            cpu = [statistics.median(pair[i].cpu for pair in times) for i in (0, 1)]
            ratios = sorted(mine.wall / sklearn.wall for mine, sklearn in times)
            shares = wall[0] / wall[1], ratios[0], ratios[-1], cpu[0] / cpu[1]
            table.row(name, method, sweeps, *wall, *cpu, *shares, f"{ours:.7g}", f"{difference:.1e}")
    table.close()


if __name__ == "__main__":
    given = options(__doc__).parse_args()
    torch.set_num_threads(given.threads)
    with threadpool_limits(given.threads):
        main(given)
