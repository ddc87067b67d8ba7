"""More updates of a factor for each product with X, on the way to the minimum of ½‖X − WH‖²."""

from collections.abc import Callable

import torch
from torch import Tensor

from nmfbench.numerics.sparse import SparseMatrix

CHOICES = ("none", "inner", "extrapolated")
"""How `mu` and `hals` may be accelerated."""
DELTA = 0.1
"""Share of its first move below which a factor's moves end its updates. Gillis & Glineur (2012), Sec. 3.2."""


def repeats(X: Tensor | SparseMatrix, rank: int, alpha: float) -> tuple[int, int]:
    """The most updates of H and of W for one product with X (m, n): 1 + α · its cost / the cost of an update.

    Costs are multiplications. WᵀX and WᵀW take K·r + m·r², with K the stored entries of X, an update of H takes
    n·r² + n·r; for W, m and n change places. Gillis & Glineur (2012), Sec. 3.1.
    """
    (m, n), stored = X.shape, X.values.numel() if isinstance(X, SparseMatrix) else X.numel()
    of_H, of_W = (1 + int(alpha * (stored + a * rank) / (b * (rank + 1))) for a, b in ((m, n), (n, m)))
    return of_H, of_W


def repeat(update: Callable[[], None], H: Tensor, most: int) -> None:
    """Call ``update``, which changes H (S, r, n) in place, up to ``most`` times: a restart ends by `DELTA`."""
    if most == 1:
        return update()
    first = going = None
    for _ in range(most):
        before = H.clone()
        update()
        moved = torch.linalg.vector_norm(H - before, dim=(-2, -1), keepdim=True)
        if first is None or going is None:
            first, going = moved, moved > 0
        else:
            if len(H) > 1:  # restarts that have ended stay while others go on
                H.copy_(torch.where(going, H, before))
            going &= moved >= DELTA * first
        if not going.any():
            return None
    return None
