"""Passes over X (p, q) and a product AᵀB of its size, piece by piece: whole arrays of that size leave the cache."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from nmfbench.numerics.sparse import SparseMatrix

ENTRIES = {"cpu": 2**18, "cuda": 2**28}
"""Entries of a piece, those of all restarts: what the cache of a core holds, for each thread; what keeps a GPU busy."""
WHOLE = 8
"""A product of up to this many pieces stays whole: the cache that cores share holds it, and thin pieces are slow."""

Slices = tuple[slice, slice]


def _entries(X: Tensor) -> int:
    return ENTRIES[X.device.type] * (torch.get_num_threads() if X.device.type == "cpu" else 1)


def pieces(X: Tensor, A: Tensor, B: Tensor) -> Iterator[tuple[Slices, Tensor, Tensor]]:
    """The rows and columns of each piece, the piece of X (…, p, q) and that of AᵀB, A (S, r, p) and B (S, r, q).

    X is cut along its longer side. The piece of AᵀB is the caller's to change.
    """
    p, q = X.shape[-2:]
    size = max(1, _entries(X) // (len(A) * min(p, q)))
    size = max(p, q) if max(p, q) <= WHOLE * size else size
    for start in range(0, max(p, q), size):
        part = slice(start, start + size)
        rows, columns = (part, slice(None)) if p >= q else (slice(None), part)
        x, a, b = X[..., rows, columns], A[..., rows], B[..., columns]
        yield (rows, columns), x, product_like(X, a, b)


def product_like(X: Tensor, A: Tensor, B: Tensor) -> Tensor:
    """AᵀB in the layout of X (…, p, q), because elementwise steps on two layouts are slow."""
    return (B.mT @ A).mT if X.stride(-2) < X.stride(-1) else A.mT @ B


def columns(W: Tensor) -> Iterator[slice]:
    """Slices of a few columns of W (S, m, r): what elementwise steps make of them stays in the cache of a core."""
    size = max(1, _entries(W) // (8 * W[..., 0].numel()))
    return (slice(start, start + size) for start in range(0, W.shape[-1], size))


def blocks(X: Tensor, S: int) -> Iterator[slice]:
    """Slices of columns of X (m, n) that are two pieces of S restarts, for steps that return to a block many times.

    Thinner ones spend their time on calls: on ORL a masked sweep of `hals` takes 165 ms with these, 450 ms with an 8th.
    """
    size = max(1, 2 * _entries(X) // (S * len(X)))
    return (slice(start, start + size) for start in range(0, X.shape[-1], size))


def quotient_product(A: Tensor, X: Tensor | SparseMatrix, B: Tensor, floor: float) -> Tensor:
    """A(X/(AᵀB)) (S, r, q), with AᵀB kept at or above ``floor``. Where a sparse X is zero, so is the quotient."""
    if isinstance(X, SparseMatrix):
        return X.left_quotient(A.mT, B, floor)
    out = B.new_zeros(len(A), A.shape[1], B.shape[-1])
    for (rows, columns), x, V in pieces(X, A, B):
        out[..., columns].baddbmm_(A[..., rows], torch.div(x, V.clamp_(min=floor), out=V))
    return out


def total(
    X: Tensor, A: Tensor, B: Tensor, function: Callable[[Tensor, Tensor], Tensor], observed: Tensor | None = None
) -> Tensor:
    """Σ f(X, AᵀB) (S,) in double precision; f is elementwise, or sums over rows, and may change its second argument.

    With a mask (m, n) of ``observed`` entries the others count as f(x, x), which is 0 for a divergence.
    """
    result = torch.zeros(len(A), dtype=torch.float64, device=A.device)
    for (rows, columns), x, V in pieces(X, A, B):
        if observed is not None:
            V = torch.where(observed[rows, columns], V, x)
        result += function(x, V).sum((-2, -1), dtype=torch.float64)  # a list would take the places of freed pieces
    return result


def as_stored(X: Tensor) -> Tensor:
    """X (m, n) or Xᵀ, in whose rows entries lie side by side: torch copies X for some passes in another order."""
    return X.mT if X.ndim == 2 and X.stride(0) < X.stride(1) else X


def summed(X: Tensor, function: Callable[[Tensor], Tensor] = lambda x: x) -> float:
    """Σ f(x) over the entries of X (m, n) or (N,), in double precision, with f elementwise; f may change its argument.

    Piece by piece, because torch casts a whole X to double before it sums.
    """
    X = as_stored(X)
    parts = X.split(max(1, _entries(X) // max(1, X[:1].numel())))
    return sum(function(part.to(torch.float64, copy=True)).sum().item() for part in parts)


def mean(X: Tensor | SparseMatrix) -> float:
    """The mean of all entries of X (m, n), zeros included."""
    return summed(X.values if isinstance(X, SparseMatrix) else X) / (X.shape[0] * X.shape[1])
