"""The ORL faces at full resolution."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nmfbench.datasets import base, files
from nmfbench.errors import ConfigError, DataError

HEIGHT, WIDTH = 112, 92
HEADER = b"P5\n92 112\n255\n"


@dataclass(frozen=True, kw_only=True)
class ORL(base.Loader):
    """400 faces of 40 people, 112 × 92 grey pixels in row-major order: X (10304, 400), 0 to 255 before scaling.

    Samples run s1/1, s1/2, … s40/10; the label is the person. Olivetti Research Laboratory; Samaria & Harter (1994).

    Parameters
    ----------
    shrink: 1, 2 or 4: squares of that many pixels a side are replaced by their mean, and the dataset is named by its
        pixels. The papers use all pixels.
    """

    shrink: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shrink not in (1, 2, 4):
            raise ConfigError(f"shrink must be 1, 2 or 4, a divisor of 112 and 92, got {self.shrink}")

    def read(self) -> base.Dataset:
        hint = "It ships with nmfbench; the official archive att_faces.zip, unpacked there, works too."
        folder = files.require("orl", hint, "orl/att_faces")
        faces = [_pixels(folder / f"s{person}" / f"{k}.pgm") for person in range(1, 41) for k in range(1, 11)]
        X, y, k = np.stack(faces, axis=1), np.repeat(np.arange(40), 10), self.shrink
        if k == 1:
            return base.Dataset("orl", X, y, (HEIGHT, WIDTH))
        height, width = HEIGHT // k, WIDTH // k
        X = X.reshape(height, k, width, k, 400).mean((1, 3)).reshape(height * width, 400)
        return base.Dataset(f"orl_{height}x{width}", X, y, (height, width))


def _pixels(path: Path) -> np.ndarray:
    """The pixels (10304,) uint8 of a file. Raises DataError that names it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"orl: {path} cannot be read ({error.strerror}); there must be s1/1 … s40/10") from error
    if not content.startswith(HEADER) or len(content) != len(HEADER) + HEIGHT * WIDTH:
        raise DataError(
            f"orl: {path} is not a whole 92 × 112 PGM file of {len(HEADER) + HEIGHT * WIDTH} bytes "
            f"({len(content)} bytes); restore it"
        )
    return np.frombuffer(content, np.uint8, offset=len(HEADER))
