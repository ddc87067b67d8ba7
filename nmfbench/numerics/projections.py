"""Euclidean projections, and scaling vectors to sum to one."""

import torch
from torch import Tensor


def simplex(H: Tensor, dim: int) -> Tensor:
    """Project each vector of H (…, r, n) along ``dim`` onto the entries ≥ 0 that sum to one. Michelot (1986).

    Compute the shift that makes the sum one if all entries stayed positive, then again for the entries that it leaves
    positive, until all of them stay so: a few passes, where sorting is slow along a long dimension.
    """
    shift = (H.sum(dim, keepdim=True) - 1) / H.shape[dim]
    for _ in range(H.shape[dim]):
        active = shift < H
        count = active.sum(dim, keepdim=True).clamp(min=1)
        before, shift = shift, (torch.where(active, H, 0).sum(dim, keepdim=True) - 1) / count
        if not (shift > before).any():  # it only grows, up to rounding
            break
    return (H - shift).clamp(min=0)


def normalised(H: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """H (…, r, n) ≥ 0 with every vector along ``dim`` divided by its sum, and the sums.

    A zero vector becomes uniform, with sum 0.
    """
    total = H.sum(dim, keepdim=True)
    uniform = torch.full_like(H, 1 / H.shape[dim])
    return torch.where(total > 0, H / total.clamp(min=torch.finfo(H.dtype).tiny), uniform), total
