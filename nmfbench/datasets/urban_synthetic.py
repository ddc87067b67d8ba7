"""A hyperspectral image of the size of Urban, mixed from known materials."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.stats import gamma

from nmfbench.datasets import base, columns
from nmfbench.errors import ConfigError

MATERIALS = ("a1", "a2", "a3", "b1", "b2", "b3")
CONCENTRATION = 0.15
"""Parameter of the Dirichlet distribution of a pixel's abundances: small, so that most pixels have a main material."""
BLUR = 0.03
"""Standard deviation of the blur that makes abundances alike nearby, as a share of the side of the image."""


@dataclass(frozen=True, kw_only=True)
class UrbanSynthetic(base.Loader):
    """X = max(MA + noise · E, 0): spectra of six materials mixed in every pixel. X (bands, side²), column by column.

    Stands in for the HYDICE Urban image: 162 bands, 307 × 307 pixels of vegetation and other materials. Here they are
    two families, a and b, of three each: a spectrum is two parts of its family's and one of its own, each a sum of
    smooth bumps, and its maximum is 1. The abundances of a pixel are Dirichlet distributed, sum to one, and are alike
    nearby. E is standard normal.
    ``truth``: spectra "M" (bands, 6), abundances "A" (6, side²), and their names "materials".

    Parameters
    ----------
    side: height and width of the image in pixels, ≥ 1.
    bands: number of bands, ≥ 1.
    noise: size ≥ 0 of the noise on every entry; the largest entry of a spectrum is 1.
    seed: seed ≥ 0 of the data; it has nothing to do with the seeds of a fit.
    """

    side: int = 307
    bands: int = 162
    noise: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("side", 1), ("bands", 1), ("seed", 0)):
            if type(getattr(self, name)) is not int or getattr(self, name) < least:
                raise ConfigError(f"{name} must be an integer ≥ {least}, got {getattr(self, name)!r}")
        if not 0 <= self.noise < float("inf"):
            raise ConfigError(f"noise must be nonnegative and finite, got {self.noise}")

    def read(self) -> base.Dataset:
        rng = np.random.default_rng(self.seed)
        M, A = self._spectra(rng), self._abundances(rng)
        X = M @ A
        X += self.noise * rng.standard_normal(X.shape)
        truth = {"M": M, "A": A, "materials": np.array(MATERIALS)}
        scene, X = columns.scene(self.side, self.side), X.clip(min=0, out=X)
        return base.Dataset("urban_synthetic", X, scene=scene, preprocessing=("a seeded mixture",), truth=truth)

    def _spectra(self, rng: np.random.Generator) -> np.ndarray:
        """(bands, 6)."""

        def smooth(k: int) -> np.ndarray:
            """(bands, k): sums of three bumps, each sum with a maximum of 1."""
            limits = ((0.0, 1.0), (0.05, 0.15), (0.2, 1.0))
            centres, widths, heights = (rng.uniform(low, high, (3, k)) for low, high in limits)
            bands = np.linspace(0, 1, self.bands)[:, None, None]
            spectra = (heights * np.exp(-(((bands - centres) / widths) ** 2) / 2)).sum(1)
            return np.asarray(spectra / spectra.max(0))

        M = 2 * np.repeat(smooth(2), 3, axis=1) + smooth(6)
        return np.asarray(M / M.max(0))

    def _abundances(self, rng: np.random.Generator) -> np.ndarray:
        """(6, side²). Independent gamma variables that sum to one are Dirichlet distributed."""
        fields = rng.standard_normal((6, self.side, self.side))
        fields = gaussian_filter(fields, BLUR * self.side, axes=(1, 2)).reshape(6, -1)
        # The ranks of a field are uniform, whatever the blur made of its distribution.
        uniform = (fields.argsort(1).argsort(1) + 0.5) / self.side**2
        A = gamma.ppf(uniform, CONCENTRATION)
        return np.asarray(A / A.sum(0))
