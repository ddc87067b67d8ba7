"""Non-smooth NMF, shallow and deep: the smoothing matrices, the factorization, a sweep over its blocks."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nmfbench.errors import ConfigError
from nmfbench.numerics.factorization import Chain, Chained
from nmfbench.numerics.optimizers import LeastSquares, apg


@dataclass(frozen=True)
class NonSmooth(Chained):
    """X ≈ Z_1S_1Z_2S_2…Z_LS_LH with S_l = (1 − θ_l)I + (θ_l/r_l)11ᵀ.

    The codes of layer l are Z_{l+1}S_{l+1}…Z_LS_LH, its bases Z_1S_1…Z_lS_l and its link (Z_{l+1}S_{l+1})ᵀ, so that
    every layer's bases times its codes is the reconstruction.

    Parameters
    ----------
    Zs: Z_l (…, r_{l−1}, r_l) with r_0 = m.
    H: codes (…, r_L, n) of the top layer.
    thetas: θ_1 … θ_L, each in [0, 1].
    """

    Zs: tuple[Tensor, ...]
    H: Tensor
    thetas: tuple[float, ...]

    @property
    def chain(self) -> Chain:
        """This product as a chain with W_l = Z_lS_l, (…, r_{l−1}, r_l), and the codes of every layer."""
        Ws = [smooth(Z, theta, dim=-1) for Z, theta in zip(self.Zs, self.thetas, strict=True)]
        codes = [self.H]
        for W in Ws[:0:-1]:
            codes.insert(0, W @ codes[0])
        return Chain(tuple(Ws), tuple(codes))

    @property
    def factors(self) -> dict[str, Tensor]:
        numbered = {f"Z{l}": Z for l, Z in enumerate(self.Zs, start=1)}
        return (numbered if len(self.Zs) > 1 else {"Z": self.Zs[0]}) | {"H": self.H}

    def swept(self, X: Tensor, inner: int, variant: str) -> "NonSmooth":
        """The factorization after ``inner`` steps of each of Z_1, …, Z_L and H that lower ½‖X − reconstruction‖²."""
        L = len(self.Zs)
        # right[l] = S_lZ_{l+1}S_{l+1}…H, which no earlier block changes.
        right: list[Tensor] = [self.H] * L
        for l in reversed(range(L)):
            right[l] = smooth(self.Zs[l + 1] @ right[l + 1] if l + 1 < L else self.H, self.thetas[l])
        left, Zs = None, []
        for Z, theta, B in zip(self.Zs, self.thetas, right, strict=True):
            Zs.append(moved(X, left, Z, B, inner, variant))
            if variant == "mu":
                Zs[-1] = Zs[-1] / Zs[-1].norm(dim=-2, keepdim=True).clamp(min=torch.finfo(Z.dtype).tiny)
            left = smooth(Zs[-1] if left is None else left @ Zs[-1], theta, dim=-1)
        return NonSmooth(tuple(Zs), moved(X, left, self.H, None, inner, variant), self.thetas)


def smooth(H: Tensor, theta: float, dim: int = -2) -> Tensor:
    """SH for H (…, r, n), without forming S; ZS for Z (…, m, r) with ``dim=-1``."""
    return (1 - theta) * H + theta * H.mean(dim, keepdim=True)


def moved(X: Tensor, A: Tensor | None, F: Tensor, B: Tensor | None, steps: int, variant: str) -> Tensor:
    """F (S, r, k) after ``steps`` steps on ½‖X − AFB‖², F ≥ 0.

    X (m, n), A (S, m, r) and B (S, k, n); None stands for the identity. ``variant`` is "apg", accelerated proximal
    gradient, which never raises this error, or "mu", multiplicative updates.
    """
    block = LeastSquares(X, A, B)
    if variant == "apg":
        return apg(F, block.Q, block.C, block.lipschitz, steps)
    for _ in range(steps):
        F = F * block.C / block.Q(F).clamp(min=torch.finfo(F.dtype).tiny)
    return F


def check_steps(variant: str, **counts: int) -> None:
    """Raise ConfigError for an unknown variant or a number of steps that is too small."""
    if variant not in ("apg", "mu"):
        raise ConfigError(f"variant must be one of apg, mu, got {variant!r}")
    for name, count in counts.items():
        if count < (name != "pretrain"):
            raise ConfigError(f"{name} must be at least {int(name != 'pretrain')}, got {count}")
