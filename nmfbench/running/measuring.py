"""Fit a solver from several seeds and measure what comes out. Plain values in, plain values out."""

import math
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nmfbench.datasets.base import Dataset
from nmfbench.evaluators import Evaluator, Exhibit, Fitted, measures
from nmfbench.fitting import FitResult, Look, failure, fit
from nmfbench.numerics import convergence, losses
from nmfbench.numerics.factorization import Factorization
from nmfbench.numerics.problem import DTYPES, Problem, place
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


def fitted(
    solver: Solver,
    dataset: Dataset,
    *,
    seeds: Sequence[int],
    stopping: Stopping | None = None,
    dtype: str = "float32",
    device: str = "cpu",
    labelled: np.ndarray | None = None,
    observed: np.ndarray | None = None,
    on_look: Callable[[Look], None] | None = None,
    on_end: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Fit the seeds, and return one unscored outcome for each. A failed seed has the status "failed".

    ``labelled`` (n,) bool: samples whose labels the solver may see. ``observed`` (m, n) bool: the entries that it may
    see; None: all. Features and samples without such an entry are left out. ``on_end`` is given the outcome of each
    restart as it ends, while others may still run.
    """
    ended: dict[int, Outcome] = {}

    def end(result: FitResult) -> None:
        ended[result.seed] = _measured(result, problem, clean)
        if on_end:
            on_end(ended[result.seed])

    try:
        seen, labelled = given(dataset, labelled, observed)
        problem = problem_of(seen, dtype, device, labelled)
        clean = None if seen.clean is None else place(seen.clean, dtype, device, observed=seen.observed).X
        fit(solver, problem, seeds=seeds, stopping=stopping, on_look=on_look, on_end=end)
    except Exception as error:
        return [failed(seed, error) for seed in seeds]
    return [ended[seed] for seed in seeds]


def given(
    dataset: Dataset, labelled: np.ndarray | None, observed: np.ndarray | None
) -> tuple[Dataset, np.ndarray | None]:
    """Return the data of a fit that sees these entries (m, n), and the mask of its labelled samples.

    Features and samples without an entry that it sees are left out. ``observed`` None: it sees all.
    """
    if observed is None or (observed.any(1).all() and observed.any(0).all()):
        return replace(dataset, observed=observed), labelled
    rows, columns = observed.any(1), observed.any(0)
    kept = np.ix_(rows, columns)
    part = replace(
        dataset,
        X=dataset.X[kept],
        clean=None if dataset.clean is None else dataset.clean[kept],
        y=None if dataset.y is None else dataset.y[columns],
        shape=dataset.shape if rows.all() else None,
        observed=None if observed[kept].all() else observed[kept],
    )
    return part, None if labelled is None else labelled[columns]


def problem_of(seen: Dataset, dtype: str, device: str, labelled: np.ndarray | None) -> Problem:
    """Make the problem of factorizing the data that `given` returns."""
    problem = place(seen.X, dtype, device, seen.shape, observed=seen.observed, views=seen.view_sizes)
    if labelled is None:
        return problem
    labels, mask = torch.as_tensor(seen.y, device=device), torch.as_tensor(labelled, device=device)
    return replace(problem, labels=labels, labelled=mask)


def blocks(solver: Solver, seeds: Sequence[int], entries: int, dtype: str, device: str) -> list[list[int]]:
    """Return the seeds of a job in blocks, each of which is fitted whole whichever of its seeds is missing.

    So the numbers of a restart do not depend on what was finished before. On a CPU a block is one seed; on a GPU as
    many as fit into a quarter of its memory. A method that draws nothing is fitted once. `REFERENCE_SEED` comes first,
    because the others are compared with it.
    """
    order = sorted(seeds, key=lambda seed: seed != REFERENCE_SEED)
    size = len(order)
    if solver.draws and not device.startswith("cuda"):
        size = 1
    elif solver.draws:
        # A restart holds a handful of arrays of the size of X at a time: reconstruction, residual, gradients.
        restart = 6 * entries * DTYPES[dtype].itemsize
        size = max(1, torch.cuda.get_device_properties(device).total_memory // 4 // restart)
    return [order[i : i + size] for i in range(0, len(order), size)]


def failed(seed: int, error: Exception) -> Outcome:
    """Return the outcome of a seed whose fit, evaluation or record failed."""
    return Outcome(seed, _summary(failure(seed, error)))


def score(
    outcome: Outcome,
    dataset: Dataset,
    evaluator: Evaluator,
    labelled: np.ndarray | None = None,
    reference: np.ndarray | None = None,
) -> Outcome:
    """Add the measures of this evaluator to the outcome. A failed fit stays as it is.

    The stability of any seed but `REFERENCE_SEED` is the mean cosine between its bases and the reference, matched one
    to one, so it does not depend on the other seeds of its batch.
    """
    fitted, fit, seed = outcome.fitted, outcome.fit, outcome.seed
    if fitted is None:
        return outcome
    try:
        evaluator.prepare()
        start = time.perf_counter()
        metrics = evaluator.evaluate(fitted, dataset, seed, labelled)
        exhibits = evaluator.exhibits(fitted, dataset)
        fit = fit | {"evaluation_seconds": time.perf_counter() - start}
        bases, measured = fitted.first_factor, {row["metric"] for row in fit["metrics"]}
        known = seed == REFERENCE_SEED or evaluator.splits_features or "stability" in measured
        if not (reference is None or bases is None or known):
            stability = {"metric": "stability", "value": measures.matched_cosine(bases, reference)}
            fit["metrics"] = [*fit["metrics"], stability]
    except Exception as error:
        return failed(seed, error)
    return Outcome(seed, fit, metrics, fitted, exhibits)


def arrays(factorization: Factorization) -> Fitted:
    """Return the factorization of one restart as numpy arrays, which evaluators see and records keep."""

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


def _summary(result: FitResult) -> dict[str, Any]:
    return {
        "status": result.status,
        "iterations": result.iterations,
        "seconds": result.seconds,
        "cpu_seconds": result.cpu_seconds,
        "objective": result.objective,
        "fall": convergence.fall(result.history),
        "history": [list(look) for look in result.history],
        "rises": [list(rise) for rise in result.rises],
        "batch": list(result.batch),
        "peak_memory_mib": _peak_memory(),
        "error": result.error,
        "traceback": result.traceback,
        "metrics": [],
    }


def _measured(result: FitResult, problem: Problem, clean: Any) -> Outcome:
    """Return the unscored outcome of a restart, with the measures of its factors. ``clean``: X (m, n) uncorrupted."""
    summary = _summary(result)
    if result.factorization is None:
        return Outcome(result.seed, summary)
    try:
        fitted = arrays(result.factorization)
        summary["layering"] = fitted.layering
        matrices = {"error": problem.X} | ({} if clean is None else {"error_clean": clean})
        residuals = {
            metric: losses.relative_error(X, result.factorization, problem.observed) for metric, X in matrices.items()
        }
        summary["metrics"] = [
            # Norms overflow before the factors do; a record holds no NaN.
            *({"metric": name, "value": size if math.isfinite(size) else None} for name, size in residuals.items()),
            {"metric": "objective", "value": result.objective},
            *_penalty_share(result),
            *measures.factor_measures(fitted.factors),
            *measures.dead_components(fitted.bases, fitted.codes),
        ]
    except Exception as error:
        return failed(result.seed, error)
    return Outcome(result.seed, summary, fitted=fitted)


def _penalty_share(result: FitResult) -> list[dict[str, Any]]:
    """Return the penalty over the sum of penalty and loss, in absolute values, as a row; none without a penalty."""
    if result.penalty is None or result.objective is None or not math.isfinite(result.penalty):
        return []
    whole = abs(result.penalty) + abs(result.objective - result.penalty)
    return [{"metric": "penalty_share", "value": abs(result.penalty) / whole if whole else 0.0}]


def _peak_memory() -> float:
    """Return the largest resident size of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
