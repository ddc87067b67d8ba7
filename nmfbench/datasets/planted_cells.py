"""Gene counts of cells, planted from the gene programmes of cell types."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nmfbench.datasets import noise, planted
from nmfbench.errors import ConfigError

SPREAD = 1.5
"""Standard deviation of the logarithm of a gene's expression in a programme."""
SIZES = 0.4
"""Standard deviation of the logarithm of a cell's total, its library size."""


@dataclass(frozen=True, kw_only=True)
class PlantedCells(planted.Planted):
    """X: counts of mean WH, genes × cells, where a cell has one type or mixes several. X (features, samples).

    The columns of W are gene programmes, log-normal and of sum one; ``correlation`` is that of two programmes'
    logarithms. A cell's codes are its log-normal library size times its shares of the types. Its class is its own type;
    ``imbalance`` sets how many cells a type has. Splatter draws cells similarly: Zappia, Phipson & Oshlack (2017).

    Parameters
    ----------
    features: number of genes m, ≥ 1.
    purity: share of a cell's own type, in (½, 1]; the other types have uniform shares of the rest. 1: one type a cell.
    overdispersion: share of the squared noise that is beyond Poisson's, in [0, 1): counts are negative binomial with
        the variance μ + φμ², φ = overdispersion · noise². 0: Poisson counts.
    """

    name: ClassVar[str] = "planted_cells"

    features: int = 100
    noise: float = 0.3
    purity: float = 1.0
    overdispersion: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        planted.require_count("features", self.features)
        if not 0.5 < self.purity <= 1:
            raise ConfigError(f"purity must lie in (0.5, 1], got {self.purity}")
        if not 0 <= self.overdispersion < 1:
            raise ConfigError(f"overdispersion must lie in [0, 1), got {self.overdispersion}")

    def factors(self) -> tuple[np.ndarray, np.ndarray]:
        W = np.exp(SPREAD * self.correlated("programmes", self.features)).T
        rng, n, r = self.stream("cells"), self.samples, self.components
        # Rounding the expected numbers of cells, rather than drawing them, keeps the imbalance exact.
        types = rng.permutation(np.searchsorted(self.weights().cumsum(), (np.arange(n) + 0.5) / n).clip(max=r - 1))
        own = np.eye(r)[types].T
        others = np.where(own, 0, rng.exponential(size=(r, n)))
        shares = own if r == 1 else self.purity * own + (1 - self.purity) * others / others.sum(0)
        return W / W.sum(0), np.exp(SIZES * rng.standard_normal(n)) * shares

    def noisy(self, M: np.ndarray) -> tuple[np.ndarray, float]:
        return noise.counts(self.stream("noise"), M, self.noise, self.overdispersion)

    def known(self, W: np.ndarray, H: np.ndarray) -> dict[str, object]:
        return super().known(W, H) | {"sample": "cell"}
