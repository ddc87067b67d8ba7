"""Planted problems: data made from factors that are known, with the settings that all of them share."""

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

    Every part is drawn from a stream of its own, so that the factors are the same at all levels of noise.
    ``truth``: W1 = W and H1 = H in the units of X, where no scaling but "none" and "max" changes what the factors are.
    Without a rank, a fit has as many components as were planted.

    Parameters
    ----------
    samples: number of samples n, ≥ 1.
    components: number of components that are planted, ≥ 1.
    noise: expected norm of the noise over that of WH, ≥ 0; 0: X = WH. It fixes the depth of counts; other noise is
        normal, and X is cut at 0.
    imbalance: expected sum of the codes of the first component over that of the last, ≥ 1; those between fall
        geometrically. 1: all alike.
    correlation: of the components or of their codes, in [0, 1); 0: they are independent.
    draw: number of the draw, ≥ 0, which has nothing to do with the seeds of a fit; None: the seed of the run, so that
        each repetition has its own data.
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
        """W (m, components) and H (components, samples), without noise."""

    @abstractmethod
    def noisy(self, M: np.ndarray) -> tuple[np.ndarray, float]:
        """X, drawn around s · M for M = WH, and s."""

    def known(self, W: np.ndarray, H: np.ndarray) -> dict[str, object]:
        """Labels, image shape and names of features, as fields of `Dataset`."""
        return {"y": (W.sum(0)[:, None] * H).argmax(0)}

    def read(self) -> base.Dataset:
        W, H = self.factors()
        if not (present := H.any(1)).all():
            raise ConfigError(
                f"{self.name}: {np.count_nonzero(~present)} of {self.components} components occur in no sample; "
                "ask for more samples, fewer components or less imbalance"
            )
        X, scale = self.noisy(W @ H) if self.noise else (W @ H, 1.0)
        truth = {"W1": W, "H1": scale * H} if self.keeps_factors else {}
        data = base.Dataset(self.name, X, truth=truth, rank=self.components)
        return replace(data, **self.known(W, H))  # type: ignore[arg-type]

    def stream(self, name: str) -> np.random.Generator:
        """The generator of that name and this draw."""
        return Streams([self.draw or 0])(f"planted {name}")[0]

    def weights(self) -> np.ndarray:
        """(components,) expected shares of the components: they sum to one and fall as ``imbalance`` says."""
        weights = self.imbalance ** -np.linspace(0, 1, self.components)
        return np.asarray(weights / weights.sum())

    def correlated(self, name: str, size: int) -> np.ndarray:
        """(components, size) standard normal numbers; any two rows have ``correlation``."""
        rng = self.stream(name)
        shared, own = rng.standard_normal((1, size)), rng.standard_normal((self.components, size))
        return np.asarray(np.sqrt(self.correlation) * shared + np.sqrt(1 - self.correlation) * own)


def require_count(name: str, value: object) -> None:
    """Raise ConfigError unless the value is a positive integer."""
    if type(value) is not int or value < 1:
        raise ConfigError(f"{name} must be a positive integer, got {value!r}")


def capped(shares: np.ndarray, most: float) -> np.ndarray:
    """Columns of sum one with entries of at most ``most``: what is over is taken by the others, in proportion."""
    top = shares == shares.max(0)
    over = shares.max(0) > most
    rest = np.where(top, 0, shares)
    return np.where(over, np.where(top, most, rest * (1 - most) / rest.sum(0)), shares)
