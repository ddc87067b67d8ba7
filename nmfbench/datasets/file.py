"""A user's own data from one file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from nmfbench.datasets import base, labels
from nmfbench.datasets.formats import TABLES, TEXT, choosing, is_10x, read, stem, suffix_of
from nmfbench.datasets.formats.decoding import strict_lines
from nmfbench.datasets.formats.held import Arrays, Table
from nmfbench.datasets.formats.label_file import read_labels
from nmfbench.datasets.formats.text import Asked
from nmfbench.errors import ConfigError, DataError, DataMissing


@dataclass(frozen=True, kw_only=True)
class File(base.Loader):
    """X and labels from a table, a file of arrays or a sparse matrix. No pickle is loaded.

    Stated rules decide what is not given, and the record shows it: see `formats.text`, `formats.header` and
    `formats.choosing`. An .npy of more than an eighth of the machine's memory stays in its file if ``scaling`` is none.

    Parameters
    ----------
    path: path of the file; its ending tells the kind. Or of a folder of 10x Genomics.
    x: name of the array X, or a list of names, whose features are joined; null: the only matrix, or the one with a
        usual name. .xlsx: name of the sheet. Not for other tables.
    y: labels, whole numbers or words: name of an array or column, or the path of a file with a label a line or one
        array. null: there are no labels, unless the format says which they are.
    samples: rows or columns: where the stored table has its samples; pixels: of a cube (height, width, bands). null:
        rows, unless the format or a map of labels says otherwise.
    name: the name that tables give the dataset, without "/" and no dot first; null: the file's name without its ending.
    dense: whether sparse X is made dense, for solvers that need it so.
    shape: [height, width] when samples are images, pixels in row-major order; null: that of the stored array, if any.
    vocabulary: path of a text file with the name of one feature a line, words for example; null: the names in the file.
    sep: separator of a text table, a character or tab, blank, comma, semicolon, bar; null: recognised.
    decimal: decimal mark of a text table, "." or ","; null: recognised.
    header: whether the first row of a table names the columns; null: recognised.
    encoding: codec of a text file; null: recognised.
    drop: columns that are no features; null: those that count or identify the rows.
    names: the column that names the samples (with samples=columns: the features); null: recognised.
    missing: texts that mark a missing number; null: empty, NA, NaN, null, None, ?, - and a lone point. Missing numbers
        are refused, unless it is nan: then they are left out of the fit, as NaN in arrays is. A list with nan in it
        does the same for its texts.
    """

    location: ClassVar[tuple[str, ...]] = (
        *("path", "x", "y", "samples", "name", "shape", "vocabulary"),
        *("sep", "decimal", "header", "encoding", "drop", "names", "missing"),
    )
    own: ClassVar[bool] = True

    path: str = ""
    x: Any = None
    y: str | None = None
    samples: str | None = None
    name: str | None = None
    dense: bool = False
    shape: list[int] | None = None
    vocabulary: str | None = None
    sep: str | None = None
    decimal: str | None = None
    header: bool | None = None
    encoding: str | None = None
    drop: list[str] | None = None
    names: str | None = None
    missing: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.samples not in (None, "rows", "columns", "pixels"):
            raise ConfigError(f"samples must be rows, columns or pixels, got {self.samples!r}")
        if empty := [key for key in self.location if getattr(self, key) == "" and key != "path"]:
            raise ConfigError(f"{empty[0]} is empty; leave it out, or {empty[0]}=null for the default")
        if not self.path:
            raise ConfigError("path must be given: dataset.path=my.npz")
        several = isinstance(self.x, (list, tuple)) and self.x and all(isinstance(name, str) for name in self.x)
        if self.x is not None and not isinstance(self.x, str) and not several:
            raise ConfigError(f"x must be the name of an array or a list of names, got {self.x}")
        if self.shape is not None and (not self.shape or min(self.shape) < 1):
            raise ConfigError(f"shape must be a list of positive integers, got {self.shape}")
        if "/" in (self.name or "") or (self.name or "").startswith("."):
            raise ConfigError(f"name must be a plain name, without / and no dot first, got {self.name!r}")
        marks = self.missing
        if not (marks is None or _is_nan(marks) or (isinstance(marks, list) and all(map(_is_mark, marks)))):
            raise ConfigError(f"missing must be nan or a list of texts, e.g. missing=['-99'], got {marks!r}")
        if not Path(self.path).expanduser().is_dir():
            suffix_of(Path(self.path))
        self.asked()

    def read(self) -> base.Dataset:
        return self.dataset(self.held())

    @property
    def absolute(self) -> Path:
        """The path of the file, or of a folder of 10x Genomics."""
        return Path(self.path).expanduser().absolute()

    def held(self) -> Arrays | Table:
        """Read the arrays or the table in the file; which part is X is decided later."""
        path = self.absolute
        if path.is_dir() and not is_10x(path):
            raise DataError(f"{path} is a folder without matrix.mtx; for a folder of images: dataset=images")
        if not path.exists():
            raise DataMissing(f"there is no file {path}; correct dataset.path")
        self._refuse_unused(path)
        sheet = self.x if path.suffix.lower() == ".xlsx" else None
        return read(path, self.asked(), sheet)

    def dataset(self, held: Arrays | Table) -> base.Dataset:
        """The unscaled dataset that these contents of the file make."""
        path = self.absolute
        y, elsewhere, holder = self.y, None, str(path)
        if y is not None and y not in (held.columns if isinstance(held, Table) else held.arrays):
            file = Path(y).expanduser().absolute()
            if file.is_file():
                y, elsewhere = None, read_labels(file, self.encoding)
                holder = f"{file}, which must hold one label a line and nothing else"
        if isinstance(held, Table):
            parts = choosing.of_table(
                held, str(path), y, self.drop, self.names, self.samples or "rows", elsewhere, self.keeps_missing
            )
        else:
            parts = choosing.of_arrays(held, str(path), self.x, y, self.samples, elsewhere)
        X, y_raw = base.sparse_or_dense(parts.X, self.dense), parts.labels
        if elsewhere is not None and elsewhere.dtype.kind == "U" and len(elsewhere) == X.shape[1] + 1:
            y_raw = elsewhere[1:]
            parts.sentences.append(f"the first line of the labels, {elsewhere[0]!r}, taken for their header")
        self._check_count(X, y_raw, path)
        shape = tuple(self.shape) if self.shape else parts.shape
        if shape is not None and int(np.prod(shape)) != X.shape[0]:
            raise ConfigError(
                f"dataset.shape={list(shape)} has {int(np.prod(shape))} pixels, but X has {X.shape[0]} features"
            )
        return base.Dataset(
            name=self.name or stem(path).lstrip(".") or "data",
            X=X,
            y=None if y_raw is None else labels.classes(y_raw, holder),
            shape=shape,
            scene=None if parts.scene is None else np.arange(X.shape[1]).reshape(parts.scene),
            feature_names=self._vocabulary() or parts.feature_names,
            sample_names=parts.sample_names,
            preprocessing=("; ".join(parts.sentences),) if parts.sentences else (),
        )

    @property
    def keeps_missing(self) -> bool:
        return _is_nan(self.missing) or (isinstance(self.missing, list) and any(map(_is_nan, self.missing)))

    def asked(self) -> Asked:
        """The settings that a reader of tables obeys. Raises ConfigError."""
        return Asked(
            sep=self.sep,
            decimal=self.decimal,
            header=self.header,
            encoding=self.encoding,
            missing=self._marks(),
            texts=[name for name in (self.y, self.names, *(self.drop or ())) if name is not None],
        )

    def _marks(self) -> list[str] | None:
        """The texts that mark a missing number; None: the usual ones."""
        marks = [str(mark) for mark in self.missing if not _is_nan(mark)] if isinstance(self.missing, list) else []
        return [*marks, *(["nan"] if self.keeps_missing else [])] if marks else None

    def _refuse_unused(self, path: Path) -> None:
        """Raise ConfigError for a setting that this kind of file has no use for."""
        ending = "a folder" if path.is_dir() else suffix_of(path)
        other_text = self.vocabulary or (self.y and Path(self.y).expanduser().is_file())
        used = {
            "x": ending not in TABLES or ending == ".xlsx",
            "encoding": ending in TEXT or other_text,
            **dict.fromkeys(("sep", "decimal"), ending in TEXT),
            "header": ending in (*TEXT, ".xlsx"),
            "missing": ending in (*TEXT, ".xlsx") or _is_nan(self.missing),
            **dict.fromkeys(("drop", "names"), ending in TABLES),
        }
        for key, is_used in used.items():
            if getattr(self, key) is not None and not is_used:
                raise ConfigError(f"dataset.{key} has no meaning for {ending}: {path}")
        if self.samples == "pixels" and ending in TABLES:
            raise ConfigError(f"dataset.samples=pixels has no meaning for {ending}: {path}")

    def _check_count(self, X: Any, y: np.ndarray | None, path: Path) -> None:
        """Raise DataError unless X is a matrix with a label a sample."""
        if X.ndim != 2:
            raise DataError(f"{path}: X must be a matrix, got shape {X.shape}")
        if y is not None and len(y) != X.shape[1]:
            other = "rows" if self.samples == "columns" else "columns"
            turned = f"; with dataset.samples={other} they would fit" if len(y) == X.shape[0] else ""
            raise DataError(f"{path}: {X.shape[1]} samples but {len(y)} labels{turned}")

    def _vocabulary(self) -> tuple[str, ...] | None:
        if not self.vocabulary:
            return None
        file = Path(self.vocabulary).expanduser().absolute()
        if not file.is_file():
            raise DataMissing(f"there is no file {file}; correct dataset.vocabulary")
        return tuple(strict_lines(file, self.encoding))


def _is_nan(mark: Any) -> bool:
    """Whether a mark of missing numbers is NaN, the number or the word."""
    return mark != mark or (isinstance(mark, str) and mark.casefold() == "nan")


def _is_mark(mark: Any) -> bool:
    return isinstance(mark, (str, int, float))
