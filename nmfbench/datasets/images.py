"""A user's own images, a folder per class."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from nmfbench.datasets import base, labels, pictures
from nmfbench.errors import ConfigError, DataError, DataMissing


@dataclass(frozen=True, kw_only=True)
class Images(base.Loader):
    """The images below ``path``: each sub-folder is a class, each image a sample of height · width pixels.

    In colour, the three channels of a pixel follow each other. Folders and files are taken in natural order (2 before
    10).

    Parameters
    ----------
    path: path of the folder.
    size: [height, width] in pixels, each ≥ 1, to which images are resized; None: all images must have the same size.
    grey: whether colours are dropped.
    """

    location: ClassVar[tuple[str, ...]] = ("path",)
    own: ClassVar[bool] = True

    path: str = ""
    size: list[int] | None = None
    grey: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.path:
            raise ConfigError("path must be given: dataset.path=my_images")
        pictures.check_size(self.size)

    def read(self) -> base.Dataset:
        root = Path(os.path.abspath(Path(self.path).expanduser()))  # because a name must not be ".."
        if not root.is_dir():
            raise DataMissing(f"there is no folder {root}; correct dataset.path")
        files, skipped = pictures.by_class(root)
        if not files:
            raise DataError(f"{root} has no sub-folders with images; there must be one a class")
        arrays: list[np.ndarray] = []
        several = []
        for file in files:
            array = pictures.pixels(file, str(file), self.size, self.grey)
            if arrays and array.shape != arrays[0].shape:
                raise DataError(
                    f"{file} is {array.shape[0]} × {array.shape[1]} pixels, the first image {arrays[0].shape[0]} × "
                    f"{arrays[0].shape[1]}; resize them all with dataset.size=[height,width]"
                )
            arrays.append(array)
            if pictures.n_pages(file) > 1:
                several.append(str(file.relative_to(root)))
        sentences = [f"{'grey' if self.grey else 'colour'} images of {' × '.join(map(str, arrays[0].shape))}"]
        if skipped:
            sentences.append(pictures.named(skipped, "skipped, since no image in a sub-folder"))
        if several:
            sentences.append(pictures.named(several, "several pages, of which the first is read"))
        classes = {folder: number for number, folder in enumerate(dict.fromkeys(file.parent for file in files))}
        return base.Dataset(
            name=root.name.lstrip(".") or "images",
            X=np.stack([array.ravel() for array in arrays], axis=1),
            y=labels.classes([classes[file.parent] for file in files], f"folders of {root}"),
            shape=arrays[0].shape,
            preprocessing=tuple(sentences),
        )
