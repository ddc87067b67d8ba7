"""Corrupt any dataset, so that robustness can be measured against the clean data."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import issparse

from nmfbench.config import nearest
from nmfbench.datasets import noise
from nmfbench.datasets.base import Dataset
from nmfbench.datasets.formats import limits
from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.numerics.rng import Streams


@dataclass(frozen=True, kw_only=True)
class Corruption:
    """A corruption of X, applied after scaling. Labels stay, and so does the range of X, except under gaussian.

    Robust NMF was tested on faces occluded by blocks, Kong, Ding & Huang (2011), and on salt and pepper, Du, Li & Shen
    (2012); sizes, places and brightness are our choice. Outliers are the contamination of Huber (1964): a share of the
    samples comes from another distribution. ``level`` 0 leaves X unchanged. Entries and samples that are corrupted at
    one level are also corrupted at all higher levels.

    Parameters
    ----------
    kind: one of salt_pepper (entries become the smallest or the largest of X), occlusion (in every image, a block at
        a random place becomes the largest entry), gaussian (normal noise, cut at 0 unless X has negative entries),
        outliers (whole samples become uniform noise over the range of X; they keep labels that no method can
        guess).
    level: salt_pepper: share of the entries; occlusion: share of an image's pixels, rounded to a block of whole pixels
        with the shape of the image; gaussian: norm of the noise over that of X; outliers: share of the samples. In
        [0, 1], for gaussian ≥ 0.
    draw: number of the draw, ≥ 0, independent of the seeds of a fit.
    """

    kind: str
    level: float
    draw: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}{nearest(self.kind, KINDS)}")
        if not 0 <= self.level <= (np.finfo(float).max if self.kind == "gaussian" else 1):
            bounds = "be nonnegative" if self.kind == "gaussian" else "lie in [0, 1]"
            raise ConfigError(f"level must {bounds}, got {self.level}")
        if self.draw < 0:
            raise ConfigError(f"draw must be nonnegative, got {self.draw}")

    def apply(self, data: Dataset) -> Dataset:
        """Return the dataset with a corrupted X and the original X as ``clean``; sparse data becomes dense.

        Missing entries stay missing. Raises NotApplicable for an occlusion of data that is no images, DataError for
        sparse data that is too large.
        """
        if self.kind == "occlusion" and data.shape is None:
            raise NotApplicable(f"corrupt=occlusion needs images, and {data.name} has no image shape")
        X: Any = data.X
        if issparse(X):
            limits.check_size(8 * X.shape[0] * X.shape[1], f"{data.name}, corrupted and so no longer sparse,")
            X = X.toarray()
        (rng,) = Streams([self.draw])(f"corrupt {self.kind}")
        corrupted = KINDS[self.kind](rng, np.asarray(X, np.float64), self.level, data.shape or ())
        if data.observed is not None:
            corrupted = np.where(data.observed, corrupted, np.nan)
        words = f"corrupted by {self.kind}, level {self.level:g}" + (f", draw {self.draw}" if self.draw else "")
        return replace(data, X=corrupted, clean=X, preprocessing=(*data.preprocessing, words))


def corrupt(data: Dataset, kind: str, level: float, draw: int = 0) -> Dataset:
    """Return the dataset with a corrupted X and the original X as ``clean``; see `Corruption`.

    Raises ConfigError for an unknown kind or a level out of range, NotApplicable for an occlusion without images.
    """
    return Corruption(kind=kind, level=level, draw=draw).apply(data)


def _salt_pepper(rng: np.random.Generator, X: np.ndarray, level: float, shape: tuple[int, ...]) -> np.ndarray:
    hit, salt = rng.uniform(size=(2, *X.shape))
    return np.where(hit < level, np.where(salt < 0.5, np.nanmin(X), np.nanmax(X)), X)


def _occlusion(rng: np.random.Generator, X: np.ndarray, level: float, shape: tuple[int, ...]) -> np.ndarray:
    places = rng.uniform(size=(2, X.shape[1]))
    inside = []
    for size, place in zip(shape[:2], places, strict=True):
        length = round(size * np.sqrt(level))
        start = np.floor(place * (size - length + 1))
        pixels = np.arange(size)[:, None]
        inside.append((pixels >= start) & (pixels < start + length))
    block = (inside[0][:, None] & inside[1][None]).reshape(-1, X.shape[1])
    channels = len(X) // len(block)  # the values of a pixel lie side by side
    return np.where(np.repeat(block, channels, axis=0), np.nanmax(X), X)


def _gaussian(rng: np.random.Generator, X: np.ndarray, level: float, shape: tuple[int, ...]) -> np.ndarray:
    return noise.gaussian(rng, X, level)


def _outliers(rng: np.random.Generator, X: np.ndarray, level: float, shape: tuple[int, ...]) -> np.ndarray:
    m, n = X.shape
    outliers = rng.permutation(n)[: round(level * n)]
    # Noise is drawn for every sample, so that an outlier is the same at all levels.
    uniform = rng.uniform(np.nanmin(X), np.nanmax(X), (n, m)).T
    corrupted = X.copy()
    corrupted[:, outliers] = uniform[:, outliers]
    return corrupted


KINDS: dict[str, Callable[[np.random.Generator, np.ndarray, float, tuple[int, ...]], np.ndarray]] = {
    "salt_pepper": _salt_pepper,
    "occlusion": _occlusion,
    "gaussian": _gaussian,
    "outliers": _outliers,
}
