"""Find data files, and record which of them a loader read."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nmfbench.errors import DataError, DataMissing

ROOT = Path(__file__).resolve().parents[2]
# In a checkout the data lies beside the package; a wheel has the shipped datasets inside the package.
DATA_DIR = ROOT / "datasets" if (ROOT / "pyproject.toml").exists() else ROOT / "nmfbench" / "data"


_noted: ContextVar[dict[str, list[int] | None] | None] = ContextVar("files that a loader reads", default=None)


@contextmanager
def files_noted() -> Iterator[dict[str, list[int] | None]]:
    files: dict[str, list[int] | None] = {}
    token = _noted.set(files)
    try:
        yield files
    finally:
        _noted.reset(token)


def fingerprint(path: Path) -> list[int]:
    """Total size, latest change (ns) and number of the files at a path. It differs when a file was replaced."""
    stats = [file.stat() for file in ([path] if path.is_file() else sorted(path.rglob("*"))) if file.is_file()]
    return [sum(s.st_size for s in stats), max((s.st_mtime_ns for s in stats), default=0), len(stats)]


def sha256(path: Path) -> str:
    """Checksum of a file, as `sha256sum` prints it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def locate(path: str) -> Path | None:
    """The file or folder of an absolute path, or of one below the data folders; None if it is not here."""
    places = [Path(path)] if Path(path).is_absolute() else [folder / path for folder in _folders()]
    return next((place for place in [*places, *where_installed(path)] if place.exists()), None)


def _folders() -> list[Path]:
    """The folders in which loaders search: the one that NMFBENCH_DATA names, then DATA_DIR."""
    own = os.environ.get("NMFBENCH_DATA")
    return [*([Path(own).expanduser()] if own else []), DATA_DIR]


def where_installed(path: str) -> list[Path]:
    """The place of packages/PATH where its package is installed: for Debian's below /, for Python's beside the package.

    None for other paths, and without that Python package. No code of the package runs.
    """
    root, _, inner = path.partition("/")
    top = inner.partition("/")[0]
    if root != "packages" or not top:
        return []
    if top == "usr":
        return [Path("/", inner)]
    spec = find_spec(top)
    return [Path(folder).parent / inner for folder in (spec and spec.submodule_search_locations) or []]


def require(name: str, hint: str, *candidates: str) -> Path:
    """The first of these relative paths that exists: in the folder NMFBENCH_DATA names, in DATA_DIR, or as installed.

    Raises DataMissing with the places that were searched and the ``hint`` where to get the data.
    """
    files = _noted.get()
    places = [(candidate, folder / candidate) for folder in _folders() for candidate in candidates]
    places += [(candidate, place) for candidate in candidates for place in where_installed(candidate)]
    for candidate, place in places:
        if place.exists():
            if files is not None:
                files[candidate] = fingerprint(place)
            return place
        if files is not None and locate(candidate) is None:
            files[candidate] = None
    searched = " and ".join(str(place) for _, place in places)
    raise DataMissing(f"{name} is not here (looked for {searched}). {hint}", f"{name} is not here. {hint}")


def read_mat(name: str, hint: str, path: str, **shapes: tuple[int, ...]) -> dict[str, Any]:
    """The arrays of these names and shapes from a .mat file of that relative path: numbers, or words if 1-D.

    Raises DataMissing with the hint, or DataError that names the file.
    """
    from nmfbench.datasets.formats import apart  # takes a moment, and planning reads nothing

    file = require(name, hint, path)
    try:
        found = apart.read("mat", file)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    arrays = found.arrays
    for key, shape in shapes.items():
        if key in found.unreadable:
            raise DataError(f"{name}: {key} of {file} cannot be read: {found.unreadable[key]}; get it again")
        if key in arrays and arrays[key].dtype.kind not in ("U" if len(shape) == 1 else "buif"):
            kind = "words" if len(shape) == 1 else "numbers"
            raise DataError(f"{name}: {file} must hold {kind} as {key}, it holds dtype {arrays[key].dtype}")
        if getattr(arrays.get(key), "shape", None) != shape:
            held = ", ".join(f"{k} {v.shape}" for k, v in arrays.items())
            raise DataError(f"{name}: {file} must hold {key} of shape {shape}; it holds {held}")
    return {key: arrays[key] for key in shapes}
