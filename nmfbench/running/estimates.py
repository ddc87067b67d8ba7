"""Estimate time and memory of a run, from records of its method if there are any, else from sizes."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

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
    limit = job.stopping.max_iter if job.stopping.max_iter < 10**6 else ENDLESS
    itemsize = 8 if job.settings.dtype == "float64" else 4
    # The data in float64, and a handful of arrays like it: reconstruction, residual, gradients.
    memory = PROCESS + m * n * (8 + 6 * itemsize) / 2**20
    rates = [rate for record in _earlier(job.store.runs, job.config) if (rate := _rate(record))]
    if rates:
        per_iteration, share, scoring = (median(values) for values in zip(*rates, strict=True))
        fit = per_iteration * m * n * rank * max(1.0, share * limit)
        score = scoring * n * rank
    else:  # matrix products of a plain method at 10¹⁰ operations a second, and a k-means with a few counts
        fit, score = (12 * m * n * rank / 1e10 + 1e-4) * limit, 0.05 + 5e-6 * n * rank
    return Estimate(min(fit, job.stopping.max_seconds or fit) + score, memory, len(rates))


def _earlier(runs: Path, config: dict[str, dict[str, str]]) -> list[Record]:
    """A few records of the method: on the same data, else on any."""
    dataset, solver = config["dataset"]["name"], config["solver"]["name"]
    own = runs / dataset / solver
    folders = [own] if own.is_dir() else sorted(runs.glob(f"*/{solver}"))
    return next(filter(None, (_sample(folder, folder.stat().st_mtime_ns) for folder in folders)), [])


@cache
def _sample(folder: Path, changed: int) -> list[Record]:
    paths = sorted(folder.glob("*.json"))
    records = [read(path) for path in paths[:: max(1, len(paths) // SAMPLE)][:SAMPLE]]
    return [record for record in records if isinstance(record, dict)]


def _rate(record: Record) -> tuple[float, float, float] | None:
    """Seconds of an iteration per m·n·r, the share of its allowed iterations, seconds of its score per n·r."""
    data, rank = record["data"], record.get("rank") or 1
    size = data.get("features", 0) * data.get("samples", 0) * rank
    if record["status"] == "failed" or not size:
        return None
    limit = min(record["config"]["stopping"]["max_iter"], ENDLESS) or 1
    per_iteration = record["seconds"] / max(1, record["iterations"]) / size
    scoring = record.get("evaluation_seconds", 0.0) / (data["samples"] * rank)
    return per_iteration, min(1.0, record["iterations"] / limit), scoring
