"""What a solver yields: factors with a leading restart axis, the codes of each layer, the reconstruction."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate
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
        """(S,) bool: the restarts in which every entry is finite, of the codes too: a product may overflow."""
        found: list[Tensor] = []

        def look(tensor: Tensor) -> Tensor:
            found.append(tensor.isfinite().reshape(len(tensor), -1).all(1))
            return tensor

        self.map(look)
        for codes in self.codes:
            look(codes)
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


@dataclass(frozen=True)
class Chain(Factorization):
    """X ≈ W₁W₂…W_L H_L, where each layer factors the codes of the one below: H_{l−1} ≈ W_l H_l.

    ``Ws``: W_l (…, r_{l−1}, r_l) with r_0 = m; ``Hs``: the codes H_l (…, r_l, n), of which the last enters the product.
    ``B`` (…, classes, r_L): of a method that learns from labels too, Y ≈ B H_L; None where it saw none.
    """

    Ws: tuple[Tensor, ...]
    Hs: tuple[Tensor, ...]
    B: Tensor | None = None

    @property
    def label_scores(self) -> Tensor | None:
        """B H_L (…, classes, n): the largest entry of a column is the class of that sample."""
        return None if self.B is None else self.B @ self.Hs[-1]

    @property
    def codes(self) -> list[Tensor]:
        return list(self.Hs)

    @property
    def factors(self) -> dict[str, Tensor]:
        return _numbered("W", self.Ws) | {"H": self.Hs[-1]}

    def reconstruct(self) -> Tensor:
        return product([*self.Ws, self.Hs[-1]])


@dataclass(frozen=True)
class Stack(Factorization):
    """X ≈ W_L…W₁H: W_l (…, r_{l+1}, r_l) with r_{L+1} = m, H (…, r_1, n). The codes of layer l are W_{l−1}…W₁H."""

    Ws: tuple[Tensor, ...]
    H: Tensor

    @property
    def codes(self) -> list[Tensor]:
        return list(accumulate(self.Ws[:-1], lambda below, W: W @ below, initial=self.H))

    @property
    def factors(self) -> dict[str, Tensor]:
        return dict(reversed(_numbered("W", self.Ws).items())) | {"H": self.H}

    def reconstruct(self) -> Tensor:
        return self.Ws[-1] @ self.codes[-1]


@dataclass(frozen=True)
class Hierarchy(Factorization):
    """X ≈ W₁H₁, W₁ ≈ W₂H₂, …, where each layer factors the bases of the one below: W_{l−1} ≈ W_l H_l.

    ``Ws``: W_l (…, m, r_l); ``Hs``: H_l (…, r_l, r_{l−1}) with r_0 = n. The codes of layer l are H_l…H₁ (…, r_l, n).
    ``weights`` (…, L) are λ_l and ``alphas`` (…, L), if any, α_l of a method that sets them by its start.
    """

    Ws: tuple[Tensor, ...]
    Hs: tuple[Tensor, ...]
    weights: Tensor
    alphas: Tensor | None = None

    @property
    def codes(self) -> list[Tensor]:
        return list(accumulate(self.Hs, lambda below, H: H @ below))

    @property
    def factors(self) -> dict[str, Tensor]:
        return _numbered("W", self.Ws) | _numbered("H", self.Hs)

    def reconstruct(self) -> Tensor:
        return self.Ws[-1] @ self.codes[-1]


def product(factors: Sequence[Tensor]) -> Tensor:
    """F₁F₂…F_L, multiplied from the right: the codes at the end make every step thin."""
    return reduce(lambda right, left: left @ right, reversed(factors))


def _numbered(letter: str, tensors: Sequence[Tensor]) -> dict[str, Tensor]:
    """By letter and layer; the letter alone where there is one layer."""
    if len(tensors) == 1:
        return {letter: tensors[0]}
    return {f"{letter}{l}": tensor for l, tensor in enumerate(tensors, start=1)}
