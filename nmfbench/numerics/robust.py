"""Losses Σ φ(r) that grow slower than squares, and their half-quadratic weights φ′(r)/r.

r ≥ 0 are the absolute entries of X − AᵀB, or for "l21" the lengths of its columns, and c is the size of r from which on
φ grows slower. ½r² lies above φ and touches it with these weights, so a step that lowers ½Σ qr² lowers Σ φ(r).
"""

import torch
from torch import Tensor

from nmfbench.numerics import pieces
from nmfbench.numerics.problem import Problem

LOSSES = ("l21", "huber", "correntropy", "l1")
SMOOTHING = 1e-3
"""c of l1 and l21, as a share of the root mean square of r: below it r counts with its square."""


def costs(loss: str, r: Tensor, c: Tensor) -> Tensor:
    """φ(r) of r (S, m, n), or (S, 1, n) for l21, elementwise, with c (S, 1, 1)."""
    if loss == "correntropy":
        return (r / c).square_().mul_(-0.5).expm1_().mul_(-c.square())
    small = torch.minimum(r, c)
    huber = r.sub(small, alpha=0.5).mul_(small)
    return huber if loss == "huber" else huber.div_(c)


def weights(loss: str, r: Tensor, c: Tensor) -> Tensor:
    """φ′(r)/r of r (S, m, n), or (S, 1, n) for l21, elementwise, times a constant, with c (S, 1, 1)."""
    if loss == "correntropy":
        return (r / c).square_().mul_(-0.5).exp_()
    return c / torch.maximum(r, c)


def total(loss: str, X: Tensor, A: Tensor, B: Tensor, c: Tensor) -> Tensor:
    """Σ φ(r) (S,) in double precision, for X (m, n) ≈ AᵀB, A (S, r, m), B (S, r, n), with c (S, 1, 1)."""
    if loss == "l21":
        return costs(loss, lengths(X, A, B), c).sum((-2, -1), dtype=torch.float64)
    return pieces.total(X, A, B, lambda x, V: costs(loss, V.sub_(x).abs_(), c))


def lengths(X: Tensor, A: Tensor, B: Tensor) -> Tensor:
    """The lengths (S, 1, n) of the columns of X − AᵀB, X (m, n), A (S, r, m), B (S, r, n)."""
    squares = B.new_zeros(len(B), 1, X.shape[1])
    for (_, columns), x, V in pieces.pieces(X, A, B):
        squares[..., columns] += V.sub_(x).square_().sum(-2, keepdim=True)
    return squares.sqrt_()


def scale(loss: str, problem: Problem, A: Tensor, B: Tensor) -> Tensor:
    """c (S,) for these factors A (S, r, m) and B (S, r, n): the median of r for huber, their root mean square for
    correntropy, `SMOOTHING` of it for l1 and l21; at least the rounding of X.
    """
    X, precision = problem.X, torch.finfo(problem.X.dtype)
    if loss == "huber":
        c = torch.stack([(X - a.mT @ b).abs_().flatten().median() for a, b in zip(A, B, strict=True)])
    else:
        squares = pieces.total(X, A, B, lambda x, V: V.sub_(x).square_())
        c = (squares / (X.shape[1] if loss == "l21" else X.numel())).sqrt().to(X.dtype)
        c = c if loss == "correntropy" else SMOOTHING * c
    return c.clamp(min=max(precision.eps * problem.mean, precision.tiny))


def weighted_gradient(loss: str, A: Tensor, X: Tensor, B: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """(p, q) with ∂/∂B of ½Σ qr² = q − p at fixed weights Q: A(Q∘X) and A(Q∘AᵀB), (S, r, n).

    X (m, n), A (S, r, m), B (S, r, n), c (S, 1, 1); not for l21, whose weights are those of whole samples.
    """
    p, q = torch.zeros_like(B), torch.zeros_like(B)
    for (rows, columns), x, V in pieces.pieces(X, A, B):
        Q = weights(loss, (V - x).abs_(), c)
        p[..., columns].baddbmm_(A[..., rows], Q * x)
        q[..., columns].baddbmm_(A[..., rows], V.mul_(Q))
    return p, q
