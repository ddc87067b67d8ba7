"""Labels from a file of their own."""

from pathlib import Path

import numpy as np
from scipy.sparse import issparse

from nmfbench.datasets.formats import TEXT, read, suffix_of
from nmfbench.datasets.formats.choosing import listed
from nmfbench.datasets.formats.decoding import strict_lines
from nmfbench.datasets.formats.held import Table
from nmfbench.datasets.formats.text import Asked
from nmfbench.errors import DataError


def read_labels(path: Path, encoding: str | None = None) -> np.ndarray:
    """The labels in a file: a text file with one a line, or the only vector, map or one-hot matrix of a file of arrays.

    Raises DataError for a file that holds anything else.
    """
    if suffix_of(path) in TEXT:
        return np.array([line.strip("\"'") for line in strict_lines(path, encoding)])
    held = read(path, Asked())
    if isinstance(held, Table):
        if len(held.columns) != 1:
            raise DataError(f"{path} must hold the labels in one column, it has {', '.join(held.columns)}")
        return next(iter(held.columns.values()))
    vectors = {name: a for name, a in held.arrays.items() if not issparse(a) and a.size == max(a.shape, default=0)}
    chosen = vectors if len(vectors) == 1 else held.arrays
    if len(chosen) != 1:
        raise DataError(f"{path}: which array holds the labels? {listed(held)}; keep one")
    labels = next(iter(chosen.values()))
    return np.asarray(labels.toarray() if issparse(labels) else labels)
