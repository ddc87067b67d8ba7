"""Euclidean projections, and scaling vectors to sum to one."""

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
