"""run(): fit a solver from several seeds and measure what comes out. Plain values in, plain values out."""

import math
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nmfbench.datasets.base import Dataset
from nmfbench.evaluators import Evaluator, Exhibit, Fitted, measures
from nmfbench.fitting import DTYPES, FitResult, Look, failure, fit, place
from nmfbench.numerics import losses
from nmfbench.numerics.factorization import Factorization
from nmfbench.numerics.problem import Problem
from nmfbench.solvers.base import Solver, Stopping

REFERENCE_SEED = 0
"""The seed whose bases the stability of the others refers to."""


@dataclass
class Outcome:
    """One seed of a run, in plain values: what a record is made of.

    Parameters
    ----------
    seed: the seed.
    fit: status, iterations, seconds, …; under "metrics" what was measured on the factors.
    metrics: the evaluator's rows.
    fitted: codes, bases and factors; None if the fit failed.
    exhibits: the evaluator's tables of this restart.
    """

    seed: int
    fit: dict[str, Any]
    metrics: list[dict[str, Any]] = field(default_factory=list)
    fitted: Fitted | None = None
    exhibits: list[Exhibit] = field(default_factory=list)


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
    labelled: np.ndarray | None = None,
    reference: np.ndarray | None = None,
    on_look: Callable[[Look], None] | None = None,
) -> Iterator[Outcome]:
    """One outcome a seed, yielded when its batch is done. A failed seed has the status "failed".

    ``labelled`` (n,) bool: samples whose labels the solver may see; it is then scored on the others. ``reference``
    (m, r): the first factor of seed `REFERENCE_SEED`, if it ran before. The stability of any other seed is the
    mean cosine between its bases and those, matched one to one, so it does not depend on the other seeds of the batch.
    """
    if threads:
        torch.set_num_threads(threads)
    # Run the reference seed in the first batch, because the others are compared with it.
    for batch in _batches(sorted(seeds, key=lambda seed: seed != REFERENCE_SEED), dataset.X.size, dtype, device):
        try:
            problem = place(dataset.X, dtype, device, dataset.shape)
            if labelled is not None:
                labels, mask = torch.as_tensor(dataset.y, device=device), torch.as_tensor(labelled, device=device)
                problem = replace(problem, labels=labels, labelled=mask)
            results = fit(solver, problem, seeds=batch, stopping=stopping, on_look=on_look)
        except Exception as error:  # the whole batch failed; the next one may succeed
            yield from (failed(seed, error) for seed in batch)
            continue
        outcomes = [_measure(result, problem, dataset, evaluator, labelled) for result in results]
        for outcome in outcomes:
            if outcome.seed == REFERENCE_SEED and outcome.fitted:
                reference = outcome.fitted.first_factor
        for outcome in outcomes:
            bases = outcome.fitted.first_factor if outcome.fitted else None
            if reference is not None and bases is not None and outcome.seed != REFERENCE_SEED:
                stability = measures.matched_cosine(bases, reference)
                outcome.fit["metrics"].append({"metric": "stability", "value": stability})
            yield outcome


def failed(seed: int, error: Exception) -> Outcome:
    """The outcome of a seed whose fit, evaluation or record failed."""
    return Outcome(seed, _summary(failure(seed, error)))


def score(
    fitted: Fitted,
    fit: dict[str, Any],
    dataset: Dataset,
    evaluator: Evaluator,
    seed: int,
    labelled: np.ndarray | None = None,
) -> Outcome:
    """The outcome of a fit under this evaluator."""
    start = time.perf_counter()
    metrics = evaluator.evaluate(fitted, dataset, seed, labelled)
    exhibits = evaluator.exhibits(fitted, dataset)
    return Outcome(seed, fit | {"evaluation_seconds": time.perf_counter() - start}, metrics, fitted, exhibits)


def arrays(factorization: Factorization) -> Fitted:
    """The factorization of one restart as numpy arrays, which evaluators see and records keep."""

    def numpy(tensors: Sequence[Tensor]) -> list[np.ndarray]:
        return [tensor.cpu().numpy() for tensor in tensors]

    factors, label_scores = factorization.factors, factorization.label_scores
    return Fitted(
        codes=numpy(factorization.codes),
        factors=dict(zip(factors, numpy(list(factors.values())), strict=True)),
        bases=numpy(factorization.bases),
        links=numpy(factorization.links),
        layering=factorization.layering,
        label_scores=None if label_scores is None else label_scores.cpu().numpy(),
    )


def _batches(seeds: Sequence[int], entries: int, dtype: str, device: str) -> list[list[int]]:
    """The seeds in batches whose working memory is at most a quarter of the device's."""
    if device.startswith("cuda"):
        memory = torch.cuda.get_device_properties(device).total_memory
    else:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    # A restart holds a handful of arrays of the size of X at a time: reconstruction, residual, gradients.
    restart = 6 * entries * DTYPES[dtype].itemsize
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
        "rises": [list(rise) for rise in result.rises],
        "batch": list(result.batch),
        "peak_memory_mib": _peak_memory(),
        "error": result.error,
        "traceback": result.traceback,
        "metrics": [],
    }


def _measure(
    result: FitResult, problem: Problem, dataset: Dataset, evaluator: Evaluator, labelled: np.ndarray | None
) -> Outcome:
    summary = _summary(result)
    if result.factorization is None:
        return Outcome(result.seed, summary)
    factorization = result.factorization
    try:
        fitted = arrays(factorization)
        residual = losses.relative_error(problem.X, factorization)
        summary["metrics"] = [
            # Norms overflow before the factors do; a record holds no NaN.
            {"metric": "error", "value": residual if math.isfinite(residual) else None},
            {"metric": "objective", "value": result.objective},
            *measures.factor_measures(fitted.factors),
        ]
        return score(fitted, summary, dataset, evaluator, result.seed, labelled)
    except Exception as error:
        return failed(result.seed, error)


def _peak_memory() -> float:
    """The largest resident size of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
