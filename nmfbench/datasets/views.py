"""A user's own data in several files: views of the same samples."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from nmfbench.datasets import base, by_view
from nmfbench.datasets.file import File
from nmfbench.datasets.formats.held import Table
from nmfbench.errors import ConfigError, DataError, DataMissing


@dataclass(frozen=True)
class Stack(base.Dataset):
    """Views of a user's own, one below the other in X."""

    @cached_property
    def sha256(self) -> str:
        """Checksum of the data and of where each view ends, which no parameter in a record tells."""
        return hashlib.sha256(f"{super().sha256} {self.view_sizes}".encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Views(base.Loader):
    """The files ``files`` hold features of the same samples in the same order; each is scaled by itself.

    Each file is read as by `File`. X has the features of the first file first.

    Parameters
    ----------
    files: paths of the files, at least one.
    x: name of the array X in each file; null: as for `File`.
    y: labels, one a sample: the path of a file of them, or the name of an array or column in at least one of the files;
        it is a feature of none. null: there are none, unless the format says which they are.
    samples: rows or columns: where the stored tables have their samples; null: rows, unless the format says otherwise.
    name: the name that tables give the dataset; null: the names of the files, joined by +.
    dense: whether sparse views are made dense, for solvers that need them so. One dense view makes all dense.
    """

    location: ClassVar[tuple[str, ...]] = ("files", "x", "y", "samples", "name")
    own: ClassVar[bool] = True

    files: list[str] | None = None
    x: str | None = None
    y: str | None = None
    samples: str | None = None
    name: str | None = None
    dense: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.files:
            raise ConfigError("files must be given: dataset.files=[a.npy,b.csv]")
        if len(set(self.files)) < len(self.files):
            raise ConfigError(f"files must name no file twice, got {self.files}")
        for path in self.files:
            self._file(path)

    def read(self) -> base.Dataset:
        views = [self._view(path) for path in self.files or []]
        first = views[0]
        y = next((view.y for view in views if view.y is not None), None)
        for view in views:
            if view.n_samples != first.n_samples:
                raise DataError(
                    f"{view.name} has {view.n_samples} samples, {first.name} has {first.n_samples}; views must show "
                    "the same samples in the same order"
                )
            if view.y is not None and y is not None and not np.array_equal(view.y, y):
                sample = int((view.y != y).argmax())
                raise DataError(
                    f"{view.name} has other labels than the files before it, the first of sample {sample} (counted "
                    "from 0); views must show the same samples in the same order"
                )
        if self.y is not None and y is None:
            raise DataError(f"y={self.y} is neither a file nor an array or column of {', '.join(self.files or [])}")
        stems = [Path(view.name).name.partition(".")[0] for view in views]
        names = [f"{stem}.{name}" for stem, view in zip(stems, views, strict=True) for name in view.feature_names or ()]
        return Stack(
            name=self.name or "+".join(stems),
            X=by_view.stacked([view.X for view in views]),
            y=y,
            feature_names=tuple(names) if all(view.feature_names for view in views) else None,
            preprocessing=tuple(f"{view.name}: {'; '.join(view.preprocessing)}" for view in views),
            views={view.name: view.X.shape[0] for view in views},
        )

    def scaled(self, raw: base.Dataset) -> base.Dataset:
        alone = replace(self, scaling=[step for step in self._scalings() if step != "by_view"])
        return by_view.scaled(raw, super(Views, alone).scaled)

    def _file(self, path: str, y: str | None = None) -> File:
        return File(path=path, x=self.x, y=y, samples=self.samples, dense=self.dense, name=None)

    def _view(self, path: str) -> base.Dataset:
        """One file, under its path as name; with labels if it holds them, or if they are a file."""
        if not Path(path).expanduser().exists():
            raise DataMissing(f"there is no file {Path(path).expanduser().absolute()}; correct dataset.files")
        file = self._file(path, self.y)
        held = file.held()
        within = self.y in (held.columns if isinstance(held, Table) else held.arrays)
        is_file = self.y is not None and Path(self.y).expanduser().is_file()
        data = (file if within or is_file else self._file(path)).dataset(held)
        return replace(data, name=path, shape=None)
