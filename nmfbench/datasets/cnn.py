"""CNN features of pictures, as `nmfbench data build` makes them."""

import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from nmfbench.datasets import base, files
from nmfbench.errors import ConfigError, DataError


@dataclass(frozen=True, kw_only=True)
class CNNFeatures(base.Loader):
    """Features (≥ 0) of pictures by a pretrained network: X (n_features, n), mapped from its file, not read.

    From features.npy (samples in rows) and labels.npy in a folder that `nmfbench data build` has made, or features.npz
    there, with arrays features and labels, not compressed. A ``scaling`` other than none makes a scaled copy in memory.

    Parameters
    ----------
    folder: name of the folder in the data folder, which is the dataset's name too.
    n_features: number of features that the file must have, ≥ 1; None: any.
    """

    location: ClassVar[tuple[str, ...]] = ("n_features",)

    folder: str = ""
    n_features: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.folder or Path(self.folder).name != self.folder:
            raise ConfigError(f"folder must be the name of a folder in the data folder, got {self.folder!r}")
        if self.n_features is not None and self.n_features < 1:
            raise ConfigError(f"n_features must be at least 1, got {self.n_features}")

    def read(self) -> base.Dataset:
        name = self.folder
        hint = f"nmfbench data fetch {name} says how to get the pictures and make the features."
        path = files.require(name, hint, f"{name}/features.npy", f"{name}/features.npz")
        try:
            if path.suffix == ".npz":
                X, y = _mapped(path, "features.npy"), np.asarray(_mapped(path, "labels.npy"))
            else:
                X = np.lib.format.open_memmap(path, mode="r")
                with path.with_name("labels.npy").open("rb") as opened:
                    y = np.lib.format.read_array(opened, allow_pickle=False)
        except (ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"{name}: {path} or its labels cannot be read: {error}; build it again") from error
        if X.ndim != 2 or (self.n_features and X.shape[1] != self.n_features):
            raise DataError(
                f"{name}: {path} must hold samples × {self.n_features or 'some'} features, it has shape {X.shape}; "
                "dataset=cnn dataset.folder=… takes those of any network"
            )
        return base.Dataset(name, X.T, y.ravel(), preprocessing=_network(path.with_name("features.json")))


def _network(note: Path) -> tuple[str, ...]:
    """A sentence on the network that made the features, where a note beside them names it."""
    try:
        return (f"features of {json.loads(note.read_text(encoding='utf-8'))['network']}",)
    except (OSError, ValueError, KeyError, TypeError):
        return ()


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
