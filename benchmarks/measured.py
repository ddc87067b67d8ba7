"""What the scripts of this folder share: clocks, and tables that say with which machine they were made."""

import argparse
import csv
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from nmfbench.running import environment


class Seconds(NamedTuple):
    """Seconds on the clock and of all processor cores."""

    wall: float
    cpu: float


def seconds(step: Callable[[], object]) -> Seconds:
    """How long one call takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    step()
    return Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def machine(threads: int) -> list[str]:
    """What the numbers were measured with; other processes are busy where the load is above the threads."""
    made = environment.of_run(threads, "cpu")
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
        self.path, self.columns = options.folder / name, columns
        self.head, self.rows = machine(options.threads), list[list[str]]()
        if options.quick:
            self.head.append("quick: shows that the script runs, and measures nothing")
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
