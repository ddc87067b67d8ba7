"""What a Python caller hands over, as plain values: numbers and lists of Python, and matrices of real numbers."""

import typing
from abc import ABCMeta
from collections.abc import Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any

import numpy as np

from nmfbench.errors import ConfigError, DataError

KINDS = {int: "an integer", float: "a number", bool: "True or False", str: "a string"}


def plain(value: Any) -> Any:
    """Numpy's scalars and arrays, tuples and ranges as Python's numbers and lists; anything else unchanged."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    return [plain(item) for item in value] if isinstance(value, (list, tuple, range)) else value


def typed(name: str, value: Any, kind: Any) -> Any:
    """The value in plain Python, or ConfigError if it is not of this kind.

    Kinds are those of `KINDS`, lists of them, and either of these or None; a value of another kind is not looked at.
    """
    kinds = typing.get_args(kind) if isinstance(kind, UnionType) else (kind,)
    if value is None and NoneType in kinds:
        return None
    wanted = next((k for k in kinds if k is not NoneType), kind)
    if typing.get_origin(wanted) is list:
        (of,) = typing.get_args(wanted)
        items = plain(value)
        if not isinstance(items, list):
            raise ConfigError(f"{name} must be a list, e.g. {name}=[2, 3], got {value!r}")
        return [typed(name, item, of) for item in items]
    if wanted not in KINDS:
        return value
    item = plain(value)
    # A bool is an int to Python, and an int is a number.
    fits = (type(item) in (int, float) and item == item) if wanted is float else type(item) is wanted
    if not fits and not (wanted is str and isinstance(item, str)):
        raise ConfigError(f"{name} must be {KINDS[wanted]}, got {value!r}")
    return item


class Checked(ABCMeta):
    """Classes whose settings may be given as numpy's numbers and arrays, and must have the types they declare."""

    def __call__(cls, *args: Any, **settings: Any) -> Any:
        kinds = _kinds(cls)
        return super().__call__(*args, **{k: typed(k, v, kinds.get(k)) for k, v in settings.items()})


@cache  # a sweep builds thousands of objects of a few classes
def _kinds(cls: type) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(cls)
    except NameError:  # a class that was defined inside a function may name others of that function
        return {}


def real_matrix(X: Any, name: str = "X", of: str = "feature") -> Any:
    """A real (features, samples) matrix: a numpy array, a scipy sparse one, or a strided torch tensor without gradient.

    ``of`` is the noun for a row. It shares memory with what was given, where that needs no conversion. Raises
    ConfigError for anything else, DataError for masked entries.
    """
    if isinstance(X, np.ma.MaskedArray):
        if X.ndim == 2 and np.ma.getmaskarray(X).any():
            row, sample = np.argwhere(np.ma.getmaskarray(X))[0].tolist()
            raise DataError(
                f"{name} has {int(np.ma.getmaskarray(X).sum())} masked entries, the first at {of} {row}, sample "
                f"{sample} (counted from 0); fill them, or remove their rows or columns"
                + (", or leave them out of the fit: fit(solver, X.data, observed=~X.mask)" if name == "X" else "")
            )
        X = X.data
    if type(X).__module__.partition(".")[0] == "torch" and hasattr(X, "detach"):
        X = X.detach()
        if str(X.layout) != "torch.strided":
            raise ConfigError(f"{name} is a tensor of layout {X.layout}; give a dense one, or a scipy sparse array")
        real = not X.is_complex()
    else:
        from scipy.sparse import issparse  # takes a tenth of a second, and tables need this module but no matrix

        if not issparse(X):
            X = _array(X, name)
        real = X.dtype.kind in "buif"
    if not real:
        raise ConfigError(f"{name} must hold real numbers, got dtype {X.dtype}")
    if X.ndim != 2 or 0 in X.shape:
        raise ConfigError(
            f"{name} must be a matrix with at least one {of} and one sample, a sample a column, got shape "
            f"{tuple(X.shape)}"
        )
    return X if hasattr(X, "detach") else _native(X)


def _array(X: Any, name: str) -> np.ndarray:
    try:
        array = np.asarray(X)
    except (TypeError, ValueError) as error:  # rows of different lengths, for example
        raise ConfigError(f"{name} must be a matrix of real numbers: {error}") from None
    if array.dtype == object and array.ndim == 0:
        raise ConfigError(f"{name} must be a matrix of real numbers, got {type(X).__name__}")
    return array


def _native(X: Any) -> Any:
    """The array in the byte order of this machine, long doubles as float64: torch has no others."""
    kind = np.dtype(np.float64) if X.dtype.kind == "f" and X.dtype.itemsize > 8 else X.dtype.newbyteorder("=")
    with np.errstate(over="ignore"):  # what is beyond float64 becomes infinite, which is refused later
        return X if X.dtype == kind else X.astype(kind)
