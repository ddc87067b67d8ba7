"""Which entries of X (m, n) are numbers, which are missing, and which must be refused."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy.sparse import issparse

from nmfbench.errors import DataError


def chunks(X: Any) -> Iterator[Any]:
    """Yield X a few thousand samples at a time, so that a memory-mapped X is never in memory as a whole."""
    step = max(1, 2**23 // X.shape[0])
    for start in range(0, X.shape[1], step):
        yield X[:, start : start + step]


def check_finite(name: str, X: Any, keeps_missing: bool = False, can_keep: bool = False) -> None:
    """Raise DataError with the number of NaN or infinite entries and the place of the first.

    ``keeps_missing``: NaN in a dense X is no error, because it marks a missing entry; ``can_keep``: a setting does so.
    """
    count, first, start = 0, None, 0
    for samples in chunks(X):
        if keeps_missing and not issparse(samples):
            bad = np.isinf(samples)
        else:
            bad = ~np.isfinite(samples.data if issparse(samples) else samples)
        if bad.any():
            at = np.argwhere(bad)[0]
            feature, sample = [axis[at[0]] for axis in samples.tocoo().coords] if issparse(samples) else at
            first = first or (int(feature), start + int(sample))
            count += int(bad.sum())
        start += samples.shape[1]
    if first:
        raise DataError(
            f"{name}: X has {count} NaN or infinite entries, the first at feature {first[0]}, "
            f"sample {first[1]} (counted from 0); remove or impute them"
            + (", or leave NaN out of the fit: dataset.missing=nan" if can_keep and not issparse(X) else "")
        )


def observed_entries(name: str, X: np.ndarray, feature_names: Sequence[str] | None = None) -> np.ndarray | None:
    """The mask (m, n) of the entries that are not NaN; None if all are there.

    Raises DataError if a feature or sample has no observed entry.
    """
    observed = ~np.isnan(X)
    for noun, axis, names in (("feature", 1, feature_names), ("sample", 0, None)):
        unseen = np.flatnonzero(~observed.any(axis))
        if unseen.size:
            called = f" ({names[unseen[0]]})" if names else ""
            raise DataError(
                f"{name}: {unseen.size} {noun}s have no observed entry, the first {noun} {unseen[0]}{called}, "
                "counted from 0; leave them out"
            )
    return None if observed.all() else observed
