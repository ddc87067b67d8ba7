"""What a reader finds in a file, before it is decided which part is X and which are the labels."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Arrays:
    """The arrays of a file, by name.

    Parameters
    ----------
    arrays: numpy arrays of any shape and dtype but object, or scipy csr_array or csc_array whose indices were checked.
        A file that holds one array without a name has it under "".
    unreadable: name → why that array cannot be read; the others can.
    y: name of the labels, where the format says which they are; None: it does not say.
    samples: "rows" or "columns", where the format says it.
    feature_names: where the format has them.
    sentences: what was found and decided while reading, for the record and the screen.
    """

    arrays: dict[str, Any]
    unreadable: dict[str, str] = field(default_factory=dict)
    y: str | None = None
    samples: str | None = None
    feature_names: tuple[str, ...] | None = None
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Table:
    """The columns of a table, by name, in order.

    Parameters
    ----------
    columns: name → (n,) float64 where the column holds numbers, or (n,) of strings where it holds words.
    y: name of the labels, where the file says which they are; None: it does not say.
    absent: name of a column with missing values → the first of them, in words.
    sentences: what was found and decided while reading, for the record and the screen.
    """

    columns: dict[str, np.ndarray]
    y: str | None = None
    absent: dict[str, str] = field(default_factory=dict)
    sentences: tuple[str, ...] = ()
