"""Steps for X ≈ ZH with H ≥ 0 and Z of any sign: the exact least squares for Z, the square-root rule for H."""

import torch
from torch import Tensor

FLOOR = 1e-10
"""Smallest denominator, relative to the largest numerator of the restart."""
TINY = 1e-30
"""Smallest ridge: that of a feature in whose observed samples all codes are zero."""


def pinv(A: Tensor) -> Tensor:
    """The pseudo-inverse (…, n, m) of each matrix A (…, m, n)."""
    # A matrix with infinite entries must not make the decomposition fail for the whole batch.
    finite = torch.nan_to_num(A, posinf=0, neginf=0)
    return torch.linalg.pinv(finite, rtol=min(A.shape[-2:]) * torch.finfo(A.dtype).eps)


def square_root_step(H: Tensor, A: Tensor, B: Tensor, pull: Tensor | float = 0, push: Tensor | float = 0) -> Tensor:
    """One majorise-minimise step for ‖X − ZH‖² over H ≥ 0 (S, r, n), with A = ZᵀX and B = ZᵀZ.

    A penalty adds its half gradient, ``push`` − ``pull``, both ≥ 0. The step does not raise the objective, penalty
    included. Ding, Li & Jordan (2010).
    """
    p, q = half_gradient(H, A, B)
    return root_step(H, p + pull, q + push)


def half_gradient(H: Tensor, A: Tensor, B: Tensor) -> tuple[Tensor, Tensor]:
    """(p, q), both ≥ 0 and (S, r, n), with q − p half the gradient of ‖X − ZH‖² in H ≥ 0, A = ZᵀX and B = ZᵀZ."""
    return A.clamp(min=0) + (-B).clamp(min=0) @ H, (-A).clamp(min=0) + B.clamp(min=0) @ H


def root_step(H: Tensor, p: Tensor, q: Tensor) -> Tensor:
    """H · √(p/q), all (S, r, n): a step against a half gradient q − p."""
    floor = (FLOOR * p.amax((-2, -1), keepdim=True)).clamp(min=torch.finfo(p.dtype).tiny)
    return H * (p / torch.maximum(q, floor)).sqrt()


def semi_sweep(X: Tensor, H: Tensor) -> tuple[Tensor, Tensor]:
    """One iteration of semi-NMF for X (m, n) or (S, m, n): Z, then H. It does not raise ‖X − ZH‖²."""
    Z = X @ pinv(H)
    return Z, square_root_step(H, Z.mT @ X, Z.mT @ Z)


def masked_semi_sweep(X: Tensor, M: Tensor, Z: Tensor, H: Tensor) -> tuple[Tensor, Tensor]:
    """`semi_sweep` of ‖M ∘ (X − ZH)‖² for weights M (m, n) of 1 and 0, where X (m, n) is zero.

    Each feature i has its own H D_i Hᵀ and each sample j its own Zᵀ D_j Z, with the diagonal D of their weights.
    """
    grams = _grams(H, M.mT)
    diagonal = grams.diagonal(dim1=-2, dim2=-1)
    # A step back to the former Z, within rounding, keeps features with fewer observed entries than components.
    ridge = (len(diagonal[0, 0]) * torch.finfo(X.dtype).eps * diagonal.sum(-1, keepdim=True)).clamp(min=TINY)
    left = (X - (Z @ H).mul_(M)) @ H.mT
    Z = Z + torch.linalg.solve_ex(grams + torch.diag_embed(ridge.expand_as(diagonal)), left[..., None])[0][..., 0]
    by_sample = square_root_step(H.mT[..., None], (Z.mT @ X).mT[..., None], _grams(Z.mT, M))
    return Z, by_sample[..., 0].mT


def _grams(A: Tensor, M: Tensor) -> Tensor:
    """A D_j Aᵀ (S, n, r, r) for A (S, r, m) and each column of M (m, n) as the diagonal D_j, by one product."""
    r = A.shape[-2]
    return ((A[..., None, :] * A[..., None, :, :]).flatten(1, 2) @ M).mT.unflatten(-1, (r, r))
