"""Views of the same samples: a factorization of each, with common codes at the top."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from nmfbench.numerics.factorization import Chain, Chained
from nmfbench.numerics.graph import Graph


@dataclass(frozen=True)
class Views(Chained):
    """A chain for each view, X_v ≈ Z₁ᵛ…Z_Lᵛ H_L. As one chain, factors below the top are block diagonal.

    Parameters
    ----------
    Zs: for each view, Z_l (…, r_{l−1}, r_l) with r_0 = m_v, of any sign.
    Hs: for each view, the codes H_l (…, r_l, n) ≥ 0 below the top.
    H: the common codes H_L (…, r_L, n) ≥ 0.
    weights: α_v^γ (…, V).
    graphs: the graph of the n samples in each view; empty: no graph is used.
    """

    Zs: tuple[tuple[Tensor, ...], ...]
    Hs: tuple[tuple[Tensor, ...], ...]
    H: Tensor
    weights: Tensor
    graphs: tuple[Graph, ...]

    @property
    def chain(self) -> Chain:
        """All views as one: features, and below the top codes too, view below view."""
        *inner, top = zip(*self.Zs, strict=True)
        Ws = [*map(block_diagonal, inner), torch.cat(top, -2)]
        return Chain(tuple(Ws), (*(torch.cat(Hs, -2) for Hs in zip(*self.Hs, strict=True)), self.H))

    @property
    def factors(self) -> dict[str, Tensor]:
        return self.chain.factors


def block_diagonal(blocks: Sequence[Tensor]) -> Tensor:
    """The matrix (…, Σ m_v, Σ r_v) with these blocks (…, m_v, r_v) on its diagonal, and zeros elsewhere."""
    width, left, rows = sum(block.shape[-1] for block in blocks), 0, []
    for block in blocks:
        rows.append(pad(block, (left, width - left - block.shape[-1])))
        left += block.shape[-1]
    return torch.cat(rows, -2)
