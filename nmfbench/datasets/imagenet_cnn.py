"""CNN features of the ImageNet validation images."""

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nmfbench.datasets import base, files
from nmfbench.errors import DataError

FEATURES = 2048


@dataclass(frozen=True, kw_only=True)
class ImageNetCNN(base.Loader):
    """ResNet-50 features (≥ 0) of 50,000 images in 1,000 classes: X (2048, 50000), mapped from its file, not read.

    From imagenet_cnn/features.npy (samples in rows) and labels.npy, as `nmfbench data build imagenet_cnn` makes them,
    or imagenet_cnn/features.npz with arrays features and labels, not compressed. A ``scaling`` other than none makes a
    scaled copy in memory.
    """

    def read(self) -> base.Dataset:
        hint = "nmfbench data fetch imagenet_cnn says how to get the images and make the features."
        path = files.require("imagenet_cnn", hint, "imagenet_cnn/features.npy", "imagenet_cnn/features.npz")
        try:
            if path.suffix == ".npz":
                X, y = _mapped(path, "features.npy"), np.asarray(_mapped(path, "labels.npy"))
            else:
                X = np.lib.format.open_memmap(path, mode="r")
                with path.with_name("labels.npy").open("rb") as opened:
                    y = np.lib.format.read_array(opened, allow_pickle=False)
        except (ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"imagenet_cnn: {path} or its labels cannot be read: {error}; build it again") from error
        if X.ndim != 2 or X.shape[1] != FEATURES:
            raise DataError(f"imagenet_cnn: {path} must hold samples × {FEATURES} features, it has shape {X.shape}")
        return base.Dataset("imagenet_cnn", X.T, y.ravel())


def _mapped(path: Path, name: str) -> np.ndarray:
    """Map an array of an .npz from its place in the archive. Raises ValueError if it is compressed."""
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        entry = archive.getinfo(name)
        if entry.compress_type != zipfile.ZIP_STORED:
            raise ValueError("it is compressed and cannot be mapped; save it with numpy.savez, or as .npy")
        # The entry's own header has 30 bytes; the last four are the lengths of a name and of extra fields.
        file.seek(entry.header_offset + 26)
        lengths = file.read(4)
        file.seek(int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little"), os.SEEK_CUR)
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read_header(file)
        if dtype.hasobject:
            raise ValueError("arrays of objects are pickles, which run code")
        return np.memmap(path, dtype, "r", file.tell(), shape, order="F" if fortran else "C")
