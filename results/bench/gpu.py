"""Speed on a GPU: python results/bench/gpu.py FOLDER [--quick] [--parts restarts large solvers table3a].

Four parts, each with a CSV in FOLDER; a row is written as soon as it is measured, and a part that fails stops no other:
- restarts: mu and wnnf on ORL from many seeds in one batch, on the GPU and on this machine's CPU.
- large: mu, hals and wnnf on a matrix of 2,048 × 50,000, next to what the card reaches on plain products and copies.
- solvers: every solver on the GPU against the CPU in float64, and how often one of its steps makes the host wait.
- table3a: the rows of ORL in the WNNF paper's Table 3a, from data to table; its own tables are copied to FOLDER.

TF32 is off. A time is the median over blocks of steps, each ended by waiting for the device. --quick (smaller,
shorter) and --device cpu only show that the script runs.
"""

import argparse
import csv
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nmfbench  # Imported before torch to stop OpenMP's threads from spinning.

# isort: split
import numpy as np
import torch
from torch import Tensor

from nmfbench import HALS, WNNF, MultiplicativeNMF, Problem, Solver, Stopping, config, fit, load_dataset
from nmfbench.numerics.problem import place
from nmfbench.numerics.rng import Streams
from nmfbench.running import environment

DATA_SHEET = 67e12
"""Multiply-adds count twice: float32 operations a second of an H100 SXM without tensor cores, by its data sheet."""
START = time.monotonic()


class Table:
    """A CSV that is printed and written row by row."""

    def __init__(self, path: Path, *columns: str):
        self.path, self.columns = path, columns
        path.write_text("".join(f"# {line}\n" for line in machine()) + ",".join(columns) + "\n")
        print(f"\n{path.name}\n  {'  '.join(columns)}", flush=True)

    def row(self, *cells: Any) -> None:
        cells = tuple(f"{cell:.4g}" if isinstance(cell, float) else cell for cell in cells)
        with self.path.open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(cells)
        print(" ", "  ".join(map(str, cells)), f"[{time.monotonic() - START:.0f} s]", flush=True)


def machine() -> list[str]:
    """What the numbers were measured with."""
    made = environment.of_run(torch.get_num_threads(), options.device)
    gpu = "no GPU"
    if options.device != "cpu":
        query = ["nvidia-smi", "--query-gpu=name,driver_version,clocks.max.sm,power.limit", "--format=csv,noheader"]
        gpu = (
            "GPU, driver, clock and power at most: "
            + subprocess.run(query, capture_output=True, text=True).stdout.strip()
        )
    return [
        gpu,
        f"CPU: {made['cpu']}, {made['cores']} cores; {made['system']}",
        f"nmfbench {made['nmfbench']} (commit {made['commit']}), Python {made['python']}, torch {made['torch']}, "
        f"numpy {made['numpy']}, {made['date']}",
        f"float32 products: {made['float32_products']}, TF32 of products: {torch.backends.cuda.matmul.allow_tf32}"
        f"{', quick: no measurement' if options.quick else ''}",
    ]


def wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def seconds(step: Callable[[], object], device: str) -> float:
    """Median time of a step in seconds, over blocks of at least 0.1 s."""

    def block(calls: int) -> float:
        wait(device)
        start = time.perf_counter()
        for _ in range(calls):
            step()
        wait(device)
        return (time.perf_counter() - start) / calls

    block(1)
    once = block(1)
    if options.quick:
        return once
    block(calls := max(1, math.ceil(0.1 / once)))
    return statistics.median(block(calls) for _ in range(5 if once < 0.5 else 2))


def started(solver: Solver, problem: Problem, restarts: int) -> Iterator[object]:
    """The iterations after the start; a long start yields None after each of its own steps."""
    steps: Iterator[object] = solver.iterates(problem, Streams(range(restarts)))
    while next(steps) is None:
        pass
    return steps


@torch.no_grad()
def seconds_of(solver: Solver, problem: Problem, restarts: int) -> float:
    """Median time of one iteration of all restarts, in seconds, without looks at the objective."""
    steps = started(solver, problem, restarts)
    return seconds(lambda: next(steps), problem.X.device.type)


def restarts(folder: Path) -> None:
    X = load_dataset("orl").X
    table = Table(
        folder / "gpu_restarts.csv",
        *("solver", "what", "device", "threads", "restarts", "seconds_per_iteration"),
        *("seconds_per_iteration_and_restart", "faster_than_cpu"),
    )
    few, many = (2, 3) if options.quick else (10, 100)
    cores = os.cpu_count() or 1
    solvers = {"mu": (MultiplicativeNMF(rank=40), 200), "wnnf": (WNNF(rank=40), 20)}
    cpu, gpu = place(X), place(X, device=options.device)
    fastest = dict.fromkeys(solvers, math.inf)

    def row(name: str, what: str, device: str, n: int, time: float) -> None:
        threads = torch.get_num_threads() if device == "cpu" else ""
        table.row(name, what, device, threads, n, time, time / n, fastest[name] / (time / n))

    for name, (solver, _) in solvers.items():
        times = {}
        for threads in (max(1, cores // 2), cores):
            torch.set_num_threads(threads)
            times[threads] = seconds_of(solver, cpu, few)
            fastest[name] = min(fastest[name], times[threads] / few)
            row(name, "step", "cpu", few, times[threads])
        torch.set_num_threads(min(times, key=times.__getitem__))
        time_of_many = seconds_of(solver, cpu, many)
        fastest[name] = min(fastest[name], time_of_many / many)
        row(name, "step", "cpu", many, time_of_many)
        for n in (1, few, many, many):  # twice, to see how much a time varies
            row(name, "step", options.device, n, seconds_of(solver, gpu, n))
    for name, (solver, iterations) in solvers.items():
        for n in (few, many):
            rule = Stopping(max_iter=3 if options.quick else iterations, tol=0)
            start = time.perf_counter()
            results = fit(solver, gpu, seeds=n, stopping=rule)
            wait(options.device)
            whole = time.perf_counter() - start
            row(name, "fit: its clock", options.device, n, results[-1].seconds * n / rule.max_iter)
            row(name, "fit: all of it", options.device, n, whole / rule.max_iter)
    torch.set_num_threads(cores)


def large(folder: Path) -> None:
    device = options.device
    m, n, ranks, side = (64, 500, (20, 10), 256) if options.quick else (2048, 50_000, (1000, 100), 8192)
    table = Table(
        folder / "gpu_large.csv",
        *("what", "m", "n", "rank", "seconds_per_iteration", "product_flops", "tflops"),
        *("share_of_measured_peak", "share_of_data_sheet"),
    )
    generator = torch.Generator(device).manual_seed(0)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, device=device, generator=generator)

    A, B = uniform(side, side), uniform(side, side)
    peak = 0.0

    def row(what: str, rank: int | str, flops: float | str, time: float, shape: tuple[int, int] = (m, n)) -> None:
        cells = (
            [flops / time / 1e12, flops / time / peak, flops / time / DATA_SHEET] if isinstance(flops, float) else []
        )
        table.row(what, *shape, rank, time, flops, *(cells or ["", "", ""]))

    once = seconds(lambda: A @ B, device)
    peak = 2 * side**3 / once
    row("product of squares", side, 2.0 * side**3, once, (side, side))
    X, W = uniform(m, n), uniform(ranks[0], m)
    row("product of the size of WᵀX", ranks[0], 2.0 * m * n * ranks[0], seconds(lambda: W @ X, device))
    source, target = uniform(4, side, side), torch.empty(4, side, side, device=device)
    copied = seconds(lambda: target.copy_(source), device)
    row(f"copy at {2 * 4 * source.numel() / copied / 1e12:.2f} TB/s", "", "", copied, (4 * side, side))
    problem = Problem(X)
    for rank in ranks:
        # WᵀX and XHᵀ, WᵀW and HHᵀ, and the products of these with H and W.
        flops = 4.0 * m * n * rank + 4.0 * rank**2 * (m + n)
        row("mu", rank, flops, seconds_of(MultiplicativeNMF(rank=rank), problem, 1))
    for rank in reversed(ranks):
        row("hals", rank, 4.0 * m * n * rank + 4.0 * rank**2 * (m + n), seconds_of(HALS(rank=rank), problem, 1))
        # Each batch: φ(W)φ(H), and the gradients of its two factors.
        row("wnnf, an epoch", rank, 6.0 * m * n * rank, seconds_of(WNNF(rank=rank), problem, 1))


def solvers(folder: Path) -> None:
    """Small data: does every solver run there, with the numbers of the CPU, and how often does a step wait?"""
    table = Table(
        folder / "gpu_solvers.csv", "solver", "objective_cpu", "largest_relative_difference", "waits_per_step"
    )
    X = np.random.default_rng(0).uniform(0.01, 1, (13, 29))
    first = ["mu", "wnnf", "hals", "deep_kl"]
    for name in [*first, *(name for name in config.options("solver") if name not in first)]:
        node = {key: 4 if value == "${rank}" else value for key, value in config.defaults("solver", name).items()}
        solver = config.build(node | ({"pretrain": 20} if "pretrain" in node else {}), Solver, "solver")
        try:
            there, here = (
                fit(solver, place(X, "float64", device, (13, 1)), seeds=2, stopping=Stopping(max_iter=3, check_every=1))
                for device in (options.device, "cpu")
            )
            pairs = [
                (a, b) for r, s in zip(there, here, strict=True) for a, b in zip(r.history, s.history, strict=True)
            ]
            difference = max(abs(a[1] - b[1]) / max(abs(b[1]), 1e-300) for a, b in pairs)
            table.row(
                name, here[0].objective, difference, waits(solver, place(X, device=options.device, shape=(13, 1)))
            )
        except Exception as error:
            table.row(name, "", f"{type(error).__name__}: {error}".replace("\n", " "), "")


@torch.no_grad()
def waits(solver: Solver, problem: Problem) -> int | str:
    """How often torch makes the host wait for the GPU in one step; "" for a method without steps, or without a GPU."""
    steps = started(solver, problem, 2)
    if options.device == "cpu" or next(steps, None) is None:
        return ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            next(steps, None)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("synchronizing CUDA operation" in str(warning.message) for warning in caught)


def table3a(folder: Path) -> None:
    """As a user runs it, in a process of its own; records go to a folder that is removed."""
    left = options.seconds - (time.monotonic() - START)
    shorter = ["seeds=2", "stopping.max_iter=3"] if options.quick else []
    command = [sys.executable, "-m", "nmfbench", "run", "experiment=wnnf_table3a", "dataset=orl"]
    table = Table(folder / "gpu_table3a.csv", "solver", "seeds", "fit_seconds", "scoring_seconds", "gpu", "statuses")
    with tempfile.TemporaryDirectory() as results:
        start = time.perf_counter()
        command += [f"device={options.device}", "jobs=5", f"results_dir={results}", *shorter]
        try:
            ended = subprocess.run(command, timeout=left, stdout=subprocess.PIPE, text=True)
            print(ended.stdout[: ended.stdout.find("Protocol:")], flush=True)
            outcome = f"exit code {ended.returncode}"
        except subprocess.TimeoutExpired:
            outcome = f"stopped after {left:.0f} s"
        whole = time.perf_counter() - start
        for runs in sorted(Path(results).glob("runs/orl/*")):
            records = [json.loads(path.read_text()) for path in sorted(runs.glob("*.json"))]
            fitted, scored = (
                sum(record.get(key) or 0 for record in records) for key in ("seconds", "evaluation_seconds")
            )
            statuses = " ".join(sorted({record["status"] for record in records}))
            table.row(runs.name, len(records), fitted, scored, records[0]["environment"]["gpu"], statuses)
        table.row("all, with start, data and table", "", whole, "", "", outcome)
        for path in Path(results).glob("tables/*.[cm][sd]*"):
            shutil.copy(path, folder / f"gpu_{path.name.partition('-')[0]}_orl{path.suffix}")
    if outcome == "exit code 0":
        compare(folder / "gpu_wnnf_table3a_orl.csv")


def compare(made: Path) -> None:
    """Print NMI of this table and of the committed one, which was made on a CPU, with their deviations over seeds."""
    committed = Path(__file__).parents[1] / "tables" / "wnnf_table3a.csv"
    tables = []
    for path in (made, committed):
        lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        rows = [row for row in csv.DictReader(lines) if row["dataset"] == "orl" and row["metric"] == "nmi"]
        tables.append({(row["solver"], row["n_clusters"]): row for row in rows})
    print("\nsolver  k  NMI here  committed  difference")
    for key, row in tables[0].items():
        pair = row, tables[1][key]
        cells = [f"{float(r['mean']):.1f} ± {float(r['sd']):.1f}" for r in pair]
        print(*key, *cells, f"{float(pair[0]['mean']) - float(pair[1]['mean']):+.1f}", sep="  ", flush=True)


PARTS = {part.__name__: part for part in (restarts, large, solvers, table3a)}
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", type=Path, help="where the CSV files go; files there are replaced")
parser.add_argument("--quick", action="store_true", help="smaller and shorter: does the script run?")
parser.add_argument("--device", default="cuda", help="cuda (default), cuda:N or cpu")
parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all, in this order")
parser.add_argument("--seconds", type=float, default=330, help="table3a is stopped after so many in all (default: 330)")

if __name__ == "__main__":
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    torch.set_float32_matmul_precision("highest")
    print(*machine(), f"nmfbench is {Path(nmfbench.__file__).parent}", sep="\n", flush=True)
    failed = []
    for part in options.parts:
        began = time.monotonic()
        try:
            PARTS[part](options.folder)
        except Exception:
            failed.append(part)
            traceback.print_exc()
        print(f"{part}: {time.monotonic() - began:.1f} s", flush=True)
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)
