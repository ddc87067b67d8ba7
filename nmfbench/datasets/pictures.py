"""Reading image files, for loaders."""

import re
import warnings
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageOps

from nmfbench.errors import ConfigError, DataError

SUFFIXES = {".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}


def natural(name: str) -> list[Any]:
    """A sort key by which 2 comes before 10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def by_class(root: Path) -> tuple[list[Path], list[str]]:
    """The images in the sub-folders of a folder, in natural order, and the names of what is no image there, skipped.

    Hidden files, which desktops leave behind, do not count.
    """
    images: list[Path] = []
    skipped: list[Path] = []
    for entry in _sorted(root):
        for file in _sorted(entry) if entry.is_dir() else [entry]:
            is_image = entry.is_dir() and file.is_file() and file.suffix.lower() in SUFFIXES
            (images if is_image else skipped).append(file)
    return images, [str(path.relative_to(root)) + ("/" if path.is_dir() else "") for path in skipped]


def named(skipped: list[str], what: str) -> str:
    """A sentence that names the first few."""
    more = f" and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    return f"{what}: {', '.join(skipped[:3])}{more}"


def _sorted(folder: Path) -> list[Path]:
    return sorted((path for path in folder.iterdir() if path.name[0] != "."), key=lambda path: natural(path.name))


def check_size(size: list[int] | None) -> None:
    """Raise ConfigError unless size is None or two positive integers."""
    if size is not None and (len(size) != 2 or min(size) < 1):
        raise ConfigError(f"size must be [height,width] in pixels, got {size}")


def n_pages(file: Path) -> int:
    """The number of pictures in a file that can be read."""
    if file.suffix.lower() not in (".gif", ".tif", ".tiff", ".webp"):
        return 1
    with Image.open(file) as image:
        return getattr(image, "n_frames", 1)


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
