"""Euclidean projections, and what brings rows to a sum."""

import torch
from torch import Tensor


def simplex(H: Tensor, dim: int) -> Tensor:
    """Each vector along ``dim`` to the nearest one with entries ≥ 0 that sum to one. Held, Wolfe & Crowder (1974)."""
    ordered = H.sort(dim=dim, descending=True).values
    shape = [1] * H.ndim
    shape[dim] = -1
    k = torch.arange(1, H.shape[dim] + 1, dtype=H.dtype, device=H.device).reshape(shape)
    # The shift that leaves a sum of one if the k largest are the positive ones; it is right where it is largest.
    shift = ((ordered.cumsum(dim) - 1) / k).amax(dim, keepdim=True)
    return (H - shift).clamp(min=0)


def normalised(H: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """H ≥ 0 with every vector along ``dim`` divided by its sum, and the sums; a zero vector becomes uniform, sum 0."""
    total = H.sum(dim, keepdim=True)
    uniform = torch.full_like(H, 1 / H.shape[dim])
    return torch.where(total > 0, H / total.clamp(min=torch.finfo(H.dtype).tiny), uniform), total
