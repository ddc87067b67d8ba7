"""The base of planted problems: data made from known factors, with the settings that all of them share."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from nmfbench.datasets import base
from nmfbench.errors import ConfigError
from nmfbench.numerics.rng import Streams


@dataclass(frozen=True, kw_only=True)
class Planted(base.Loader):
    """X ≈ WH with known W (m, components) and H (components, samples). A subclass draws W, H and the noise.

    Each part is drawn from its own stream, so that the factors are the same at all levels of noise.
    ``truth`` holds W1 = W and H1 = H in the unit of X if the scaling is "none" or "max"; others change the factors.
    Without a rank, a fit has as many components as were planted.

    Parameters
    ----------
    samples: number of samples n, ≥ 1.
    components: number of planted components, ≥ 1.
    noise: expected norm of the noise over that of WH, ≥ 0; 0: X = WH. For counts it fixes their depth; other noise is
        normal, and X is cut at 0.
    imbalance: expected sum of the first component's codes over that of the last, ≥ 1, with a geometric decrease in
        between. 1: all are equal.
    correlation: correlation of the components or of their codes, in [0, 1); 0: they are independent.
    draw: number of the draw, ≥ 0, independent of the seeds of a fit; None: the seed of the run, so that each
        repetition has its own data.
    """

    drawn: ClassVar[bool] = True
    name: ClassVar[str]

    samples: int = 150
    components: int = 6
    noise: float = 0.1
    imbalance: float = 1.0
    correlation: float = 0.0
    draw: int | None = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("samples", "components"):
            require_count(name, getattr(self, name))
        if not 0 <= self.noise < float("inf"):
            raise ConfigError(f"noise must be nonnegative and finite, got {self.noise}")
        if not 1 <= self.imbalance < float("inf"):
            raise ConfigError(f"imbalance must be at least 1 and finite, got {self.imbalance}")
        if not 0 <= self.correlation < 1:
            raise ConfigError(f"correlation must lie in [0, 1), got {self.correlation}")
        if self.draw is not None and self.draw < 0:
            raise ConfigError(f"draw must be nonnegative, got {self.draw}")

    def for_seed(self, seed: int) -> base.Loader:
        return self if self.draw is not None else replace(self, draw=seed)

    @abstractmethod
    def factors(self) -> tuple[np.ndarray, np.ndarray]:
        """Draw W (m, components) and H (components, samples), without noise."""

    @abstractmethod
    def noisy(self, M: np.ndarray) -> tuple[np.ndarray, float]:
        """Draw X around s · M for M = WH, and return X and s."""

    def known(self, W: np.ndarray, H: np.ndarray) -> dict[str, object]:
        """Return labels, image shape and names of features, as fields of `Dataset`."""
        return {"y": (W.sum(0)[:, None] * H).argmax(0)}

    def read(self) -> base.Dataset:
        W, H = self.factors()
        if not (present := H.any(1)).all():
            raise ConfigError(
                f"{self.name}: {np.count_nonzero(~present)} of {self.components} components occur in no sample; "
                "raise samples, or lower components or imbalance"
            )
        X, scale = self.noisy(W @ H) if self.noise else (W @ H, 1.0)
        truth = {"W1": W, "H1": scale * H} if self.keeps_factors else {}
        data = base.Dataset(self.name, X, truth=truth, rank=self.components)
        return replace(data, **self.known(W, H))  # type: ignore[arg-type]

    def stream(self, name: str) -> np.random.Generator:
        """Return the random generator of this name for this draw."""
        return Streams([self.draw or 0])(f"planted {name}")[0]

    def weights(self) -> np.ndarray:
        """Return the expected shares (components,), which sum to one and decrease as ``imbalance`` says."""
        weights = self.imbalance ** -np.linspace(0, 1, self.components)
        return np.asarray(weights / weights.sum())

    def correlated(self, name: str, size: int) -> np.ndarray:
        """Draw standard normal numbers (components, size), any two rows of which have ``correlation``."""
        rng = self.stream(name)
        shared, own = rng.standard_normal((1, size)), rng.standard_normal((self.components, size))
        return np.asarray(np.sqrt(self.correlation) * shared + np.sqrt(1 - self.correlation) * own)


def require_count(name: str, value: object) -> None:
    """Raise ConfigError unless the value is a positive integer."""
    if type(value) is not int or value < 1:
        raise ConfigError(f"{name} must be a positive integer, got {value!r}")


def capped(shares: np.ndarray, most: float) -> np.ndarray:
    """Limit the entries of columns of sum one to ``most``, and add the excess to the others, in proportion."""
    top = shares == shares.max(0)
    over = shares.max(0) > most
    rest = np.where(top, 0, shares)
    return np.where(over, np.where(top, most, rest * (1 - most) / rest.sum(0)), shares)
