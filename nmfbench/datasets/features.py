"""CNN features of pictures, for `nmfbench data build`: batched, and resumed after an interruption."""

import csv
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nmfbench.datasets.base import Dataset
from nmfbench.datasets.extractors import Extractor
from nmfbench.datasets.pictures import SUFFIXES
from nmfbench.errors import ConfigError, DataError, DataMissing


@dataclass(frozen=True)
class Pictures:
    """The pictures to make features of.

    Parameters
    ----------
    names: a name of each, none twice, by which an interrupted call knows them again.
    words: the class of each.
    read: the picture of a number as a PIL image in RGB. Raises DataError that names the picture.
    """

    names: list[str]
    words: list[str]
    read: Callable[[int], Any]


def of_dataset(data: Dataset) -> Pictures:
    """The pictures of a dataset whose X has values in [0, 1]. Raises ConfigError unless it has pictures and labels."""
    shape = data.shape
    if shape is None or data.y is None:
        raise ConfigError(f"{data.name} has no {'labels' if shape else 'pictures'}; give a folder of them as --images")

    def read(number: int) -> Any:
        from PIL import Image

        return Image.fromarray(np.rint(255 * data.X[:, number]).astype(np.uint8).reshape(shape)).convert("RGB")

    return Pictures([f"{data.sha256}/{i}" for i in range(data.n_samples)], [str(label) for label in data.y], read)


def of_folder(images: Path, labels: Path | None = None) -> Pictures:
    """The pictures below a folder, in order.

    Without ``labels``, the class is the sub-folder. ``labels`` is a CSV ``filename,label``, or the ground truth of
    ILSVRC: one integer a line, in the order of the sorted file names.
    """
    paths, words = _listed(images, labels)

    def read(number: int) -> Any:
        from PIL import Image

        try:
            with Image.open(paths[number]) as image:
                return image.convert("RGB")
        except Exception as error:  # the parser of a damaged file may raise anything
            raise DataError(
                f"{paths[number]} cannot be read as an image: {error}. Replace or remove it and call again: the "
                "rows so far are kept"
            ) from error

    return Pictures([path.relative_to(images).as_posix() for path in paths], words, read)


def first(pictures: Pictures, each: int) -> Pictures:
    """The first ``each`` pictures of every class, in their order."""
    seen: Counter[str] = Counter()
    kept = []
    for i, word in enumerate(pictures.words):
        seen[word] += 1
        if seen[word] <= each:
            kept.append(i)
    names, words = ([values[i] for i in kept] for values in (pictures.names, pictures.words))
    return Pictures(names, words, lambda number: pictures.read(kept[number]))


def _listed(images: Path, labels: Path | None) -> tuple[list[Path], list[str]]:
    if not images.is_dir():
        raise DataMissing(f"there is no folder {images}")
    # Skip hidden files, which desktops leave behind.
    paths = [path for path in images.rglob("*") if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
    if not paths:
        raise DataMissing(f"{images} holds no images ({', '.join(sorted(SUFFIXES))})")
    if labels is None:
        paths.sort()
        for path in paths:
            if path.parent == images:
                raise ConfigError(f"{path} lies in no sub-folder that would tell its class; add --labels FILE")
        return paths, [path.relative_to(images).parts[0] for path in paths]
    paths.sort(key=lambda path: (path.name, path))
    try:
        with labels.open(newline="", encoding="utf-8") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file) if row]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{labels} cannot be read as text: {error}") from error
    if all(len(row) == 1 and row[0].lstrip("-").isdecimal() for row in rows):
        if len(rows) != len(paths):
            raise DataError(f"{labels} has {len(rows)} labels, but {images} holds {len(paths)} images")
        return paths, [row[0] for row in rows]
    for number, row in enumerate(rows, start=1):
        if len(row) != 2:
            raise DataError(f"{labels}, row {number}: expected filename,label (or one integer a line), got {row}")
    label_of = {name: label for name, label in rows}
    names = [
        next((n for n in (path.relative_to(images).as_posix(), path.name) if n in label_of), None) for path in paths
    ]
    for path, name in zip(paths, names, strict=True):
        if name is None:
            raise DataError(f"{labels} has no label for {path.relative_to(images)}")
    return paths, [label_of[name] for name in names if name is not None]


def build(
    pictures: Pictures,
    folder: Path,
    extractor: Extractor,
    batch: int = 64,
    on_rows: Callable[[int, int], None] = lambda done, total: None,
) -> list[str]:
    """Write folder/features.npy (images × features, float32), labels.npy and features.json; a report in lines.

    Rows are kept as they come, so a call after an interruption continues. The files get their names when they are
    complete. ``on_rows`` is called with (rows done, all rows). Raises ConfigError if the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _build(pictures, folder, extractor, batch, on_rows)
    except OSError as error:
        raise ConfigError(f"cannot write to {folder}: {error}; NMFBENCH_DATA names another folder") from error


def _build(
    pictures: Pictures, folder: Path, extractor: Extractor, batch: int, on_rows: Callable[[int, int], None]
) -> list[str]:
    names = pictures.names
    note = {"network": extractor.name, "shape": [len(names), extractor.n_features], "images": _digest(names)}
    old_note = _read_json(folder / "features.json")
    if {key: old_note.get(key) for key in note} == note and (folder / "features.npy").exists():
        report = f"{folder / 'features.npy'} was there already, made of the same images"
    else:
        _extract(pictures, folder, extractor, batch, on_rows)
        report = f"wrote {folder / 'features.npy'}: {len(names)} images × {extractor.n_features} features"
    classes, y = _numbered(pictures.words)
    with (folder / "labels.part.npy").open("wb") as file:
        np.save(file, y)
    os.replace(folder / "labels.part.npy", folder / "labels.npy")
    _write_json(folder / "features.json", {**note, "classes": classes})
    return [report, f"wrote {folder / 'labels.npy'}: {len(classes)} classes", f"features of {extractor.name}"]


def _extract(
    pictures: Pictures, folder: Path, extractor: Extractor, batch: int, on_rows: Callable[[int, int], None]
) -> None:
    """Write folder/features.npy, under another name until the last row is written."""
    part, progress, names = folder / "features.part.npy", folder / "features.part.json", pictures.names
    features, done = _resume(part, progress, names, extractor)
    on_rows(done, len(names))
    with torch.no_grad(), ThreadPoolExecutor() as pool:
        for start in range(done, len(names), batch):
            done = min(start + batch, len(names))
            inputs = torch.stack(list(pool.map(lambda i: extractor.transform(pictures.read(i)), range(start, done))))
            rows = extractor.network(inputs).cpu().numpy()
            if rows.shape != (done - start, extractor.n_features) or not np.isfinite(rows).all():
                raise DataError(f"{names[start]} and on: the network gave an array {rows.shape}, or one with NaN")
            features[start:done] = rows
            features.flush()
            _write_json(progress, {"rows": done, "images": _digest(names[:done]), "network": extractor.name})
            on_rows(done, len(names))
    del features
    (folder / "features.json").unlink(missing_ok=True)  # the note of earlier features, which are now replaced
    os.replace(part, folder / "features.npy")
    progress.unlink()


def _resume(part: Path, progress: Path, names: list[str], extractor: Extractor) -> tuple[np.memmap, int]:
    """The array that rows are written to, and the number of rows that an earlier call left.

    Those rows count if they belong to the first images, even when later images were added or removed.
    """
    shape = (len(names), extractor.n_features)
    done, old = 0, None
    earlier = _read_json(progress)
    if earlier.get("network") == extractor.name and earlier.get("images") == _digest(names[: earlier.get("rows", 0)]):
        try:
            old = np.load(part, mmap_mode="r")
            done = earlier["rows"]
        except (OSError, ValueError):  # missing or damaged: start again
            pass
    if done and old is not None and old.shape == shape:
        return np.lib.format.open_memmap(part, mode="r+"), done
    new = part.with_name("features.new.npy")
    features = np.lib.format.open_memmap(new, mode="w+", dtype=np.float32, shape=shape)
    if done and old is not None:
        features[:done] = old[:done]
    os.replace(new, part)
    return features, done


def _numbered(words: list[str]) -> tuple[list[str], np.ndarray]:
    """The classes, and the number of each word's class; words that are integers keep their value."""
    if all(word.lstrip("-").isdecimal() for word in words):
        y = np.array([int(word) for word in words])
        return [str(label) for label in np.unique(y)], y
    classes, y = np.unique(words, return_inverse=True)
    return [str(name) for name in classes], y


def _digest(names: list[str]) -> str:
    return hashlib.sha256("\0".join(names).encode()).hexdigest()


def _read_json(path: Path) -> dict[str, Any]:
    """The content of a note; empty if it is missing or damaged."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _write_json(path: Path, content: dict[str, Any]) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(content, indent=1), encoding="utf-8")
    os.replace(part, path)
