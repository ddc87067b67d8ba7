"""Scalings of X (m features, n samples), dense and sparse."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import csc_array

from nmfbench.errors import ConfigError


def _divide(X: np.ndarray, by: Any) -> np.ndarray:
    return X / np.where(by == 0, 1, by)


def _near_one(X: np.ndarray, axis: int) -> np.ndarray:
    """X times a power of two per slice, so that its largest absolute value lies in [½, 1).

    Then squares and differences of huge or tiny values neither overflow nor vanish; the factor itself is exact.
    """
    return np.ldexp(X, -np.frexp(np.abs(X).max(axis=axis, keepdims=True))[1])


def _min_max(X: np.ndarray) -> np.ndarray:
    X = _near_one(X, axis=1)
    return _divide(X - X.min(axis=1, keepdims=True), np.ptp(X, axis=1, keepdims=True))


def _unit_norm(X: np.ndarray) -> np.ndarray:
    X = _near_one(X, axis=0)
    return _divide(X, np.linalg.norm(X, axis=0, keepdims=True))


def _lee_seung(X: np.ndarray) -> np.ndarray:
    """Scale like the faces of Lee & Seung (1999), Methods."""
    X = _near_one(X, axis=0)
    X = X - X.mean(axis=0)
    return np.clip(0.25 + 0.25 * _divide(X, X.std(axis=0)), 0, 1)


# Each function maps X (m, n) to X (m, n). "column" means a feature: a column of the samples × features table.
SCALINGS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "none": (lambda X: X, "no scaling"),
    "max": (lambda X: _divide(X, np.abs(X).max()), "divided by the largest absolute value"),
    "column_max": (
        lambda X: _divide(X, np.abs(X).max(axis=1, keepdims=True)),
        "each feature divided by its largest absolute value",
    ),
    "min_max": (_min_max, "each feature mapped to [0, 1]"),
    "unit_norm": (_unit_norm, "each sample divided by its Euclidean norm"),
    "lee_seung": (_lee_seung, "each sample brought to mean and standard deviation 0.25, clipped to [0, 1]"),
}


def scale_sparse(X: csc_array, step: str) -> csc_array:
    """Scale sparse X. Raises ConfigError for min_max and lee_seung, which would fill in the zeros."""
    if step == "none":
        return X
    if step in ("min_max", "lee_seung"):
        raise ConfigError(f"scaling={step} moves the zeros of sparse X; use max, column_max, unit_norm or none")
    # Divide entry by entry: a sparse product would reorder the entries of a sample, which changes the checksum, and
    # the reciprocal of a tiny divisor is infinite.
    data, by = X.data, np.abs(X.data)
    if step == "max":
        by = by.max(initial=0)
    else:
        slices = X.indices if step == "column_max" else np.repeat(np.arange(X.shape[1]), np.diff(X.indptr))
        largest = np.zeros(X.shape[0 if step == "column_max" else 1])
        np.maximum.at(largest, slices, by)
        by = largest[slices]
        if step == "unit_norm":
            data = np.ldexp(data, -np.frexp(by)[1])  # as in _near_one
            by = np.sqrt(np.bincount(slices, data**2, minlength=X.shape[1]))[slices]
    return csc_array((_divide(data, by), X.indices, X.indptr), shape=X.shape)
