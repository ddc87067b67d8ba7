"""Datasets and loaders, the scaling that loaders apply, and the checks that every dataset passes."""

import hashlib
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from functools import cached_property
from inspect import cleandoc
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import csc_array, issparse

from nmfbench.config import nearest
from nmfbench.datasets import by_view
from nmfbench.datasets.checks import check_finite, chunks, observed_entries
from nmfbench.datasets.files import files_noted, fingerprint
from nmfbench.datasets.formats import limits
from nmfbench.datasets.scaling import SCALINGS, Proposal, proposed, scale_sparse
from nmfbench.errors import ConfigError, DataError
from nmfbench.numerics.rng import integer


@dataclass(frozen=True)
class Dataset:
    """Samples in the columns of ``X``, and everything that is known about them.

    Parameters
    ----------
    name: the name that records and tables give the dataset.
    X: (m features, n samples), a numpy array, possibly memory-mapped, or a scipy csc_array. NaN where it is missing.
    y: labels (n,); None: there are none.
    shape: (height, width) if the m features are the pixels of an image in row-major order; None: no images.
    preprocessing: everything the loader did to the raw data, in order, in words.
    n_clusters: cluster counts at which this dataset is usually scored; None: the number of classes.
    feature_names: names of the m features, for example the words of documents; None: unknown.
    sample_names: names of the n samples; None: unknown.
    sample: a noun for one sample: user, face, document.
    truth: true factors or other knowledge, by name; no solver sees it.
    rank: number of components of a fit that is given none; None: the number of classes.
    views: name of each view → the number of its features, in the order of the rows of X; None: X is one view.
    files: fingerprint of each file that was read, by path; None for a file that was looked for and absent.
    proposed: the scaling that suits the unscaled X, for data of a user's own; None otherwise.
    observed: mask (m, n), False where X is missing; None: no entry is missing.
    clean: X before its corruption; None: X is not corrupted.
    scene: (height, width), the sample at each pixel when samples are the pixels of one image, −1 where none is; None:
        they are not.
    """

    name: str
    X: Any
    y: np.ndarray | None = None
    shape: tuple[int, ...] | None = None
    preprocessing: tuple[str, ...] = ()
    n_clusters: tuple[int, ...] | None = None
    feature_names: tuple[str, ...] | None = None
    sample_names: tuple[str, ...] | None = None
    sample: str = "sample"
    truth: dict[str, np.ndarray] = field(default_factory=dict)
    rank: int | None = None
    views: dict[str, int] | None = None
    files: dict[str, list[int] | None] = field(default_factory=dict)
    proposed: Proposal | None = None
    observed: np.ndarray | None = None
    clean: Any = None
    scene: np.ndarray | None = None

    @property
    def n_samples(self) -> int:
        """Number of samples n."""
        return self.X.shape[1]

    @property
    def n_classes(self) -> int | None:
        """Number of distinct labels; None without labels."""
        return None if self.y is None else len(np.unique(self.y))

    @property
    def view_sizes(self) -> tuple[int, ...] | None:
        """Numbers of features of the views; None: X is one view."""
        return tuple(self.views.values()) if self.views else None

    @cached_property
    def sha256(self) -> str:
        """Checksum of the shape and values of X (as float64) and of y, by which a record identifies its data."""
        digest = hashlib.sha256(repr((self.X.shape, self.shape)).encode())
        for samples in chunks(self.X):
            if issparse(samples):
                for part in (samples.indptr, samples.indices):
                    digest.update(part.astype(np.int64).data)
                samples = samples.data
            digest.update(np.ascontiguousarray(samples.T, dtype=np.float64).data)
        if self.y is not None:
            digest.update(np.ascontiguousarray(np.unique(self.y, return_inverse=True)[1], dtype=np.int64).data)
        return digest.hexdigest()

    @cached_property
    def error_of_mean(self) -> float:
        """‖X − μ1ᵀ‖/‖X‖ with the mean sample μ: the relative error of a method that finds nothing else. 0 if X is 0.

        Both norms and the means are those of the observed entries.
        """
        X: Any = self.X if self.observed is None else np.where(self.observed, self.X, 0)
        # In units of the largest entry, so that no square overflows or vanishes.
        largest = max(abs(samples).max() for samples in chunks(X)) or 1.0
        total, squares = np.zeros(X.shape[0]), 0.0
        for samples in chunks(X):
            total += np.asarray(samples.sum(1, dtype=np.float64)) / largest
            entries = np.asarray(samples.data if issparse(samples) else samples, dtype=np.float64) / largest
            squares += float(np.vdot(entries, entries))
        if self.observed is None:
            left = squares - float(total @ total) / self.n_samples
        else:
            left = squares - float((total**2 / self.observed.sum(1)).sum())
        return math.sqrt(max(0.0, left) / squares) if squares else 0.0


def labelled_mask(y: np.ndarray, fraction: float) -> np.ndarray:
    """Return a mask (n,) of the samples whose labels a semi-supervised method may see: a rounded share of each class.

    Every class keeps a label where the fraction is above 0. The draw is the same for every method and seed.
    """
    rng = np.random.default_rng(integer("labelled", 0))
    mask = np.zeros(len(y), dtype=bool)
    for label in np.unique(y):
        members = rng.permutation(np.flatnonzero(y == label))
        mask[members[: max(round(fraction * len(members)), int(fraction > 0))]] = True
    return mask


@dataclass(frozen=True, kw_only=True)
class Loader(ABC):
    """Reads one dataset. A subclass implements `read`; `load` checks and scales its result.

    Parameters
    ----------
    scaling: a name from `SCALINGS`, or a list of names, applied in order; the papers print none. by_view among them
        has the others applied to each view by itself.
    n_clusters: cluster counts at which this dataset is scored by default, each ≥ 1; None: the number of classes.
    """

    location: ClassVar[tuple[str, ...]] = ()
    """Fields that only locate the data. Records leave them out and have the checksum of the data instead."""

    own: ClassVar[bool] = False
    """Whether the data is a user's own. Then a run starts with a line on how its file was read."""

    drawn: ClassVar[bool] = False
    """Whether the data is drawn from a seed, so that none of it can be missing or damaged."""

    @property
    def keeps_missing(self) -> bool:
        """Whether NaN in what `read` returns is a missing entry; else it is refused."""
        return False

    scaling: Any = "max"
    n_clusters: list[int] | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        """Add the inherited parameters to the docstring, so that help() shows all of them."""
        super().__init_subclass__(**options)
        if cls.__doc__ and cls.__base__:
            own, inherited = (cleandoc(kind.__doc__ or "") for kind in (cls, cls.__base__))
            heading = "\n\nParameters\n----------\n"
            lines = inherited.partition(heading)[2]
            cls.__doc__ = f"{own}\n{lines}" if heading in own else f"{own}{heading}{lines}"

    def __post_init__(self) -> None:
        steps = self.scaling if isinstance(self.scaling, (list, tuple)) else [self.scaling]
        names = (*SCALINGS, "by_view")
        for step in steps:
            if not isinstance(step, str) or step not in names:
                close = nearest(step, names, list_all=False) if isinstance(step, str) else ""
                raise ConfigError(f"scaling must be one of {', '.join(names)} or a list of them, got {step!r}{close}")
        counts = self.n_clusters
        if counts is not None and not (
            isinstance(counts, (list, tuple)) and counts and all(type(k) is int and k >= 1 for k in counts)
        ):
            raise ConfigError(f"n_clusters must be a list of positive integers, got {counts}")

    @abstractmethod
    def read(self) -> Dataset:
        """Return the raw data, unscaled. Raises DataMissing (with where to get it) or DataError (with the file)."""

    def for_seed(self, seed: int) -> "Loader":
        """Return the loader for this seed. It is the same for all seeds, unless each seed draws its own data."""
        return self

    def load(self) -> Dataset:
        """Load, check and scale the dataset. Raises DataMissing, ConfigError, or DataError, also if memory runs out."""
        raw = None
        try:
            with files_noted() as files:
                for key in self.location:
                    value = getattr(self, key)
                    for name in value if isinstance(value, list) else [value]:
                        if isinstance(name, str) and (place := Path(name).expanduser().absolute()).exists():
                            files[str(place)] = fingerprint(place)
                raw = self.read()
            _check(raw)
            return replace(self.scaled(raw), files=files)
        except MemoryError as error:
            what = _size_in_words(raw) if raw else f"{type(self).__name__}: reading the data"
            raise DataError(f"{what} needs more memory than is free; {limits.in_words()}") from error

    def scaled(self, raw: Dataset) -> Dataset:
        """Return the unscaled dataset scaled. Raises ConfigError if its X cannot be, DataError if X is not finite."""
        X: Any = raw.X
        preprocessing = list(raw.preprocessing)
        steps = self._scalings()
        if "by_view" in steps:
            alone = replace(self, scaling=[step for step in steps if step != "by_view"])
            return by_view.scaled(raw, alone.scaled)
        # A long double beyond float64 becomes infinite here, so check_finite refuses it.
        with np.errstate(over="ignore"):
            if issparse(X):
                X = csc_array(X, dtype=np.float64)
                X.sum_duplicates()
                X.eliminate_zeros()
            elif not (isinstance(X, np.memmap) and set(steps) == {"none"}):  # a mapped X stays mapped
                limits.check_size(8 * X.size, _size_in_words(raw))
                X = np.asarray(X, dtype=np.float64)
        check_finite(raw.name, X, self.keeps_missing, self.own)
        observed = observed_entries(raw.name, X, raw.feature_names) if self.keeps_missing else None
        if observed is not None:
            X = np.where(observed, X, np.nan)  # the same NaN everywhere, because it counts for the checksum
            preprocessing.append(f"{np.mean(~observed):.1%} of the entries missing")
        proposal = proposed(X, raw.feature_names) if self.own else None
        for step in steps:
            scale, words = SCALINGS[step]
            X = scale_sparse(X, step) if issparse(X) else scale(X)
            preprocessing.append(words)
        return replace(
            raw,
            X=X,
            preprocessing=tuple(preprocessing),
            n_clusters=tuple(self.n_clusters) if self.n_clusters else None,
            proposed=proposal,
            observed=observed,
        )

    @property
    def keeps_factors(self) -> bool:
        """Whether the factors of the raw X are those of the scaled X, up to one number."""
        return {*self._scalings()} <= {"none", "max"}

    def _scalings(self) -> list[str]:
        return [self.scaling] if isinstance(self.scaling, str) else list(self.scaling)


@dataclass(frozen=True, kw_only=True)
class ClassDrawingLoader(Loader):
    """A dataset that can be reduced to some of its classes, another draw for each seed, as in the dnsNMF paper.

    Parameters
    ----------
    classes: number of classes drawn at random, 1 to all; None: all classes. dnsNMF paper, Tables I–III: 2 to 10.
    draw: number of the draw, ≥ 0; None: the seed of the run, so that each repetition has its own classes.
    """

    classes: int | None = None
    draw: int | None = None

    @abstractmethod
    def read_all(self) -> Dataset:
        """Return the raw data of all classes. Raises DataMissing or DataError."""

    def read(self) -> Dataset:
        return draw_classes(self.read_all(), self.classes, self.draw)

    def for_seed(self, seed: int) -> Loader:
        return self if self.classes is None or self.draw is not None else replace(self, draw=seed)


def _check(data: Dataset) -> None:
    """Raise DataError unless X is a real matrix that labels and names fit."""
    X, y = data.X, data.y
    if X.ndim != 2 or 0 in X.shape:
        raise DataError(
            f"{data.name}: X must be a matrix with at least one feature and one sample, got shape {X.shape}"
        )
    if X.dtype.kind not in "buif":
        raise DataError(f"{data.name}: X must hold real numbers, got dtype {X.dtype}")
    if y is not None and len(y) != X.shape[1]:
        raise DataError(f"{data.name}: {X.shape[1]} samples but {len(y)} labels")
    if data.feature_names is not None and len(data.feature_names) != X.shape[0]:
        raise DataError(f"{data.name}: {X.shape[0]} features but {len(data.feature_names)} names of features")


def _size_in_words(data: Dataset) -> str:
    m, n = data.X.shape
    return f"{data.name}: X of {m} features × {n} samples as float64 ({8 * m * n / 2**30:,.1f} GiB)"


def draw_classes(data: Dataset, classes: int | None, draw: int | None) -> Dataset:
    """Return the samples of ``classes`` classes, drawn at random, in their order; all samples for None.

    ``draw`` None is draw 0. Raises ConfigError for an impossible number of classes or a negative draw.
    """
    draw = draw or 0
    assert data.y is not None
    labels = np.unique(data.y)
    if draw < 0:
        raise ConfigError(f"draw must be nonnegative, got {draw}")
    if classes is None:
        return data
    if not 1 <= classes <= len(labels):
        raise ConfigError(f"classes must lie in 1 … {len(labels)}, got {classes}")
    chosen = np.sort(np.random.default_rng(integer("classes", draw) + classes).permutation(labels)[:classes])
    kept = np.isin(data.y, chosen)
    words = f"{classes} of {len(labels)} classes, draw {draw}"
    return replace(data, X=data.X[:, kept], y=data.y[kept], preprocessing=(*data.preprocessing, words))


def sparse_or_dense(X: Any, dense: bool) -> Any:
    """Return a csc_array, or a numpy array if X is one or ``dense`` forces it; a mapped X stays mapped."""
    if not issparse(X):
        return X if isinstance(X, np.ndarray) else np.asarray(X)  # the first keeps a mapped X as such
    return X.toarray() if dense else csc_array(X)
