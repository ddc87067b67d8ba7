"""Guess the contents of a user's file or folder and write the YAML that reads it: `nmfbench data import`."""

import json
import math
import re
from collections import Counter
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.sparse import issparse

from nmfbench import config, solvers
from nmfbench.datasets import formats
from nmfbench.datasets.base import Loader
from nmfbench.datasets.file import File
from nmfbench.datasets.formats import choosing
from nmfbench.datasets.formats.held import Arrays, Table
from nmfbench.datasets.formats.label_file import read_labels
from nmfbench.datasets.labels import classes
from nmfbench.datasets.pictures import by_class
from nmfbench.errors import ConfigError, DataError, DataMissing
from nmfbench.records import write_text

AS_ASKED = "as asked"
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


def look_at(path: Path, **given: Any) -> Seen:
    """Guess the contents of a file, or of a folder with a sub-folder of images a class; what is given is not guessed.

    ``given``: parameters of `File`. What is proposed has been loaded by the very loader that a run uses. Raises
    DataMissing, DataError or ConfigError when it cannot become a dataset.
    """
    path = path.expanduser().absolute()
    given = {key: value for key, value in given.items() if value is not None}
    given |= {key: [name for name in given[key] if name] for key in ("drop", "missing") if key in given}
    if path.is_dir() and not formats.is_10x(path):
        if others := given.keys() - {"scaling"}:
            raise ConfigError(f"{path} is a folder of images, for which {', '.join(sorted(others))} has no meaning")
        return _folder(path, given.get("scaling"))
    if not path.exists():
        raise DataMissing(f"there is no file or folder {path}")
    asked = File(**{"path": str(path), **given}).asked()
    held = formats.read(path, asked, given.get("x") if path.suffix.lower() == ".xlsx" else None)
    guessed, lines = _of_table(held, given) if isinstance(held, Table) else _of_arrays(held, path, given)
    y = guessed.get("y", given.get("y"))
    names = held.columns if isinstance(held, Table) else held.arrays
    if y is not None and y not in names and (file := Path(y).expanduser().absolute()).is_file():
        guessed["y"] = str(file)  # the dataset must work from any folder
    defaults = {f.name: getattr(File, f.name, None) for f in fields(File)}
    node = {"_target_": f"{File.__module__}.{File.__name__}", **defaults, **given, **guessed, "path": str(path)}
    node = config.escaped(node)
    loader = config.build(node, Loader, "dataset")
    data = replace(loader, scaling="none").load()
    if "scaling" in given:
        loader.scaled(data)  # raises ConfigError where this X cannot be scaled so
    assert data.proposed is not None
    scaling, reason = (given["scaling"], AS_ASKED) if "scaling" in given else data.proposed
    side = math.isqrt(data.X.shape[0])
    if data.shape is None and side >= 8 and side**2 == data.X.shape[0]:
        lines.append(f"images: square, {side} × {side}? Then set shape in the YAML")
    n_classes = "no labels" if data.y is None else f"{data.n_classes} classes"
    counts = "" if data.y is None else f", {_sizes(np.unique(data.y, return_counts=True)[1].tolist())}"
    lines = [
        f"file: {data.preprocessing[0]}",
        f"X: {_range(data.X, scaling)}",
        *lines,
        _of_scaling(scaling, reason),
        f"so: {data.n_samples} samples × {data.X.shape[0]} features, {n_classes}{counts}",
    ]
    title = f"{data.n_samples} samples, {data.X.shape[0]} features, {n_classes} ({path.name})"
    node["scaling"] = scaling
    return Seen(title=title, node=node, lines=lines, comments=_comments(data.X.shape[0]) | {"scaling": reason})


def _of_table(table: Table, given: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The labels' column: one with a usual name, else the only one of words that may be classes."""
    if given.get("samples") == "columns":
        labels = given.get("y") or "none; --y FILE gives them, one a line"
        return {}, [f"labels: {labels}", "samples: in columns, as asked"]
    apart = {*given.get("drop", ()), given.get("names")}
    reasons = {
        name: _why_not(column, f"column {name}")
        for name, column in table.columns.items()
        if name not in apart and (column.dtype.kind == "U" or name.lower() in USUAL_Y)
    }
    possible = [name for name, reason in reasons.items() if not reason]
    usual = [name for name in possible if name.lower() in USUAL_Y]
    y = given.get("y") or table.y or next(iter(usual or possible * (len(possible) == 1)), None)
    lines = [f"labels: column {y}" if y else f"labels: none found{_hint_at_last(table)}"]
    for name, reason in reasons.items():
        if reason and table.columns[name].dtype.kind != "U" and name != y:
            lines.append(f"{reason}; so it is read as a feature, and --drop {name} leaves it out")
    first = next(iter(table.columns))
    names_rows = table.columns[first].dtype.kind == "U" and first != y and not given.get("samples")
    turned = f"; if {first} names features: --samples columns" if names_rows else ""
    return {"y": y}, [*lines, f"samples: in rows, as in most tables{turned}"]


def _why_not(column: np.ndarray, name: str = "it") -> str:
    """Why a column holds no labels; empty: it may."""
    try:
        n_classes = len(np.unique(classes(column, name)))
    except DataError as error:
        return str(error)
    return "" if n_classes > 1 else f"{name} holds one value"


def _hint_at_last(table: Table) -> str:
    """A hint at the first or the last column, if it alone holds few different numbers."""
    few = [
        name
        for name, column in table.columns.items()
        if column.dtype.kind == "f" and len(np.unique(column)) <= len(column) / 5 and not _why_not(column)
    ]
    if len(few) == 1 and few[0] in (next(iter(table.columns)), list(table.columns)[-1]):
        return f"; column {few[0]} holds {len(np.unique(table.columns[few[0]]))} different numbers: --y {few[0]}?"
    return "; --y NAME says which"


def _of_arrays(held: Arrays, path: Path, given: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The arrays that are X and the labels, and the axis of the samples, which the labels tell."""
    y = given.get("y") or held.y
    beside = path.with_name("labels.npy")
    if y is None and set(held.arrays) == {""} and beside.is_file() and beside != path:
        y = str(beside)
    x = given.get("x") or choosing.name_of_x(held, str(path), y)
    stored = held.arrays.get(x[0] if isinstance(x, list) else x)
    if stored is None:  # the loader says so
        return {"x": x, "y": y}, []
    labels = {name: a for name, a in held.arrays.items() if name != x and name not in (x or ()) and _fits(a, stored)}
    usual = [name for name in labels if re.split(r"[/.]", name)[-1].lower() in USUAL_Y]
    y = y or next(iter(usual or list(labels) * (len(labels) == 1)), None)
    if y is not None and y not in held.arrays and (file := Path(y).expanduser()).is_file():
        counted = [read_labels(file)]
    else:
        counted = [labels[y]] if y in labels else list(labels.values())
    samples, reason = given.get("samples"), "as asked"
    if samples is None:
        samples, reason = _axis(stored, counted, held.samples)
    may_be = f"{', '.join(labels)} would fit" if labels else "none found"
    lines = [
        f"labels: {y or f'{may_be}; --y NAME says which'}",
        f"samples: {f'in {samples}, ' if samples else ''}{reason}",
    ]
    return {"x": x or None, "y": y, "samples": samples}, lines


def _fits(labels: Any, X: Any) -> bool:
    """Whether an array may hold a label for each sample of X: a vector, or a map of a cube's pixels."""
    if issparse(labels) or labels.dtype.kind not in "buifU":
        return False
    if X.ndim == 3 and labels.shape in (X.shape[:2], X.shape[1:]):
        return True
    is_vector = labels.size == max(labels.shape, default=0)
    return is_vector and labels.size in (X.shape[0], X.shape[-1]) and not _why_not(labels.ravel())


def _axis(X: Any, labels: list[Any], of_format: str | None) -> tuple[str | None, str]:
    """Return the axis of the samples, and why."""
    if of_format:
        return None, f"{of_format}: the format says so"
    if X.ndim == 3 and any(np.shape(array) in (X.shape[:2], X.shape[1:]) for array in labels):
        return None, "pixels: the labels are a map of them"
    sizes = {max(np.shape(array), default=0) for array in labels}
    if len(sizes) == 1 and sizes & {X.shape[0], X.shape[-1]} and X.shape[0] != X.shape[-1]:
        return ("rows" if sizes == {X.shape[0]} else "columns"), f"because there are {max(sizes)} labels"
    return "rows", "the usual way; else add --samples columns"


def _folder(path: Path, scaling: Any) -> Seen:
    """A folder of images: the size to which they are brought, and what is skipped."""
    from PIL import Image

    images, _ = by_class(path)
    if not images:
        raise DataError(f"{path} holds no sub-folders with images; a folder of images needs a sub-folder a class")
    sizes, modes = Counter[tuple[int, int]](), Counter[str]()
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
    node = {
        "_target_": "nmfbench.datasets.images.Images",
        "scaling": scaling or "max",
        "n_clusters": None,
        "path": config.escaped(str(path)),
        "size": size,
        "grey": True,
    }
    data = config.build(node, Loader, "dataset").load()
    alike = "all" if same == len(images) else f"{same} of them"
    assert data.y is not None
    counts = np.unique(data.y, return_counts=True)[1].tolist()
    lines = [
        f"X: {len(images)} images, {alike} {height} × {width} pixels (height × width), {', '.join(sorted(modes))}",
        *data.preprocessing[1:-1],
        f"labels: the {data.n_classes} sub-folders, {_sizes(counts)}",
        f"size: read as {size[0]} × {size[1]} grey pixels = {size[0] * size[1]} features; 0 to 255, never negative",
    ]
    reason = AS_ASKED if scaling else "pixels share a unit"
    lines.append(_of_scaling(node["scaling"], reason))
    comments = {"scaling": reason, "size": "[height, width] to scale images to", "n_clusters": "the number of classes"}
    title = f"{len(images)} images of {size[0]} × {size[1]} pixels, {data.n_classes} classes ({path.name})"
    return Seen(title=title, node=node, lines=lines, comments=comments)


def _range(X: Any, scaling: Any) -> str:
    low, high = (X.min(), X.max()) if issparse(X) else (np.nanmin(X), np.nanmax(X))
    share = f", sparse, {X.nnz / math.prod(X.shape):.2%} of it not zero" if issparse(X) else ""
    if not (n_negative := int((X < 0).sum())):
        return f"{low:g} to {high:g}{share}, never negative"
    part = f"{low:g} to {high:g}{share}; {n_negative / math.prod(X.shape):.2%} of it negative"
    if {"min_max", "lee_seung"} & {*([scaling] if isinstance(scaling, str) else scaling)}:
        return part
    names = [name for name, solver in solvers.built([config.CONFIG_DIR]) if solver.accepts_negative]
    return f"{part}: only {', '.join(names)} take that{'' if issparse(X) else '; with --scaling min_max all do'}"


def _of_scaling(scaling: Any, reason: str) -> str:
    if reason == AS_ASKED:
        return f"scaling: {scaling if isinstance(scaling, str) else ', then '.join(scaling)}, {reason}"
    other = "" if scaling == "max" else "; if all features share a unit: --scaling max"
    return f"scaling: {scaling}, because {reason}{other}"


def _sizes(counts: list[int]) -> str:
    return f"{min(counts)} each" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)} each"


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


def save(seen: Seen, path: Path, name: str | None = None, force: bool = False) -> tuple[Path, str]:
    """Write the YAML to the user's config folder, so that dataset=NAME works; returns its path and NAME.

    Without ``name``, the name comes from the file's, with a number if another file has it already.
    """
    folder = config.user_dir() / "dataset"
    if name is None:
        own = slug(formats.stem(path.expanduser().absolute()))
        names = [own, *(f"{own}_{i}" for i in range(2, 1000))]
        name = next(
            n
            for n in names
            if _is_free(folder / f"{n}.yaml", seen) or n in config.options("dataset", [config.CONFIG_DIR])
        )
    if slug(name) != name.lower() or not name.isascii():
        raise ConfigError(f"--name must be of letters, digits and single _, got {name!r}; how about {slug(name)}")
    if name.lower() in config.options("dataset", [config.CONFIG_DIR]):
        raise ConfigError(f"{name} is a dataset of nmfbench; choose another with --name")
    target = folder / f"{name}.yaml"
    if target.exists() and not force:
        raise ConfigError(f"{target} exists already; --force replaces it, --name chooses another name")
    lines = [f"# {_in_a_line(seen.title)}"]
    for key, value in (seen.node | ({"name": name} if "name" in seen.node else {})).items():
        shown = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6).partition("\n")[0]
        if "\n" in str(value):
            shown = json.dumps(value)  # which is YAML too, and one line
        comment = f"   # {_in_a_line(seen.comments[key])}" if key in seen.comments else ""
        lines.append(f"{key}: {shown}{comment}")
    try:
        write_text(target, "\n".join(lines) + "\n")
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error}; NMFBENCH_CONFIG names another folder") from error
    return target, name


def _in_a_line(text: str) -> str:
    """The text for a comment: names of files and of features may hold line ends, and what YAML refuses."""
    return "".join(character if character.isprintable() else " " for character in text)


def _is_free(target: Path, seen: Seen) -> bool:
    """Whether no import of another file has that name."""
    try:
        return bool(yaml.safe_load(target.read_text(encoding="utf-8"))["path"] == seen.node["path"])
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return not target.exists()
