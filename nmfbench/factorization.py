"""What a solver yields: factors with a leading restart axis, the codes of each layer, the reconstruction."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Factorization(ABC):
    """Every tensor field carries the restart axis S first while a fit runs, and has lost it in a fit's result."""

    @property
    @abstractmethod
    def codes(self) -> list[Tensor]:
        """One (…, r_l, n) tensor a layer, top layer last: what the evaluator clusters."""

    @property
    @abstractmethod
    def factors(self) -> dict[str, Tensor]:
        """The factors by the paper's letters, as they enter the product; empty for a control that has none."""

    @abstractmethod
    def reconstruct(self) -> Tensor:
        """(…, m, n)."""

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """The same factorization with the function applied to every tensor in it."""

        def apply(value: Any) -> Any:
            if isinstance(value, Tensor):
                return function(value)
            return tuple(apply(v) for v in value) if isinstance(value, tuple) else value

        return type(self)(*(apply(getattr(self, f.name)) for f in dataclasses.fields(self)))

    def restart(self, s: int) -> Self:
        """Restart s, detached from the solver's buffers."""
        return self.map(lambda tensor: tensor[s].clone())

    def finite(self) -> Tensor:
        """(S,) bool: the restarts in which every entry is finite."""
        found: list[Tensor] = []

        def look(tensor: Tensor) -> Tensor:
            found.append(tensor.isfinite().reshape(len(tensor), -1).all(1))
            return tensor

        self.map(look)
        return torch.stack(found).all(0)


@dataclass(frozen=True)
class Product(Factorization):
    """X ≈ WH: W (…, m, r), H (…, r, n)."""

    W: Tensor
    H: Tensor

    @property
    def codes(self) -> list[Tensor]:
        return [self.H]

    @property
    def factors(self) -> dict[str, Tensor]:
        return {"W": self.W, "H": self.H}

    def reconstruct(self) -> Tensor:
        return self.W @ self.H
