"""Reading image files, for loaders."""

import re
import warnings
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageOps

from nmfbench.errors import ConfigError, DataError

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}


def natural(name: str) -> list[Any]:
    """A sort key by which 2 comes before 10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def check_size(size: list[int] | None) -> None:
    """Raise ConfigError unless size is None or two positive integers."""
    if size is not None and (len(size) != 2 or min(size) < 1):
        raise ConfigError(f"size must be [height,width] in pixels, got {size}")


def pixels(file: Path | IO[bytes], name: str, size: list[int] | None, grey: bool) -> np.ndarray:
    """(height, width) uint8, or (height, width, 3) in colour, resized to ``size`` [height, width] if given.

    A photograph is turned as its EXIF data says. Raises DataError that names the image if it is damaged, of an unknown
    format, suspiciously large, or has more than 8 bits a channel.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as image:
                mode = image.mode
                converted = ImageOps.exif_transpose(image).convert("L" if grey else "RGB")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{name} is larger than any picture should be ({error}); refused") from error
    except Exception as error:  # the parser of a damaged file may raise anything
        raise DataError(f"{name} cannot be read as an image: {error}") from error
    if mode[0] in "IF":  # 16- and 32-bit grey, which Pillow clips at 255
        raise DataError(f"{name} has more than 8 bits a pixel (mode {mode}); save it with 8")
    if size is not None and converted.size != (size[1], size[0]):
        converted = converted.resize((size[1], size[0]), Image.Resampling.BOX)
    return np.asarray(converted)
