"""Euclidean projections, and scaling vectors to sum to one."""

import math

import torch
from torch import Tensor

from nmfbench.numerics.pieces import columns


def simplex(H: Tensor) -> Tensor:
    """Project each row of H (S, r, n) onto the entries ≥ 0 that sum to one. Michelot (1986).

    Compute the shift that makes the sum one if all entries stayed positive, then again for the entries that it leaves
    positive, until all of them stay so: a few passes, where sorting is slow along long rows.
    """
    result = torch.empty_like(H)
    for k in columns(H.mT):
        rows, positive = H[:, k], result[:, k]
        shift = (rows.sum(-1, keepdim=True) - 1) / H.shape[-1]
        before = torch.full_like(shift, torch.inf)
        for _ in range(H.shape[-1]):
            torch.sub(rows, shift, out=positive).clamp_(min=0)
            count = positive.sign().sum(-1, keepdim=True).clamp_(min=1)
            shift = shift + (positive.sum(-1, keepdim=True) - 1) / count
            if not (count < before).any():
                break
            before = count
        torch.sub(rows, shift, out=positive).clamp_(min=0)
    return result


def sparseness(H: Tensor, s: float) -> Tensor:
    """Project each row of H (S, r, n) onto the entries ≥ 0 of unit length whose Hoyer sparsity is s, 0 < s < 1.

    So each row sums to k = √n − s(√n − 1). The nearest point of the hyperplane of this sum and the unit sphere lies
    from the centre of their circle in the direction of the row. Entries that are negative there become zero, and the
    others are projected again; they never return. Hoyer (2004), Sec. 3.2; that it is exact: Thom & Palm (2013).
    Where the largest entries of a row are equal and too many, nearest points are many: one with a single peak is taken.
    """
    n = H.shape[-1]
    k = math.sqrt(n) - s * (math.sqrt(n) - 1)
    tiny = torch.finfo(H.dtype).tiny
    result = torch.empty_like(H)
    for part in columns(H.mT):
        rows = H[:, part]
        rows = rows / rows.abs().amax(-1, keepdim=True).clamp(min=tiny)  # keeps squares of tiny or huge entries finite
        support = torch.ones_like(rows)
        before = torch.inf
        while True:
            count = support.sum(-1, keepdim=True)
            off = rows.sub((rows * support).sum(-1, keepdim=True) / count).mul_(support)
            square = off.square().sum(-1, keepdim=True)
            reach = (1 - k**2 / count).clamp_(min=0)  # of the squares, what the centre of the circle leaves
            point = off.mul_((reach / square.clamp(min=tiny)).sqrt_()).addcmul_(support, k / count)
            left = count.sum().item()
            if not left < before:
                break
            before = left
            support = (point > 0).to(H.dtype)
        level = square <= count * torch.finfo(H.dtype).eps ** 2
        if level.any():
            peak = torch.zeros_like(support).scatter_(-1, support.argmax(-1, keepdim=True), 1).sub_(support / count)
            peak = peak.mul_((reach / (1 - 1 / count).clamp(min=tiny)).sqrt_()).addcmul_(support, k / count)
            point = torch.where(level, peak, point)
        result[:, part] = point.clamp_(min=0)
    return result


def ball(H: Tensor, dim: int = -1) -> Tensor:
    """Project each vector along ``dim`` of H (S, r, n) onto the entries ≥ 0 of length one at most."""
    positive = torch.relu(H)
    return positive.div_(torch.linalg.vector_norm(positive, dim=dim, keepdim=True).clamp_(min=1))


def normalised(H: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """H (…, r, n) ≥ 0 with every vector along ``dim`` divided by its sum, and the sums.

    A zero vector becomes uniform, with sum 0.
    """
    total = H.sum(dim, keepdim=True)
    uniform = torch.full_like(H, 1 / H.shape[dim])
    return torch.where(total > 0, H / total.clamp(min=torch.finfo(H.dtype).tiny), uniform), total


def unit_columns(A: Tensor, before: Tensor) -> None:
    """[A]₊ (…, m, r) in place, with columns of unit length; a column that would be zero becomes that of ``before``.

    A basis without a column has no codes and never again a gradient.
    """
    length = torch.linalg.vector_norm(A.clamp_(min=0), dim=-2, keepdim=True)
    A.copy_(torch.where(length > 0, A / length, before))
