"""Images that are sums of a few planted parts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.stats import norm

from nmfbench.config import nearest
from nmfbench.datasets import noise, planted
from nmfbench.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class PlantedParts(planted.Planted):
    """X = max(WH + E, 0): images of side × side pixels, each the sum of a few parts. X (side², samples).

    A part has maximum 1. In the samples that contain it, its code is uniform on [½, 1). Every sample contains at least
    one part. ``correlation`` makes parts occur together: it is that of the normal variables whose lowest values decide
    where a part occurs. E is normal.

    Parameters
    ----------
    kind: one of bars, whole rows and columns that cross, Földiák (1990); limbs, lines from the centre in all
        directions, as in the swimmer of Donoho & Stodden (2003); blobs, round spots at random places, which may
        overlap.
    side: height and width of an image in pixels, ≥ 1; there are at most 2 · side bars.
    density: share of the samples that contain the most frequent part, in (0, 1]; an empty sample gets one random part.
    """

    name: ClassVar[str] = "planted_parts"

    kind: str = "bars"
    side: int = 10
    density: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        planted.require_count("side", self.side)
        if self.kind not in KINDS:
            raise ConfigError(f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}{nearest(self.kind, KINDS)}")
        if not 0 < self.density <= 1:
            raise ConfigError(f"density must lie in (0, 1], got {self.density}")
        if self.kind == "bars" and self.components > 2 * self.side:
            raise ConfigError(f"components must be at most 2 · side = {2 * self.side} bars, got {self.components}")

    def factors(self) -> tuple[np.ndarray, np.ndarray]:
        W = KINDS[self.kind](self.stream("parts"), self.side, self.components)
        weights, rng = self.weights(), self.stream("codes")
        frequency = self.density * weights / weights[0]
        present = self.correlated("presence", self.samples) < norm.ppf(frequency)[:, None]
        # Drawing the part of an empty sample by the same weights keeps the ratios of the frequencies.
        drawn = rng.choice(self.components, self.samples, p=weights)
        empty = np.flatnonzero(~present.any(0))
        present[drawn[empty], empty] = True
        return W, present * rng.uniform(0.5, 1, present.shape)

    def noisy(self, M: np.ndarray) -> tuple[np.ndarray, float]:
        return noise.gaussian(self.stream("noise"), M, self.noise), 1.0

    def known(self, W: np.ndarray, H: np.ndarray) -> dict[str, object]:
        return {"shape": (self.side, self.side), "sample": "image"}


def _bars(rng: np.random.Generator, side: int, components: int) -> np.ndarray:
    lines = np.eye(side)
    rows = [np.outer(line, np.ones(side)) for line in lines]
    every = np.array([*rows, *(row.T for row in rows)]).reshape(2 * side, -1)
    return every[rng.permutation(2 * side)[:components]].T


def _limbs(rng: np.random.Generator, side: int, components: int) -> np.ndarray:
    """Draw evenly rotated lines from the centre to the border: all pixels within ¾ of a line belong to it."""
    y, x = np.mgrid[:side, :side].reshape(2, -1, 1) - (side - 1) / 2
    angles = 2 * np.pi * (np.arange(components) + rng.uniform()) / components
    along, across = x * np.cos(angles) + y * np.sin(angles), y * np.cos(angles) - x * np.sin(angles)
    return ((along >= 0) & (np.abs(across) <= 0.75)).astype(np.float64)


def _blobs(rng: np.random.Generator, side: int, components: int) -> np.ndarray:
    """Draw Gaussian spots with a standard deviation of a tenth of the side, set to 0 below a hundredth."""
    grid = np.mgrid[:side, :side].reshape(2, -1, 1)
    centres = rng.integers(side, size=(2, 1, components))
    W = np.exp(-((grid - centres) ** 2).sum(0) / (2 * (side / 10) ** 2))
    return np.where(W < 0.01, 0, W)


KINDS: dict[str, Callable[[np.random.Generator, int, int], np.ndarray]] = {
    "bars": _bars,
    "limbs": _limbs,
    "blobs": _blobs,
}
