"""Helpers that the benchmarks share: options, clocks, and tables that name the machine they were made on."""

import argparse
import csv
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from nmfbench.running import environment

BUSY = 0.1
"""Share of the machine that other processes may take while something is measured."""


def options(description: str | None) -> argparse.ArgumentParser:
    """The options that every script takes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter measurements")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("results/bench"), help="where the files go")
    parser.add_argument("--anyway", action="store_true", help="measure although other processes take the machine")
    return parser


def load(seconds: float = 2.0) -> float:
    """Share of the machine that other processes take now."""
    before, own = psutil.cpu_times(), time.process_time()
    time.sleep(seconds)
    after = psutil.cpu_times()
    busy = sum(getattr(after, kind) - getattr(before, kind) for kind in ("user", "system", "nice", "steal"))
    return max(0.0, busy - (time.process_time() - own)) / (seconds * (psutil.cpu_count() or 1))


def refuse_if_busy(options: argparse.Namespace) -> str:
    """Say how much other processes take; end the program if that is too much to measure anything."""
    if (share := load()) > BUSY and not options.anyway:
        sys.exit(f"other processes take {share:.0%} of this machine; stop them, or measure noise with --anyway")
    return f"other processes took {share:.0%} of the machine before the first measurement"


class Seconds(NamedTuple):
    """Wall time and processor time, in seconds."""

    wall: float
    cpu: float


def seconds(step: Callable[[], object]) -> Seconds:
    """Time one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    step()
    return Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def peak_memory(step: Callable[[], Any]) -> tuple[Any, float]:
    """Run a call. Return its result and its peak anonymous memory in MiB."""
    before = peak = _anonymous()
    ended = threading.Event()

    def sample() -> None:
        nonlocal peak
        while not ended.wait(0.002):
            peak = max(peak, _anonymous())

    thread = threading.Thread(target=sample)
    thread.start()
    result = step()
    ended.set()
    thread.join()
    return result, peak - before


def _anonymous() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


def machine(threads: int | str) -> list[str]:
    """The machine, the load and the versions. A load above the number of threads means that others were running."""
    made = environment.of_run(1, "cpu")
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    commit = f"{made['commit']}{', changed' if made['dirty'] else ''}"
    versions = ", ".join(f"{name} {made[name]}" for name in ("python", "torch", "numpy", "scikit-learn"))
    return [
        f"{made['cpu']}, {made['cores']} cores, threads {threads}, load {load}; {made['system']}",
        f"nmfbench {made['nmfbench']} (commit {commit}), {versions}, {made['date']}",
    ]


class Table:
    """A table that is printed row by row, and written as NAME.csv and NAME.md when it is closed."""

    def __init__(self, options: argparse.Namespace, name: str, *columns: str):
        share = refuse_if_busy(options)
        self.path, self.columns = options.folder / name, columns
        self.head, self.rows = [*machine(options.threads), share], list[list[str]]()
        if options.quick:
            self.head.append("quick: fewer and shorter measurements")
        print(*self.head, "", "  ".join(columns), sep="\n", flush=True)

    def row(self, *cells: Any) -> None:
        """Add a row; numbers are cut to three digits."""
        self.rows.append([f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells])
        print("  ".join(self.rows[-1]), flush=True)

    def close(self, *sentences: str) -> None:
        """Write both files, with sentences below the table."""
        print(*sentences, sep="\n")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        head = [*self.head, f"load at the end: {os.getloadavg()[0]:.1f}"]
        with self.path.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
            file.writelines(f"# {line}\n" for line in head)
            csv.writer(file, lineterminator="\n").writerows([self.columns, *self.rows])
        lines = ["| " + " | ".join(row) + " |" for row in ([*self.columns], ["---"] * len(self.columns), *self.rows)]
        text = [*lines, "", *(f"{line}  " for line in (*sentences, *head))]
        self.path.with_suffix(".md").write_text("\n".join(text) + "\n", encoding="utf-8")
