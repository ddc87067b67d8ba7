"""Planted clusters of any size."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nmfbench.datasets import base
from nmfbench.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Synthetic(base.Loader):
    """X = WH + noise · E with one component a class: X (n_features, n_samples) ≥ 0.

    W (n_features, n_classes) and E are uniform on [0, 1). A sample loads uniformly on [½, 1) on its own class's
    component. Class sizes differ by one at most; samples are shuffled.
    ``truth``: W1 = W and H1 = H, where no scaling but "none" and "max" changes what the factors are.

    Parameters
    ----------
    n_features: number of features, ≥ 1.
    n_samples: number of samples, ≥ 1.
    n_classes: number of classes, 1 to ``n_samples``.
    overlap: ≥ 0. A sample loads uniformly on [0, overlap) on the components of other classes.
    noise: size ≥ 0 of the uniform noise on every entry.
    seed: seed ≥ 0 of the data; it has nothing to do with the seeds of a fit.
    """

    drawn: ClassVar[bool] = True

    n_features: int = 100
    n_samples: int = 300
    n_classes: int = 5
    overlap: float = 0.2
    noise: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("n_features", "n_samples", "n_classes"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise ConfigError(f"{name} must be a positive integer, got {getattr(self, name)!r}")
        if type(self.seed) is not int or self.seed < 0:
            raise ConfigError(f"seed must be a nonnegative integer, got {self.seed!r}")
        for name in ("overlap", "noise"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(f"{name} must be nonnegative and finite, got {getattr(self, name)}")
        if self.n_classes > self.n_samples:
            raise ConfigError(f"n_classes must be at most n_samples = {self.n_samples}, got {self.n_classes}")

    def read(self) -> base.Dataset:
        rng = np.random.default_rng(self.seed)
        y = rng.permutation(np.arange(self.n_samples) % self.n_classes)
        W = rng.uniform(size=(self.n_features, self.n_classes))
        H = rng.uniform(0, self.overlap, (self.n_classes, self.n_samples))
        H[y, np.arange(self.n_samples)] = rng.uniform(0.5, 1, self.n_samples)
        X = W @ H + self.noise * rng.uniform(size=(self.n_features, self.n_samples))
        truth = {"W1": W, "H1": H} if self.keeps_factors else {}
        return base.Dataset("synthetic", X, y, truth=truth)
