"""A seeded stand-in for ImageNet's CNN features, of their size."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nmfbench.datasets import base
from nmfbench.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class ImageNetLike(base.Loader):
    """X = max(0, B(Z_y + spread · E)) in many classes: X (n_features, n_samples) ≥ 0, half of it zero.

    B (n_features, dimensions), the classes' centres Z and E are standard normal: samples of a class scatter about its
    centre in ``dimensions`` directions, and a network's last layer mixes and rectifies them. Class sizes differ by one
    at most; samples are shuffled.

    Parameters
    ----------
    n_features: number of features, ≥ 1.
    n_samples: number of samples, ≥ 1.
    n_classes: number of classes, 1 to ``n_samples``.
    dimensions: number of directions in which classes differ, ≥ 1.
    spread: distance ≥ 0 of a sample from its centre in each direction, where centres have 1.
    seed: seed ≥ 0 of the data; it has nothing to do with the seeds of a fit.
    """

    drawn: ClassVar[bool] = True

    n_features: int = 2048
    n_samples: int = 50_000
    n_classes: int = 1000
    dimensions: int = 64
    spread: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("n_features", "n_samples", "n_classes", "dimensions"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.spread < float("inf"):
            raise ConfigError(f"spread must be nonnegative and finite, got {self.spread}")
        if self.seed < 0:
            raise ConfigError(f"seed must be nonnegative, got {self.seed}")
        if self.n_classes > self.n_samples:
            raise ConfigError(f"n_classes must be at most n_samples = {self.n_samples}, got {self.n_classes}")

    def read(self) -> base.Dataset:
        rng = np.random.default_rng(self.seed)
        y = rng.permutation(np.arange(self.n_samples) % self.n_classes)
        B = rng.standard_normal((self.n_features, self.dimensions), dtype=np.float32)
        centres = rng.standard_normal((self.dimensions, self.n_classes), dtype=np.float32)
        E = rng.standard_normal((self.dimensions, self.n_samples), dtype=np.float32)
        X = B @ (centres[:, y] + np.float32(self.spread) * E)
        return base.Dataset("imagenet_like", np.maximum(X, 0, out=X), y)
