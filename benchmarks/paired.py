"""Time two functions in turn, and write what was measured beside the machine it was measured on."""

import csv
import datetime
import io
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import sklearn
import torch
from tabulate import tabulate
from threadpoolctl import threadpool_limits

RESULTS = Path(__file__).resolve().parents[1] / "results" / "bench"
BUSY = 0.1
"""Share of the machine that other processes may take."""


@dataclass(frozen=True)
class Pair:
    """Times of two functions that ran in turn, in seconds.

    Parameters
    ----------
    ours: wall times of the first.
    theirs: those of the second.
    ours_cpu: processor times of the first.
    theirs_cpu: those of the second.
    """

    ours: list[float]
    theirs: list[float]
    ours_cpu: list[float]
    theirs_cpu: list[float]

    @property
    def ratio(self) -> float:
        """The ratio of the median wall times."""
        return statistics.median(self.ours) / statistics.median(self.theirs)

    @property
    def ratio_cpu(self) -> float:
        """The ratio of the median processor times."""
        return statistics.median(self.ours_cpu) / statistics.median(self.theirs_cpu)

    @property
    def spread(self) -> tuple[float, float]:
        """The quartiles of the ratio of wall times, pair by pair."""
        ratios = [a / b for a, b in zip(self.ours, self.theirs, strict=True)]
        low, _, high = np.quantile(ratios, [0.25, 0.5, 0.75])
        return float(low), float(high)


def pair(ours: Callable[[], object], theirs: Callable[[], object], repeats: int, threads: int) -> Pair:
    """Run both once to warm up, then in turn, each first as often as the other."""
    torch.set_num_threads(threads)
    with threadpool_limits(threads):
        ours(), theirs()
        times = Pair([], [], [], [])
        for i in range(repeats):
            both = [(ours, times.ours, times.ours_cpu), (theirs, times.theirs, times.theirs_cpu)]
            for function, wall, cpu in both if i % 2 else reversed(both):
                start = time.perf_counter(), time.process_time()
                function()
                wall.append(time.perf_counter() - start[0])
                cpu.append(time.process_time() - start[1])
    return times


def load(seconds: float = 2.0) -> float:
    """Share of the machine that other processes take now."""
    before, own = psutil.cpu_times(), time.process_time()
    time.sleep(seconds)
    after = psutil.cpu_times()
    busy = sum(getattr(after, kind) - getattr(before, kind) for kind in ("user", "system", "nice", "steal"))
    return max(0.0, busy - (time.process_time() - own)) / (seconds * (psutil.cpu_count() or 1))


def refuse_if_busy(anyway: bool) -> float:
    """The load; ends the program if other processes take too much of the machine to measure anything."""
    share = load()
    if share > BUSY and not anyway:
        sys.exit(
            f"other processes take {share:.0%} of this machine, so times mean nothing; stop them, or give --anyway to "
            "look at noisy numbers"
        )
    return share


def header(share: float) -> list[str]:
    """What a reader must know of the machine: processor, load, versions, commit, date."""
    cpu = next((line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "")
    root = RESULTS.parents[1]
    git = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True)
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}"
    return [
        f"Machine: {cpu or platform.processor()}, {psutil.cpu_count()} cores, other processes took {share:.0%} of it.",
        f"{versions}, scikit-learn {sklearn.__version__}; commit {git.stdout.strip() or 'unknown'}, "
        f"{datetime.date.today()}.",
    ]


def write(name: str, title: str, notes: Sequence[str], rows: Sequence[Mapping[str, object]]) -> str:
    """Write the rows as results/bench/NAME.csv and .md; returns the table for the terminal."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    lines = io.StringIO()
    lines.writelines(f"# {note}\n" for note in notes)
    writer = csv.DictWriter(lines, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    (RESULTS / f"{name}.csv").write_text(lines.getvalue())
    table = tabulate([list(row.values()) for row in rows], list(rows[0]), tablefmt="github", disable_numparse=True)
    (RESULTS / f"{name}.md").write_text(f"# {title}\n\n" + "\n".join(f"- {note}" for note in notes) + f"\n\n{table}\n")
    return table


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []
