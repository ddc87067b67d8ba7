"""Deep semi-NMF of several views of the same samples, with common codes at the top."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.numerics import inits, losses
from nmfbench.numerics.factorization import product
from nmfbench.numerics.graph import nearest_neighbours
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.numerics.signed import half_gradient, pinv, root_step, semi_sweep, square_root_step
from nmfbench.numerics.views import Views
from nmfbench.solvers.base import DeepSolver, Stopping, check_at_least, check_choice, check_nonnegative


@dataclass(frozen=True, kw_only=True)
class MultiViewSemiNMF(DeepSolver):
    """min Σ_v α_v^γ (‖X_v − Z₁ᵛ…Z_Lᵛ H_L‖² + λ Tr(H_L L_v H_Lᵀ)) over Z_lᵛ of any sign, H_L ≥ 0, Σ_v α_v = 1.

    X_v are the views of X, L_v the Laplacian of the graph of nearest neighbours in view v. Below the top, layers are
    pre-trained by semi-NMF in each view; the top layer, which has the same codes H_L in all views, by semi-NMF of all
    views together. Each sweep takes the steps of `deep_semi` in each view, then one in H_L, then sets the weights
    α_v ∝ R_v^{1/(1−γ)}, R_v the bracket. X without views, and λ = 0, is `deep_semi`.
    No sweep is guaranteed to descend: the formula of the weights is a maximum for γ < 1. It is the minimum for γ > 1,
    but there a view that the layers fit exactly takes all the weight.

    Parameters
    ----------
    rank: rank r_L ≥ 1 of the top layer; None: the last of ``ranks``.
    ranks: r_1 … r_L in each view, each ≥ 1; None: [2·rank, rank].
    gamma: exponent γ > 0 of the weights, not 1; authors' program: 0.1, with which they are nearly equal.
    lam: weight λ ≥ 0 of the graphs, for samples of unit length; authors' program: 0.01. In other views it counts in
        units of their mean square length.
    p: nearest neighbours of a sample, 1 to n − 1, joined with weight 1; paper: 5.
    pretrain: iterations of semi-NMF a layer, ≥ 0; authors' program: 100.
    init: one of svd, random, spa, snpa, kmeans, as for `deep_semi`; "random" draws the same H for all views.

    Zhao, Ding & Fu (2017), Algorithm 1.
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=100)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "codes"
    accepts_negative: ClassVar[bool] = True
    accepts_missing: ClassVar[bool] = False  # its views are factored one by one

    gamma: float = 0.1
    lam: float = 0.01
    p: int = 5
    pretrain: int = 100
    init: str = "random"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.gamma > 0 or self.gamma == 1:
            raise ConfigError(f"gamma must be positive and not 1, got {self.gamma}")
        check_nonnegative("lam", self.lam)
        check_at_least("p", self.p, 1)
        check_at_least("pretrain", self.pretrain, 0)
        check_choice("init", self.init, inits.SEMI_CHOICES)

    @property
    def draws(self) -> bool:
        return inits.draws(self.init)

    def check(self, problem: Problem) -> None:
        super().check(problem)
        for view in problem.by_view:
            inits.check_semi(self.init, view.X, self.layers)
        n = problem.X.shape[-1]
        if self.lam and self.p >= n:
            raise NotApplicable(f"{self.p} nearest neighbours need at least {self.p + 1} samples, got {n}; use p < {n}")

    def iterates(self, problem: Problem, rng: Streams) -> Generator[Views | None, bool, None]:
        Xs = [view.by_sample for view in problem.by_view]
        lams, graphs = self.lams(problem), tuple(nearest_neighbours(X, self.p) for X in Xs) if self.lam else ()
        Zs, Hs, H = yield from self.pretrained(Xs, rng)
        weights = H.new_full((len(H), len(Xs)), 1 / len(Xs)) ** self.gamma
        while True:
            yield Views(tuple(map(tuple, Zs)), tuple(map(tuple, Hs)), H, weights, graphs)
            p, q, inverse = torch.zeros_like(H), torch.zeros_like(H), pinv(H)
            for v, X in enumerate(Xs):
                for l in range(len(self.layers)):
                    Z = X @ (pinv(product([*Zs[v][l + 1 :], H])) if l < len(Hs[v]) else inverse)
                    Zs[v][l] = pinv(product(Zs[v][:l])) @ Z if l else Z
                    D = product(Zs[v][: l + 1])
                    A, B = D.mT @ X, D.mT @ D
                    if l < len(Hs[v]):
                        Hs[v][l] = square_root_step(Hs[v][l], A, B)
                pull, push = half_gradient(H, A, B)
                if graphs:
                    HA, HD = graphs[v].split(H)
                    pull, push = pull + lams[v] * HA, push + lams[v] * HD
                p, q = p + weights[:, v, None, None] * pull, q + weights[:, v, None, None] * push
            H = root_step(H, p, q)
            state = Views(tuple(map(tuple, Zs)), tuple(map(tuple, Hs)), H, weights, graphs)
            R = self.distances(problem, state) + self.roughness(problem, state)
            weights = (R.clamp(min=torch.finfo(R.dtype).tiny).log() / (1 - self.gamma)).softmax(-1) ** self.gamma

    def pretrained(
        self, Xs: list[Tensor], rng: Streams
    ) -> Generator[None, bool, tuple[list[list[Tensor]], list[list[Tensor]], Tensor]]:
        """Z_l of each view, H_l of each view below the top, and H_L (S, r_L, n), for X_v (m_v, n)."""
        Zs: list[list[Tensor]] = [[] for _ in Xs]
        Hs, below = [[*Z] for Z in Zs], list(Xs)
        for l in range(1, len(self.layers)):
            for v, X in enumerate(below):
                Z, below[v] = yield from self.semi(X, l, rng)
                Zs[v].append(Z)
                Hs[v].append(below[v])
        tops, H = yield from self.semi(torch.cat(below, -2), len(self.layers), rng)
        Zs = [[*inner, Z] for inner, Z in zip(Zs, tops.split([X.shape[-2] for X in below], -2), strict=True)]
        return Zs, Hs, H

    def semi(self, X: Tensor, l: int, rng: Streams) -> Generator[None, bool, tuple[Tensor, Tensor]]:
        """Z (S, m, r_l) and H (S, r_l, n) of semi-NMF for X (m, n) or (S, m, n)."""
        Z, H = inits.semi(self.init, X, self.layers[l - 1], rng, f"H{l}")
        for _ in range(self.pretrain):
            Z, H = semi_sweep(X, H)
            if (yield None):
                break
        return Z, H

    def lams(self, problem: Problem) -> list[float]:
        """λ in the unit of each view, the mean square length of its samples."""
        return [self.lam * view.square / view.X.shape[-1] for view in problem.by_view]

    def distances(self, problem: Problem, state: Views) -> Tensor:
        """‖X_v − Z₁ᵛ…Z_Lᵛ H_L‖² (S, V)."""
        pairs = zip(problem.by_view, state.Zs, strict=True)
        return torch.stack([2 * losses.half_square(view, product(Zs), state.H) for view, Zs in pairs], -1)

    def roughness(self, problem: Problem, state: Views) -> Tensor:
        """λ Tr(H_L L_v H_Lᵀ) (S, V)."""
        terms = [lam * graph.roughness(state.H) for lam, graph in zip(self.lams(problem), state.graphs, strict=False)]
        return torch.stack(terms, -1) if terms else torch.zeros_like(state.weights)

    def objective(self, problem: Problem, factorization: Views) -> Tensor:
        R = self.distances(problem, factorization) + self.roughness(problem, factorization)
        return (factorization.weights * R).sum(-1)

    def penalty(self, problem: Problem, factorization: Views) -> Tensor | None:
        return (factorization.weights * self.roughness(problem, factorization)).sum(-1) if self.lam else None
