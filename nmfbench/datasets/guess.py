"""Guess the contents of a user's file or folder and write the YAML that reads it: `nmfbench data import`."""

import math
import re
from collections import Counter
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse
import yaml

from nmfbench import config
from nmfbench.datasets.base import Loader
from nmfbench.datasets.file import READERS, USUAL_X, File, read_parquet
from nmfbench.datasets.pictures import SUFFIXES
from nmfbench.errors import ConfigError, DataError, DataMissing

USUAL_Y = ("y", "gnd", "label", "labels", "target", "class", "classes", "kind")


@dataclass(kw_only=True)
class Seen:
    """The guessed contents of a file or folder: lines for a person, and the keys of the dataset's YAML.

    Parameters
    ----------
    title: the YAML's first line.
    node: the keys of the YAML and their values.
    lines: findings, one line each.
    comments: comment behind a key of the YAML, by key.
    """

    title: str
    node: dict[str, Any]
    lines: list[str] = field(default_factory=list)
    comments: dict[str, str] = field(default_factory=dict)


def look_at(path: Path, x: str | None = None, y: str | None = None, samples: str | None = None) -> Seen:
    """Guess the contents of a file, or of a folder with a sub-folder of images a class; arguments are not guessed.

    Raises DataMissing, DataError or ConfigError when it cannot become a dataset.
    """
    path = path.expanduser().absolute()
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        raise DataMissing(f"there is no file or folder {path}")
    if path.suffix.lower() not in READERS:
        raise ConfigError(f"a file must end in {', '.join(READERS)}, got {path.name!r}")
    held = _held_safely(path)
    seen = _table(path, held, y) if isinstance(held, pd.DataFrame) else _arrays(path, held, x, y, samples)
    data = config.build(seen.node, Loader, "dataset").load()  # here, so that only data that loads is imported
    classes = "no labels" if data.y is None else f"{data.n_classes} classes"
    seen.lines.append(f"so: {data.n_samples} samples × {data.X.shape[0]} features, {classes}")
    seen.title = f"{data.n_samples} samples, {data.X.shape[0]} features, {classes} ({path.name})"
    return seen


def _held_safely(path: Path) -> Any:
    """The arrays of a file by name ("" in .npy, which has none), or its table. Raises DataError that names it."""
    try:
        return _held(path)
    except Exception as error:  # the parser of a damaged file may raise anything
        raise DataError(f"{path} cannot be read as {path.suffix}: {error}") from error


def _held(path: Path) -> dict[str, Any] | pd.DataFrame:
    match path.suffix.lower():
        case ".npz":
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                return dict(file.items())
        case ".npy":
            return {"": np.load(path, allow_pickle=False)}
        case ".mat":
            return {key: value for key, value in scipy.io.loadmat(path).items() if not key.startswith("__")}
        case ".csv":
            return pd.read_csv(path)
        case _:
            return read_parquet(path)


def _arrays(path: Path, held: dict[str, Any], x: str | None, y: str | None, samples: str | None) -> Seen:
    def shown(array: Any) -> str:
        return " × ".join(map(str, getattr(array, "shape", ()))) or "a single value"

    lines = [f"{key or path.name}: {shown(array)}, {getattr(array, 'dtype', '?')}" for key, array in held.items()]
    matrices = {k: a for k, a in held.items() if getattr(a, "ndim", 0) == 2 and min(a.shape) > 1}
    x = x if x is not None else next((name for name in USUAL_X if name in matrices), None)
    if x is None and len(matrices) != 1:
        raise DataError(f"{path}: which array is X? Add --x NAME; it holds: {'; '.join(lines)}")
    x = x if x is not None else next(iter(matrices))
    if x not in held:
        raise DataError(f"{path} has no array {x!r}{config.nearest(x, held)}")
    X = held[x]
    if scipy.sparse.issparse(X):
        raise DataError(f"{path}: {x} is sparse, {shown(X)}; only dense matrices can be imported")
    if getattr(X, "ndim", 0) != 2 or X.size == 0 or X.dtype.kind not in "buif":
        raise DataError(
            f"{path}: X must be a matrix of real numbers, {x or 'it'} is {shown(X)}, {getattr(X, 'dtype', '?')}"
        )

    if x:
        labels = {k: a for k, a in held.items() if k != x and _vector(a) and a.size in X.shape}
        usual = [k for k in labels if k.lower() in USUAL_Y]
        y = y if y is not None else next(iter(usual or list(labels) * (len(labels) == 1)), None)
        labels = labels if y is None else {y: held.get(y)}
    else:
        beside = path.with_name("labels.npy")
        y = str(Path(y).absolute()) if y else str(beside) if beside.is_file() and beside != path else None
        labels = {y: _held_safely(Path(y))[""]} if y and Path(y).is_file() else {}
    # Possible labels tell which axis the samples are on, whether or not one of them is chosen.
    sizes = {np.size(a) for a in labels.values()}
    guess = "columns" if sizes == {X.shape[1]} != {X.shape[0]} else "rows"
    reason = (
        f"because {' and '.join(labels)} {'have' if len(labels) > 1 else 'has'} {max(sizes)} entries" if sizes else ""
    )
    reason = "as you said" if samples else reason or "the usual way; else add --samples columns"
    samples = samples or guess

    n_features = X.shape[1] if samples == "rows" else X.shape[0]
    lines = [f"X: {'array ' + x if x else path.name}, {shown(X)}, {X.dtype}, {_range(X)}"]
    may_be = f"{', '.join(labels)} would fit" if labels else "none found"
    lines.append(f"labels: {_labels(labels[y], y) if y in labels else f'{may_be}; --y NAME says which'}")
    lines.append(f"samples: in {samples}, {reason}")
    node = _node(path) | {"x": x or None, "y": y, "samples": samples}
    return Seen(title="", node=node, lines=lines + _shape(n_features), comments=_comments(n_features))


def _table(path: Path, table: pd.DataFrame, y: str | None) -> Seen:
    if table.empty:
        raise DataError(f"{path} is an empty table")
    words = [str(column) for column in table.columns if table[column].dtype.kind not in "buif"]
    usual = [str(column) for column in table.columns if str(column).lower() in USUAL_Y]
    y = y if y is not None else next(iter(usual or words * (len(words) == 1)), None)
    features = table.drop(columns=[column for column in {y, *words} if column in table.columns])
    numbers = features.to_numpy(dtype=float)
    labels = table[y].to_numpy() if y in table.columns else None
    last = table.columns[-1]
    few = table[last].dtype.kind in "bui" and table[last].nunique() <= len(table) / 5
    hint = f"; column {last} holds {table[last].nunique()} different numbers: --y {last}?" if few else ""
    lines = [
        f"X: {features.shape[1]} columns of numbers, {features.shape[0]} rows"
        + (f", {_range(numbers)}" if numbers.size else ""),
        f"labels: {_labels(labels, y) if labels is not None else f'none found{hint}'}",
        "samples: in rows, as in every table",
    ]
    node = _node(path) | {"x": None, "y": y, "samples": "rows"}
    return Seen(title="", node=node, lines=lines + _shape(features.shape[1]), comments=_comments(features.shape[1]))


def _folder(path: Path) -> Seen:
    from PIL import Image

    images = sorted(
        file for file in path.glob("*/*") if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
    )
    if not images:
        raise DataError(f"{path} holds no sub-folders with images; a folder of images needs a sub-folder a class")
    classes, sizes, modes = Counter(file.parent.name for file in images), Counter[tuple[int, int]](), Counter[str]()
    for file in images:
        try:
            with Image.open(file) as image:
                sizes[image.size[::-1]] += 1
                modes[image.mode] += 1
        except Exception as error:  # the parser of a damaged file may raise anything
            raise DataError(f"{file} cannot be read as an image: {error}") from error
    (height, width), same = sizes.most_common(1)[0]
    scale = min(1, 64 / max(height, width)) if len(sizes) > 1 or max(height, width) > 128 else 1
    size = [max(1, round(height * scale)), max(1, round(width * scale))]
    alike = "all" if same == len(images) else f"{same} of them"
    lines = [
        f"X: {len(images)} images, {alike} {height} × {width} pixels (height × width), {', '.join(sorted(modes))}",
        f"labels: the {len(classes)} sub-folders, {_sizes(list(classes.values()))}",
        f"size: read as {size[0]} × {size[1]} grey pixels = {size[0] * size[1]} features; 0 to 255, never negative",
    ]
    node = {
        "_target_": "nmfbench.datasets.images.Images",
        "scaling": "max",
        "n_clusters": None,
        "path": str(path).replace("${", r"\${"),
        "size": size,
        "grey": True,
    }
    comments = {"size": "[height, width] that each image is scaled to", "n_clusters": "the number of classes"}
    title = f"{len(images)} images of {size[0]} × {size[1]} pixels, {len(classes)} classes ({path.name})"
    return Seen(title=title, node=node, lines=lines, comments=comments)


def _node(path: Path) -> dict[str, Any]:
    """Every key of the YAML of a `File`."""
    defaults = {f.name: getattr(File, f.name, None) for f in fields(File)}
    return {"_target_": f"{File.__module__}.{File.__name__}", **defaults, "path": str(path).replace("${", r"\${")}


def _vector(array: Any) -> bool:
    return isinstance(array, np.ndarray) and array.size == max(array.shape, default=0) and array.dtype.kind in "buifU"


def _range(X: np.ndarray) -> str:
    low, high = X.min(), X.max()
    bad = "" if X.dtype.kind in "bui" or np.isfinite(X).all() else ", with NaN or infinite entries"
    negative = f"; {(X < 0).mean():.2%} of it negative: only some solvers take that" if low < 0 else ", never negative"
    return f"{low:g} to {high:g}{bad or negative}"


def _labels(labels: Any, name: str | None) -> str:
    counts = np.unique(np.asarray(labels).astype(str), return_counts=True)[1]
    return f"{name}, {np.size(labels)} entries, {len(counts)} classes, {_sizes(counts.tolist())}"


def _sizes(counts: list[int]) -> str:
    return f"{min(counts)} each" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)} each"


def _shape(n_features: int) -> list[str]:
    side = math.isqrt(n_features)
    return (
        [f"images: square, {side} × {side}? Then set shape in the YAML"] if side >= 8 and side**2 == n_features else []
    )


def _comments(n_features: int) -> dict[str, str]:
    side = math.isqrt(n_features)
    image = f"[{side}, {side}]" if side >= 8 and side**2 == n_features else "[height, width]"
    return {
        "n_clusters": "the number of classes",
        "samples": "samples are the rows or the columns of the stored table",
        "shape": f"{image} when samples are images, pixels in row-major order",
    }


def slug(text: str) -> str:
    """Turn text into a name that is safe in file names and overrides."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    # In an override 2024 and null are not names.
    return name if name and isinstance(yaml.safe_load(name), str) else f"data_{name}".rstrip("_")


def save(seen: Seen, name: str, force: bool = False) -> Path:
    """Write the YAML to the user's config folder, so that dataset=NAME works; return its path."""
    if slug(name) != name.lower() or not name.isascii():
        raise ConfigError(f"--name must be of letters, digits and single _, got {name!r}; how about {slug(name)}")
    if (config.CONFIG_DIR / "dataset" / f"{name}.yaml").exists():
        raise ConfigError(f"{name} is a dataset of nmfbench; choose another with --name")
    target = config.user_dir() / "dataset" / f"{name}.yaml"
    if target.exists() and not force:
        raise ConfigError(f"{target} exists already; --force replaces it, --name chooses another name")
    lines = [f"# {seen.title}"]
    for key, value in (seen.node | ({"name": name} if "name" in seen.node else {})).items():
        shown = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6).partition("\n")[0]
        comment = f"   # {seen.comments[key]}" if key in seen.comments else ""
        lines.append(f"{key}: {shown}{comment}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error}; NMFBENCH_CONFIG names another folder") from error
    return target
