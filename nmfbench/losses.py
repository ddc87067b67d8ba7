"""Objectives between X (m, n) and its reconstruction V (…, m, n): one value a restart."""

import torch
from torch import Tensor


def beta_divergence(X: Tensor, V: Tensor, beta: float) -> Tensor:
    """Σ d_β(x, v): ½(x−v)² at β = 2, Kullback–Leibler at 1, Itakura–Saito at 0. Févotte & Idier (2011), eq. (2).

    Zeros in X are allowed for β > 0, where 0·log 0 = 0.
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


def relative_error(X: Tensor, V: Tensor) -> Tensor:
    """‖X − V‖ / ‖X‖ in the Frobenius norm; the plain norm of the residual where X is zero."""
    norm = torch.linalg.matrix_norm(X)
    return torch.linalg.matrix_norm(X - V) / torch.where(norm == 0, torch.ones_like(norm), norm)
