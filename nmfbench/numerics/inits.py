"""Starts of each seed: W (S, m, r) and H (S, r, n), or the weights A (S, n, r) of samples in W = XA."""

import math
import warnings
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from threadpoolctl import threadpool_limits
from torch import Tensor

from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.numerics.nnls import nnls
from nmfbench.numerics.pieces import mean
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.projections import normalised
from nmfbench.numerics.rng import Streams
from nmfbench.numerics.separable import finite, furthest_sum, snpa, spa
from nmfbench.numerics.signed import pinv

CHOICES = ("uniform", "nndsvd", "nndsvda", "nndsvdar", "spa", "snpa", "kmeans")
SEMI_CHOICES = ("svd", "random", "spa", "snpa", "kmeans")
MIXTURE_CHOICES = ("uniform", "furthest_sum", "spa", "snpa", "kmeans")
BLIND = ("uniform", "random", "ones")
"""Starts that do not look at the data, and so reach any rank."""
FILL = 0.01
"""Replaces a zero, as a share of its factor's mean: a multiplicative update never changes a zero."""


def start(init: str, X: Tensor, rank: int, rng: Streams, layer: int | str = "") -> tuple[Tensor, Tensor]:
    """The non-negative start of that name (one of CHOICES); X (m, n), or (S, m, n) where layers factor layers.

    "spa" and "snpa" take samples as columns of W, "kmeans" takes the centres of clusters; H then solves the
    non-negative least squares, and zeros are filled.
    """
    if init == "uniform":
        return uniform(X, rank, rng, layer)
    if init.startswith("nndsvd"):
        return nndsvd(X, rank, rng, init, layer)
    W = representatives(init, X, rank, rng, layer)
    return filled(W), filled(nnls(W.mT @ W, W.mT @ X))


def stacked(init: str, X: Tensor, ranks: Sequence[int], rng: Streams) -> tuple[list[Tensor], Tensor]:
    """W_1 … W_L (S, r_{l+1}, r_l) and H (S, r_1, n) of X ≈ W_L…W_1H, X (m, n): layer by layer from the top.

    Components have the same root mean square in their column of W_l as in their row of the codes.
    """
    Ws: list[Tensor] = []
    for l, r in reversed([*enumerate(ranks, start=1)]):
        W, X = start(init, X, r, rng, layer=l)
        ratio = (X.square().mean(-1) / W.square().mean(-2).clamp(min=torch.finfo(X.dtype).tiny)) ** 0.25
        scale = torch.where(ratio > 0, ratio, 1)
        Ws.insert(0, W * scale[:, None])
        X = X / scale[..., None]
    return Ws, X


def representatives(init: str, X: Tensor, rank: int, rng: Streams, layer: int | str = "") -> Tensor:
    """W (S, m, r) of samples, or of means of samples, of X (m, n) or (S, m, n), which may have any sign."""
    return (X @ weights(init, X, rank, rng, layer)).contiguous()


def weights(init: str, X: Tensor, rank: int, rng: Streams, layer: int | str = "") -> Tensor:
    """A (S, n, r) ≥ 0 whose columns sum to one, so that XA are points among the samples X (m, n) or (S, m, n).

    ``init`` is one of MIXTURE_CHOICES: samples by one of three algorithms, means of clusters, or random means.
    """
    S, n = len(rng.seeds), X.shape[-1]
    if init == "uniform":
        return normalised(rng.uniform(f"A{layer}", (n, rank), X), -2)[0]
    if init == "kmeans":
        members = F.one_hot(clusters(X, rank, rng, layer), rank).to(X)
        return normalised(members, -2)[0]
    batch = X if X.ndim == 3 else X[None]
    if init == "furthest_sum":
        J = furthest_sum(batch, rank, rng, layer)
    else:
        J = (spa if init == "spa" else snpa)(batch, rank)
    return F.one_hot(J.expand(S, -1), n).mT.to(X)


def clusters(X: Tensor, rank: int, rng: Streams, layer: int | str = "") -> Tensor:
    """The cluster (S, n) of each sample of X (m, n) or (S, m, n), by k-means from one start a seed."""
    from sklearn.cluster import KMeans  # takes seconds to import
    from sklearn.exceptions import ConvergenceWarning

    batch = finite(X).expand(len(rng.seeds), -1, -1).mT.cpu().numpy()
    found = []
    # One thread, because the bits depend on their number; and some data has fewer distinct samples than clusters.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for samples, generator in zip(batch, rng(f"kmeans{layer}"), strict=True):
            state = int(generator.integers(2**31))
            found.append(KMeans(rank, n_init=1, random_state=state).fit(samples).labels_)
    return torch.from_numpy(np.stack(found)).long().to(X.device)


def filled(factor: Tensor) -> Tensor:
    """The factor (S, m, r) ≥ 0 with `FILL` of its mean in the place of each zero, up to rounding."""
    rounding = 100 * torch.finfo(factor.dtype).eps * factor.amax((-2, -1), keepdim=True)
    return torch.where(factor > rounding, factor, FILL * factor.mean((-2, -1), keepdim=True))


def draws(init: str) -> bool:
    """Whether this start draws random numbers."""
    return init in ("uniform", "random", "nndsvdar", "kmeans", "furthest_sum")


def check_name(init: str, choices: tuple[str, ...] = CHOICES) -> None:
    """Raise ConfigError for a name that is not among the choices."""
    if init not in choices:
        raise ConfigError(f"init must be one of {', '.join(choices)}, got {init!r}")


def reach(init: str, m: int, n: int) -> int:
    """The largest rank of a start that looks at its data, m × n."""
    return n if init in ("snpa", "kmeans", "furthest_sum") else min(m, n)


def check(init: str, X: Tensor, ranks: Sequence[int]) -> None:
    """Raise NotApplicable when this start does not reach the ranks on X (m, n), each layer starting from that below."""
    if init in BLIND:
        return
    m, n = X.shape[-2:]
    most = reach(init, m, n)
    if ranks[0] > most:
        raise NotApplicable(f"{init} starts reach rank {most} on a {m} × {n} X, got rank {ranks[0]}; use init=uniform")
    if any(above > below for below, above in pairwise(ranks)):
        raise NotApplicable(f"{init} starts need ranks that do not rise, got {list(ranks)}; use init=uniform")


def check_stacked(init: str, problem: Problem, ranks: Sequence[int]) -> None:
    """Raise NotApplicable when `stacked` does not reach the ranks, or X has negative entries."""
    check(init, problem.X, ranks[::-1])  # from the top down
    if init != "uniform" and problem.extremes[0] < 0:
        raise NotApplicable(f"{init} starts need X ≥ 0, but X has negative entries; use init=uniform")


def uniform(X: Tensor, rank: int, rng: Streams, layer: int | str = "") -> tuple[Tensor, Tensor]:
    """W (S, m, r) and H (S, r, n), uniform on [0, 2√(mean(X)/r)), so that WH has the mean of X in expectation."""
    m, n = X.shape[-2:]
    high = 2 * math.sqrt(mean(X) / rank) if len(X.shape) == 2 else 2.0
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
    check(fill, X, [rank])
    U, s, Vt = torch.linalg.svd(finite(X), full_matrices=False)
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
        most = min(rows, n) + 1 if init == "svd" else reach(init, rows, n)
        if init != "random" and rank > most:
            raise NotApplicable(
                f"{init} starts reach rank {most} on {rows} × {n} data, got rank {', '.join(map(str, ranks))}; "
                "use init=random"
            )
        rows = rank


def semi(init: str, X: Tensor, rank: int, rng: Streams, name: str = "H") -> tuple[Tensor, Tensor]:
    """Z of any sign and H ≥ 0 (one of SEMI_CHOICES) for X (m, n) or (S, m, n); a random H is drawn from ``name``."""
    if init == "random":
        H = rng.uniform(name, (rank, X.shape[-1]), X)
        return X @ pinv(H), H
    if init != "svd":
        Z = representatives(init, X, rank, rng, name)
        return Z, filled(nnls(Z.mT @ Z, Z.mT @ X))
    Z, H = semi_svd(X, rank)
    return Z.expand(len(rng.seeds), -1, -1), H.expand(len(rng.seeds), -1, -1)


def semi_svd(X: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Z (…, m, r) of any sign and H (…, r, n) ≥ 0 whose product is the best approximation of X (…, m, n) of rank r − 1.

    It has one more component than singular triplets, which lifts every sample's coefficients to 0 or above; its basis,
    minus the sum of the others, undoes that. Gillis & Kumar (2015), Algorithm 2. All coefficients are also lifted by
    their mean, because multiplicative steps never leave a zero: for r = 2 and X ≥ 0 a whole row of H would be zero.
    """
    U, s, Vt = torch.linalg.svd(finite(X), full_matrices=False)
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
