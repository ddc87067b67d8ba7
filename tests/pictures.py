"""A folder of pictures, as a user might have it."""

from pathlib import Path

import numpy as np
from PIL import Image


def images_in(folder: Path, classes: tuple[str, ...] = ("cat", "dog", "eel")) -> Path:
    """Grey, RGB and RGBA pictures of different sizes, 4 a class."""
    rng = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for k, mode in enumerate(("L", "RGB", "RGBA", "RGB")):
            pixels = rng.integers(0, 256, (9 + k, 7, {"L": 1, "RGB": 3, "RGBA": 4}[mode]), dtype=np.uint8)
            Image.fromarray(pixels.squeeze(), mode=None).save(folder / name / f"{name}{k}.png")
    (folder / ".thumbnail.png").write_bytes(b"left by a desktop")
    return folder
