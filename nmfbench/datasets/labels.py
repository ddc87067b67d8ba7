"""Labels of any kind as the numbers of classes, and the refusal of labels that are none."""

import re
from typing import Any

import numpy as np

from nmfbench.errors import DataError

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
WITHOUT = "leave the labels out to run without"


def classes(labels: Any, where: str) -> np.ndarray:
    """Labels (n,) as 0 … k − 1, as `numbered`, or DataError if nearly every sample has a class of its own.

    ``where`` is what the labels are called in messages, such as "iris.csv, column species".
    """
    numbers = numbered(labels, where)
    n, k = len(numbers), numbers.max() + 1
    if n >= 4 and k > n / 2:
        raise DataError(
            f"{where}: {k} classes among {n} samples: this looks like an identifier, not like classes; name other "
            f"labels, or {WITHOUT}"
        )
    return numbers


def numbered(labels: Any, where: str) -> np.ndarray:
    """Labels (n,) as 0 … k − 1: numbers in the order of their values, texts in that of their letters.

    Texts lose the blanks at their ends; if some labels are texts and some are not, all count as texts. Raises DataError
    for missing labels, with the place of the first, and for real numbers.
    """
    mask = np.ma.getmaskarray(labels) if isinstance(labels, np.ma.MaskedArray) else None
    array = np.asarray(labels.detach().cpu() if hasattr(labels, "detach") else labels)
    if array.ndim != 1 or not len(array):
        raise DataError(f"{where}: labels must be a vector, one label a sample, got shape {array.shape}")
    if array.dtype.kind in "OSU":
        array = _of_objects(array)
    if array.dtype.kind not in "biufmMU":
        raise DataError(f"{where}: labels must be whole numbers or words, got dtype {array.dtype}")
    missing = array == "" if array.dtype.kind == "U" else array != array  # only NaN and NaT differ from themselves
    if mask is not None:
        missing = missing | mask
    if missing.any():
        raise DataError(
            f"{where}: {missing.sum()} labels are missing, the first that of sample {missing.argmax()} (counted from "
            f"0); remove these samples, or {WITHOUT}"
        )
    if (real := _real(array)) is not None:
        raise DataError(
            f"{where}: labels hold real numbers such as {real}, but classes are whole numbers or words; {WITHOUT}"
        )
    return np.unique(array, return_inverse=True)[1].astype(np.int64)


def from_one_hot(array: np.ndarray, n_samples: int) -> np.ndarray | None:
    """Classes (n,) of a one-hot matrix (n, k) or (k, n), k ≥ 2; None: it is none.

    It is one if every sample has exactly one entry that is not zero, and these are all equal.
    """
    if array.ndim != 2 or min(array.shape) < 2 or array.dtype.kind not in "biuf":
        return None
    for rows in (array, array.T):
        if len(rows) == n_samples and ((rows != 0).sum(1) == 1).all() and np.ptp(rows[rows != 0].astype(float)) == 0:
            return (rows != 0).argmax(1)
    return None


def _of_objects(array: np.ndarray) -> np.ndarray:
    """Objects, bytes and texts as an array of numbers, or of texts in which a missing label is empty."""
    items = [item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in array.tolist()]
    if all(isinstance(item, (int, float, np.number, np.bool_)) for item in items):
        return np.array(items)
    return np.array(["" if _is_missing(item) else str(item).strip() for item in items])


def _is_missing(item: Any) -> bool:
    # pandas' NA answers no comparison with True or False.
    return item is None or type(item).__name__ in ("NAType", "NaTType") or bool(item != item)


def _real(array: np.ndarray) -> Any:
    """The first label with a fraction, if all are numbers or texts of numbers; None: there is none."""
    if array.dtype.kind == "U":
        if not all(map(_NUMBER.fullmatch, array.tolist())):
            return None
        numbers = array.astype(np.float64)
    else:
        numbers = array if array.dtype.kind == "f" else np.zeros(1)
    broken = numbers != np.round(numbers)
    broken |= ~np.isfinite(numbers)
    return array[broken][0] if broken.any() else None
