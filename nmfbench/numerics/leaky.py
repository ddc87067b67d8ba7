"""Products of leaky rectified factors: φ(x) = max(x, ηx)."""

import math
from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nmfbench.numerics import weak_losses
from nmfbench.numerics.factorization import Factorization, Stack
from nmfbench.numerics.pieces import pieces

Tensors = Sequence[Tensor]
Mask = Tensor | None
"""False where an entry is missing; None: none is."""


@dataclass(frozen=True)
class Leaky(Factorization, ABC):
    """Factors φ(x) = max(x, ηx) of free parameters.

    Parameters
    ----------
    Ws: free parameters of the bases, one tensor a layer.
    H: free parameters of the codes.
    eta: current η (S,).
    """

    Ws: tuple[Tensor, ...]
    H: Tensor
    eta: Tensor

    def phi(self, x: Tensor) -> Tensor:
        """φ(x) of a parameter x (S, …), elementwise."""
        eta = self.eta.reshape(self.eta.shape + (1,) * (x.ndim - self.eta.ndim))
        return torch.maximum(x, eta * x)

    def misfit(self, X: Tensor, loss: str, unit: float = 1.0, observed: Mask = None) -> Tensor:
        """Σ ℓ(x/u, v/u) (S,) over X (m, n), or its ``observed`` entries, and the reconstruction, u the ``unit``.

        ℓ is a loss of `weak_losses`.
        """
        losses = weak_losses.values(X, self.reconstruct(), loss, unit)
        losses = losses if observed is None else losses.masked_fill(~observed, 0)
        return losses.sum((-2, -1)) / unit ** weak_losses.DEGREES[loss]


@dataclass(frozen=True)
class LeakyStack(Leaky):
    """X ≈ φ(W_L)…φ(W_1)φ(H). Codes, bases and links are those of the `Stack` of rectified factors.

    Parameters
    ----------
    Ws: W_l (…, r_{l+1}, r_l) with r_{L+1} = m.
    H: (…, r_1, n).
    eta: current η (S,).
    """

    @property
    def rectified(self) -> Stack:
        """The rectified factors."""
        return Stack(tuple(map(self.phi, self.Ws)), self.phi(self.H))

    @property
    def codes(self) -> list[Tensor]:
        return self.rectified.codes

    @property
    def bases(self) -> list[Tensor]:
        return self.rectified.bases

    @property
    def links(self) -> list[Tensor]:
        return self.rectified.links

    @property
    def factors(self) -> dict[str, Tensor]:
        return self.rectified.factors

    def reconstruct(self) -> Tensor:
        return self.rectified.reconstruct()

    def misfit(self, X: Tensor, loss: str, unit: float = 1.0, observed: Mask = None) -> Tensor:
        W, H = self.bases[-1], self.codes[-1]
        result = torch.zeros(len(H), dtype=torch.float64, device=H.device)
        for place, x, V in pieces(X, W.mT, H):
            losses = weak_losses.values(x, V, loss, unit)
            if observed is not None:
                losses.masked_fill_(~observed[place], 0)
            result += losses.sum(-1, keepdim=True).sum((-2, -1), dtype=torch.float64)
        return result.to(H.dtype) / unit ** weak_losses.DEGREES[loss]


def bound(fan_in: int) -> float:
    """Parameters start uniformly in ±bound: a sum of ``fan_in`` terms then keeps its variance. He et al. (2015)."""
    return math.sqrt(6 / fan_in)


def slope_at(epoch: int, eta: float, curriculum: int) -> float:
    """The slope η of φ in this epoch, counted from 0: it falls linearly from 1 to ``eta`` in ``curriculum`` epochs."""
    left = max(0.0, 1 - epoch / curriculum) if curriculum else 0.0
    return eta + (1 - eta) * left


def gradient(X: Tensor, Ws: Tensors, H: Tensor, eta: float, loss: str, divisor: int, mask: Mask = None) -> Tensors:
    """∂/∂(Ws, H) of Σ ℓ(x, v), V = φ(H)φ(W_1)ᵀ…φ(W_L)ᵀ, over ``divisor``; ℓ is a loss of `weak_losses`.

    X (S, b, m) and H (S, b, r_1) have samples in rows; W_l (S, r_{l+1}, r_l), r_{L+1} = m. Entries where ``mask``
    (S, b, m) is False do not count. It is written out, because autograd makes several passes over each array.
    """
    P = [F.leaky_relu(W, eta) for W in Ws]
    Q = [F.leaky_relu(H, eta)]
    for p in P[:-1]:
        Q.append(torch.bmm(Q[-1], p.mT))
    dPs, G = [torch.zeros_like(P[-1])], torch.zeros_like(Q[-1])
    q = Q[-1] / divisor if divisor > 1 else Q[-1]  # and not the residual, which is larger
    for (rows, columns), x, R in pieces(X, Q[-1].mT, P[-1].mT):
        R = weak_losses.slopes(x, R, loss)
        if mask is not None:
            R.masked_fill_(~mask[..., rows, columns], 0)  # and not a product, because a slope may be infinite
        dPs[0][..., columns, :].baddbmm_(R.mT, q[..., rows, :])
        G[..., rows, :].baddbmm_(R, P[-1][..., columns, :])
    if divisor > 1:
        G /= divisor
    for p, below in zip(reversed(P[:-1]), reversed(Q[:-1]), strict=True):
        dPs.append(torch.bmm(G.mT, below))
        G = torch.bmm(G, p)
    slope = torch.ops.aten.leaky_relu_backward
    return [slope(d, W, eta, False) for d, W in zip([*reversed(dPs), G], [*Ws, H], strict=True)]
