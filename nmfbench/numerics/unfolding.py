"""A network whose layers are multiplicative updates with weights of their own."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nmfbench.numerics.factorization import Product

EPS = torch.finfo(torch.float32).eps
"""Added to the denominator of a layer, whatever the dtype."""


def network(X: Tensor, P: Tensor, Q: Tensor, l1: Tensor | float, l2: Tensor | float) -> Tensor:
    """The codes (S, r, n) of X (m, n): from ones, L times h ← h ∘ Px/(Qh + l₂h + l₁ + ε).

    P is (S, L, r, m), Q (S, L, r, r); l₁ and l₂ are numbers or (S, 1, 1).
    """
    PX = P @ X
    H = torch.ones_like(PX[:, 0])
    for l in range(P.shape[1]):
        H = H * PX[:, l] / (Q[:, l] @ H + l2 * H + l1 + EPS)
    return H


def distinct(H: Tensor) -> Tensor:
    """(S, r, 1): false for a component whose codes are, up to rounding, proportional to an earlier component's.

    Least squares may share a feature among such components in any way. An active-set solver gives all of it to the
    first one, and only this separates components that start alike.
    """
    unit = torch.nn.functional.normalize(H, dim=-1, eps=torch.finfo(H.dtype).tiny)
    distances = torch.cdist(unit, unit, compute_mode="donot_use_mm_for_euclid_dist")
    return (distances > 100 * torch.finfo(H.dtype).eps).logical_or(torch.ones_like(distances).triu() > 0).all(-1, True)


@dataclass(frozen=True)
class Classified(Product):
    """X ≈ WH, where the codes H were trained to be the one-hot labels.

    Parameters
    ----------
    W: bases (…, m, r).
    H: codes (…, r, n); row k is the score of class k.
    XHt: None, because the objective has no such product.
    """

    @property
    def label_scores(self) -> Tensor:
        """H, (…, r, n)."""
        return self.H
