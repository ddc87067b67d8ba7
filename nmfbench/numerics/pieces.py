"""Passes over X (p, q) and a product AᵀB of its size, piece by piece: whole arrays of that size leave the cache."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from nmfbench.numerics.sparse import SparseMatrix

ENTRIES = {"cpu": 2**18, "cuda": 2**28}
"""Entries of a piece, those of all restarts: what the cache of a core holds, what keeps a GPU busy."""
WHOLE = 8
"""A product of up to this many pieces stays whole: the cache that cores share holds it, and thin pieces are slow."""

Slices = tuple[slice, slice]


def pieces(X: Tensor, A: Tensor, B: Tensor) -> Iterator[tuple[Slices, Tensor, Tensor]]:
    """The rows and columns of each piece, the piece of X (…, p, q) and that of AᵀB, A (S, r, p) and B (S, r, q).

    X is cut along its longer side. The piece of AᵀB is the caller's to change.
    """
    p, q = X.shape[-2:]
    size = max(1, ENTRIES[X.device.type] // (len(A) * min(p, q)))
    size = max(p, q) if max(p, q) <= WHOLE * size else size
    for start in range(0, max(p, q), size):
        part = slice(start, start + size)
        rows, columns = (part, slice(None)) if p >= q else (slice(None), part)
        x, a, b = X[..., rows, columns], A[..., rows], B[..., columns]
        # In the layout of X, because elementwise steps on two layouts are slow.
        yield (rows, columns), x, (b.mT @ a).mT if X.stride(-2) < X.stride(-1) else a.mT @ b


def columns(W: Tensor) -> Iterator[slice]:
    """Slices of a few columns of W (S, m, r): what elementwise steps make of them stays in the cache of a core."""
    size = max(1, ENTRIES[W.device.type] // (8 * W[..., 0].numel()))
    return (slice(start, start + size) for start in range(0, W.shape[-1], size))


def quotient_product(A: Tensor, X: Tensor | SparseMatrix, B: Tensor, floor: float) -> Tensor:
    """A(X/(AᵀB)) (S, r, q), with AᵀB kept at or above ``floor``. Where a sparse X is zero, so is the quotient."""
    if isinstance(X, SparseMatrix):
        return X.left_quotient(A.mT, B, floor)
    out = B.new_zeros(len(A), A.shape[1], B.shape[-1])
    for (rows, columns), x, V in pieces(X, A, B):
        out[..., columns].baddbmm_(A[..., rows], torch.div(x, V.clamp_(min=floor), out=V))
    return out


def total(X: Tensor, A: Tensor, B: Tensor, function: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Σ f(X, AᵀB) (S,) with an elementwise f, summed in double precision; f may change its second argument."""
    sums = [function(x, V).sum((-2, -1), dtype=torch.float64) for _, x, V in pieces(X, A, B)]
    return torch.stack(sums).sum(0)
