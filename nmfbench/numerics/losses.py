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
    """‖X − reconstruction‖/‖X‖ in the Frobenius norm, for X (m, n) and one restart.

    If X is zero, the norm of the residual.
    """
    if isinstance(X, SparseMatrix):
        norm, residual = X.values.norm(), squared_distance(X, factorization.bases[-1], factorization.codes[-1]).sqrt()
    else:
        norm, residual = X.norm(), (X - factorization.reconstruct()).norm()
    return (residual / norm if norm > 0 else residual).item()
