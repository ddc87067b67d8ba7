"""The block of the bases in minimum-volume NMF with a β-divergence."""

import torch
from torch import Tensor

from nmfbench.numerics import volume
from nmfbench.numerics.hierarchies import EPS, parts
from nmfbench.numerics.pieces import columns, quotient_product
from nmfbench.numerics.special import wright_omega

TANGENTS = 5
"""Steps of a block below the top; on ORL and Samson the third changes the block's fall by less than 1e-6 of it."""
ADMM_STEPS = 200
NEWTON = 30
"""Steps of Newton's method at most for β ≠ 1; most blocks take fewer than ten."""


class WBlock:
    """The majoriser of KL(Y, WH) + α' log det(WᵀW + δI) at W̃, over Wᵀe = e or, not ``bound``, over all W ≥ 0."""

    def __init__(
        self,
        Y: Tensor,
        W: Tensor,
        H: Tensor,
        alpha: Tensor,
        eps: float,
        delta: float = volume.DELTA,
        bound: bool = True,
    ):
        A = 4 * alpha * volume.inverse(W, delta)
        self.W, self.bound = W, bound
        self.B = quotient_product(H, Y.mT, W.mT, eps).mT
        self.C = H.sum(-1)[:, None] - ((-A).clamp(min=0) @ W.mT).mT
        self.T = (A.abs() @ W.mT).mT
        self.mu: Tensor | None = None if bound else torch.zeros_like(W[:, :1])

    def minimum(self, c: Tensor | float = 0.0, t: Tensor | float = 0.0) -> Tensor:
        """Minimise the majoriser plus Σ c w + t w²/2W̃. Newton finds the sums' multipliers μ from the last call's."""
        tiny, C, T = torch.finfo(self.W.dtype).tiny, self.C + c, self.T + 2 * t
        result, mus = torch.empty_like(self.W), torch.empty_like(self.W[:, :1])
        for k in columns(self.W):
            W, B, C_k, T_k = self.W[..., k], self.B[..., k], C[..., k], T[..., k].clamp_(min=tiny)
            if self.mu is None:
                # A single entry already equals 1 here: the sum is then ≥ 1, and Newton converges from that side.
                mu = (B * W - T_k / (2 * W.clamp(min=tiny)) - C_k).amax(-2, keepdim=True)
            else:
                mu = self.mu[..., k]
            S, excess = 2 * T_k * B, torch.full_like(mu, torch.inf)
            for _ in range(24 if self.mu is None else 2):
                root = ((x := C_k + mu).square().add_(S)).sqrt_().clamp_(min=tiny)
                far = x.abs().add_(root)
                # Two forms of the same value, (root − x)/T and 2B/(root + x): each avoids the other's cancellation.
                new = torch.where(x > 0, 2 * B / far, far / T_k).mul_(W)
                if not self.bound:
                    break
                before, excess = excess, new.sum(-2, keepdim=True) - 1
                mu = mu + excess / torch.div(new, root, out=root).sum(-2, keepdim=True).clamp(min=tiny)  # −dμ/dΣw
                if not (excess < before).any():  # it falls to zero, up to rounding
                    break
            result[..., k], mus[..., k] = new, mu
        result.clamp_(min=EPS)
        if not self.bound:
            return result
        self.mu = mus
        return result / result.sum(-2, keepdim=True)

    def tangents(self, above: Tensor, lam: Tensor) -> Tensor:
        """The minimiser of the majoriser plus λ KL(W, W̄), λ = λ_{l+1}/λ_l.

        The logarithm's tangent at the current W lies above the logarithm, so each step descends. Near the minimum the
        steps are Newton's.
        """
        W = self.W
        for _ in range(TANGENTS):
            W = self.minimum(lam * ((W / above).log() - 1), lam * self.W / W)
        return W

    def admm(self, above: Tensor, rho: Tensor, nu: Tensor, gap: float, as_printed: bool) -> Tensor:
        """The same minimiser by splitting W = Z, until ‖W − Z‖ is at most ``gap``; ρ' = ρ/λ_l, ν = ρ/λ_{l+1}."""
        W, Z, U, running = self.W, self.W, torch.zeros_like(self.W), torch.ones_like(rho, dtype=torch.bool)
        for _ in range(ADMM_STEPS):
            W = torch.where(running, self.minimum(-rho * (Z - U), rho if as_printed else rho * self.W), W)
            # Z = ω(log ν − b)/ν with b = −log W̄ − ν(W + U)
            Z = torch.where(running, wright_omega(nu.log() + above.log() + nu * (W + U)) / nu, Z)
            U = torch.where(running, U + W - Z, U)
            running = running & ((W - Z).norm(dim=(-2, -1), keepdim=True) > gap)
            if not running.any():
                break
        return W


def bases_step(
    Y: Tensor,
    W: Tensor,
    H: Tensor,
    above: Tensor | None,
    lam: Tensor,
    alpha: Tensor,
    beta: float,
    eps: float,
    delta: float,
    bound: bool,
) -> Tensor:
    """W (S, m, r) after a step that does not raise D_β(Y, WH) + λ D_β(W, W̄) + α' log det(WᵀW + δI), for any β ≤ 2.

    W̄ = ``above``, None at the top; λ and α' (S, 1, 1). ``bound``: columns of W sum to one. For β ≠ 1 by Newton's
    method: in u = w/w̃ the majoriser's slope rises and is concave, so from the left no step passes its zero.
    """
    if beta == 1:
        block = WBlock(Y, W, H, alpha, eps, delta, bound)
        return block.minimum() if above is None else block.tangents(above, lam)
    p, q = (part.mT for part in parts(Y.mT, H.mT, W.mT, beta, eps))
    A = alpha * volume.inverse(W, delta)
    C, T = -4 * W @ (-A).clamp(min=0), 2 * W @ A.abs()
    precision = torch.finfo(W.dtype)
    u, mu = torch.ones_like(W), torch.zeros_like(W[:, :1])
    for _ in range(NEWTON):
        fit, curve = p * u ** (beta - 2), q * u ** max(beta - 1, 0.0)
        slope = C + T * u + curve - fit
        rise = T + (max(beta - 1, 0.0) * curve + (2 - beta) * fit) / u
        if above is not None:
            power = (W * u) ** (beta - 1)
            slope, rise = slope + lam * (power - above ** (beta - 1)) / (beta - 1), rise + lam * power / u
        rise = rise.clamp(min=precision.tiny)
        if bound:  # the μ with which this step, taken whole, has sums of one
            mu = ((W * (u - slope / rise)).sum(-2, keepdim=True) - 1) / (W / rise).sum(-2, keepdim=True)
        # To a tenth at most, because from the right a step may pass zero; and no power of u may overflow.
        before, u = u, torch.maximum(u - (slope + mu) / rise, u / 10).clamp(min=1e-8)
        if not ((u - before).abs() > precision.eps**0.5 * before).any():
            break
    W = (W * u).clamp(min=EPS)
    return W / W.sum(-2, keepdim=True) if bound else W
