"""CNN features of a folder of images, for `nmfbench data build`: batched, and resumed after an interruption."""

import csv
import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nmfbench.datasets.pictures import SUFFIXES
from nmfbench.errors import ConfigError, DataError, DataMissing


@dataclass(frozen=True)
class Extractor:
    """A network without its last layer, and the transform that makes an image its input.

    Parameters
    ----------
    name: the weights, for the note beside the features.
    network: maps (B, 3, height, width) to (B, n_features).
    transform: maps a PIL image in RGB to (3, height, width).
    n_features: number of features of an image, ≥ 1.
    """

    name: str
    network: Callable[[Tensor], Tensor]
    transform: Callable[[Any], Tensor]
    n_features: int


def resnet50(device: str = "cpu") -> Extractor:
    """torchvision's pretrained ResNet-50 without its last layer, 2,048 features. He et al. (2016).

    torchvision downloads the weights when it does not have them yet. Raises ConfigError without torchvision.
    """
    try:
        from torchvision.models import ResNet50_Weights
        from torchvision.models import resnet50 as pretrained
    except ImportError as error:
        raise ConfigError(f"this needs torchvision: pip install 'nmfbench[imagenet]' ({error})") from error
    weights = ResNet50_Weights.IMAGENET1K_V2
    try:
        network = pretrained(weights=weights)
    except (OSError, RuntimeError) as error:  # no network, or a wrong checksum
        raise DataError(f"torchvision cannot get the weights {weights}: {error}") from error
    network.fc = torch.nn.Identity()
    network = network.eval().to(device)
    return Extractor(
        name=f"torchvision {weights}",
        network=lambda batch: network(batch.to(device)),
        transform=weights.transforms(),
        n_features=2048,
    )


def listed(images: Path, labels: Path | None = None) -> tuple[list[Path], list[str]]:
    """The images below a folder, in order, and the label of each.

    Without ``labels``, the label is the sub-folder. ``labels`` is a CSV ``filename,label``, or the ground truth of
    ILSVRC: one integer a line, in the order of the sorted file names.
    """
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
    images: Path,
    labels: Path | None,
    folder: Path,
    extractor: Extractor,
    batch: int = 64,
    on_rows: Callable[[int, int], None] = lambda done, total: None,
) -> list[str]:
    """Write folder/features.npy (images × features, float32), labels.npy and features.json; a report in lines.

    Rows are kept as they come, so a call after an interruption continues. The files get their names when they are
    complete. ``on_rows`` is called with (rows done, all rows).
    """
    paths, words = listed(images, labels)
    names = [path.relative_to(images).as_posix() for path in paths]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _build(paths, names, words, folder, extractor, batch, on_rows)
    except OSError as error:
        raise ConfigError(f"cannot write to {folder}: {error}; NMFBENCH_DATA names another folder") from error


def _build(
    paths: list[Path],
    names: list[str],
    words: list[str],
    folder: Path,
    extractor: Extractor,
    batch: int,
    on_rows: Callable[[int, int], None],
) -> list[str]:
    note = {"network": extractor.name, "shape": [len(names), extractor.n_features], "images": _digest(names)}
    old_note = _read_json(folder / "features.json")
    if {key: old_note.get(key) for key in note} == note and (folder / "features.npy").exists():
        report = f"{folder / 'features.npy'} was there already, made of the same images"
    else:
        _extract(paths, names, folder, extractor, batch, on_rows)
        report = f"wrote {folder / 'features.npy'}: {len(names)} images × {extractor.n_features} features"
    classes, y = _numbered(words)
    with (folder / "labels.part.npy").open("wb") as file:
        np.save(file, y)
    os.replace(folder / "labels.part.npy", folder / "labels.npy")
    _write_json(folder / "features.json", {**note, "classes": classes})
    return [report, f"wrote {folder / 'labels.npy'}: {len(classes)} classes", f"features of {extractor.name}"]


def _extract(
    paths: list[Path],
    names: list[str],
    folder: Path,
    extractor: Extractor,
    batch: int,
    on_rows: Callable[[int, int], None],
) -> None:
    """Write folder/features.npy, under another name until the last row is written."""
    part, progress = folder / "features.part.npy", folder / "features.part.json"
    features, done = _resume(part, progress, names, extractor)
    on_rows(done, len(names))
    with torch.no_grad(), ThreadPoolExecutor() as pool:
        for start in range(done, len(paths), batch):
            chunk = paths[start : start + batch]
            inputs = torch.stack(list(pool.map(lambda path: _input(path, extractor), chunk)))
            rows = extractor.network(inputs).cpu().numpy()
            if rows.shape != (len(chunk), extractor.n_features) or not np.isfinite(rows).all():
                raise DataError(f"{chunk[0]} and on: the network gave an array {rows.shape}, or one with NaN")
            features[start : start + len(chunk)] = rows
            features.flush()
            done = start + len(chunk)
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


def _input(path: Path, extractor: Extractor) -> Tensor:
    from PIL import Image

    try:
        with Image.open(path) as image:
            return extractor.transform(image.convert("RGB"))
    except Exception as error:  # the parser of a damaged file may raise anything
        raise DataError(
            f"{path} cannot be read as an image: {error}. Replace or remove it and call again: the rows so far are kept"
        ) from error


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
