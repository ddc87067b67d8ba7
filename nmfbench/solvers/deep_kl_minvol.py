"""Minimum-volume deep Kullback–Leibler NMF."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nmfbench.numerics import hierarchies, volume
from nmfbench.numerics.factorization import Hierarchy
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.numerics.special import wright_omega
from nmfbench.solvers.base import DeepSolver, Stopping, check_at_least, check_choice

TANGENTS = 5  # steps a block; on ORL and Samson the third changes the block's decrease by less than 1e-6 of it
RHO, ADMM_STEPS, GAP = 100.0, 200, 1e-6


@dataclass(frozen=True, kw_only=True)
class MinVolDeepKL(DeepSolver):
    """min Σ_l λ_l KL(W_{l−1}, W_l H_l) + α_l log det(W_lᵀW_l + δI) over W_l, H_l ≥ 0 with W_lᵀe = e.

    Starts like `DeepKL`, scaled to W_lᵀe = e. Each sweep takes a multiplicative step of H_l, then moves W_l to its
    majoriser's minimum: in closed form at the top, by ``TANGENTS`` such steps below.
    Descends: with ``variant="exact"``; ADMM may raise it. Scale-free: with that and no ``weights``, as ρ has no unit.

    Parameters
    ----------
    rank: rank r_L ≥ 1 of the top layer; None: the last of ``ranks``.
    ranks: r_1 … r_L, each ≥ 1; None: [2·rank, rank]. Paper: [4, 2] on Samson and Moffett, [3, 2] on Tumor.
    alpha: α̃_1 … α̃_L, each ≥ 0; α_l makes the penalty of layer l α̃_l times λ_l KL_l at the start. None: 0.05, the
        authors' default. Paper: [4, 1] on Moffett, [2.5e-5, 0.01] on Tumor, [0.45, 0.45] on Samson.
    weights: λ_1 … λ_L, each > 0; None: KL_1/KL_l at the start, the paper's 1/KL_l in the unit of X.
    pretrain: sweeps of the multilayer method before the first sweep over all layers, ≥ 0; not printed, as for `DeepKL`.
    variant: one of exact, admm, paper. "exact" minimises the block of W_l by tangents; "admm" splits it as the paper
        does, 20 times slower; "paper" is ADMM with its (27), where ρ lacks a factor W̃, so it does not solve its (24).

    Leplat, Le, Onwunta & Gillis (2023), Sec. 3.2, Algorithm 2
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=300, tol=0.0)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"

    alpha: list[float] | None = None
    weights: list[float] | None = None
    pretrain: int = 500
    variant: str = "exact"

    def __post_init__(self) -> None:
        super().__post_init__()
        hierarchies.check_weights(self.weights, self.layers)
        volume.per_layer(self.alpha, 0.05, self.layers)
        check_at_least("pretrain", self.pretrain, 0)
        check_choice("variant", self.variant, ("exact", "admm", "paper"))

    @property
    def monotone(self) -> bool:
        return self.variant == "exact"

    @property
    def scale_free(self) -> bool:
        return self.variant == "exact" and self.weights is None

    def iterates(self, problem: Problem, rng: Streams) -> Generator[Hierarchy | None, bool, None]:
        X, eps = problem.X, hierarchies.floor(problem)
        Ws, Hs = yield from hierarchies.pretrained(problem, self.layers, rng, 1.0, self.pretrain)
        hierarchies.scale(Ws, Hs, of="W")
        weights = hierarchies.weights(problem, Ws, Hs, self.weights, 1.0)
        costs = weights * hierarchies.costs(problem, Ws, Hs, 1.0)
        alphas = volume.alphas(volume.per_layer(self.alpha, 0.05, self.layers), costs, Ws)
        while True:
            yield Hierarchy(tuple(Ws), tuple(Hs), weights, alphas)
            Y, eps = X, hierarchies.floor(problem)
            for l, (W, H) in enumerate(zip(Ws, Hs, strict=True)):
                Hs[l] = (H * hierarchies.ratio(*hierarchies.parts(Y, W, H, 1.0, eps))).clamp(min=eps)
                lam = weights[:, l, None, None]
                block = WBlock(Y, W, Hs[l], alphas[:, l, None, None] / lam, eps)
                if l + 1 == len(Ws):
                    Ws[l] = block.minimum()
                else:
                    above, lam_above = (Ws[l + 1] @ Hs[l + 1]).clamp(min=hierarchies.EPS), weights[:, l + 1, None, None]
                    if self.variant == "exact":
                        Ws[l] = block.tangents(above, lam_above / lam)
                    else:
                        Ws[l] = block.admm(above, RHO / lam, RHO / lam_above, self.variant == "paper")
                Y, eps = Ws[l], hierarchies.EPS

    def objective(self, problem: Problem, factorization: Hierarchy) -> Tensor:
        return hierarchies.objective(problem, factorization, beta=1)

    def penalty(self, problem: Problem, factorization: Hierarchy) -> Tensor:
        return hierarchies.volumes(factorization).to(problem.X)


class WBlock:
    """The majoriser of KL(Y, WH) + α' log det(WᵀW + δI) at W̃, over Wᵀe = e."""

    def __init__(self, Y: Tensor, W: Tensor, H: Tensor, alpha: Tensor, eps: float):
        A = volume.inverse(W)
        self.W = W
        self.B = (Y / (W @ H).clamp(min=eps)) @ H.mT
        self.C = H.sum(-1)[:, None] - 4 * alpha * (W @ (-A).clamp(min=0))
        self.T = 4 * alpha * (W @ A.abs())
        self.mu: Tensor | None = None

    def minimum(self, c: Tensor | float = 0.0, t: Tensor | float = 0.0) -> Tensor:
        """Minimise the majoriser plus Σ c w + t w²/2W̃. Newton finds the sums' multipliers μ from the last call's."""
        W, B, tiny = self.W, self.B, torch.finfo(self.W.dtype).tiny
        C, T = self.C + c, (self.T + 2 * t).clamp(min=tiny)
        S = 2 * T * B
        # Start where a single entry already equals 1: the sum is then ≥ 1, and Newton converges from that side.
        single = (B * W - T / (2 * W.clamp(min=tiny)) - C).amax(-2, keepdim=True)
        mu = single if self.mu is None else self.mu
        for _ in range(24 if self.mu is None else 2):
            root = ((x := C + mu).square() + S).sqrt().clamp(min=tiny)
            far = root + x.abs()
            # Two forms of the same value, (root − x)/T and 2B/(root + x): each avoids the other's cancellation.
            new = W * torch.where(x > 0, 2 * B / far, far / T)
            slope = new / root  # −dW/dμ
            mu = mu + (new.sum(-2, keepdim=True) - 1) / slope.sum(-2, keepdim=True).clamp(min=tiny)
        self.mu, new = mu, new.clamp(min=hierarchies.EPS)
        return new / new.sum(-2, keepdim=True)

    def tangents(self, above: Tensor, lam: Tensor) -> Tensor:
        """The minimiser of the majoriser plus λ KL(W, W̄), λ = λ_{l+1}/λ_l.

        The logarithm's tangent at the current W lies above the logarithm, so each step descends. Near the minimum the
        steps are Newton's.
        """
        W = self.W
        for _ in range(TANGENTS):
            W = self.minimum(lam * ((W / above).log() - 1), lam * self.W / W)
        return W

    def admm(self, above: Tensor, rho: Tensor, nu: Tensor, as_printed: bool) -> Tensor:
        """The same minimiser by splitting W = Z; ρ' = ρ/λ_l, ν = ρ/λ_{l+1}."""
        W, Z, U, running = self.W, self.W, torch.zeros_like(self.W), torch.ones_like(rho, dtype=torch.bool)
        for _ in range(ADMM_STEPS):
            W = torch.where(running, self.minimum(-rho * (Z - U), rho if as_printed else rho * self.W), W)
            # Z = ω(log ν − b)/ν with b = −log W̄ − ν(W + U)
            Z = torch.where(running, wright_omega(nu.log() + above.log() + nu * (W + U)) / nu, Z)
            U = torch.where(running, U + W - Z, U)
            running = running & ((W - Z).norm(dim=(-2, -1), keepdim=True) > GAP)
            if not running.any():
                break
        return W
