"""CNN features of the ImageNet validation images."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from nmfbench.datasets import base
from nmfbench.errors import DataError

FEATURES = 2048


@dataclass(frozen=True, kw_only=True)
class ImageNetCNN(base.Loader):
    """ResNet-50 features (≥ 0) of 50,000 images in 1,000 classes: X (2048, 50000), mapped from its file, not read.

    From imagenet_cnn/features.npy (samples in rows) and labels.npy, as `nmfbench data build imagenet_cnn` makes them,
    or imagenet_cnn/features.npz with arrays features and labels, which is read into memory. A ``scaling`` other than
    none makes a scaled copy in memory.
    """

    def read(self) -> base.Dataset:
        hint = (
            "Make it from the images: nmfbench data build imagenet_cnn --images DIR; data fetch says how to get them."
        )
        path = base.require("imagenet_cnn", hint, "imagenet_cnn/features.npy", "imagenet_cnn/features.npz")
        try:
            if path.suffix == ".npz":
                with path.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
                    X, y = arrays["features"], arrays["labels"]
            else:
                X = np.lib.format.open_memmap(path, mode="r")
                y = _labels(path.with_name("labels.npy"))
        except (ValueError, OSError, KeyError, EOFError) as error:
            raise DataError(f"imagenet_cnn: {path} or its labels cannot be read: {error}; build it again") from error
        if X.ndim != 2 or X.shape[1] != FEATURES:
            raise DataError(f"imagenet_cnn: {path} must hold samples × {FEATURES} features, it has shape {X.shape}")
        return base.Dataset("imagenet_cnn", X.T, y.ravel())


def _labels(path: Any) -> np.ndarray:
    with path.open("rb") as opened:
        return np.lib.format.read_array(opened, allow_pickle=False)
