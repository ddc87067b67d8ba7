"""Measure time and memory of planning sweeps and of tables over many records: python benchmarks/sweeps.py [folder].

Each line is measured in a process of its own, imports included. The records are copies of a few real ones with other
seeds and stopping rules. They are written to a temporary folder, or to the named folder, which is kept.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from nmfbench.records import Store

PLAN = """
import sys
from nmfbench.running.composing import requests
from nmfbench.running.planning import plan
print(len(plan(requests(sys.argv[1:])[0]).jobs), end="")
"""
SWEEP = ["-m", "solver=wnnf", "dataset=digits", "rank=range(2,52)"]
REAL = ["-m", "solver=mu,hals,wnnf,semi,pca", "dataset=digits,orl_28x23", "rank=10", "stopping.max_iter=100", "seeds=1"]
N_SEEDS, N_RECORDS = 10, 20_000


def make_records(folder: Path) -> None:
    """Fill the results folder with the records of real runs, and copies of them up to ``N_RECORDS``."""
    subprocess.run([sys.executable, "-m", "nmfbench", "run", *REAL, f"results_dir={folder}"], check=True, stdout=-3)
    store = Store(folder)
    real, _ = store.load()
    for record in real:
        for rule in range(N_RECORDS // len(real) // N_SEEDS):
            for seed in range(N_SEEDS):
                config = record["config"] | {"stopping": record["config"]["stopping"] | {"max_iter": 100 + rule}}
                variant = record["variant"] | {"stopping.max_iter": 100 + rule}
                copy = record | {"config": config, "variant": variant, "seed": seed}
                # `Store.save` waits for the disk, which takes longer than all else.
                store.path(config, seed).write_text(json.dumps(copy, indent=1), encoding="utf-8")


def measure(what: str, goal: str, *arguments: str) -> None:
    """Run Python with these arguments; print its seconds on the clock and on the CPU, and its largest memory."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    assert status == 0, f"{what} failed"
    cpu, mib = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    print(f"{what:<28}{seconds:>8.1f}{cpu:>8.1f}{mib:>8.0f}  {goal}")


def main(folder: Path) -> None:
    if not (folder / "runs").exists():
        make_records(folder)
    n_records = len(list((folder / "runs").glob("*/*/*.json")))
    print(f"{'':<28}{'seconds':>8}{'CPU':>8}{'MiB':>8}  goal")
    where = f"results_dir={folder / 'planned'}"
    measure("plan 1000 jobs", "3 s", "-c", PLAN, *SWEEP, "solver.lam=range(1,21)", where)
    measure("plan 5000 jobs", "10 s, 500 MiB", "-c", PLAN, *SWEEP, "solver.lam=range(1,101)", where)
    for style in ("text", "csv"):
        show = ["-m", "nmfbench", "table", "--results", str(folder), "--format", style]
        measure(f"table of {n_records} as {style}", "5 s", *show)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]).absolute())
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
