"""run(): fit a solver from several seeds and measure what comes out. Plain values in, plain values out."""

import math
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from nmfbench import evaluators, losses
from nmfbench.datasets.base import Dataset
from nmfbench.evaluators import Evaluator
from nmfbench.fitting import DTYPES, FitResult, Look, failure, fit
from nmfbench.solvers.base import Solver, Stopping


@dataclass
class Outcome:
    """One seed of a run, in plain values: what a record is made of."""

    seed: int
    fit: dict[str, Any]
    """status, iterations, seconds, …; under "metrics" what was measured on the factors."""
    metrics: list[dict[str, Any]] = field(default_factory=list)
    """What the evaluator measured on the codes."""
    codes: list[np.ndarray] = field(default_factory=list)


def run(
    solver: Solver,
    dataset: Dataset,
    evaluator: Evaluator,
    *,
    seeds: Sequence[int],
    stopping: Stopping | None = None,
    dtype: str = "float32",
    device: str = "cpu",
    threads: int | None = None,
    on_look: Callable[[Look], None] | None = None,
) -> Iterator[Outcome]:
    """One outcome a seed, batch by batch, as soon as the batch is done. A seed that fails says so in its status."""
    if threads:
        torch.set_num_threads(threads)
    for batch in _batches(seeds, dataset.X.shape, dtype, device):
        try:
            results = fit(
                solver,
                dataset.X,
                seeds=batch,
                stopping=stopping,
                dtype=dtype,
                device=device,
                shape=dataset.shape,
                on_look=on_look,
            )
        except Exception as error:  # alone in its batch, or all of it at once: the next batch may still be fine
            yield from (failed(seed, error) for seed in batch)
            continue
        for result in results:
            yield _measure(result, dataset, evaluator)


def failed(seed: int, error: Exception) -> Outcome:
    """The outcome of a seed whose fit, evaluation or record failed."""
    return Outcome(seed, _summary(failure(seed, error)))


def score(codes: list[np.ndarray], fit: dict[str, Any], dataset: Dataset, evaluator: Evaluator, seed: int) -> Outcome:
    """The outcome of an earlier fit under this evaluator."""
    start = time.perf_counter()
    metrics = evaluator.evaluate(codes, dataset.y, seed)
    return Outcome(seed, fit | {"evaluation_seconds": time.perf_counter() - start}, metrics, codes)


def _batches(seeds: Sequence[int], shape: tuple[int, ...], dtype: str, device: str) -> list[list[int]]:
    """The seeds in batches whose working memory stays within a quarter of what the device has."""
    if device.startswith("cuda"):
        memory = torch.cuda.get_device_properties(device).total_memory
    else:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    m, n = shape
    # A restart holds a handful of arrays of the size of X at a time: reconstruction, residual, gradients.
    restart = 6 * m * n * DTYPES[dtype].itemsize
    size = max(1, memory // 4 // restart)
    return [list(seeds[i : i + size]) for i in range(0, len(seeds), size)]


def _summary(result: FitResult) -> dict[str, Any]:
    return {
        "status": result.status,
        "iterations": result.iterations,
        "seconds": result.seconds,
        "cpu_seconds": result.cpu_seconds,
        "objective": result.objective,
        "history": [list(look) for look in result.history],
        "batch": list(result.batch),
        "peak_memory_mib": _peak_memory(),
        "error": result.error,
        "traceback": result.traceback,
        "metrics": [],
    }


def _measure(result: FitResult, dataset: Dataset, evaluator: Evaluator) -> Outcome:
    summary = _summary(result)
    if result.factorization is None:
        return Outcome(result.seed, summary)
    factorization = result.factorization
    try:
        codes = [H.cpu().numpy() for H in factorization.codes]
        V = factorization.reconstruct()
        residual = losses.relative_error(torch.as_tensor(dataset.X).to(V), V).item()
        factors = {name: factor.cpu().numpy() for name, factor in factorization.factors.items()}
        summary["metrics"] = [
            # Norms overflow before the factors do; a record holds no NaN.
            {"metric": "error", "value": residual if math.isfinite(residual) else None},
            {"metric": "objective", "value": result.objective},
            *evaluators.factor_measures(factors),
        ]
        return score(codes, summary, dataset, evaluator, result.seed)
    except Exception as error:
        return failed(result.seed, error)


def _peak_memory() -> float:
    """The largest resident size of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
