"""Estimate time and memory of a run, from records of its method if there are any, else from sizes."""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import NamedTuple

from nmfbench.records import Record, read
from nmfbench.running.jobs import Job

SAMPLE = 5
"""Number of records of a method to read at most. Records with a long history take a while."""
PROCESS = 450.0
"""Memory in MiB of a process that has loaded torch and scikit-learn, measured on Linux."""
ENDLESS = 10_000
"""Number of iterations to assume where the stopping rule has no limit."""


@dataclass(frozen=True)
class Estimate:
    """The cost of one seed of a job.

    Parameters
    ----------
    seconds: wall time of fit and score.
    memory: MiB of its process.
    records: how many records of the method it is based on; 0: on the sizes alone.
    """

    seconds: float
    memory: float
    records: int


def of(job: Job) -> Estimate:
    """Estimate the cost of a job, assuming m·n·r operations an iteration and n·r in k-means."""
    (m, n), rank = job.shape, job.config["solver"].get("rank") or 1
    size, limit = m * n * rank, job.stopping.max_iter if job.stopping.max_iter < 10**6 else ENDLESS
    itemsize = 8 if job.settings.dtype == "float64" else 4
    # The data in float64, and a handful of arrays like it: reconstruction, residual, gradients.
    memory = PROCESS + m * n * (8 + 6 * itemsize) / 2**20
    rates = _nearest(size, [rate for record in _earlier(job.store.runs, job.config) if (rate := _rate(record))])
    if rates:
        start, iteration, share, scoring = (median(values) for values in list(zip(*rates, strict=True))[1:])
        fit = (start + iteration * share * limit) * size
        score = scoring * n * rank
    else:  # matrix products of a plain method at 10¹⁰ operations a second, and a k-means with a few counts
        fit, score = (12 * size / 1e10 + 1e-4) * (1 if job.solver.direct else limit), 0.05 + 5e-6 * n * rank
    return Estimate(min(fit, job.stopping.max_seconds or fit) + score, memory, len(rates))


def _earlier(runs: Path, config: dict[str, dict[str, str]]) -> list[Record]:
    """Read a few records of the method: on the same data, else on any."""
    dataset, solver = config["dataset"]["name"], config["solver"]["name"]
    own = runs / dataset / solver
    folders = [own] if own.is_dir() else sorted(runs.glob(f"*/{solver}"))
    return next(filter(None, (_sample(folder, folder.stat().st_mtime_ns) for folder in folders)), [])


@cache
def _sample(folder: Path, changed: int) -> list[Record]:
    paths = sorted(folder.glob("*.json"))
    records = [read(path) for path in paths[:: max(1, len(paths) // SAMPLE)][:SAMPLE]]
    return [record for record in records if isinstance(record, dict)]


class _Rate(NamedTuple):
    """The cost of one record.

    Parameters
    ----------
    size: m·n·r of its run.
    start: seconds before the first iteration, such as pre-training, per unit of size.
    iteration: seconds of an iteration per unit of size.
    share: share of the allowed iterations that it took.
    scoring: seconds of scoring per n·r.
    """

    size: int
    start: float
    iteration: float
    share: float
    scoring: float


def _rate(record: Record) -> _Rate | None:
    data, rank = record["data"], record.get("rank") or 1
    size = data.get("features", 0) * data.get("samples", 0) * rank
    if record["status"] == "failed" or not size:
        return None
    limit = min(record["config"]["stopping"]["max_iter"], ENDLESS) or 1
    start = record["history"][0][2] if record["history"] else 0.0
    iteration = max(0.0, record["seconds"] - start) / max(1, record["iterations"])
    scoring = record.get("evaluation_seconds", 0.0) / (data["samples"] * rank)
    return _Rate(size, start / size, iteration / size, min(1.0, record["iterations"] / limit), scoring)


def _nearest(size: int, rates: list[_Rate]) -> list[_Rate]:
    """Return the rates of the runs nearest in size, because small runs spend more of their time outside of products."""
    nearest = min((abs(math.log(rate.size / size)) for rate in rates), default=0.0)
    return [rate for rate in rates if abs(math.log(rate.size / size)) <= nearest]
