"""Synthetic ratings with known factors; most entries are missing."""

from dataclasses import dataclass

import numpy as np

from nmfbench.datasets import base
from nmfbench.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class RatingsSynthetic(base.Loader):
    """X = WH + noise · E, cut off at 0: films × users, no labels, where popular films and busy users are rated most.

    Rows of W (n_films, rank) and columns of H (rank, n_users) are uniform on the simplex and on [0, 5) times that, E is
    normal. The probability that a rating is there grows as 1/k for the k-th film and 1/√k for the k-th user, in random
    orders. Each film and user has one at least. ``truth``: W, H and the whole "WH".

    Parameters
    ----------
    n_films: number of films m, ≥ 1.
    n_users: number of users n, ≥ 1.
    components: rank of WH, ≥ 1.
    missing: share of the ratings that is missing, in [0, 1); less where films and users need the rest.
    noise: standard deviation ≥ 0 of the noise.
    seed: seed ≥ 0 of the data; it has nothing to do with the seeds of a fit.
    """

    n_films: int = 200
    n_users: int = 400
    components: int = 5
    missing: float = 0.8
    noise: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, low in (("n_films", 1), ("n_users", 1), ("components", 1), ("seed", 0)):
            if type(getattr(self, name)) is not int or getattr(self, name) < low:
                raise ConfigError(f"{name} must be an integer of at least {low}, got {getattr(self, name)!r}")
        if not 0 <= self.missing < 1:
            raise ConfigError(f"missing must lie in [0, 1), got {self.missing}")
        if not 0 <= self.noise < float("inf"):
            raise ConfigError(f"noise must be nonnegative and finite, got {self.noise}")

    @property
    def keeps_missing(self) -> bool:
        return True

    def read(self) -> base.Dataset:
        rng, m, n, r = np.random.default_rng(self.seed), self.n_films, self.n_users, self.components
        W, H = rng.dirichlet(np.ones(r), m), rng.uniform(0, 5, (r, n))
        X = (W @ H + self.noise * rng.normal(size=(m, n))).clip(min=0)
        weights = np.outer(rng.permutation(1 / np.arange(1, m + 1)), rng.permutation(np.arange(1, n + 1) ** -0.5))
        # The largest of these keys are a draw without replacement by these weights. Efraimidis & Spirakis (2006).
        keys = np.log(rng.random((m, n))) / weights
        keys[keys.argmax(0), np.arange(n)] = keys[np.arange(m), keys.argmax(1)] = 0
        there = max(round((1 - self.missing) * m * n), int((keys == 0).sum()))
        X.flat[np.argsort(keys, axis=None)[: m * n - there]] = np.nan
        return base.Dataset("ratings_synthetic", X, sample="user", truth={"W": W, "H": H, "WH": W @ H})
