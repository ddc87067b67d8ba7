"""The AR faces."""

import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from nmfbench.datasets import base, pictures
from nmfbench.errors import DataError

HEIGHT, WIDTH = 165, 120
LARGEST = 2**24
"""Bytes that a bitmap may have, far above any of this set."""
NAME = re.compile(r"([mw])-(\d{1,3})-(\d{1,2})\.bmp$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class AR(base.Loader):
    """2,600 faces of 50 men and 50 women, 26 each, 120 × 165 RGB pixels: X (59400, 2600), 0 to 255 before scaling.

    From bitmaps M-001-01.bmp … W-050-26.bmp (also m-1-1.bmp) in the folder ar or in a zip there; where there are none,
    from AR_55_40.mat: 1,400 warped grey faces of 55 × 40 without the occluded ones, another dataset by the name of
    "ar_reduced". ``size`` [height, width] resizes, ``grey`` drops the colours. Martínez & Benavente (1998).
    """

    size: list[int] | None = None
    grey: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        pictures.check_size(self.size)

    def read(self) -> base.Dataset:
        hint = "Its author gives it out for research on application; nmfbench data fetch ar says how."
        folder = base.require("ar", hint, "ar")
        with _bitmaps(folder) as found:
            if not found:
                return self._reduced(hint)
            faces = sorted((_person(name), _number(name), name) for name in found)
            people, counts = np.unique([person for person, *_ in faces], return_counts=True)
            if len(people) != 100 or set(counts) != {26}:
                short = [int(p) + 1 for p, n in zip(people, counts, strict=True) if n != 26]
                raise DataError(
                    f"ar: {folder} must hold 26 bitmaps of each of 100 people, it holds {len(faces)} of {len(people)}"
                    + (f"; not 26 of person {short[0]} (women count from 51)" if short else "")
                )
            arrays = [self._face(found, name) for *_, name in faces]
        shape = arrays[0].shape
        said = f"bitmaps, {'grey' if self.grey else 'colour'}, {shape[0]} × {shape[1]}"
        X = np.stack([array.ravel() for array in arrays], axis=1)
        return base.Dataset("ar", X, np.repeat(np.arange(100), 26), shape, (said,))

    def _face(self, found: dict[str, Any], name: str) -> np.ndarray:
        with found[name]() as file:
            face = pictures.pixels(file, f"ar: {name}", self.size, self.grey)
        if self.size is None and face.shape[:2] != (HEIGHT, WIDTH):
            raise DataError(
                f"ar: {name} is {face.shape[1]} × {face.shape[0]} pixels, expected {WIDTH} × {HEIGHT}; "
                f"dataset.size=[{HEIGHT},{WIDTH}] resizes all of them"
            )
        return face

    def _reduced(self, hint: str) -> base.Dataset:
        mat = base.read_mat("ar", hint, "ar/AR_55_40.mat", DATA=(2200, 1400), labels=(1, 1400))
        said = "the reduced set AR_55_40.mat: 1,400 warped grey faces of 55 × 40, not the paper's 2,600"
        X = base.upright(mat["DATA"], 55, 40)
        return base.Dataset("ar_reduced", X, mat["labels"].ravel() - 1, (55, 40), (said,))


@contextmanager
def _bitmaps(folder: Path) -> Iterator[dict[str, Any]]:
    """File name → what opens it, from the folder and, if it has none, from the zip archives in it."""
    files: dict[str, Any] = {path.name: partial(path.open, "rb") for path in folder.rglob("*") if NAME.match(path.name)}
    archives = [] if files else sorted(folder.glob("*.zip"))
    opened: list[zipfile.ZipFile] = []
    try:
        for path in archives:
            opened.append(zipfile.ZipFile(path))
            # Members are read in memory, so their folders, wherever they point, mean nothing.
            files |= {
                Path(m).name: partial(_member, opened[-1], m) for m in opened[-1].namelist() if NAME.match(Path(m).name)
            }
        yield files
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"ar: {archives[-1] if archives else folder} cannot be read: {error}; get it again") from error
    finally:
        for archive in opened:
            archive.close()


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    if archive.getinfo(name).file_size > LARGEST:
        raise DataError(f"ar: {name} in {archive.filename} unpacks to more than {LARGEST:,} bytes; refused")
    return archive.open(name)


def _person(name: str) -> int:
    """0 … 49 for men, 50 … 99 for women."""
    sex, person, _ = NAME.match(name).groups()  # type: ignore[union-attr]
    return int(person) - 1 + (50 if sex in "wW" else 0)


def _number(name: str) -> int:
    return int(NAME.match(name)[3])  # type: ignore[index]
