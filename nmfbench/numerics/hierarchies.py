"""Hierarchies W_{l−1} ≈ W_l H_l under a β-divergence: start, scaling, and the two blocks of a layer.

Y (S, m, n) is the data of a layer, W (S, m, r), H (S, r, n). With V = W̃H̃ at the current W̃ and H̃, p and q are the
negative and the positive part of the gradient. Leplat, Le, Onwunta & Gillis (2023).
"""

from collections.abc import Callable, Generator, Sequence
from itertools import accumulate

import torch
from torch import Tensor

from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.numerics import inits, losses, volume
from nmfbench.numerics.factorization import Hierarchy
from nmfbench.numerics.optimizers import apg, spectral_norm
from nmfbench.numerics.pieces import columns, quotient_product, summed
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.projections import normalised, simplex
from nmfbench.numerics.rng import Streams
from nmfbench.numerics.special import wright_omega

BETAS = (0.0, 0.5, 1.0, 1.5, 2.0)
INNER = 10
"""Accelerated proximal gradient steps per block for β = 2, because no closed form exists there."""
EPS = 2.0**-52
"""The smallest entry of a factor and of a product in data of mean one, as in the paper."""


def floor(problem: Problem) -> float:
    """The smallest entry of a factor or product: EPS in the unit of X."""
    return max(EPS * problem.mean, torch.finfo(problem.X.dtype).tiny)


def check_zeros(problem: Problem, beta: float) -> None:
    """Raise NotApplicable if β ≤ 0 and X (m, n) has zeros, where the divergence is infinite."""
    if beta <= 0 and (problem.X == 0).any():
        raise NotApplicable(f"the β-divergence with β = {beta:g} is infinite where X is 0; use β > 0")


PROJECTIONS: dict[str, Callable[[Tensor], Tensor]] = {"W": torch.relu, "H": simplex, "Ht": lambda H: simplex(H.mT).mT}
"""The factor whose sums are one (W_lᵀe = e, H_l e = e or H_lᵀe = e), and the projection of H_l onto its set."""
LOSSES = ("layers", "data")
"""Layer l is compared with the bases below it, D_β(W_{l−1}, W_l H_l), or with the data, D_β(X, W_l H_l…H_1)."""


def costs(problem: Problem, Ws: Sequence[Tensor], Hs: Sequence[Tensor], beta: float, loss: str = "layers") -> Tensor:
    """The divergence of each layer by one of `LOSSES`, (S, L), W_l (S, m, r_l).

    That from the bases below is taken in double precision, because λ amplifies rounding.
    """
    tiny = torch.finfo(problem.X.dtype).tiny
    if loss == "data":
        codes = accumulate(Hs, lambda below, H: H @ below)
        of_data = [losses.of_product(problem, W, C, beta, tiny).double() for W, C in zip(Ws, codes, strict=True)]
        return torch.stack(of_data, -1)
    divergences = [losses.of_product(problem, Ws[0], Hs[0], beta, tiny).double()]
    for Y, W, H in zip(Ws, Ws[1:], Hs[1:], strict=False):
        V = (W.double() @ H.double()).clamp(min=torch.finfo(torch.float64).tiny)
        divergences.append(losses.beta_divergence(Y.double(), V, beta))
    return torch.stack(divergences, -1)


def objective(
    problem: Problem, hierarchy: Hierarchy, beta: float, loss: str = "layers", delta: float = volume.DELTA
) -> Tensor:
    """Σ_l λ_l times the `costs`, and Σ_l α_l log det(W_lᵀW_l + δI) where there are α_l, (S,)."""
    weighted = (hierarchy.weights * costs(problem, hierarchy.Ws, hierarchy.Hs, beta, loss)).sum(-1)
    return (weighted if hierarchy.alphas is None else weighted + volumes(hierarchy, delta)).to(problem.X)


def volumes(hierarchy: Hierarchy, delta: float = volume.DELTA) -> Tensor:
    """Σ_l α_l log det(W_lᵀW_l + δI), (S,), in double precision."""
    assert hierarchy.alphas is not None
    return (hierarchy.alphas * torch.stack([volume.log_det(W, delta) for W in hierarchy.Ws], -1)).sum(-1)


def check_weights(weights: Sequence[float] | None, ranks: list[int]) -> None:
    """Raise ConfigError unless there is one positive weight a layer, or None."""
    if weights is not None and (len(weights) != len(ranks) or not min(weights) > 0):
        raise ConfigError(f"weights must be one positive number a layer ({len(ranks)}), got {list(weights)}")


def weights(
    problem: Problem,
    Ws: Sequence[Tensor],
    Hs: Sequence[Tensor],
    given: Sequence[float] | None,
    beta: float,
    loss: str = "layers",
) -> Tensor:
    """λ_l, (S, L): as given, or the current D_1/D_l of the `costs`, the paper's 1/D_l in the unit of X.

    The cost of a nearly exact layer counts as at least 10⁻⁶ of Σ y^β over its data.
    """
    X = problem.X
    if given is not None:
        return X.new_tensor(list(given)).expand(len(Ws[0]), -1)
    size = torch.full((len(Ws[0]), 1), summed(X, lambda x: x.pow_(beta)), dtype=torch.float64, device=X.device)
    if loss == "layers":
        size = torch.cat([size, *((W.double() ** beta).sum((-2, -1))[:, None] for W in Ws[:-1])], -1)
    cost = costs(problem, Ws, Hs, beta, loss).maximum(1e-6 * size).clamp(min=torch.finfo(torch.float64).tiny)
    # Wide bounds keep λ finite. Bases whose columns sum to one cost less than X by many orders of magnitude.
    bound = torch.finfo(X.dtype).max ** 0.5
    return (cost[:, :1] / cost).clamp(1 / bound, bound).to(X)


def parts(Y: Tensor, W: Tensor, H: Tensor, beta: float, eps: float) -> tuple[Tensor, Tensor]:
    """p and q of H, (S, r, n), q (S, r, 1) for β = 1; those of W are the transposes of parts(Yᵀ, Hᵀ, Wᵀ)."""
    if beta == 1:
        return quotient_product(W.mT, Y, H, eps), W.sum(-2)[..., None]
    V = (W @ H).clamp_(min=eps)
    return W.mT @ (Y * V ** (beta - 2)), W.mT @ V ** (beta - 1)


def exponent(beta: float) -> float:
    """γ, with which H ∘ (p/q)^γ does not raise D_β for β ≤ 2. Févotte & Idier (2011), eq. (57)."""
    return 1 / (2 - beta) if beta < 1 else 1.0


def ratio(p: Tensor, q: Tensor) -> Tensor:
    """p/q (S, r, n), finite where q is 0."""

    return p / q.clamp(min=torch.finfo(q.dtype).tiny)


def multilayer(X: Tensor, Ws: list[Tensor], Hs: list[Tensor], beta: float, eps: float) -> None:
    """Take one multiplicative step of every layer on the bases below, in place: H_l, W_l, then columns of maximum 1.

    X (m, n), W_l (S, m, r_l), H_l (S, r_l, r_{l−1}) with r_0 = n. ``eps`` is the floor of X; that of the bases is EPS.
    """
    gamma = exponent(beta)
    Y = X
    for l, (W, H) in enumerate(zip(Ws, Hs, strict=True)):
        H = H * ratio(*parts(Y, W, H, beta, eps)) ** gamma
        W = W * ratio(*parts(Y.mT, H.mT, W.mT, beta, eps)).mT ** gamma
        W, H = _top_one(W, H)
        Ws[l], Hs[l] = W.clamp(min=EPS), H.clamp(min=eps)
        Y, eps = Ws[l], EPS


def start(X: Tensor, ranks: list[int], rng: Streams, init: str = "uniform") -> tuple[list[Tensor], list[Tensor]]:
    """The start of that name, W_l (S, m, r_l) and H_l (S, r_l, r_{l−1}), of every layer for X (m, n).

    Columns of W_l have maximum 1. They are contiguous in memory, which the elementwise steps keep: products with W_lᵀ
    and sums over columns are then the fastest.
    """
    Ws, Hs, Y = [], [], X.expand(len(rng.seeds), -1, -1)
    for l, r in enumerate(ranks, start=1):
        W, H = inits.start(init, Y, r, rng, layer=l)
        Y, H = _top_one(W.mT.contiguous().mT, H)
        Ws.append(Y)
        Hs.append(H)
    return Ws, Hs


def pretrained(
    problem: Problem, ranks: list[int], rng: Streams, beta: float, sweeps: int, init: str = "uniform"
) -> Generator[None, bool, tuple[list[Tensor], list[Tensor]]]:
    """W_l (S, m, r_l) and H_l (S, r_l, r_{l−1}): `start`, then that many sweeps of `multilayer`.

    It yields as `Solver.iterates` says.
    """
    Ws, Hs = start(problem.X, ranks, rng, init)
    eps = floor(problem)
    for _ in range(sweeps):
        multilayer(problem.X, Ws, Hs, beta, eps)
        if (yield None):
            break
    return Ws, Hs


def _top_one(W: Tensor, H: Tensor) -> tuple[Tensor, Tensor]:
    """Rescale W and H so that columns of W have maximum 1, without changing WH. Zero columns stay zero."""
    top = W.amax(-2, keepdim=True)
    top = torch.where(top > 0, top, 1.0)
    return W / top, H * top.mT


def above(Ws: Sequence[Tensor], Hs: Sequence[Tensor], l: int) -> Tensor:
    """W_{l+1}H_{l+1} (S, m, r_l), which layer l + 1 makes of the bases W_l; columns are contiguous, as in W_l."""
    return (Hs[l + 1].mT @ Ws[l + 1].mT).mT


def scale(Ws: list[Tensor], Hs: list[Tensor], of: str) -> None:
    """Rescale W_l (S, m, r_l) and H_l (S, r_l, r_{l−1}) in place, without changing any W_lH_l.

    From the first layer to the top, H_l e = e ("H") or W_lᵀe = e ("W").
    """
    for l in range(len(Ws)):
        if of == "H":
            Hs[l], D = normalised(Hs[l], -1)
            Ws[l] = Ws[l] * D.mT
        else:
            Ws[l], D = normalised(Ws[l], -2)
            Hs[l] = Hs[l] * D.mT
            D = 1 / D.clamp(min=torch.finfo(D.dtype).tiny).mT
        if l + 1 < len(Ws):
            Hs[l + 1] = Hs[l + 1] * D.mT


def mix(X: Tensor, Ws: list[Tensor], Hs: list[Tensor]) -> None:
    """Rescale W_l (S, m, r_l) and H_l (S, r_l, r_{l−1}) in place to H_lᵀe = e, for X (m, n).

    Every column of every W_l gets the mean sum of the columns of X. Then columns of H_l sum to one as far as those of X
    have equal sums, and the rest is forced.
    """
    scale(Ws, Hs, of="W")
    size = max(summed(X) / X.shape[1], torch.finfo(X.dtype).tiny)
    Ws[:] = [size * W for W in Ws]
    Hs[:] = [normalised(H, -2)[0] for H in Hs]


def codes_step(Y: Tensor, W: Tensor, H: Tensor, beta: float, eps: float, sums: str = "H") -> Tensor:
    """H (S, r, n) ≥ 0 after a step that does not raise D_β(Y, WH), with He = e ("H"), Hᵀe = e ("Ht") or free ("W")."""
    if beta == 2:
        gram = W.mT @ W
        return apg(H, lambda P: gram @ P, W.mT @ Y, spectral_norm(gram), INNER, PROJECTIONS[sums])
    p, q = parts(Y, W, H, beta, eps)
    if sums == "W":
        return (H * ratio(p, q) ** exponent(beta)).clamp(min=eps)
    if sums == "Ht":
        p, q, H = p.mT, q.mT, H.mT  # a multiplier a column
    if beta == 1 and sums == "H":  # because the multiplier only scales the row
        H = H * p
    elif beta <= 1:
        H = H * _powers(p, q, H, exponent(beta))
    else:
        H = H * _quadratics(p, q, H)
    H = normalised(H, -1)[0].clamp(min=EPS)
    return H.mT if sums == "Ht" else H


def _powers(p: Tensor, q: Tensor, H: Tensor, gamma: float) -> Tensor:
    """(p/(q + μ))^γ with the μ of each row that makes Σ h (p/(q + μ))^γ = 1."""
    tiny = torch.finfo(p.dtype).tiny
    # Start where a single term already equals 1: the sum is then ≥ 1, q + μ > 0, and Newton converges from that side.
    mu = (p * H ** (1 / gamma) - q).amax(-1, keepdim=True)
    for _ in range(20):
        base = (q + mu).clamp(min=tiny)
        terms = H * (p / base) ** gamma
        total = terms.sum(-1, keepdim=True).clamp(min=tiny)
        # Newton on total^(−1/γ), because that is linear in μ where q is constant.
        mu = mu + (total ** (1 / gamma) - 1) * total / (terms / base).sum(-1, keepdim=True).clamp(min=tiny)
    return (p / (q + mu).clamp(min=tiny)) ** gamma


def _quadratics(p: Tensor, q: Tensor, H: Tensor) -> Tensor:
    """t² with q t² + μ t − p = 0 and the μ of each row that makes Σ h t² = 1."""
    tiny = torch.finfo(p.dtype).tiny
    root_h = H.clamp(min=tiny).sqrt()
    mu = (p * root_h - q / root_h).amax(-1, keepdim=True)
    for _ in range(60):
        t = _positive_root(q, mu, p)
        total = (H * t.square()).sum(-1, keepdim=True)
        slope = (2 * H * t.square() / (2 * q * t + mu).clamp(min=tiny)).sum(-1, keepdim=True)
        mu = mu + (total - 1) / slope.clamp(min=tiny)
    return _positive_root(q, mu, p).square()


def _positive_root(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """The root t ≥ 0 of a t² + b t − c = 0 for a, c ≥ 0, without cancellation."""
    s = (b.square() + 4 * a * c).sqrt()
    tiny = torch.finfo(a.dtype).tiny
    return torch.where(b > 0, 2 * c / (b + s).clamp(min=tiny), (s - b) / (2 * a).clamp(min=tiny))


def bases_step(Y: Tensor, W: Tensor, H: Tensor, above: Tensor, lam: Tensor, beta: float, eps: float) -> Tensor:
    """W (S, m, r) after a step that does not raise D_β(Y, WH) + λ D_β(W, W̄), W ≥ 0; W̄ = ``above``, λ (S, 1, 1)."""
    if beta == 2:
        gram, C = H @ H.mT, H @ Y.mT + lam * above.mT
        lipschitz = spectral_norm(gram) + lam.flatten()
        return apg(W.mT, lambda P: gram @ P + lam * P, C, lipschitz, INNER).mT.clamp(min=eps)
    p, q = (part.mT for part in parts(Y.mT, H.mT, W.mT, beta, eps))
    above = above.clamp(min=eps)
    if beta == 0:
        a = q + lam / above
        return ((lam + (lam.square() + 4 * a * W.square() * p).sqrt()) / (2 * a)).clamp(min=eps)
    if beta == 0.5:
        return _cubic(W**1.5 * p, 2 * lam, q + 2 * lam * above**-0.5).pow(-2).clamp(min=eps)
    if beta == 1.5:
        t = _positive_root(q * W**-0.5 + 2 * lam, -2 * lam * above.sqrt(), p * W.sqrt())
        return t.square().clamp(min=eps)
    new = torch.empty_like(W)
    for k in columns(W):
        b = (W[..., k] * p[..., k]).clamp_(min=torch.finfo(W.dtype).tiny)
        a = q[..., k] / lam - above[..., k].log()
        x = (b / lam).log_().add_(a)
        omega = wright_omega(x)
        # Two forms of b/(λω): the first avoids cancellation, the second division by an underflowing ω.
        new[..., k] = torch.where(x > 0, b / (lam * omega), (omega - a).exp_())
    return new.clamp_(min=eps)


def top_step(Y: Tensor, W: Tensor, H: Tensor, beta: float, eps: float) -> Tensor:
    """W (S, m, r) after a step that does not raise D_β(Y, WH), W ≥ 0: the top layer has no layer above it."""
    if beta == 2:
        gram = H @ H.mT
        return apg(W.mT, lambda P: gram @ P, H @ Y.mT, spectral_norm(gram), INNER).mT.clamp(min=eps)
    return (W * ratio(*parts(Y.mT, H.mT, W.mT, beta, eps)).mT ** exponent(beta)).clamp(min=eps)


def _cubic(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """The root s ≥ 0 of a s³ + b s − c = 0 for a, b, c ≥ 0."""
    tiny = torch.finfo(a.dtype).tiny
    # This start lies between the root and twice the root, so Newton descends on a convex function.
    s = torch.minimum((c / a.clamp(min=tiny)) ** (1 / 3), c / b.clamp(min=tiny))
    for _ in range(8):
        s = s - (a * s**3 + b * s - c) / (3 * a * s.square() + b).clamp(min=tiny)
    return s
