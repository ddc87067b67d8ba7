"""Measures of every factorization, whatever the evaluator: sparsity, negativity, similarity of bases."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nmfbench.evaluators.metric import Metric

# Each method minimises its own objective, so a lower value is better only among the runs of one method.
OBJECTIVE = Metric("objective", "objective")
CLEAN = Metric("error_clean", "relative error against the data before it was corrupted", decimals=3, better="lower")
MEASURES = (
    Metric("error", "relative error ‖X − reconstruction‖/‖X‖", better="lower"),
    OBJECTIVE,
    Metric("stability", "stability of the bases over seeds (mean matched cosine)", decimals=2, better="higher"),
    Metric("dead", "dead components", decimals=0, better="lower"),
    CLEAN,
    Metric("penalty_share", "share of the penalty in the objective", "%", 1),
)
"""Measured on every factorization as a whole."""
FACTOR_MEASURES = (
    Metric("min", "smallest entry", shown=False),
    Metric("negative_fraction", "share of negative entries", better="lower", shown=False),
    Metric("negative_mass", "share of the negative entries in the absolute sum", better="lower", shown=False),
    Metric("sparsity", "Hoyer sparsity", shown=False),
)
"""Measured on each factor. Records add the factor's name, as in "sparsity_H"."""


def declared(factors: Iterable[str] = ()) -> tuple[Metric, ...]:
    """`MEASURES`, and `FACTOR_MEASURES` for factors of these names."""
    of_factors = (
        replace(metric, name=f"{metric.name}_{factor}", title=f"{metric.title} of {factor}")
        for factor in factors
        for metric in FACTOR_MEASURES
    )
    return *MEASURES, *of_factors


def hoyer(factor: np.ndarray, axis: int) -> float:
    """Mean Hoyer sparsity of the vectors along ``axis``: 0 for a constant vector, 1 for a single non-zero.

    (√d − ‖x‖₁/‖x‖₂)/(√d − 1); a zero vector or d = 1 counts as 0. Hoyer (2004), Sec. 3.1.
    """
    d = factor.shape[axis]
    l1, l2 = np.abs(factor).sum(axis), np.linalg.norm(factor, axis=axis)
    if d == 1:
        return 0.0
    ratio = np.divide(l1, l2, out=np.full_like(l1, np.sqrt(d)), where=l2 > 0)
    return float(np.mean((np.sqrt(d) - ratio) / (np.sqrt(d) - 1)))


def dead_components(bases: Sequence[np.ndarray], codes: Sequence[np.ndarray]) -> list[dict[str, Any]]:
    """The number of dead components of each layer, as rows of layer (1 first), metric and value; none for raw data.

    The size of a component is its largest basis entry (m, r) times its largest code entry (r, n), so that scale may lie
    in either. It is dead below 1e-6 of the largest of its layer. Where codes have no row a basis, bases count alone.
    """
    rows = []
    for layer, (W, H) in enumerate(zip(bases, codes, strict=False), start=1):
        size = np.abs(W).max(0).astype(np.float64)
        if len(H) == len(size):
            size = size * np.abs(H).max(1)
        dead = int((size <= 1e-6 * size.max()).sum())
        rows.append({"layer": layer, "n_clusters": None, "metric": "dead", "value": dead})
    return rows


def matched_cosine(W: np.ndarray, V: np.ndarray) -> float:
    """Mean cosine between the columns of W and V (both m × r), each matched with one of the other; 1 if they agree.

    A zero column has cosine 0 with every other.
    """

    def normalised(A: np.ndarray) -> np.ndarray:
        A = A / max(np.abs(A).max(), np.finfo(A.dtype).tiny)  # keeps squares of huge or tiny entries finite
        norms = np.linalg.norm(A, axis=0)
        return np.divide(A, norms, out=np.zeros_like(A), where=norms > 0)

    cosines = normalised(np.asarray(W, np.float64)).T @ normalised(np.asarray(V, np.float64))
    from scipy.optimize import linear_sum_assignment  # takes a moment, and planning matches nothing

    return float(cosines[linear_sum_assignment(cosines, maximize=True)].mean())


def factor_measures(factors: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """Negativity and sparsity of each factor, as rows of metric and value.

    Minimum entry, fraction of entries below 0, their share of Σ|entry| (mass), and the Hoyer sparsity of the
    components: columns of every factor but the last, rows of the last (the codes).
    """
    rows = []
    for i, (name, factor) in enumerate(factors.items()):
        F = np.asarray(factor, dtype=np.float64)
        total = np.abs(F).sum()
        measures = {
            "min": F.min(),
            "negative_fraction": np.mean(F < 0),
            "negative_mass": np.abs(F[F < 0]).sum() / total if total else 0.0,
            "sparsity": hoyer(F, axis=1 if i == len(factors) - 1 else 0),
        }
        rows += [{"metric": f"{metric}_{name}", "value": float(value)} for metric, value in measures.items()]
    return rows
