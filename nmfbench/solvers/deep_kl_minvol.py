"""Minimum-volume deep Kullback–Leibler NMF."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from nmfbench.numerics import hierarchies, volume
from nmfbench.numerics.factorization import Hierarchy
from nmfbench.numerics.minvol import WBlock
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping, check_at_least, check_choice
from nmfbench.solvers.started import DeepStarted

RHO = 100.0
"""ρ of ADMM."""


@dataclass(frozen=True, kw_only=True)
class MinVolDeepKL(DeepStarted):
    """min Σ_l λ_l KL(W_{l−1}, W_l H_l) + α_l log det(W_lᵀW_l + δI) over W_l, H_l ≥ 0 with W_lᵀe = e.

    Starts like `DeepKL`, scaled to W_lᵀe = e. Each sweep takes a multiplicative step of H_l, then moves W_l to its
    majoriser's minimum: in closed form at the top, by five such steps below.
    Descends: with ``variant="exact"``; ADMM may raise it. Scale-free: with that and no ``weights``, as ρ has no unit.

    Parameters
    ----------
    rank: rank r_L ≥ 1 of the top layer; None: the last of ``ranks``.
    ranks: r_1 … r_L, each ≥ 1; None: [2·rank, rank]. Paper: [4, 2] on Samson and Moffett, [3, 2] on Tumor.
    alpha: α̃_1 … α̃_L, each ≥ 0; α_l makes the penalty of layer l α̃_l times λ_l KL_l at the start. None: 0.05, the
        authors' default. Paper: [4, 1] on Moffett, [2.5e-5, 0.01] on Tumor, [0.45, 0.45] on Samson.
    weights: λ_1 … λ_L, each > 0; None: KL_1/KL_l at the start, the paper's 1/KL_l in the unit of X.
    pretrain: sweeps of the multilayer method before the first sweep over all layers, ≥ 0; not printed, as for `DeepKL`.
    init: one of uniform, nndsvd, nndsvda, nndsvdar, spa, snpa, kmeans, in every layer; not printed.
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
        Ws, Hs = yield from hierarchies.pretrained(problem, self.layers, rng, 1.0, self.pretrain, self.init)
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
                    above = hierarchies.above(Ws, Hs, l).clamp(min=hierarchies.EPS)
                    lam_above = weights[:, l + 1, None, None]
                    if self.variant == "exact":
                        Ws[l] = block.tangents(above, lam_above / lam)
                    else:
                        Ws[l] = block.admm(above, RHO / lam, RHO / lam_above, self.variant == "paper")
                Y, eps = Ws[l], hierarchies.EPS

    def objective(self, problem: Problem, factorization: Hierarchy) -> Tensor:
        return hierarchies.objective(problem, factorization, beta=1)

    def penalty(self, problem: Problem, factorization: Hierarchy) -> Tensor:
        return hierarchies.volumes(factorization).to(problem.X)
