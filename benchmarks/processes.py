"""Measure the memory of fits and the start of commands: python benchmarks/processes.py [--quick] [--anyway].

Each in a process of its own; the table is written to results/bench/processes.csv and .md. Memory is the peak of the
anonymous memory of a fit of 20 iterations on ORL (10,304 × 400 float32), beside X and in multiples of X. Commands take
wall seconds from the shell, the median of several calls, with warm caches.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from measured import Table, options, seconds

MEMORY = {
    "mu": ("MultiplicativeNMF(rank=40)", 2.0),
    "hals": ("HALS(rank=40)", 2.0),
    "wnnf, all samples": ("WNNF(rank=40, batch_size=None)", 3.5),
    "wnnf, batches of 64": ("WNNF(rank=40)", 1.5),
    "deep_kl": ("DeepKL(ranks=[80, 40], pretrain=2)", 4.0),
}
FIT = """
import nmfbench, numpy as np, torch
from measured import peak_memory
torch.set_num_threads({threads})
X = np.ascontiguousarray(nmfbench.load_dataset("orl").X, dtype=np.float32)
_, mib = peak_memory(lambda: nmfbench.fit(nmfbench.{solver}, X, stopping=nmfbench.Stopping(max_iter=20)))
print(mib * 2**20 / X.nbytes)
"""
FIRST = """
import os, sys
from nmfbench import cli
from nmfbench.solvers.mu import MultiplicativeNMF
def first(self, problem, rng, iterates=MultiplicativeNMF.iterates):
    steps = iterates(self, problem, rng)
    yield next(steps)
    next(steps)
    os._exit(0)
MultiplicativeNMF.iterates = first
cli.main(sys.argv[1:])
"""


def row(table: Table, what: str, value: float, unit: str, most: float) -> None:
    table.row(what, f"{value:.2f}", unit, f"{most:g}", "✓" if value <= most else "✗")


def main(given: argparse.Namespace) -> None:
    table = Table(given, "processes", "what", "measured", "unit", "at most", "")
    for name, (solver, most) in MEMORY.items():
        code = FIT.format(solver=solver, threads=given.threads)
        fit = subprocess.run(
            [sys.executable, "-c", code], cwd=Path(__file__).parent, check=True, stdout=subprocess.PIPE
        )
        row(table, f"{name}: memory of a fit", float(fit.stdout), "X", most)
    with tempfile.TemporaryDirectory() as folder:
        one = ["-c", FIRST, "run", "solver=mu", "dataset=orl", "rank=40"]
        many = ["-m", "nmfbench", "run", "-m", "solver=mu,hals", "dataset=orl", "--dry-run"]
        many += [f"rank={','.join(map(str, range(2, 502)))}"]
        for what, words, most in (("mu on ORL, to the first iteration", one, 2.5), ("plan of 1,000 jobs", many, 3.0)):
            command = [sys.executable, *words, f"results_dir={folder}"]
            times = [
                seconds(lambda c=command: subprocess.run(c, check=True, capture_output=True)).wall
                for _ in range(2 if given.quick else 6)
            ]
            row(table, f"run: {what}", statistics.median(times[1:]), "s", most)
    table.close()


if __name__ == "__main__":
    main(options(__doc__).parse_args())
