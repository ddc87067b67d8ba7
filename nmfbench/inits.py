"""Starts: W (S, m, r) and H (S, r, n) from the streams "W" and "H" of each seed."""

import math

import torch
from torch import Tensor

from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.rng import Streams

CHOICES = ("uniform", "nndsvd", "nndsvda", "nndsvdar")


def start(init: str, X: Tensor, rank: int, rng: Streams, layer: int | str = "") -> tuple[Tensor, Tensor]:
    """The non-negative start of that name (one of CHOICES); X (m, n), or (S, m, n) where layers factor layers."""
    return uniform(X, rank, rng, layer) if init == "uniform" else nndsvd(X, rank, rng, init, layer)


def check_name(init: str) -> None:
    if init not in CHOICES:
        raise ConfigError(f"init must be one of {', '.join(CHOICES)}, got {init!r}")


def check(init: str, X: Tensor, rank: int) -> None:
    """Raise NotApplicable when that start does not reach the rank."""
    m, n = X.shape[-2:]
    if init != "uniform" and rank > min(m, n):
        raise NotApplicable(f"{init} starts reach rank {min(m, n)} on a {m} × {n} X, got rank {rank}; use init=uniform")


def uniform(X: Tensor, rank: int, rng: Streams, layer: int | str = "") -> tuple[Tensor, Tensor]:
    """Uniform on [0, 2√(mean(X)/r)), so that WH has the mean of X in expectation."""
    m, n = X.shape[-2:]
    high = 2 * math.sqrt(mean(X) / rank) if len(X.shape) == 2 else 2.0
    W, H = rng.uniform(f"W{layer}", (m, rank), X, high=high), rng.uniform(f"H{layer}", (rank, n), X, high=high)
    if len(X.shape) == 2:
        return W, H
    scale = (X.double().mean((-2, -1), keepdim=True) / rank).sqrt().to(X)
    return scale * W, scale * H


def mean(X: Tensor) -> float:
    """Of all entries, summed in double precision: the sum of huge float32 entries overflows long before they do."""
    return X.mean(dtype=torch.float64).item()


def nndsvd(X: Tensor, rank: int, rng: Streams, fill: str = "nndsvd", layer: int | str = "") -> tuple[Tensor, Tensor]:
    """Non-negative double singular value decomposition. Boutsidis & Gallopoulos (2008).

    Each singular triplet gives the better of its positive and its negative part. Zeros are kept ("nndsvd"; a
    multiplicative method never leaves them), become the mean of X ("nndsvda") or random on [0, mean/100)
    ("nndsvdar", the only one of the three in which seeds differ).
    """
    check(fill, X, rank)
    U, s, Vt = torch.linalg.svd(X.double(), full_matrices=False)
    U, s, Vt = U[..., :rank], s[..., :rank], Vt[..., :rank, :]
    # The first pair of a non-negative X has one sign, up to rounding.
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
