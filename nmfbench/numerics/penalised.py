"""HALS for ½‖X − WH‖² and penalties that weigh the size of whole components, which no scaling of W against H escapes.

W is kept as Wt (S, r, m), components in rows, of unit length. For columns of any length the penalties are
λ_H Σ_k ‖w_k‖‖h_k‖₁, λ_W Σ_k ‖w_k‖₁‖h_k‖ and λ_⊥ Σ_{j<k} ‖w_j‖‖w_k‖ h_jh_kᵀ; for unit columns λ_H‖H‖₁ and so on.
"""

import torch
from torch import Tensor

from nmfbench.numerics.optimizers import coordinate_sweep
from nmfbench.numerics.sparse import SparseMatrix


def longest(X: Tensor | SparseMatrix, dim: int) -> Tensor:
    """The length of the longest vector along ``dim`` of X (…, m, n), (…,), in double precision; dim −1 or −2."""
    if isinstance(X, SparseMatrix):
        rows = X.csr_t if dim == -2 else X.csr
        squares = torch.segment_reduce(rows.values().double().square(), "sum", offsets=rows.crow_indices())
        return squares.amax().sqrt()
    return torch.linalg.vector_norm(X, dim=dim, dtype=torch.float64).amax(-1)


def unit_rows(F: Tensor) -> tuple[Tensor, Tensor]:
    """F (S, r, n) with rows of unit length, and the lengths (S, r, 1); those of zero rows, which stay, count as 1."""
    length = torch.linalg.vector_norm(F, dim=-1, keepdim=True)
    length = torch.where(length > 0, length, 1)
    return F / length, length


def overlap(H: Tensor) -> Tensor:
    """Σ_{j<k} h_jh_kᵀ (S,) of codes H (S, r, n)."""
    gram = H @ H.mT
    gram.diagonal(dim1=-2, dim2=-1).zero_()  # not subtracted from the sum, because little may be left
    return gram.sum((-2, -1)) / 2


def sweep(
    X: Tensor | SparseMatrix,
    Wt: Tensor,
    H: Tensor,
    sparse_H: Tensor | None = None,
    sparse_W: Tensor | None = None,
    orthogonal: float = 0.0,
) -> Tensor:
    """One sweep over the rows of H (S, r, n), then of Wt (S, r, m), in place, each at its optimum; X (m, n), (S, m, n).

    ``sparse_H`` and ``sparse_W`` are λ_H and λ_W (S, 1, 1), None: 0; ``orthogonal`` is λ_⊥. No sweep raises the
    objective. Without penalties it is the sweep of `layerwise`, to the bit. Returns HXᵀ (S, r, m), for the objective.
    """
    gram, cross = Wt @ Wt.mT, Wt @ X
    if orthogonal:
        # ½ Σ_{j≠k} h_jh_kᵀ is a quadratic form like that of WᵀW.
        gram = gram + orthogonal * (1 - torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device))
    group = None if sparse_W is None else sparse_W * Wt.sum(-1, keepdim=True)
    _descend(H, gram, cross if sparse_H is None else cross - sparse_H, group)
    gram, HXt, before = H @ H.mT, H @ X.mT, Wt.clone()
    cross = HXt
    if sparse_W is not None:
        cross = HXt - sparse_W * torch.linalg.vector_norm(H, dim=-1, keepdim=True)
    group = None if sparse_H is None else sparse_H * H.sum(-1, keepdim=True)
    if orthogonal:
        _descend(Wt, gram, cross, group, orthogonal * gram)
    else:
        _descend(Wt, gram, cross, group)
    length = torch.linalg.vector_norm(Wt, dim=-1, keepdim=True)
    # A component that the penalty removes keeps its direction, so that its codes can return.
    gone = length == 0
    Wt.copy_(torch.where(gone, before, Wt / torch.where(gone, 1, length)))
    H *= length
    return HXt.mul_(length)


def _descend(F: Tensor, gram: Tensor, cross: Tensor, group: Tensor | None, pull: Tensor | None = None) -> None:
    """Minimise ½⟨F, GF⟩ − ⟨C, F⟩ + Σ_k g_k‖f_k‖ + ½ Σ_{j≠k} P_jk‖f_j‖‖f_k‖ over each row of F ≥ 0 in turn, in place.

    ``group`` is g (S, r, 1), ``pull`` is P (S, r, r). A row whose coefficient in G is zero stays.
    """
    if group is None and pull is None:
        return coordinate_sweep(F, gram, cross)
    tiny = torch.finfo(F.dtype).tiny
    length = torch.linalg.vector_norm(F, dim=-1, keepdim=True)
    for k in range(F.shape[-2]):
        row, square = slice(k, k + 1), gram[:, k, k, None, None]
        moves = square >= tiny
        # The minimiser without the terms of ‖f_k‖, which only shorten it.
        free = (F[:, row] + (cross[:, row] - gram[:, row] @ F) / torch.where(moves, square, 1)).clamp_(min=0)
        weight = torch.zeros_like(square) if group is None else group[:, row]
        if pull is not None:
            weight = weight + pull[:, row] @ length - pull[:, row, row] * length[:, row]
        size = torch.linalg.vector_norm(free, dim=-1, keepdim=True)
        shorter = (1 - weight / (square * size).clamp(min=tiny)).clamp(min=0)
        F[:, row] = torch.where(moves, free * shorter, F[:, row])
        length[:, row] = torch.where(moves, size * shorter, length[:, row])
    return None
