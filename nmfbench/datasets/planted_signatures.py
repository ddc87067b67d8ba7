"""Mutation counts of tumours, planted from COSMIC's signatures."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nmfbench.datasets import noise, planted
from nmfbench.datasets.cosmic import Cosmic
from nmfbench.errors import ConfigError

SPREAD = 1.5
"""Standard deviation of the logarithm of an exposure, at which two or three signatures dominate most tumours."""


@dataclass(frozen=True, kw_only=True)
class PlantedSignatures(planted.Planted):
    """X ~ Poisson(WH): counts of 96 kinds of mutation in tumours. X (96, samples).

    The columns of W are signatures drawn from COSMIC's catalogue of single base substitutions, each of sum one.
    Exposures H are log-normal, so that the totals of samples differ too; ``correlation`` is that of the logarithms of
    two signatures' exposures. The class of a sample is the signature with the largest exposure. The median tumour has
    about 1,000 mutations at ``noise`` 0.1, and about 40 at 0.5. Needs the catalogue, see `nmfbench data fetch cosmic`.
    Alexandrov et al. (2020).
    """

    name: ClassVar[str] = "planted_signatures"
    drawn: ClassVar[bool] = False  # the catalogue may be missing

    def factors(self) -> tuple[np.ndarray, np.ndarray]:
        catalogue = Cosmic(scaling="none").read().X
        if self.components > catalogue.shape[1]:
            raise ConfigError(
                f"components must be at most {catalogue.shape[1]}, the number of signatures in the catalogue, "
                f"got {self.components}"
            )
        W = catalogue[:, self.stream("signatures").permutation(catalogue.shape[1])[: self.components]]
        H = self.weights()[:, None] * np.exp(SPREAD * self.correlated("exposures", self.samples))
        return W / W.sum(0), H

    def noisy(self, M: np.ndarray) -> tuple[np.ndarray, float]:
        return noise.counts(self.stream("noise"), M, self.noise)

    def known(self, W: np.ndarray, H: np.ndarray) -> dict[str, object]:
        return super().known(W, H) | {"feature_names": Cosmic().read().feature_names, "sample": "tumour"}
