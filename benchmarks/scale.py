"""Time and memory against the size of X: python benchmarks/scale.py [--quick] [--threads 1] [--parts growth].

Three parts, all by default; they write to results/bench, scale.csv, scale.md and the figure scale.png, .pdf:
- growth: seconds an iteration (for wnnf and online_mu, an epoch) against the samples, 512 features, rank 40, and
  against the rank, 10,000 samples. The slope over the samples on logarithmic axes should be 1.
- large: 2,048 × 50,000 float32, whole fits of two iterations, each in a process of its own. Memory is the peak of the
  anonymous memory, above what it was before the fit with X in it, in multiples of X.
- mapped: 2,048 × 500,000 float32, a memory-mapped file of 4 GB that is removed afterwards, the same way.

Compare processor time, which other processes disturb less than the clock. For growth it is the median over steps that
are taken by turns.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nmfbench  # noqa: F401  Imported before torch to stop OpenMP's threads from spinning.

# isort: split
import numpy as np
import torch
from matplotlib.figure import Figure
from measured import Seconds, Table, options, peak_memory, seconds

from nmfbench import HALS, WNNF, MultiplicativeNMF, OnlineMultiplicativeNMF, Solver, Stopping, fit
from nmfbench.numerics.problem import place
from nmfbench.numerics.rng import Streams


def solvers(rank: int, batch_size: int = 64) -> dict[str, Solver]:
    """The methods by name."""
    return {
        "mu": MultiplicativeNMF(rank=rank),
        "mu β=1": MultiplicativeNMF(rank=rank, beta=1.0),
        "hals": HALS(rank=rank),
        "wnnf": WNNF(rank=rank, batch_size=batch_size),
        "online_mu": OnlineMultiplicativeNMF(rank=rank, batch_size=max(256, batch_size)),
    }


def by_turns(sizes: dict[int, tuple[Solver, Any]], rounds: int) -> dict[int, Seconds]:
    """Median seconds of an iteration for each size, all sizes in every round."""
    steps: dict[int, Iterator[Any]] = {
        size: iter(solver.iterates(place(X), Streams([0]))) for size, (solver, X) in sizes.items()
    }
    with torch.no_grad():
        for step in steps.values():  # the start, and a step that finds memory
            next(step), next(step)
        times = [{size: seconds(lambda step=step: next(step)) for size, step in steps.items()} for _ in range(rounds)]
    return {
        size: Seconds(*(statistics.median(t[size][i] for t in times) for i in (0, 1))) for size in sizes
    }  # fmt: skip


def slope(times: dict[int, Seconds]) -> float:
    """The slope of processor time over size, on logarithmic axes."""
    return float(np.polyfit(np.log(list(times)), np.log([time.cpu for time in times.values()]), 1)[0])


def growth(table: Table, quick: bool) -> list[str]:
    m, counts, fixed = (64, [500, 1000], 500) if quick else (512, [5_000, 10_000, 20_000, 50_000], 10_000)
    rank, ranks, rounds = (5, [5, 10], 2) if quick else (40, [10, 20, 40, 80, 160], 7)
    X = np.random.default_rng(0).random((m, max(counts)), dtype=np.float32)
    axes = Figure(figsize=(9, 4), layout="constrained").subplots(1, 2, sharey=True)
    sentences = []
    for name in solvers(1):
        over_n = by_turns({n: (solvers(rank)[name], X[:, :n].copy()) for n in counts}, rounds)
        over_r = by_turns({r: (solvers(r)[name], X[:, :fixed].copy()) for r in ranks}, rounds)
        for n, time_of in over_n.items():
            table.row(name, m, n, rank, time_of.cpu, time_of.wall, "")
        for r, time_of in over_r.items():
            table.row(name, m, fixed, r, time_of.cpu, time_of.wall, "")
        sentences.append(f"{name}: slope {slope(over_n):.2f} over the samples, {slope(over_r):.2f} over the rank")
        for axis, times in zip(axes, (over_n, over_r), strict=True):
            axis.loglog(list(times), [time.cpu for time in times.values()], "o-", label=f"{name}, {slope(times):.2f}")
    for axis, label in zip(axes, (f"samples, rank {rank}, {m} features", f"rank, {fixed:,} samples"), strict=True):
        sizes = axis.lines[0].get_xdata()
        axis.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axis.minorticks_off()
        axis.set_xlabel(label)
        axis.legend(title="slope", fontsize=8)
    axes[0].set_ylabel("processor seconds an iteration")
    for suffix in ("png", "pdf"):
        path = table.path.with_suffix(f".{suffix}")
        path.parent.mkdir(parents=True, exist_ok=True)
        axes[0].figure.savefig(path, dpi=150, metadata={"CreationDate": None} if suffix == "pdf" else None)
    return sentences


def large(table: Table, quick: bool) -> list[str]:
    m, n, ranks = (256, 2_000, (20, 40)) if quick else (2_048, 50_000, (100, 1_000))
    for name, rank in [
        ("mu", ranks[0]),
        ("mu", ranks[1]),
        ("mu β=1", ranks[0]),
        ("hals", ranks[0]),
        ("wnnf", ranks[0]),
    ]:
        table.row(name, m, n, rank, *apart(name, rank, m, n, ""))
    return []


def mapped(table: Table, quick: bool) -> list[str]:
    m, n = (256, 5_000) if quick else (2_048, 500_000)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "X.npy"
        # A sample a row, as most files have it, so that the samples of a batch lie side by side.
        samples = np.lib.format.open_memmap(path, "w+", np.float32, (n, m))
        rng = np.random.default_rng(0)
        for start in range(0, n, 10_000):
            samples[start : start + 10_000] = rng.random((min(10_000, n - start), m), dtype=np.float32)
        del samples
        for name in ("online_mu", "wnnf"):
            table.row(f"{name}, mapped", m, n, 20, *apart(name, 20, m, n, str(path)))
    return []


def apart(name: str, rank: int, m: int, n: int, path: str) -> tuple[float, float, str]:
    """Processor seconds and wall seconds an iteration and memory in MiB and multiples of X, from another process."""
    command = [sys.executable, __file__, "--threads", str(torch.get_num_threads()), "--child"]
    arguments = json.dumps([name, rank, m, n, path])
    output = subprocess.run([*command, arguments], check=True, stdout=subprocess.PIPE, text=True).stdout
    wall, cpu, mib = json.loads(output)
    return cpu, wall, f"{mib:,.0f} MiB, {mib * 2**20 / (4 * m * n):.2f} X"


def child(name: str, rank: int, m: int, n: int, path: str) -> None:
    """Fit two iterations, and print the seconds of one and the peak of the anonymous memory beside X."""
    X = np.load(path, mmap_mode="r").T if path else np.random.default_rng(0).random((m, n), dtype=np.float32)
    solver = solvers(rank, batch_size=4096 if path else 64)[name]
    (result,), mib = peak_memory(lambda: fit(solver, X, stopping=Stopping(max_iter=2, check_every=2)))
    assert result.iterations == 2, result.error
    print(json.dumps([result.seconds / 2, result.cpu_seconds / 2, mib]))


PARTS = {part.__name__: part for part in (growth, large, mapped)}

if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all, in this order")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.child:
        child(*json.loads(given.child))
    else:
        table = Table(given, "scale", "solver", "features", "samples", "rank", "cpu_s", "wall_s", "memory_beside_X")
        table.close(*(sentence for part in given.parts for sentence in PARTS[part](table, given.quick)))
