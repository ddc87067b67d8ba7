"""Sweeps over the data-centric loss Σ_l λ_l D_β(X, W_l H_l…H_1), which compares every layer with X itself.

A sweep updates H_1, W_1, H_2, W_2, … in place, and no block raises the loss. H_k is in every term l ≥ k, as
X ≈ A_l H_k B with A_l = W_l H_l…H_{k+1} and B = H_{k−1}…H_1. W_l is in one term, as X ≈ W_l C with C = H_l…H_1.
De Handschutter & Gillis (2023); Leplat, Le, Onwunta & Gillis (2023), eq. (3)
"""

from collections.abc import Callable
from functools import partial, reduce

import torch
from torch import Tensor

from nmfbench.numerics import hierarchies
from nmfbench.numerics.multiplicative import gradient
from nmfbench.numerics.optimizers import apg, spectral_norm
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.projections import simplex


def sweep(problem: Problem, Ws: list[Tensor], Hs: list[Tensor], weights: Tensor, beta: float, eps: float) -> None:
    """Update every W_l (S, m, r_l) and H_l (S, r_l, r_{l−1}) with H_l e = e, β ≤ 2; ``weights`` are λ_l (S, L)."""
    if beta == 2:
        quadratic_sweep(problem, Ws, Hs, weights, hierarchies.INNER, torch.relu, simplex)
    else:
        multiplicative_sweep(problem, Ws, Hs, weights, beta, eps)
        hierarchies.scale(Ws, Hs, of="H")  # to which this loss is blind


def multiplicative_sweep(
    problem: Problem, Ws: list[Tensor], Hs: list[Tensor], weights: Tensor, beta: float, eps: float
) -> None:
    """Take a multiplicative step of every H_l (S, r_l, r_{l−1}) and W_l (S, m, r_l).

    The majorisers of all terms are separable and of one form, so the step of H_k is one ratio of summed parts.
    """
    B = None
    for k in range(len(Ws)):
        C = Hs[k] if B is None else Hs[k] @ B
        p, q = torch.zeros_like(C), torch.zeros_like(C)
        for l in range(k, len(Ws)):
            A = reduce(torch.matmul, Hs[l:k:-1], Ws[l])
            p_l, q_l = gradient(A.mT, problem.X, C, beta, eps)
            lam = weights[:, l, None, None]
            p, q = p + lam * p_l, q + lam * q_l
        if B is not None:
            p, q = p @ B.mT, q @ B.mT
        Hs[k] = (Hs[k] * hierarchies.ratio(p, q) ** hierarchies.exponent(beta)).clamp(min=hierarchies.EPS)
        B = Hs[k] if B is None else Hs[k] @ B
        Ws[k] = hierarchies.top_step(problem.X, Ws[k], B, beta, eps)


def quadratic_sweep(
    problem: Problem,
    Ws: list[Tensor],
    Hs: list[Tensor],
    weights: Tensor,
    inner: int,
    project_W: Callable[[Tensor], Tensor],
    project_H: Callable[[Tensor], Tensor],
    tangents: Callable[[int], Tensor] | None = None,
) -> None:
    """Take ``inner`` steps of accelerated proximal gradient of every H_l (S, r_l, r_{l−1}) and W_l (S, m, r_l); β = 2.

    ``project_W`` maps W_lᵀ, ``project_H`` H_l onto their sets. ``tangents(l)`` is G (S, r_l, r_l) of a penalty
    ½⟨W_l, W_l G⟩; None: there is none.
    """
    X, top = problem.X, len(Ws) - 1
    lams = weights.mT[..., None, None]
    # Σ_{l≥k} λ_l A_l and Σ_{l≥k} λ_l A_lᵀA_l of every k, from the top down, because H_k moves before the layers above.
    sums, grams = [lams[top] * Ws[top]], [lams[top] * (Ws[top].mT @ Ws[top])]
    for k in reversed(range(top)):
        sums.insert(0, lams[k] * Ws[k] + sums[0] @ Hs[k + 1])
        grams.insert(0, lams[k] * (Ws[k].mT @ Ws[k]) + Hs[k + 1].mT @ grams[0] @ Hs[k + 1])
    Q, linear, norm = partial(torch.matmul, grams[0]), sums[0].mT @ X, spectral_norm(grams[0])
    C = None
    for k in range(len(Ws)):
        Hs[k] = apg(Hs[k], Q, linear, norm, inner, project_H)
        C = Hs[k] if C is None else Hs[k] @ C
        CCt, CXt = C @ C.mT, C @ X.mT
        G = lams[k] * CCt + (tangents(k) if tangents else 0)
        Ws[k] = apg(Ws[k].mT, partial(torch.matmul, G), lams[k] * CXt, spectral_norm(G), inner, project_W).mT
        if k < top:  # H_{k+1} stands between its A_l and this C
            Q, linear = partial(_between, grams[k + 1], CCt), (CXt @ sums[k + 1]).mT
            norm = spectral_norm(grams[k + 1]) * spectral_norm(CCt)


def _between(A: Tensor, B: Tensor, H: Tensor) -> Tensor:
    return A @ H @ B
