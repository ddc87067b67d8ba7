"""Objectives between X (m, n) and its reconstruction V (…, m, n): one value a restart."""

import math

import torch
from torch import Tensor

from nmfbench.numerics import pieces
from nmfbench.numerics.factorization import Factorization
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.sparse import SparseMatrix, squared_distance

ROUNDING = 5e-7
"""Relative error up to which a loss is computed from sums that cancel: a twentieth of what counts as converged."""


def beta_divergence(X: Tensor, V: Tensor, beta: float) -> Tensor:
    """Σ d_β(x, v) (…,) over X (m, n) and V (…, m, n)."""
    return divergences(X, V, beta).sum((-2, -1))


def divergences(X: Tensor, V: Tensor, beta: float) -> Tensor:
    """d_β(x, v) (…, m, n), elementwise. Févotte & Idier (2011), eq. (2).

    ½(x−v)² at β = 2, Kullback–Leibler at 1, Itakura–Saito at 0. Zeros in X are allowed for β > 0, where 0·log 0 = 0.
    """
    if beta == 2:
        return (X - V).square() / 2
    if beta == 1:
        return torch.xlogy(X, V).neg_().add_(torch.xlogy(X, X)).sub_(X).add_(V)
    if beta == 0:
        ratio = X / V
        return ratio - ratio.log() - 1
    return (X**beta + (beta - 1) * V**beta - beta * X * V ** (beta - 1)) / (beta * (beta - 1))


def of_product(problem: Problem, W: Tensor, H: Tensor, beta: float, floor: float) -> Tensor:
    """D_β(X, WH) (S,) over the observed entries.

    WH is kept at or above ``floor`` where its power or logarithm is taken.
    """
    X = problem.X
    if beta == 2:
        return half_square(problem, W, H)
    if beta == 1 and problem.observed is None:
        if isinstance(X, SparseMatrix):
            logs = X.logarithms(W, H, floor)
        else:
            logs = pieces.total(X, W.mT, H, lambda x, V: V.clamp_(min=floor).log_().mul_(x))
        whole = (W.sum(-2, dtype=torch.float64) * H.sum(-1, dtype=torch.float64)).sum(-1)
        loss = problem.entropy - logs + whole
        # Rounding v = (WH)_ij changes x log v by eps · x.
        if isinstance(X, SparseMatrix) or not _is_rounded(problem.square**0.5, loss, X).any():
            return loss.to(W.dtype)
    return pieces.total(X, W.mT, H, lambda x, V: divergences(x, V.clamp_(min=floor), beta), problem.observed).to(
        W.dtype
    )


def half_square(problem: Problem, W: Tensor, H: Tensor, XHt: Tensor | None = None) -> Tensor:
    """½‖X − WH‖² (S,) as ½‖X‖² + ⟨½WHHᵀ − XHᵀ, W⟩; ``XHt`` is XHᵀ (S, m, r), None if it is not known.

    Where these terms cancel too much for their precision, and where entries are missing, the squares of a dense
    residual are summed instead.
    """
    X = problem.X
    if problem.observed is not None:
        return _summed_squares(problem, W, H).to(W.dtype)
    wide = H.double()
    XHt = (H @ X.mT).mT if XHt is None else XHt
    gram = (wide @ wide.mT / 2).to(W.dtype)  # few sums of many terms, whose rounding would not cancel out
    loss = problem.square / 2 + ((gram @ W.mT).mT.sub_(XHt).mul_(W)).sum((-2, -1), dtype=torch.float64)
    if isinstance(X, Tensor) and _is_rounded((XHt * W).flatten(1).norm(dim=1), loss, X).any():
        loss = _summed_squares(problem, W, H)
    return loss.clamp(min=0).to(W.dtype)


def _summed_squares(problem: Problem, W: Tensor, H: Tensor) -> Tensor:
    """½‖X − WH‖² (S,) over the observed entries of a dense X, in double precision."""
    X, observed = problem.X, problem.observed
    return pieces.total(X, W.mT, H, lambda x, V: V.sub_(x).square_().sum(-1, keepdim=True), observed) / 2


def _is_rounded(terms: Tensor | float, loss: Tensor, X: Tensor) -> Tensor:
    """Whether rounding hides the loss (S,): each term rounds by itself, so errors add up as the norm of the terms."""
    return torch.finfo(X.dtype).eps * terms > ROUNDING * loss


def relative_error(X: Tensor | SparseMatrix, factorization: Factorization, observed: Tensor | None = None) -> float:
    """‖X − reconstruction‖/‖X‖ in the Frobenius norm, for X (m, n) and one restart. Squares are taken in float64.

    If X is zero, the norm of the residual. Only entries that are ``observed`` (m, n) count; None: all are.
    """
    if isinstance(X, SparseMatrix):
        W, H = factorization.bases[-1].double(), factorization.codes[-1].double()
        norm, residual = _norm(X.values), squared_distance(X.double(), W, H).sqrt().item()
    else:
        difference = X - factorization.reconstruct()
        if observed is not None:
            X, difference = X[observed], difference[observed]
        norm, residual = _norm(X), _norm(difference)
    return residual / norm if norm > 0 else residual


def lost_to_scale(problem: Problem, factorization: Factorization, vanishes: bool) -> str:
    """Why the scale of X (m, n) makes a standstill of one restart meaningless, in words; empty: it does not.

    ``vanishes``: the objective is below the numbers that its dtype holds in full.
    """
    X, observed = problem.X, problem.observed
    entries = X.values if isinstance(X, SparseMatrix) else X
    size = torch.stack(pieces.as_stored(entries).aminmax()).abs().max().item() if entries.numel() else 0.0
    if vanishes and 0 < size < 1e-3:  # powers of larger entries do not vanish, so there the method means its zero
        precision = torch.finfo(entries.dtype)
        if relative_error(X, factorization, observed) > precision.eps**0.5:
            return f"X is so small that the objective vanishes in {precision.dtype}"
    elif size > 0 and not (vanishes or 1e-10 < size < 1e10) and relative_error(X, factorization, observed) > 0.999:
        return f"the factors stand still far from X, whose entries go up to {size:.2g},"
    return ""


def _norm(X: Tensor) -> float:
    """‖X‖ in float64, where squares of a float32 neither overflow nor vanish."""
    return math.sqrt(pieces.summed(X, torch.square_))
