"""Special functions that torch does not have."""

import torch
import torch.nn.functional as F
from torch import Tensor


def wright_omega(x: Tensor) -> Tensor:
    """ω(x) for real x (…), elementwise: the solution of ω + log ω = x, which is the Lambert W function of e^x.

    Finite for every finite x; it underflows to 0 where e^x does. Corless & Jeffrey (2002); the iteration is that of
    Fritsch, Shafer & Crowley (1973), of fourth order.
    """
    middle = x.clamp(-30, 1e8)
    w = F.softplus(middle)
    for _ in range(2):
        r = middle - w - w.log()
        a = (1 + w) * (1 + w + 2 / 3 * r)
        w = w * (1 + r / (1 + w) * (a - r / 2) / (a - r))
    # Outside these bounds the first terms of the series are exact up to rounding.
    w = torch.where(x < -30, x.clamp(max=-30).exp(), w)
    large = x.clamp(min=1e8)
    return torch.where(x > 1e8, large - large.log().clamp(max=1e3), w)  # the bound avoids ∞ − ∞
