"""The volume penalty α log det(WᵀW + δI) of bases W (S, m, r), and its weight at the start of a fit."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nmfbench.errors import ConfigError

DELTA = 1.0
"""δ of the program of Leplat et al. (2023)."""


def gram(W: Tensor, delta: float = DELTA) -> Tensor:
    """WᵀW + δI (S, r, r) of W (S, m, r)."""
    return W.mT @ W + delta * torch.eye(W.shape[-1], dtype=W.dtype, device=W.device)


def log_det(W: Tensor, delta: float = DELTA) -> Tensor:
    """log det(WᵀW + δI) (S,) of W (S, m, r), a natural logarithm.

    In double precision, because δ hides small bases in single precision.
    """
    return torch.linalg.slogdet(torch.nan_to_num(gram(W.double(), delta)))[1]


def inverse(W: Tensor, delta: float = DELTA) -> Tensor:
    """A = (W̃ᵀW̃ + δI)⁻¹ (S, r, r), the slope of the tangent ⟨A, WᵀW⟩ that lies above log det."""
    # inv_ex does not raise, because one restart that overflows must not stop its batch.
    return torch.linalg.inv_ex(torch.nan_to_num(gram(W.double(), delta))).inverse.to(W)


def alphas(relative: Sequence[float], weighted_costs: Tensor, Ws: Sequence[Tensor], delta: float = DELTA) -> Tensor:
    """α_l (S, L) that make the penalty of each layer α̃_l times its current part of the objective."""
    volumes = torch.stack([log_det(W, delta).abs() for W in Ws], -1).clamp(min=1e-12)
    return (weighted_costs.new_tensor(list(relative)) * weighted_costs / volumes).to(Ws[0])


def per_layer(alpha: list[float] | None, default: float, ranks: list[int]) -> list[float]:
    """α̃_1 … α̃_L. Raises ConfigError unless there is one number ≥ 0 a layer, or None for the default everywhere."""
    if alpha is None:
        return [default] * len(ranks)
    if len(alpha) != len(ranks) or min(alpha) < 0:
        raise ConfigError(f"alpha must be one nonnegative number a layer ({len(ranks)}), got {list(alpha)}")
    return list(alpha)
