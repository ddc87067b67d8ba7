"""The AR faces."""

import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np

from nmfbench.datasets import base, columns, files, pictures
from nmfbench.errors import ConfigError, DataError, DataMissing

HEIGHT, WIDTH = 165, 120
LARGEST = 2**24
"""Largest size of a bitmap in bytes, far above any in this set."""
NAME = re.compile(r"([mw])-(\d{1,3})-(\d{1,2})\.bmp$", re.IGNORECASE)
Bitmaps = list[tuple[str, Callable[[], Any]]]
"""File names, each with a function that opens it."""


@dataclass(frozen=True, kw_only=True)
class AR(base.Loader):
    """2,600 faces of 50 men and 50 women, 26 each, 120 × 165 RGB pixels: X (59400, 2600), 0 to 255 before scaling.

    From bitmaps M-001-01.bmp … W-050-26.bmp (also m-1-1.bmp) in the folder ar or in a zip there. Without bitmaps, from
    AR_55_40.mat: 1,400 warped grey faces of 55 × 40 without the occluded ones, which is another dataset, "ar_reduced".
    Martínez & Benavente (1998).

    Parameters
    ----------
    reduced: True: read AR_55_40.mat; False: read the bitmaps; None: the bitmaps where they exist, else AR_55_40.mat.
    size: [height, width] in pixels, each ≥ 1, to which bitmaps are resized; None: 165 × 120, as they are.
    grey: whether colours are dropped; the WNNF paper's 120 × 165 × 3 has colour.
    """

    location: ClassVar[tuple[str, ...]] = ("reduced",)

    reduced: bool | None = None
    size: list[int] | None = None
    grey: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        pictures.check_size(self.size)

    def read(self) -> base.Dataset:
        hint = "Its author gives it out for research on application; nmfbench data fetch ar says how."
        folder = files.require("ar", hint, "ar")
        if self.reduced:
            return self._reduced(hint)
        with _bitmaps(folder) as bitmaps:
            if not bitmaps and self.reduced is False:
                message = f"ar is not here (no bitmaps in {folder}; the reduced set is no stand-in). {hint}"
                raise DataMissing(message, anywhere=f"ar is not here. {hint}")
            if not bitmaps:
                return self._reduced(hint)
            _check_complete([_picture(name) for name, _ in bitmaps], folder)
            # Men come before women, in the order of their letters.
            arrays = [self._face(name, opener) for name, opener in sorted(bitmaps, key=lambda face: _picture(face[0]))]
        shape = arrays[0].shape
        source = f"bitmaps, {'grey' if self.grey else 'colour'}, {shape[0]} × {shape[1]}"
        X = np.stack([array.ravel() for array in arrays], axis=1)
        return base.Dataset("ar", X, np.repeat(np.arange(100), 26), shape, (source,))

    def _face(self, name: str, opener: Callable[[], Any]) -> np.ndarray:
        with opener() as file:
            face = pictures.pixels(file, f"ar: {name}", self.size, self.grey)
        if self.size is None and face.shape[:2] != (HEIGHT, WIDTH):
            raise DataError(
                f"ar: {name} is {face.shape[1]} × {face.shape[0]} pixels, expected {WIDTH} × {HEIGHT}; "
                f"dataset.size=[{HEIGHT},{WIDTH}] resizes all of them"
            )
        return face

    def _reduced(self, hint: str) -> base.Dataset:
        mat = files.read_mat("ar", hint, "ar/AR_55_40.mat", DATA=(2200, 1400), labels=(1, 1400))
        if self.size is not None:
            raise ConfigError(f"size={self.size} resizes bitmaps, and there is only AR_55_40.mat; leave it out")
        source = "the reduced set AR_55_40.mat: 1,400 warped grey faces of 55 × 40, not the paper's 2,600"
        X = columns.upright(mat["DATA"], 55, 40)
        return base.Dataset("ar_reduced", X, mat["labels"].ravel() - 1, (55, 40), (source,))


@contextmanager
def _bitmaps(folder: Path) -> Iterator[Bitmaps]:
    """The bitmaps of the folder or, if it has none, of the zip archives in it."""
    files: Bitmaps = [(path.name, partial(path.open, "rb")) for path in folder.rglob("*") if NAME.match(path.name)]
    archives = [] if files else sorted(folder.glob("*.zip"))
    opened: list[zipfile.ZipFile] = []
    try:
        for path in archives:
            opened.append(zipfile.ZipFile(path))
            # Members are read in memory, so it does not matter where their folders point.
            names = [(Path(member).name, member) for member in opened[-1].namelist()]
            files += [(name, partial(_member, opened[-1], member)) for name, member in names if NAME.match(name)]
        yield files
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"ar: {archives[-1] if archives else folder} cannot be read: {error}; get it again") from error
    finally:
        for archive in opened:
            archive.close()


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    if archive.getinfo(name).file_size > LARGEST:
        raise DataError(f"ar: {name} in {archive.filename} unpacks to more than {LARGEST:,} bytes; refused")
    try:
        return archive.open(name)
    except RuntimeError as error:  # a password, or a compression that Python cannot read
        raise DataError(f"ar: {name} in {archive.filename} cannot be read: {error}; unpack it by hand") from error


def _picture(name: str) -> tuple[str, int, int]:
    """The parts of a file name: "m" or "w", person, picture."""
    sex, person, number = NAME.match(name).groups()  # type: ignore[union-attr]
    return sex.lower(), int(person), int(number)


def _check_complete(pictures: list[tuple[str, int, int]], folder: Path) -> None:
    """Raise DataError unless there are 26 pictures of each of 50 men and 50 women."""
    counts, all_of_them = Counter(pictures), set(product("mw", range(1, 51), range(1, 27)))
    wrong = {
        "without": all_of_them - counts.keys(),
        "with an unknown": counts.keys() - all_of_them,
        "with more than one": {picture for picture, times in counts.items() if times > 1},
    }
    faults = [f"{how} {s.upper()}-{p:03d}-{k:02d}" for how, those in wrong.items() for s, p, k in sorted(those)[:1]]
    if faults:
        raise DataError(
            f"ar: {folder} must hold the 2,600 bitmaps M-001-01.bmp … W-050-26.bmp once each; "
            f"it holds {len(pictures):,}, {', '.join(faults)}"
        )
