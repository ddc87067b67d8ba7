"""How much faster `nmfbench.nnls` is than a loop over scipy's, column by column: python benchmarks/nnls.py [threads].

Random A ≥ 0 and X = AS + noise with half of S zero, float64. Both times are the least of several repetitions in this
one process, the product AᵀX counted on our side; the ratio is what to compare between machines.
"""

import sys
import time
from collections.abc import Callable

import torch
from scipy.optimize import nnls as scipy_nnls
from threadpoolctl import threadpool_limits

from nmfbench.nnls import nnls

SHAPES = {(10304, 400, 20): 100, (585, 2000, 10): 8, (100, 500, 20): 1}
"""(m, n, r), and how much faster it is to be."""


def least_seconds(function: Callable[[], object], repetitions: int) -> float:
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def main(threads: int) -> None:
    torch.set_num_threads(threads)
    print(f"{threads} thread(s), torch {torch.__version__}")
    print(f"{'m × n, rank r':>24}{'scipy loop':>14}{'nnls':>12}{'warm start':>12}{'ratio':>8}{'goal':>6}{'error':>10}")
    for (m, n, r), goal in SHAPES.items():
        generator = torch.Generator().manual_seed(0)
        A = torch.rand(m, r, dtype=torch.float64, generator=generator)
        S = torch.randn(r, n, dtype=torch.float64, generator=generator).clamp(min=0)
        X = A @ S + 0.1 * torch.randn(m, n, dtype=torch.float64, generator=generator)
        rows, columns = A.numpy(), X.mT.contiguous().numpy()
        loop = least_seconds(lambda: [scipy_nnls(rows, x) for x in columns], 3)  # noqa: B023
        ours = least_seconds(lambda: nnls(A.mT @ A, A.mT @ X), 20)  # noqa: B023
        found = nnls(A.mT @ A, A.mT @ X)
        warm = least_seconds(lambda: nnls(A.mT @ A, A.mT @ X, start=found), 20)  # noqa: B023
        error = max((found[:, j] - torch.from_numpy(scipy_nnls(rows, x)[0])).abs().max() for j, x in enumerate(columns))
        times = f"{loop * 1e3:>11.1f} ms{ours * 1e3:>9.2f} ms{warm * 1e3:>9.2f} ms"
        print(f"{f'{m} × {n}, {r}':>24}{times}{loop / ours:>8.1f}{goal:>6}{error:>10.0e}")


if __name__ == "__main__":
    n_threads = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    with threadpool_limits(n_threads):
        main(n_threads)
