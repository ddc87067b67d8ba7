"""Mixed pixels, planted from smooth spectra."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.ndimage import gaussian_filter1d

from nmfbench.datasets import noise, planted
from nmfbench.errors import ConfigError

WIDTH = 0.05
"""Standard deviation of the kernel that makes a spectrum smooth, as a share of its bands."""
SPREAD = 1.5
"""Standard deviation of the logarithm of a spectrum, at which peaks are a few times as high as the rest."""


@dataclass(frozen=True, kw_only=True)
class PlantedSpectra(planted.Planted):
    """X = max(WH + E, 0): pixels that mix smooth spectra in shares that sum to one. X (features, samples).

    A spectrum is the exponential of a smooth Gaussian process over the bands, scaled to maximum 1; spectra overlap
    everywhere, and ``correlation`` is that of two spectra's logarithms. Abundances H have a Dirichlet distribution,
    uniform over all mixtures if ``imbalance`` is 1. E is normal. The class of a pixel is the material with the largest
    share.

    Parameters
    ----------
    features: number of bands m, ≥ 1.
    purity: maximum share of a material in a pixel, in (½, 1]; the excess goes to the others, in proportion. 1: one
        pixel of each material is pure, so that the factorization is separable.
    """

    name: ClassVar[str] = "planted_spectra"

    features: int = 100
    noise: float = 0.03
    purity: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        planted.require_count("features", self.features)
        if not 0.5 < self.purity <= 1:
            raise ConfigError(f"purity must lie in (0.5, 1], got {self.purity}")
        if self.components > self.samples:
            raise ConfigError(f"components must be at most samples = {self.samples}, got {self.components}")

    def factors(self) -> tuple[np.ndarray, np.ndarray]:
        white = self.correlated("spectra", self.features)
        kernel = gaussian_filter1d(np.eye(1, self.features)[0], WIDTH * self.features, mode="wrap")
        smooth = gaussian_filter1d(white, WIDTH * self.features, mode="wrap") / np.linalg.norm(kernel)
        W = np.exp(SPREAD * smooth).T
        rng = self.stream("abundances")
        H = rng.dirichlet(self.components * self.weights(), self.samples).T
        if self.purity < 1:
            return W / W.max(0), planted.capped(H, self.purity)
        pure = rng.permutation(self.samples)[: self.components]
        H[:, pure] = np.eye(self.components)
        return W / W.max(0), H

    def noisy(self, M: np.ndarray) -> tuple[np.ndarray, float]:
        return noise.gaussian(self.stream("noise"), M, self.noise), 1.0

    def known(self, W: np.ndarray, H: np.ndarray) -> dict[str, object]:
        return {"y": H.argmax(0), "sample": "pixel"}
