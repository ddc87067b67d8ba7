"""A planted hierarchy of two layers, whose factors are known."""

from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from nmfbench.datasets import base, planted
from nmfbench.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class PlantedDeep(base.Loader):
    """X = W_2 H_2 H_1 + noise, cut at 0: X (n_features, n_samples) ≥ 0 with sparse codes and classes.

    W_2 is uniform on [0, 1), so dense. A column of H_2 mixes two components in the shares purity and 1 − purity, over
    all ordered pairs in turn. A sample, a column of H_1, mixes three components in uniform shares that sum to one and
    are at most purity; its class is the component of W_2 with the largest share in it. For ranks [6, 3], H_2 is
    sufficiently scattered if and only if purity > ⅔.
    ``truth``: W1 = W_2 H_2, H1, W2 and H2, where no scaling but "none" and "max" changes what the factors are.
    Leplat, Le, Onwunta & Gillis (2023), Example 1

    Parameters
    ----------
    n_features: number of features m, ≥ 1.
    n_samples: number of samples n, ≥ 1.
    ranks: [r_1, r_2], numbers of components of the layers, each ≥ 2, r_1 at least 3. Paper's example: [6, 3].
    purity: largest share of a component in a mixture, in [0.5, 1].
    noise: norm ≥ 0 of the Gaussian noise over that of W_2 H_2 H_1.
    draw: number of the draw, ≥ 0; None: the seed of the run, so that each repetition has its own factors.
    """

    n_features: int = 50
    n_samples: int = 200
    ranks: list[int] | None = None
    purity: float = 0.8
    noise: float = 0.01
    draw: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("n_features", "n_samples"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise ConfigError(f"{name} must be a positive integer, got {getattr(self, name)!r}")
        if self.ranks is not None and not (len(self.ranks) == 2 and self.ranks[0] >= 3 and self.ranks[1] >= 2):
            raise ConfigError(f"ranks must be [r_1, r_2] with r_1 ≥ 3 and r_2 ≥ 2, got {self.ranks}")
        if not 0.5 <= self.purity <= 1:
            raise ConfigError(f"purity must lie in [0.5, 1], got {self.purity}")
        if not 0 <= self.noise < float("inf"):
            raise ConfigError(f"noise must be nonnegative and finite, got {self.noise}")
        if self.draw is not None and self.draw < 0:
            raise ConfigError(f"draw must be nonnegative, got {self.draw}")

    def for_seed(self, seed: int) -> base.Loader:
        return self if self.draw is not None else replace(self, draw=seed)

    def read(self) -> base.Dataset:
        rng = np.random.default_rng(self.draw or 0)
        (r1, r2), n = self.ranks or (6, 3), self.n_samples
        W2 = rng.uniform(size=(self.n_features, r2))
        pairs = np.array(list(permutations(range(r2), 2)))[np.arange(r1) % (r2 * (r2 - 1))]
        H2 = np.zeros((r2, r1))
        H2[pairs[:, 0], np.arange(r1)], H2[pairs[:, 1], np.arange(r1)] = self.purity, 1 - self.purity
        H1 = np.zeros((r1, n))
        mixed = rng.permuted(np.tile(np.arange(r1), (n, 1)), axis=1)[:, :3].T
        H1[mixed, np.arange(n)] = planted.capped(rng.dirichlet(np.ones(3), n).T, self.purity)
        X = W2 @ H2 @ H1
        noise = rng.normal(size=X.shape)
        X = np.maximum(X + self.noise * np.linalg.norm(X) / np.linalg.norm(noise) * noise, 0)
        truth = {"W1": W2 @ H2, "H1": H1, "W2": W2, "H2": H2} if self.keeps_factors else {}
        return base.Dataset("planted_deep", X, (H2 @ H1).argmax(0), truth=truth)
