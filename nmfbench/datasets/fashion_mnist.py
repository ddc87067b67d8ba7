"""Fashion-MNIST, as Debian packages it."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nmfbench.datasets import base, sources
from nmfbench.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class FashionMNIST(base.Loader):
    """Grey pictures of clothes and shoes in 10 classes, 28 × 28 pixels: X (784, 10000), 0 to 255 before scaling.

    Xiao, Rasul & Vollgraf (2017).

    Parameters
    ----------
    part: test (10,000 pictures) or train (60,000).
    each: ≥ 1. Keep the first this many pictures of each class; None: all.
    """

    part: str = "test"
    each: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.part not in ("test", "train"):
            raise ConfigError(f"part must be test or train, got {self.part!r}")
        if self.each is not None and self.each < 1:
            raise ConfigError(f"each must be at least 1, got {self.each}")

    def read(self) -> base.Dataset:
        test_images, test_labels, train_images, train_labels = sources.packaged("fashion_mnist")
        is_test = self.part == "test"
        images, y = _idx(test_images if is_test else train_images), _idx(test_labels if is_test else train_labels)
        words = f"the {self.part} pictures"
        if self.each:
            kept = np.sort(np.concatenate([np.flatnonzero(y == label)[: self.each] for label in np.unique(y)]))
            images, y, words = images[kept], y[kept], f"{words}, the first {self.each} of each class"
        return base.Dataset("fashion_mnist", images.reshape(len(y), -1).T, y, images.shape[1:], (words,))


def _idx(path: Path) -> np.ndarray:
    """The array of bytes in a file of MNIST's format: type, number of axes, their lengths, values."""
    content = gzip.decompress(path.read_bytes())
    n_axes = content[3]
    shape = np.frombuffer(content, ">i4", n_axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * n_axes).reshape(shape)
