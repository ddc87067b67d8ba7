"""Scalings of X (m features, n samples), dense and sparse, and the one that suits a user's own data."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csc_array, issparse

from nmfbench.errors import ConfigError

UNLIKE = 10
"""Features are in different units if one reaches more than this many times what the median feature reaches.

Faces, digits, spectra, CNN features, tf-idf and iris stay below 7. Wine has 331, multi-feature digits 2,930, breast
cancer 9,970. Counts share a unit and have 52 (TDT2) or more, so they are told by other signs.
"""
COUNTS = 100
"""Whole numbers in more features than this are taken for counts (words, genes), whatever values they reach."""


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


class Proposal(NamedTuple):
    """A scaling for data whose owner chose none, and the reason in words."""

    scaling: str
    reason: str


def proposed(X: Any, names: Sequence[str] | None = None) -> Proposal:
    """The scaling that suits unscaled X (m, n), a finite numpy array or csc_array; ``names`` are those of its features.

    A loss weighs features by their values, so features in different units are scaled one by one: by division, which
    keeps their zeros, unless negative entries must be moved. Features that share a unit keep their proportions.
    """
    lowest, highest = (X.min(axis=1).toarray(), X.max(axis=1).toarray()) if issparse(X) else (X.min(1), X.max(1))
    largest = np.maximum(highest, -np.asarray(lowest, dtype=np.float64)).ravel()
    positive = np.sort(largest[largest > 0])
    if not positive.size:
        return Proposal("max", "all entries are zero")
    top, median = positive[-1], positive[(positive.size - 1) // 2]
    if top / UNLIKE <= median:
        return Proposal("max", f"the features reach similar values, {median:g} in the median and {top:g} at most")
    is_negative = bool(lowest.min() < 0)
    if issparse(X) and 2 * X.nnz < math.prod(X.shape):
        return Proposal("max", "most entries of this sparse matrix are zero, as of counts, which share a unit")
    if not is_negative and len(largest) > COUNTS and _is_whole(X):
        return Proposal("max", f"whole numbers in {len(largest)} features are taken for counts, which share a unit")
    first = int(largest.argmax())
    reason = f"{names[first] if names else f'feature {first}'} reaches {top:g} and the median feature {median:g}"
    if is_negative and not issparse(X):
        return Proposal("min_max", f"{reason}, and it makes negative entries ≥ 0")
    return Proposal("column_max", reason)


def _is_whole(X: Any) -> bool:
    if issparse(X):
        return bool((X.data == np.round(X.data)).all())
    parts = np.array_split(X, 1 + X.size // 2**23, axis=1)  # a mapped X is never in memory as a whole
    return all((part == np.round(part)).all() for part in parts)
