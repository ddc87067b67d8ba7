"""Samples that span the others: the indices J (S, r) of the columns of X whose cone, hull or spread covers the rest."""

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nmfbench.numerics.optimizers import apg, spectral_norm
from nmfbench.numerics.projections import simplex
from nmfbench.numerics.rng import Streams

STEPS = 100
"""Gradient steps of SNPA after each pick, from the projection before it."""
EXCHANGES = 11
"""Samples that FurthestSum exchanges at the end: the one that was drawn, and ten more. Mørup & Hansen (2012)."""


def spa(X: Tensor, rank: int) -> Tensor:
    """J (S, r) by the successive projection algorithm: the longest column of X (S, m, n), of any sign, r times.

    After each pick, all columns are projected on the complement of the picked one, R ← (I − uuᵀ)R. R is not formed,
    because ‖r_j‖² = ‖x_j‖² − Σ_k (u_kᵀx_j)² in double precision. Where only rounding is left, the first columns that
    are not yet picked follow. Gillis & Vavasis (2014), Algorithm 1.
    """
    X = finite(X)
    squares = X.square().sum(-2)
    noise = len(X[0]) * torch.finfo(X.dtype).eps * squares
    left, J, U = squares, X.new_empty(len(X), 0, dtype=torch.long), X.new_empty(len(X), 0, X.shape[-2])
    for _ in range(rank):
        j = _largest(left, J)
        u = columns(X, j).mT
        for _ in range(2):  # once is not enough where little is left of a long column
            u = u - (u @ U.mT) @ U
        u = F.normalize(u, dim=-1) * (left.gather(-1, j) > 0)[..., None]
        left = left - (u @ X)[:, 0].square()
        left = torch.where(left > noise, left, 0)
        J, U = torch.cat([J, j], -1), torch.cat([U, u], -2)
    return J


def snpa(X: Tensor, rank: int) -> Tensor:
    """J (S, r) by the successive non-negative projection algorithm on X (S, m, n), of any sign.

    As `spa`, but columns are projected on {Wh : h ≥ 0, Σh ≤ 1}, W the columns picked, by accelerated proximal gradient.
    So it does not end where W spans all dimensions, and columns inside of the hull of W and 0 are not picked.
    Gillis (2014).
    """
    X = finite(X)
    squares = X.square().sum(-2)
    left, J = squares, X.new_empty(len(X), 0, dtype=torch.long)
    # The first column of W is 0: with h on the simplex, the others then have Σh ≤ 1.
    W, Ht = torch.zeros_like(X[..., :1]), torch.ones_like(X[:, :1].mT)
    for _ in range(rank):
        j = _largest(left, J)
        J, W, Ht = torch.cat([J, j], -1), torch.cat([W, columns(X, j)], -1), F.pad(Ht, (0, 1))
        gram, cross = W.mT @ W, X.mT @ W
        Ht = apg(Ht, partial(torch.matmul, other=gram), cross, spectral_norm(gram), STEPS, simplex)
        left = squares + ((Ht @ gram - 2 * cross) * Ht).sum(-1)
    return J


def furthest_sum(X: Tensor, rank: int, rng: Streams, layer: int | str = "") -> Tensor:
    """J (S, r) by FurthestSum: the column of X (1 or S, m, n) with the largest sum of distances to those picked.

    The first column is drawn. Once there are r, the oldest is exchanged for another, `EXCHANGES` times.
    Mørup & Hansen (2012).
    """
    X = finite(X)
    squares = X.square().sum(-2)
    drawn = np.stack([generator.integers(X.shape[-1], size=1) for generator in rng(f"A{layer}")])
    J, apart = torch.from_numpy(drawn).to(X.device), []
    for _ in range(rank - 1 + EXCHANGES):
        j = J[:, -1:]
        products = (columns(X, j).mT @ X)[:, 0]
        apart.append((squares - 2 * products + squares.expand(len(j), -1).gather(-1, j)).clamp(min=0).sqrt())
        # All of them, or all but the oldest.
        others = min(J.shape[-1], max(rank - 1, 1))
        J = J[:, -others:]
        J = torch.cat([J, _largest(torch.stack(apart[-others:]).sum(0), J)], -1)
    return J[:, -rank:]


def columns(X: Tensor, J: Tensor) -> Tensor:
    """The columns J (S, r) of X (1 or S, m, n): (S, m, r)."""
    return X.expand(len(J), -1, -1).gather(-1, J[:, None].expand(-1, X.shape[-2], -1))


def finite(X: Tensor) -> Tensor:
    """X (…, m, n) in double precision. If a layer below overflowed, the loop reports it; here nothing must raise."""
    return torch.nan_to_num(X.double())


def _largest(values: Tensor, J: Tensor) -> Tensor:
    """The place (S, 1) of the largest value ≥ 0 (S, n) outside of J."""
    return values.clamp(min=0).scatter(-1, J, -1.0).argmax(-1, keepdim=True)
