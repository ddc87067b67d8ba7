"""Losses between the entries x of X and v of an approximation that may be negative: their values and slopes.

l1 |v − x|, l2 (v − x)², huber ½(v − x)² up to |v − x| = δ and δ(|v − x| − δ/2) beyond, kl x log(x/v) − x + v, is
x/v − log(x/v) − 1. The divergences kl and is are not defined for v ≤ 0: below v = x/10 each continues as its tangent
there, which rises to the left, so that a negative v is pushed up; kl at x = 0 is |v|.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from nmfbench.errors import NotApplicable
from nmfbench.numerics.losses import divergences

DELTA = 0.1
"""δ for X in its unit."""
TANGENT = 0.1
"""v/x below which a divergence is its tangent. Its slope bounds the steps: at 0.01 Adam needs ten times as many."""
DEGREES = {"l1": 1, "l2": 2, "huber": 2, "kl": 1, "is": 0}
"""The power p with ℓ(ux, uv) = u^p ℓ(x, v), for δ in the unit u."""
BETAS = {"kl": 1, "is": 0}
"""The β of the losses that are β-divergences continued to negative v; they need x ≥ 0, and "is" needs x > 0."""


def check(loss: str, lowest: float) -> None:
    """Raise NotApplicable unless the loss takes an X whose smallest entry is ``lowest``."""
    if loss in BETAS and (lowest < 0 or (lowest == 0 and loss == "is")):
        needed = "X > 0" if loss == "is" else "X ≥ 0"
        raise NotApplicable(f"loss={loss} needs {needed}, but X has entries down to {lowest:.4g}; use loss=l1")


def values(X: Tensor, V: Tensor, loss: str, unit: float = 1.0) -> Tensor:
    """u^p ℓ(x/u, v/u) (…, m, n), elementwise, u the ``unit`` and p the loss's degree. V may be overwritten."""
    if loss == "l1":
        return V.sub_(X).abs_()
    if loss == "l2":
        return V.sub_(X).square_()
    if loss == "huber":
        return F.huber_loss(V, X.expand_as(V), reduction="none", delta=DELTA * unit)
    beta, t = BETAS[loss], _tangent_from(X)
    tangent = (t - V).clamp_(min=0).mul_(((t - X) * t ** (beta - 2)).abs_())
    return divergences(X, torch.maximum(V, t), beta).add_(tangent)


def slopes(X: Tensor, V: Tensor, loss: str) -> Tensor:
    """∂ℓ/∂v (…, m, n), elementwise, for entries in their unit. V may be overwritten."""
    if loss == "l1":
        return V.sub_(X).sign_()
    if loss == "l2":
        return V.sub_(X).mul_(2)
    if loss == "huber":
        return V.sub_(X).clamp_(-DELTA, DELTA)
    t = _tangent_from(X)
    v = torch.maximum(V, t)
    slope = (v - X).div_(v if loss == "kl" else v * v)
    return torch.where(t > V, -slope.abs(), slope)


def _tangent_from(X: Tensor) -> Tensor:
    """The v below which a divergence is its tangent, above 0 also where x is 0."""
    return (TANGENT * X).clamp_(min=torch.finfo(X.dtype).tiny)
