"""Starts: W (S, m, r) and H (S, r, n) from the streams "W" and "H" of each seed."""

import math

import torch
from torch import Tensor

from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.numerics.rng import Streams
from nmfbench.numerics.signed import pinv

CHOICES = ("uniform", "nndsvd", "nndsvda", "nndsvdar")
SEMI_CHOICES = ("svd", "random")


def start(init: str, X: Tensor, rank: int, rng: Streams, layer: int | str = "") -> tuple[Tensor, Tensor]:
    """The non-negative start of that name (one of CHOICES); X (m, n), or (S, m, n) where layers factor layers."""
    return uniform(X, rank, rng, layer) if init == "uniform" else nndsvd(X, rank, rng, init, layer)


def draws(init: str) -> bool:
    """Whether this start draws random numbers."""
    return init in ("uniform", "nndsvdar")


def check_name(init: str) -> None:
    """Raise ConfigError for a name that is not in CHOICES."""

    if init not in CHOICES:
        raise ConfigError(f"init must be one of {', '.join(CHOICES)}, got {init!r}")


def check(init: str, X: Tensor, rank: int) -> None:
    """Raise NotApplicable when this start does not reach the rank on X (m, n)."""
    m, n = X.shape[-2:]
    if init != "uniform" and rank > min(m, n):
        raise NotApplicable(f"{init} starts reach rank {min(m, n)} on a {m} × {n} X, got rank {rank}; use init=uniform")


def uniform(X: Tensor, rank: int, rng: Streams, layer: int | str = "") -> tuple[Tensor, Tensor]:
    """W (S, m, r) and H (S, r, n), uniform on [0, 2√(mean(X)/r)), so that WH has the mean of X in expectation."""
    m, n = X.shape[-2:]
    high = 2 * math.sqrt(X.mean(dtype=torch.float64).item() / rank) if len(X.shape) == 2 else 2.0
    W, H = rng.uniform(f"W{layer}", (m, rank), X, high=high), rng.uniform(f"H{layer}", (rank, n), X, high=high)
    if len(X.shape) == 2:
        return W, H
    scale = (X.double().mean((-2, -1), keepdim=True) / rank).sqrt().to(X)
    return scale * W, scale * H


def nndsvd(X: Tensor, rank: int, rng: Streams, fill: str = "nndsvd", layer: int | str = "") -> tuple[Tensor, Tensor]:
    """W (S, m, r) and H (S, r, n) by non-negative double singular value decomposition. Boutsidis & Gallopoulos (2008).

    Each singular triplet gives the better of its positive and its negative part. Zeros are kept ("nndsvd"; a
    multiplicative method never leaves them), become the mean of X ("nndsvda") or random on [0, mean/100)
    ("nndsvdar", the only one of the three in which seeds differ).
    """
    check(fill, X, rank)
    # If a layer below overflowed, the loop reports it; the decomposition would raise for the whole batch.
    U, s, Vt = torch.linalg.svd(torch.nan_to_num(X.double()), full_matrices=False)
    U, s, Vt = U[..., :rank], s[..., :rank], Vt[..., :rank, :]
    # The first singular pair of a non-negative X has one sign, up to rounding.
    U[..., 0], Vt[..., 0, :] = U[..., 0].abs(), Vt[..., 0, :].abs()
    sides = []
    for sign in (1, -1):
        u, v = (sign * U).clamp(min=0), (sign * Vt).clamp(min=0)
        sides.append((u, v, u.norm(dim=-2), v.norm(dim=-1)))
    (u, v, nu, nv), (u_, v_, nu_, nv_) = sides
    positive = nu * nv >= nu_ * nv_
    u, v = torch.where(positive[..., None, :], u, u_), torch.where(positive[..., None], v, v_)
    nu, nv = torch.where(positive, nu, nu_), torch.where(positive, nv, nv_)
    scale = (s * nu * nv).sqrt()
    tiny = torch.finfo(s.dtype).tiny
    W = (u * (scale / nu.clamp(min=tiny))[..., None, :]).to(X)
    H = (v * (scale / nv.clamp(min=tiny))[..., None]).to(X)
    if X.ndim == 2:
        W, H = (factor.repeat(len(rng.seeds), 1, 1) for factor in (W, H))
    if fill != "nndsvd":
        fine = X.double().mean((-2, -1), keepdim=True).to(X)
        for name, factor in {f"W{layer}": W, f"H{layer}": H}.items():
            new = fine if fill == "nndsvda" else rng.uniform(name, tuple(factor.shape[1:]), X) * fine / 100
            zero = factor <= torch.finfo(X.dtype).eps * factor.amax((-2, -1), keepdim=True)
            factor.copy_(torch.where(zero, new, factor))
    return W, H


def check_semi(init: str, X: Tensor, ranks: list[int]) -> None:
    """Raise NotApplicable when a semi-non-negative start for X (m, n) does not reach the rank of a layer."""
    rows, n = X.shape
    for rank in ranks:
        if init == "svd" and rank > min(rows, n) + 1:
            raise NotApplicable(
                f"svd starts reach rank {min(rows, n) + 1} on {rows} × {n} data, got rank "
                f"{', '.join(map(str, ranks))}; use init=random"
            )
        rows = rank


def semi(init: str, X: Tensor, rank: int, rng: Streams, name: str = "H") -> tuple[Tensor, Tensor]:
    """Z of any sign and H ≥ 0 (one of SEMI_CHOICES) for X (m, n) or (S, m, n); a random H is drawn from ``name``."""
    if init == "random":
        H = rng.uniform(name, (rank, X.shape[-1]), X)
        return X @ pinv(H), H
    Z, H = semi_svd(X, rank)
    return Z.expand(len(rng.seeds), -1, -1), H.expand(len(rng.seeds), -1, -1)


def semi_svd(X: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Z (…, m, r) of any sign and H (…, r, n) ≥ 0 whose product is the best approximation of X (…, m, n) of rank r − 1.

    It has one more component than singular triplets, which lifts every sample's coefficients to 0 or above; its basis,
    minus the sum of the others, undoes that. Gillis & Kumar (2015), Algorithm 2. All coefficients are also lifted by
    their mean, because multiplicative steps never leave a zero: for r = 2 and X ≥ 0 a whole row of H would be zero.
    """
    U, s, Vt = torch.linalg.svd(torch.nan_to_num(X.double()), full_matrices=False)
    k = max(rank - 1, 1)
    A, B = U[..., :k] * s[..., None, :k], Vt[..., :k, :]
    # Choose the sign with the smaller negative part, so the shift below is smallest.
    sign = torch.where(B.amin(-1) < -B.amax(-1), -1.0, 1.0)
    A, B = A * sign[..., None, :], B * sign[..., :, None]
    if rank > 1:
        lift = (-B.amin(-2, keepdim=True)).clamp(min=0)
        A, B = torch.cat([A, -A.sum(-1, keepdim=True)], -1), torch.cat([B + lift, lift], -2)
        B = B + B.mean((-2, -1), keepdim=True)
    return A.to(X.dtype), B.clamp(min=0).to(X.dtype)
