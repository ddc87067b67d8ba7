"""Multilayer NMF of the codes, H_{l−1} ≈ W_l H_l: one sweep of every layer at a time, and the error of all layers."""

from collections.abc import Iterator

import torch
from torch import Tensor

from nmfbench.numerics import inits, losses
from nmfbench.numerics.factorization import Chain
from nmfbench.numerics.optimizers import coordinate_sweep
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams


def sweeps(
    problem: Problem, ranks: list[int], rng: Streams, lam: float = 0.0, seen: tuple[Tensor, Tensor] | None = None
) -> Iterator[Chain]:
    """Sweep through the layers of X (m, n); the codes H_l (S, r_l, n) are the data of the layer above.

    The last layer has the label term (λ/2)‖L∘(Y − BH_L)‖² where labels are ``seen``, with λ for X in its unit.
    """
    # Divided by its unit, because the starts of B and of the upper layers, and the labels, are absolute.
    unit = problem.unit
    X = problem.X / unit
    layers = [inits.uniform(X, ranks[0], rng)]
    for l, r in enumerate(ranks[1:], start=2):
        below = layers[-1][1]
        high = 2 * (below.mean((-2, -1), keepdim=True) / r).sqrt()
        W, H = (rng.uniform(f"{F}{l}", shape, X) for F, shape in (("W", (ranks[l - 2], r)), ("H", (r, X.shape[1]))))
        layers.append((W * high, H * high))
    # Components lie in rows, so that each is contiguous in both factors.
    Wts, Hs = [W.mT.contiguous() for W, _ in layers], [H for _, H in layers]
    Bt = rng.uniform("B", (ranks[-1], len(seen[0])), X) if seen else None
    while True:
        yield Chain(tuple(Wt.mT for Wt in Wts), tuple(unit * H for H in Hs), None if Bt is None else Bt.mT / unit)
        if problem.observed is not None:  # what is missing has been filled in anew
            torch.div(problem.X, unit, out=X)
        below = X
        for Wt, H in zip(Wts[:-1], Hs[:-1], strict=True):
            _sweep(below, Wt, H)
            below = H
        _sweep(below, Wts[-1], Hs[-1], Bt, lam, seen)


def error(problem: Problem, chain: Chain) -> Tensor:
    """Σ ½‖H_{l−1} − W_l H_l‖², (S,)."""
    data = (problem.X, *chain.Hs[:-1])
    layers = zip(data, chain.Ws, chain.Hs, strict=True)
    return torch.stack([losses.beta_divergence(below, W @ H, beta=2) for below, W, H in layers]).sum(0)


def _sweep(
    X: Tensor,
    Wt: Tensor,
    H: Tensor,
    Bt: Tensor | None = None,
    lam: float = 0.0,
    seen: tuple[Tensor, Tensor] | None = None,
) -> None:
    """One HALS sweep of X ≈ WH, and of Y ≈ BH where labels are seen, in place; columns of W get unit length."""
    gram, cross = Wt @ Wt.mT, Wt @ X
    if Bt is not None and seen:
        Y, L = seen
        coordinate_sweep(Bt, (L * H) @ H.mT, H @ Y.mT)
        columns = L.nonzero().ravel()
        labelled = H[..., columns]
        coordinate_sweep(labelled, gram + lam * (Bt @ Bt.mT), (cross + lam * (Bt @ Y))[..., columns])
        coordinate_sweep(H, gram, cross)
        H[..., columns] = labelled
    else:
        coordinate_sweep(H, gram, cross)
    coordinate_sweep(Wt, H @ H.mT, H @ X.mT)
    length = torch.linalg.vector_norm(Wt, dim=-1, keepdim=True)
    length = torch.where(length > 0, length, 1)
    Wt /= length
    H *= length
    if Bt is not None:
        Bt /= length
