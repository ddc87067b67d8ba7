"""Multilayer NMF."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nmfbench import inits, losses
from nmfbench.factorization import Chain, Factorization
from nmfbench.rng import Streams
from nmfbench.solvers import hals
from nmfbench.solvers.base import DeepSolver, Problem, Stopping


@dataclass(frozen=True, kw_only=True)
class MultilayerNMF(DeepSolver):
    """min ½‖H_{l−1} − W_l H_l‖² over W_l, H_l ≥ 0, one layer after the other, l = 1…L, H_0 = X.

    Each iteration is one sweep of hierarchical alternating least squares (HALS) in every layer, on the codes of the
    layer below as they stand, so each layer converges as soon as those below have. Columns of W_l have unit length.
    Cichocki & Zdunek (2006); De Handschutter, Gillis & Siebert (2021), Algorithm 2.
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=1000)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Factorization]:
        return layer_by_layer(problem, self.layers, rng)

    def objective(self, problem: Problem, factorization: Factorization) -> Tensor:
        """The sum over the layers."""
        assert isinstance(factorization, Chain)
        return error(problem, factorization)


def layer_by_layer(
    problem: Problem, ranks: list[int], rng: Streams, lam: float = 0.0, seen: tuple[Tensor, Tensor] | None = None
) -> Iterator[Chain]:
    """Sweep through the layers; the last one has the label term (λ/2)‖L∘(Y − BH_L)‖² where labels are ``seen``."""
    X = problem.X
    layers = [inits.uniform(X, ranks[0], rng)]
    for l, r in enumerate(ranks[1:], start=2):
        below = layers[-1][1]
        high = 2 * (below.mean((-2, -1), keepdim=True) / r).sqrt()
        W, H = (rng.uniform(f"{F}{l}", shape, X) for F, shape in (("W", (ranks[l - 2], r)), ("H", (r, X.shape[1]))))
        layers.append((W * high, H * high))
    # Components in rows: one of them is contiguous in both factors.
    Wts, Hs = [W.mT.contiguous() for W, _ in layers], [H for _, H in layers]
    Bt = rng.uniform("B", (ranks[-1], len(seen[0])), X) if seen else None
    while True:
        yield Chain(tuple(Wt.mT for Wt in Wts), tuple(Hs), None if Bt is None else Bt.mT)
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
        hals.sweep(Bt, (L * H) @ H.mT, H @ Y.mT)
        columns = L.nonzero().ravel()
        labelled = H[..., columns]
        hals.sweep(labelled, gram + lam * (Bt @ Bt.mT), (cross + lam * (Bt @ Y))[..., columns])
        hals.sweep(H, gram, cross)
        H[..., columns] = labelled
    else:
        hals.sweep(H, gram, cross)
    hals.sweep(Wt, H @ H.mT, H @ X.mT)
    length = torch.linalg.vector_norm(Wt, dim=-1, keepdim=True)
    length = torch.where(length > 0, length, 1)
    Wt /= length
    H *= length
    if Bt is not None:
        Bt /= length
