"""Factorizations, which solvers yield: factors with a leading restart axis; bases, codes and links of the layers."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor

from nmfbench.numerics import display


@dataclass(frozen=True)
class Factorization(ABC):
    """Factors with a restart axis S first while a fit runs; a fit's result has lost that axis."""

    layering: ClassVar[Literal["product", "codes", "bases", "convolution"]] = "product"
    """How layers build on each other.

    "product": one product of all factors, which can be cut at every layer. "codes": each layer factors the codes
    of the layer below. "bases": each layer factors the bases of the layer below. "convolution": bases and codes are not
    multiplied.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        """Keep the short repr, which @dataclass would replace by one that prints every factor."""
        super().__init_subclass__(**options)
        cls.__repr__ = Factorization.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        layers = f" of {len(self.codes)} layers" if len(self.codes) > 1 else ""
        return f"<{type(self).__name__}{layers}: {display.shapes(self.shown)}>"

    def _repr_html_(self) -> str:
        return display.factors(self.shown)

    @property
    def shown(self) -> dict[str, Tensor]:
        """The tensors that a notebook shows: the factors, or the codes of a method without factors."""
        return self.factors or {"codes": self.codes[-1]}

    @property
    @abstractmethod
    def codes(self) -> list[Tensor]:
        """One (…, r_l, n) tensor a layer, top layer last: the evaluator clusters their columns."""

    @property
    @abstractmethod
    def bases(self) -> list[Tensor]:
        """One (…, m, r_l) tensor a layer, top layer last: features in the space of X; empty for raw data.

        The product of the top layer's bases and codes is `reconstruct()`, unless the class says otherwise.
        """

    @property
    def links(self) -> list[Tensor]:
        """L − 1 tensors (…, r_{l+1}, r_l): entry (k, j) is the weight of component j of layer l in component k above.

        For layering "product" and "bases", codes_{l+1} = links_l · codes_l and bases_l ≈ bases_{l+1} · links_l.
        For layering "codes", bases_{l+1} = bases_l · links_lᵀ and codes_l ≈ links_lᵀ · codes_{l+1}.
        """
        return []

    @property
    def label_scores(self) -> Tensor | None:
        """(…, classes, n) scores of a method that learns to classify: a sample's class has the largest score."""
        return None

    @property
    @abstractmethod
    def factors(self) -> dict[str, Tensor]:
        """The factors by the paper's letters, as they enter the product; empty for a control that has none."""

    @abstractmethod
    def reconstruct(self) -> Tensor:
        """Return the approximation of X, (…, m, n)."""

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Return a factorization of the same class, with the function applied to every tensor."""

        def apply(value: Any) -> Any:
            if isinstance(value, Tensor):
                return function(value)
            return tuple(apply(v) for v in value) if isinstance(value, tuple) else value

        return dataclasses.replace(self, **{f.name: apply(getattr(self, f.name)) for f in dataclasses.fields(self)})

    def restart(self, s: int) -> Self:
        """Return restart s, detached from the solver's buffers."""
        return self.map(lambda tensor: tensor[s].clone())

    def finite(self) -> Tensor:
        """Return a mask (S,) of the restarts whose entries and codes are all finite: a product may overflow."""
        checks: list[Tensor] = []

        def check(tensor: Tensor) -> Tensor:
            axes, entries = tuple(range(1, tensor.ndim + 1)), tensor[..., None]  # η is (S,)
            finite = entries.sum(axes).isfinite()  # a tenth of the time of a look at every entry, but sums overflow
            checks.append(finite if finite.all() else entries.isfinite().all(axes))
            return tensor

        self.map(check)
        for codes in self.codes:
            check(codes)
        return torch.stack(checks).all(0)


@dataclass(frozen=True)
class Product(Factorization):
    """X ≈ WH.

    Parameters
    ----------
    W: bases (…, m, r).
    H: codes (…, r, n).
    XHt: XHᵀ (…, m, r), where the last step has left it: it spares the objective a product with X; None: it has not.
    """

    W: Tensor
    H: Tensor
    XHt: Tensor | None = None

    def restart(self, s: int) -> Self:
        return Factorization.restart(dataclasses.replace(self, XHt=None), s)

    @property
    def codes(self) -> list[Tensor]:
        return [self.H]

    @property
    def bases(self) -> list[Tensor]:
        return [self.W]

    @property
    def factors(self) -> dict[str, Tensor]:
        return {"W": self.W, "H": self.H}

    def reconstruct(self) -> Tensor:
        return self.W @ self.H


@dataclass(frozen=True)
class Chain(Factorization):
    """X ≈ W₁W₂…W_L H_L, where each layer factors the codes of the layer below: H_{l−1} ≈ W_l H_l.

    The bases of layer l are W₁…W_l and its link is W_{l+1}ᵀ. Below the top, bases times codes is that layer's own
    approximation of X and not the reconstruction.

    Parameters
    ----------
    Ws: W_l (…, r_{l−1}, r_l) with r_0 = m.
    Hs: the codes H_l (…, r_l, n); only the last enters the product.
    B: classifier (…, classes, r_L) with Y ≈ B H_L; None: the method saw no labels.
    """

    layering = "codes"

    Ws: tuple[Tensor, ...]
    Hs: tuple[Tensor, ...]
    B: Tensor | None = None

    @property
    def label_scores(self) -> Tensor | None:
        """B H_L, (…, classes, n)."""
        return None if self.B is None else self.B @ self.Hs[-1]

    @property
    def codes(self) -> list[Tensor]:
        return list(self.Hs)

    @property
    def bases(self) -> list[Tensor]:
        return list(accumulate(self.Ws, lambda below, W: below @ W))

    @property
    def links(self) -> list[Tensor]:
        return [W.mT for W in self.Ws[1:]]

    @property
    def factors(self) -> dict[str, Tensor]:
        return _numbered("W", self.Ws) | {"H": self.Hs[-1]}

    def reconstruct(self) -> Tensor:
        return product([*self.Ws, self.Hs[-1]])


@dataclass(frozen=True)
class Chained(Factorization):
    """Layers that multiply like those of a `Chain`, with more to them."""

    layering = "codes"

    @property
    @abstractmethod
    def chain(self) -> Chain:
        """The factors as a chain."""

    @property
    def codes(self) -> list[Tensor]:
        return self.chain.codes

    @property
    def bases(self) -> list[Tensor]:
        return self.chain.bases

    @property
    def links(self) -> list[Tensor]:
        return self.chain.links

    def reconstruct(self) -> Tensor:
        return self.chain.reconstruct()


@dataclass(frozen=True)
class Stack(Factorization):
    """X ≈ W_L…W₁H.

    The codes of layer l are W_{l−1}…W₁H, its bases W_L…W_l and its link W_l: every layer's bases times its codes is the
    reconstruction.

    Parameters
    ----------
    Ws: W_l (…, r_{l+1}, r_l) with r_{L+1} = m.
    H: codes (…, r_1, n) of the first layer.
    B: classifier (…, classes, r_1) with Y ≈ BH; None: the method saw no labels.
    """

    Ws: tuple[Tensor, ...]
    H: Tensor
    B: Tensor | None = None

    @property
    def label_scores(self) -> Tensor | None:
        """BH, (…, classes, n)."""
        return None if self.B is None else self.B @ self.H

    @property
    def codes(self) -> list[Tensor]:
        return list(accumulate(self.Ws[:-1], lambda below, W: W @ below, initial=self.H))

    @property
    def bases(self) -> list[Tensor]:
        return list(accumulate(reversed(self.Ws), lambda above, W: above @ W))[::-1]

    @property
    def links(self) -> list[Tensor]:
        return list(self.Ws[:-1])

    @property
    def factors(self) -> dict[str, Tensor]:
        return dict(reversed(_numbered("W", self.Ws).items())) | {"H": self.H}

    def reconstruct(self) -> Tensor:
        return self.Ws[-1] @ self.codes[-1]


@dataclass(frozen=True)
class Hierarchy(Factorization):
    """X ≈ W₁H₁, W₁ ≈ W₂H₂, …, where each layer factors the bases of the layer below: W_{l−1} ≈ W_l H_l.

    The codes of layer l are H_l…H₁ (…, r_l, n), its bases W_l and its link H_{l+1}. The reconstruction is the top
    layer's W_L H_L…H₁; below the top, bases times codes is that layer's own approximation of X.

    Parameters
    ----------
    Ws: W_l (…, m, r_l).
    Hs: H_l (…, r_l, r_{l−1}) with r_0 = n.
    weights: λ_l (…, L), fixed at the start.
    alphas: α_l (…, L), fixed at the start; None: there is no volume penalty.
    """

    layering = "bases"

    Ws: tuple[Tensor, ...]
    Hs: tuple[Tensor, ...]
    weights: Tensor
    alphas: Tensor | None = None

    @property
    def codes(self) -> list[Tensor]:
        return list(accumulate(self.Hs, lambda below, H: H @ below))

    @property
    def bases(self) -> list[Tensor]:
        return list(self.Ws)

    @property
    def links(self) -> list[Tensor]:
        return list(self.Hs[1:])

    @property
    def factors(self) -> dict[str, Tensor]:
        return _numbered("W", self.Ws) | _numbered("H", self.Hs)

    def reconstruct(self) -> Tensor:
        return self.Ws[-1] @ self.codes[-1]


def product(factors: Sequence[Tensor]) -> Tensor:
    """Return F₁F₂…F_L (…, m, n), multiplied from the right: the codes (…, r, n) at the end make every step thin."""
    return reduce(lambda right, left: left @ right, reversed(factors))


def _numbered(letter: str, tensors: Sequence[Tensor]) -> dict[str, Tensor]:
    """Name each tensor by letter and layer; by the letter alone if there is only one layer."""
    if len(tensors) == 1:
        return {letter: tensors[0]}
    return {f"{letter}{l}": tensor for l, tensor in enumerate(tensors, start=1)}
