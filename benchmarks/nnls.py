"""Speed of `nnls` against a loop of scipy's nnls over the columns: python benchmarks/nnls.py [threads].

In float64. A is uniform; X is uniform too, so that almost no entry of the solution is zero, or AS + noise where half
of S is zero. Each time is the smallest of several repetitions in one process; "all" includes the products AᵀA and AᵀX.
Compare the ratio between machines, not the times.
"""

import sys
import time
from collections.abc import Callable

import nmfbench  # noqa: F401  Imported before torch to stop OpenMP's threads from spinning.

# isort: split
import torch
from scipy.optimize import nnls as scipy_nnls
from threadpoolctl import threadpool_limits
from torch import Tensor

from nmfbench.numerics.nnls import nnls

SHAPES = {(10304, 400, 20): 100, (585, 2000, 10): 8, (100, 500, 20): 1}
"""(m, n, r), and the speed-up to reach."""


def problem(m: int, n: int, r: int, sparse: bool) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    A = torch.rand(m, r, dtype=torch.float64, generator=generator)
    if not sparse:
        return A, torch.rand(m, n, dtype=torch.float64, generator=generator)
    S = torch.randn(r, n, dtype=torch.float64, generator=generator).clamp(min=0)
    return A, A @ S + 0.1 * torch.randn(m, n, dtype=torch.float64, generator=generator)


def milliseconds(function: Callable[[], object], repetitions: int = 20) -> float:
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def row(m: int, n: int, r: int, sparse: bool) -> list[str]:
    A, X = problem(m, n, r, sparse)
    rows, columns = A.numpy(), X.mT.contiguous().numpy()
    loop = milliseconds(lambda: [scipy_nnls(rows, x) for x in columns], 3)
    G, C = A.mT @ A, A.mT @ X
    S = nnls(G, C)
    products, ours, warm = (
        milliseconds(f) for f in (lambda: (A.mT @ A, A.mT @ X), lambda: nnls(A.mT @ A, A.mT @ X), lambda: nnls(G, C, S))
    )
    error = max((S[:, j] - torch.from_numpy(scipy_nnls(rows, x)[0])).abs().max().item() for j, x in enumerate(columns))
    cells = [f"{loop:.0f}", f"{ours:.2f}", f"{products:.2f}", f"{warm:.2f}", f"{loop / ours:.1f}"]
    return [f"{m} × {n}, {r}", f"{(S > 0).double().mean():.0%}", *cells, str(SHAPES[m, n, r]), f"{error:.0e}"]


def main(threads: int) -> None:
    torch.set_num_threads(threads)
    print(f"{threads} thread(s), torch {torch.__version__}; milliseconds")
    head = ["m × n, r", "S > 0", "scipy", "all", "products", "warm start", "ratio", "goal", "error"]
    for cells in [head, *(row(*shape, sparse) for shape in SHAPES for sparse in (False, True))]:
        print("".join(f"{cell:>{18 if i == 0 else 11}}" for i, cell in enumerate(cells)))


if __name__ == "__main__":
    n_threads = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    with threadpool_limits(n_threads):
        main(n_threads)
