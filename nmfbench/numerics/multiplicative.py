"""The gradient of a β-divergence as a difference of two parts ≥ 0, by whose ratio multiplicative updates step."""

from torch import Tensor

from nmfbench.numerics.pieces import quotient_product


def gradient(
    A: Tensor, X: Tensor, B: Tensor, beta: float, floor: float, M: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """(p, q) with ∂D_β(X, AᵀB)/∂B = q − p, both ≥ 0, for A (S, r, m) and B (S, r, n): (S, r, n), at β = 1 q (S, r, 1).

    AᵀB is kept at or above ``floor`` where its power is taken. A sparse X needs β = 1 or 2. Where the weights M (m, n)
    of the entries, 1 or 0, are 0, X must be 0 too.
    """
    if beta == 2:
        return A @ X, (A @ A.mT) @ B if M is None else A @ (A.mT @ B).mul_(M)
    if beta == 1:
        return quotient_product(A, X, B, floor), A.sum(-1, keepdim=True) if M is None else A @ M
    V = (A.mT @ B).clamp_(min=floor)
    q = V ** (beta - 1)
    return A @ (X * V ** (beta - 2)), A @ (q if M is None else q.mul_(M))
