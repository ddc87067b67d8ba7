"""Objectives between X (m, n) and its reconstruction V (…, m, n): one value a restart."""

import torch
from torch import Tensor

from nmfbench.numerics.factorization import Factorization
from nmfbench.numerics.sparse import SparseMatrix, kullback_leibler, squared_distance


def beta_divergence(X: Tensor, V: Tensor, beta: float) -> Tensor:
    """Σ d_β(x, v) (…,) over X (m, n) and V (…, m, n). Févotte & Idier (2011), eq. (2).

    ½(x−v)² at β = 2, Kullback–Leibler at 1, Itakura–Saito at 0. Zeros in X are allowed for β > 0, where 0·log 0 = 0.
    """
    if beta == 2:
        d = (X - V).square() / 2
    elif beta == 1:
        d = torch.xlogy(X, X) - torch.xlogy(X, V) - X + V
    elif beta == 0:
        ratio = X / V
        d = ratio - ratio.log() - 1
    else:
        d = (X**beta + (beta - 1) * V**beta - beta * X * V ** (beta - 1)) / (beta * (beta - 1))
    return d.sum((-2, -1))


def of_product(X: Tensor | SparseMatrix, W: Tensor, H: Tensor, beta: float, floor: float) -> Tensor:
    """D_β(X, WH), (S,); WH is kept at or above ``floor`` wherever its power or logarithm is taken."""
    if isinstance(X, SparseMatrix):
        distance = squared_distance(X, W, H) / 2 if beta == 2 else kullback_leibler(X, W, H, floor)
        return distance.to(W.dtype)
    return beta_divergence(X, W @ H if beta == 2 else (W @ H).clamp(min=floor), beta)


def relative_error(X: Tensor | SparseMatrix, factorization: Factorization) -> float:
    """‖X − reconstruction‖/‖X‖ in the Frobenius norm, for X (m, n) and one restart. Squares are taken in float64.

    If X is zero, the norm of the residual.
    """
    if isinstance(X, SparseMatrix):
        W, H = factorization.bases[-1].double(), factorization.codes[-1].double()
        norm, residual = _norm(X.values), squared_distance(X.double(), W, H).sqrt()
    else:
        norm, residual = _norm(X), _norm(X - factorization.reconstruct())
    return (residual / norm if norm > 0 else residual).item()


def lost_to_scale(X: Tensor | SparseMatrix, factorization: Factorization, vanishes: bool) -> str:
    """Why the scale of X (m, n) makes a standstill of one restart meaningless, in words; empty: it does not.

    ``vanishes``: the objective is below the numbers that its dtype holds in full.
    """
    entries = X.values if isinstance(X, SparseMatrix) else X
    size = entries.abs().max().item() if entries.numel() else 0.0
    if vanishes and 0 < size < 1e-3:  # powers of larger entries do not vanish, so there the method means its zero
        precision = torch.finfo(entries.dtype)
        if relative_error(X, factorization) > precision.eps**0.5:
            return f"X is so small that the objective vanishes in {precision.dtype}"
    elif size > 0 and not (vanishes or 1e-10 < size < 1e10) and relative_error(X, factorization) > 0.999:
        return f"the factors stand still far from X, whose entries go up to {size:.2g},"
    return ""


def _norm(X: Tensor) -> Tensor:
    """‖X‖ in float64, where squares of a float32 neither overflow nor vanish."""
    return torch.linalg.vector_norm(X, dtype=torch.float64)
