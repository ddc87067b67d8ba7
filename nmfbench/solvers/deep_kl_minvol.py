"""Minimum-volume deep NMF with a β-divergence."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from nmfbench.errors import ConfigError
from nmfbench.numerics import hierarchies, minvol, volume
from nmfbench.numerics.factorization import Hierarchy
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping, check_at_least, check_choice, check_positive
from nmfbench.solvers.started import DeepStarted


@dataclass(frozen=True, kw_only=True)
class MinVolDeepKL(DeepStarted):
    """min Σ_l λ_l D_β(W_{l−1}, W_l H_l) + α_l log det(W_lᵀW_l + δI) over W_l, H_l ≥ 0 with W_lᵀe = e.

    Starts like `DeepKL`, scaled to W_lᵀe = e. Each sweep takes a multiplicative step of H_l, then moves W_l to its
    majoriser's minimum: for β = 1 in closed form at the top and by five such steps below, else by Newton's method.
    Descends: with ``variant="exact"``; ADMM may raise it. Scale-free: with that, W_lᵀe = e and no ``weights``, as ρ
    has no unit and δ is absolute.

    Parameters
    ----------
    rank: rank r_L ≥ 1 of the top layer; None: the last of ``ranks``.
    ranks: r_1 … r_L, each ≥ 1; None: [2·rank, rank]. Paper: [4, 2] on Samson and Moffett, [3, 2] on Tumor.
    beta: β of the divergence, one of 0, 0.5, 1, 1.5, 2. Paper: 1, Kullback–Leibler; its (7) is for any.
    sums: one of W, H, Ht: W_lᵀe = e, as in the paper, H_l e = e or H_lᵀe = e, with which its Theorem 2 holds too.
    alpha: α̃_1 … α̃_L, each ≥ 0; α_l makes the penalty of layer l α̃_l times λ_l KL_l at the start. None: 0.05, the
        authors' default. Paper: [4, 1] on Moffett, [2.5e-5, 0.01] on Tumor, [0.45, 0.45] on Samson.
    delta: δ > 0 of the volume. Paper's program: 1.
    weights: λ_1 … λ_L, each > 0; None: KL_1/KL_l at the start, the paper's 1/KL_l in the unit of X.
    pretrain: sweeps of the multilayer method before the first sweep over all layers, ≥ 0; not printed, as for `DeepKL`.
    init: one of uniform, nndsvd, nndsvda, nndsvdar, spa, snpa, kmeans, in every layer; not printed.
    variant: one of exact, admm, paper. "exact" minimises the block of W_l by tangents; "admm" splits it as the paper
        does, 20 times slower, for β = 1; "paper" is ADMM with its (27), where ρ lacks a factor W̃, so it does not solve
        its (24).
    rho: ρ > 0 of ADMM. Paper's program: 100.
    epsilon: ADMM ends when ‖W − Z‖ is at most this, > 0. Paper's program: 1e-6.

    Leplat, Le, Onwunta & Gillis (2023), Sec. 3.2, Algorithm 2
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=300, tol=0.0)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"

    beta: float = 1.0
    sums: str = "W"
    alpha: list[float] | None = None
    delta: float = volume.DELTA
    weights: list[float] | None = None
    pretrain: int = 500
    variant: str = "exact"
    rho: float = 100.0
    epsilon: float = 1e-6

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("beta", self.beta, hierarchies.BETAS)
        check_choice("sums", self.sums, hierarchies.PROJECTIONS)
        hierarchies.check_weights(self.weights, self.layers)
        volume.per_layer(self.alpha, 0.05, self.layers)
        check_at_least("pretrain", self.pretrain, 0)
        check_choice("variant", self.variant, ("exact", "admm", "paper"))
        for name in ("delta", "rho", "epsilon"):
            check_positive(name, getattr(self, name))
        if self.variant != "exact" and self.beta != 1:
            raise ConfigError(f"variant={self.variant} needs beta = 1, got {self.beta:g}; variant=exact takes any")

    @property
    def monotone(self) -> bool:
        return self.variant == "exact"

    @property
    def scale_free(self) -> bool:
        return self.variant == "exact" and self.sums == "W" and self.weights is None

    def check(self, problem: Problem) -> None:
        super().check(problem)
        hierarchies.check_zeros(problem, self.beta)

    def iterates(self, problem: Problem, rng: Streams) -> Generator[Hierarchy | None, bool, None]:
        X = problem.X
        Ws, Hs = yield from hierarchies.pretrained(problem, self.layers, rng, self.beta, self.pretrain, self.init)
        if self.sums == "Ht":
            hierarchies.mix(X, Ws, Hs)
        else:
            hierarchies.scale(Ws, Hs, of=self.sums)
        weights = hierarchies.weights(problem, Ws, Hs, self.weights, self.beta)
        costs = weights * hierarchies.costs(problem, Ws, Hs, self.beta)
        alphas = volume.alphas(volume.per_layer(self.alpha, 0.05, self.layers), costs, Ws, self.delta)
        while True:
            yield Hierarchy(tuple(Ws), tuple(Hs), weights, alphas)
            Y, eps = X, hierarchies.floor(problem)
            for l, W in enumerate(Ws):
                H = Hs[l] = hierarchies.codes_step(Y, W, Hs[l], self.beta, eps, self.sums)
                lam, above, weight = weights[:, l, None, None], None, weights[:, -1, None, None]
                if l + 1 < len(Ws):
                    above = hierarchies.above(Ws, Hs, l).clamp(min=hierarchies.EPS)
                    weight = weights[:, l + 1, None, None]
                alpha, bound = alphas[:, l, None, None] / lam, self.sums == "W"
                if above is None or self.variant == "exact":
                    step = (alpha, self.beta, eps, self.delta, bound)
                    Ws[l] = minvol.bases_step(Y, W, H, above, weight / lam, *step)
                else:
                    block = minvol.WBlock(Y, W, H, alpha, eps, self.delta, bound)
                    Ws[l] = block.admm(above, self.rho / lam, self.rho / weight, self.epsilon, self.variant == "paper")
                Y, eps = Ws[l], hierarchies.EPS

    def objective(self, problem: Problem, factorization: Hierarchy) -> Tensor:
        return hierarchies.objective(problem, factorization, self.beta, delta=self.delta)

    def penalty(self, problem: Problem, factorization: Hierarchy) -> Tensor:
        return hierarchies.volumes(factorization, self.delta).to(problem.X)
