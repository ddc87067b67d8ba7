"""What is X and what are the labels: decided once, for `dataset=file` and for `nmfbench data import` alike."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.sparse import hstack, issparse

from nmfbench.config import nearest
from nmfbench.datasets import labels as label_kinds
from nmfbench.datasets.formats.header import ROWS
from nmfbench.datasets.formats.held import Arrays, Table
from nmfbench.errors import ConfigError, DataError, DataMissing

USUAL_X = ("X", "x", "fea", "data", "fts", "x_train")
_IDENTIFIER = re.compile(
    r"(?i)(.*[ _.-])?(id|idx)|index|nr|no\.?|number|row|obs|identifier|#|unnamed: 0|(?-i:.*[a-z]I[dD])"
)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A dataset's parts.

    Parameters
    ----------
    X: (m features, n samples), a numpy array or a scipy sparse one.
    labels: (n,) of any kind; None: there are none.
    shape: shape of one sample, where the file stores it as an image.
    scene: (height, width) of the image whose pixels the samples are, row by row; None: they are not.
    feature_names: names of the m features; None: unknown.
    sample_names: names of the n samples; None: unknown.
    sentences: what was decided, for the record and the screen.
    """

    X: Any
    labels: np.ndarray | None = None
    shape: tuple[int, ...] | None = None
    scene: tuple[int, ...] | None = None
    feature_names: tuple[str, ...] | None = None
    sample_names: tuple[str, ...] | None = None
    sentences: list[str] = field(default_factory=list)


def of_table(
    table: Table,
    where: str,
    y: str | None = None,
    drop: Sequence[str] | None = None,
    names: str | None = None,
    samples: str = "rows",
    labels: np.ndarray | None = None,
    keeps_missing: bool = False,
) -> Parts:
    """Return the parts of a table. All columns are features but those of ``y``, ``drop`` and ``names``.

    ``labels`` are those of another file; else ``y`` names their column. A column of words that are all different holds
    the names of the rows. A column that counts the rows, or that is called like an identifier and has another whole
    number in each row, is left out unless ``drop`` is given. Raises DataError for any other column of words, and for
    missing values unless X ``keeps_missing`` ones as NaN.
    """
    columns, sentences = dict(table.columns), list(table.sentences)
    for name, key in [
        *((name, "drop") for name in drop or ()),
        *((n, k) for n, k in ((y, "y"), (names, "names")) if n),
    ]:
        if name not in columns:
            raise DataError(f"{where} has no column {name!r} for dataset.{key}{nearest(name, columns)}")
    left_out = {name: "as asked" for name in drop or ()}
    y = table.y if y is None and labels is None and samples == "rows" else y
    if y is not None and samples == "columns":
        raise ConfigError(
            f"{where}: samples are the columns, so no column holds labels; dataset.y may be a file with a label a line"
        )
    labels = _numbers(columns.pop(y)) if y is not None else labels
    named = "samples" if samples == "rows" else "features"
    for name, column in list(columns.items()):
        if name in left_out:
            continue
        if name == names:
            left_out[name] = f"names the {named}"
        elif column.dtype.kind == "U":
            if len(set(column.tolist())) < len(column):
                raise DataError(
                    f"{where}: column {name!r} holds words, such as {str(column[0])!r}. If they are labels: "
                    f"dataset.y={name}; if they name the {named}: dataset.names={name}; to leave them out: "
                    f"dataset.drop=[{name}]"
                )
            left_out[name] = f"names the {named}"
        elif reason := _identifies(name, column) if len(columns) > 1 else "":
            if drop is None or name == ROWS:
                left_out[name] = reason
            else:
                sentences.append(f"{name} kept, since dataset.drop is given ({reason})")
    row_names = next((columns[name] for name, reason in left_out.items() if reason.startswith("names")), None)
    features = {name: column for name, column in columns.items() if name not in left_out}
    if not features:
        reasons = ", ".join(f"{name} ({reason})" for name, reason in left_out.items())
        kept = f"; left out: {reasons}; dataset.drop=[] keeps columns of numbers" if reasons else ""
        raise DataError(f"{where} has no column of numbers{f' but {y}' if y else ''}{kept}")
    if left_out:
        sentences.append("left out: " + ", ".join(f"{name} ({reason})" for name, reason in left_out.items()))
    counting = [name for name, column in features.items() if drop is None and _differs(column)]
    if len(counting) == 1 < len(features):
        sentences.append(
            f"{counting[0]} holds another whole number in each row; if it identifies them: dataset.drop=[{counting[0]}]"
        )
    X = np.stack(list(features.values()))
    if not keeps_missing:
        _check_missing(X, list(features), table.absent, where)
    names_of_columns = tuple(features)
    names_of_rows = None if row_names is None else tuple(map(str, row_names))
    if samples == "rows":
        return Parts(
            X=X, labels=labels, feature_names=names_of_columns, sample_names=names_of_rows, sentences=sentences
        )
    return Parts(X=X.T, labels=labels, feature_names=names_of_rows, sample_names=names_of_columns, sentences=sentences)


def _numbers(labels: np.ndarray) -> np.ndarray:
    """Convert numeric labels to numbers, so that 10 comes after 2; a leading zero makes them words."""
    if labels.dtype.kind != "U" or not all(re.fullmatch(r"0|[1-9]\d*|[1-9]\d*\.0*", text) for text in labels.tolist()):
        return labels
    return labels.astype(np.float64)


def _check_missing(X: np.ndarray, names: list[str], absent: dict[str, str], where: str) -> None:
    """Raise DataError with the first missing value, by its line and by its place in X."""
    if not np.isnan(X).any():
        return
    row, j = np.argwhere(np.isnan(X.T))[0]
    count = int(np.isnan(X).sum())
    raise DataError(
        f"{where}: {count} value{'s are' if count > 1 else ' is'} missing, the first in column {names[j]!r} "
        f"({absent.get(names[j], 'NaN')}; feature {j}, sample {row}, counted from 0). Remove those rows, fill them in, "
        f"leave the column out: dataset.drop=[{names[j]}], or leave the missing values out of the fit: "
        "dataset.missing=nan"
    )


def _is_whole(column: np.ndarray) -> bool:
    return bool(np.isfinite(column).all() and (column == np.round(column)).all())


def _differs(column: np.ndarray) -> bool:
    """Tell whether a column of ten rows or more holds another whole number in each."""
    return len(column) >= 10 and _is_whole(column) and len(np.unique(column)) == len(column)


def _identifies(name: str, column: np.ndarray) -> str:
    """Return the reason why a column of numbers is an identifier of rows; empty if it is none."""
    if len(column) < 3 or not _is_whole(column):
        return ""
    if column[0] in (0, 1) and (np.diff(column) == 1).all():
        return "counts the rows"
    if name == ROWS:
        return "another number in each row, and no name of its own"
    if _IDENTIFIER.fullmatch(name) and len(np.unique(column)) == len(column):
        return "another number in each row, named like an identifier"
    return ""


def of_arrays(
    held: Arrays,
    where: str,
    x: str | Sequence[str] | None = None,
    y: str | None = None,
    samples: str | None = None,
    labels: np.ndarray | None = None,
) -> Parts:
    """Return the parts of named arrays. ``x`` several names: views of the same samples, whose features are joined.

    ``labels`` are those of another file; else ``y`` names them. A map of labels as large as a cube's images makes its
    pixels the samples. ``samples`` None: rows, unless the format says columns.
    """
    sentences = list(held.sentences)
    if labels is None and (y := held.y if y is None else y) is not None:
        labels = _array(held, y, "y", where)
    chosen = name_of_x(held, where, y) if x is None else x
    names = [chosen] if isinstance(chosen, str) else list(chosen)
    stored = [_array(held, name, "x", where) for name in names]
    axis = _axis(stored[0], labels, samples or held.samples)
    views = [_oriented(array, axis, labels, where) for array in stored]
    X, form = views[0]
    sentences += [
        f"array {f'{name}, ' if name else ''}{_shape(array)}, {array.dtype}"
        for name, array in zip(names, stored, strict=True)
    ]
    sentences.append(f"samples in {axis}" if axis != "pixels" else "samples are pixels")
    if len(views) > 1:
        counts = {name: view.shape[1] for name, (view, _) in zip(names, views, strict=True)}
        if len(set(counts.values())) > 1:
            raise DataError(f"{where}: views of different numbers of samples cannot be joined: {counts}")
        matrices = [view for view, _ in views]
        X = hstack([matrix.T for matrix in matrices]).T if any(map(issparse, matrices)) else np.concatenate(matrices)
        form.pop("shape", None)
        sentences.append(f"{len(views)} views joined: {', '.join(names)}")
    if labels is not None and not issparse(labels) and np.ndim(labels) > 1:
        one_hot = label_kinds.from_one_hot(labels, X.shape[1])
        if one_hot is not None:
            labels = one_hot
            sentences.append("one-hot labels")
        elif labels.size == max(labels.shape) or (axis == "pixels" and labels.size == X.shape[1]):
            labels = labels.ravel()
        else:
            raise DataError(f"{where}: labels {y or ''} must be a vector, got shape {labels.shape}")
    for name, reason in held.unreadable.items():
        sentences.append(f"{name} cannot be read ({reason})")
    names_fit = held.feature_names is not None and len(held.feature_names) == X.shape[0]
    return Parts(
        X=X,
        labels=labels,
        feature_names=held.feature_names if names_fit else None,
        sentences=[sentence for sentence in sentences if sentence],
        **form,
    )


def listed(held: Arrays) -> str:
    """Describe the contents of a file, for messages."""
    shapes = (f"{name or 'one array'} {_shape(array)}" for name, array in held.arrays.items())
    return f"it holds: {', '.join([*shapes, *(f'{name} (unreadable)' for name in held.unreadable)])}"


def _shape(array: Any) -> str:
    return " × ".join(map(str, array.shape)) or "a single value"


def _array(held: Arrays, name: str, key: str, where: str) -> Any:
    if name in held.arrays:
        return held.arrays[name]
    if name in held.unreadable:
        raise DataError(f"{where}: {name} cannot be read: {held.unreadable[name]}")
    if set(held.arrays) == {""} and key == "x":
        raise ConfigError(f"{where} holds one array without a name, so dataset.x={name} has no meaning")
    if set(held.arrays) == {""}:
        raise DataMissing(f"there is no file {name}; {where} has no labels, so dataset.y is a file of them")
    close = nearest(name, held.arrays, list_all=False)
    raise DataError(f"{where} has no array {name!r} for dataset.{key}{close.rstrip('?')}; {listed(held)}")


def name_of_x(held: Arrays, where: str, y: str | None = None) -> str:
    """Find the name of X: a usual one, else the only matrix or cube. Raises DataError if there are several."""
    if set(held.arrays) == {""}:
        return ""
    others = {name: array for name, array in held.arrays.items() if name != y}
    # A vector with a usual name is not X, and a lone row is only if nothing else can be.
    matrices = [name for name, a in others.items() if a.ndim >= 2 and min(a.shape) > 1 and a.dtype.kind in "buifc"]
    usual = [name for name in USUAL_X if name in others and others[name].ndim >= 2]
    candidates = [name for name in usual if name in matrices] or list({*usual, *matrices})
    cubes = [name for name in matrices if others[name].ndim > 2]
    if len(candidates) > 1 and len(cubes) == 1 and not usual:
        candidates = cubes
    if len(candidates) != 1:
        raise DataError(f"{where}: which array is X? Give dataset.x; {listed(held)}")
    return candidates[0]


def _axis(array: Any, labels: Any, samples: str | None) -> str:
    """Find the axis of the samples: rows, columns or pixels. Labels as large as a cube's images mean pixels."""
    is_map = array.ndim == 3 and not issparse(labels) and np.ndim(labels) == 2
    if samples is None and is_map and np.shape(labels) in (array.shape[:2], array.shape[1:]):
        return "pixels"
    return samples or "rows"


def _oriented(array: Any, axis: str, labels: Any, where: str) -> tuple[Any, dict[str, Any]]:
    """Reshape the array to (m, n); also return the ``shape`` of samples that are images, or the ``scene`` of pixels."""
    if array.ndim < 2:
        raise DataError(f"{where}: X must be a matrix, got shape {array.shape}")
    if axis == "pixels":
        if array.ndim != 3:
            raise ConfigError(
                f"{where}: samples=pixels is for a cube (height, width, bands), X has shape {array.shape}"
            )
        if np.shape(labels) == array.shape[1:] != array.shape[:2]:  # bands first
            return array.reshape(array.shape[0], -1), {"scene": array.shape[1:]}
        return array.reshape(-1, array.shape[2]).T, {"scene": array.shape[:2]}
    if array.ndim == 2:
        return (array if axis == "columns" else array.T), {}
    if axis == "columns":
        return array.reshape(-1, array.shape[-1]), {"shape": array.shape[:-1]}
    return array.reshape(array.shape[0], -1).T, {"shape": array.shape[1:]}
