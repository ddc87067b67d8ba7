"""Layer-centric deep matrix factorization."""

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nmfbench.numerics import hierarchies, volume
from nmfbench.numerics.factorization import Hierarchy
from nmfbench.numerics.optimizers import apg, spectral_norm
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.projections import simplex
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping, check_at_least, check_choice
from nmfbench.solvers.started import DeepStarted


@dataclass(frozen=True, kw_only=True)
class LayerCentricDMF(DeepStarted):
    """min Σ_l (λ_l/2) ‖W_{l−1} − W_l H_l‖² + α_l log det(W_lᵀW_l + δI) over W_l, H_l ≥ 0, W_0 = X.

    Columns of W_l or rows of H_l sum to one; otherwise the upper errors would vanish by scaling alone. Blocks move by
    accelerated proximal gradient, the log det by its tangent.
    Scale-free: if columns of W_l sum to one, with weights of the start; given weights set layers in different units
    against each other, and δ is absolute. If rows of H_l sum to one, without a volume penalty.
    Descends: always.

    Parameters
    ----------
    rank: rank r_L ≥ 1 of the top layer; None: the last of ``ranks``.
    ranks: r_1 … r_L, each ≥ 1; None: [2·rank, rank]. Deep KL-NMF paper: [4, 2] on Samson and Moffett, [3, 2] on Tumor.
    sums: one of W, H: W_lᵀe = e, as in the deep KL-NMF paper, or H_l e = e.
    alpha: α̃_1 … α̃_L, each ≥ 0; α_l makes the volume penalty of layer l α̃_l times its weighted error at the start.
        None: 0. Deep KL-NMF paper: [0.15, 0.15] on Samson, [2, 1] on Moffett.
    weights: λ_1 … λ_L, each > 0; None: the error of layer 1 over that of layer l at the start.
    pretrain: multiplicative sweeps, layer by layer, before the first sweep over all, ≥ 0; not printed, as for `DeepKL`.
    init: one of uniform, nndsvd, nndsvda, nndsvdar, spa, snpa, kmeans, in every layer; not printed.
    inner: steps of accelerated proximal gradient a block, ≥ 1; not printed.

    De Handschutter & Gillis (2023)
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=500, tol=0.0)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"

    sums: str = "W"
    alpha: list[float] | None = None
    weights: list[float] | None = None
    pretrain: int = 500
    inner: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("sums", self.sums, ("W", "H"))
        hierarchies.check_weights(self.weights, self.layers)
        volume.per_layer(self.alpha, 0.0, self.layers)
        check_at_least("pretrain", self.pretrain, 0)
        check_at_least("inner", self.inner, 1)

    @property
    def monotone(self) -> bool:
        return True

    @property
    def scale_free(self) -> bool:
        return self.weights is None if self.sums == "W" else not any(self.alpha or [])

    def iterates(self, problem: Problem, rng: Streams) -> Generator[Hierarchy | None, bool, None]:
        X = problem.X
        Ws, Hs = yield from hierarchies.pretrained(problem, self.layers, rng, 2.0, self.pretrain, self.init)
        hierarchies.scale(Ws, Hs, of=self.sums)
        weights = hierarchies.weights(problem, Ws, Hs, self.weights, 2.0)
        costs = weights * hierarchies.costs(problem, Ws, Hs, 2.0)
        alphas = volume.alphas(volume.per_layer(self.alpha, 0.0, self.layers), costs, Ws)
        project_W, project_H = (simplex if self.sums == F else torch.relu for F in "WH")
        while True:
            yield Hierarchy(tuple(Ws), tuple(Hs), weights, alphas)
            Y = X
            for l, W in enumerate(Ws):
                gram = W.mT @ W
                H = apg(Hs[l], partial(torch.matmul, gram), W.mT @ Y, spectral_norm(gram), self.inner, project_H)
                lam, alpha = weights[:, l, None, None], alphas[:, l, None, None]
                # The majoriser is λ‖Y − WH‖²/2 + α⟨A, WᵀW⟩ + λ⁺‖W − W̄‖²/2 = ½⟨W, WG⟩ − ⟨C, W⟩ + …
                G = lam * (H @ H.mT) + 2 * alpha * volume.inverse(W)
                C = lam * (H @ Y.mT)
                if l + 1 < len(Ws):
                    above = weights[:, l + 1, None, None]
                    G = G + above * torch.eye(W.shape[-1], dtype=W.dtype, device=W.device)
                    C = C + above * hierarchies.above(Ws, Hs, l).mT
                # Of Wᵀ, whose rows are contiguous; G is symmetric.
                Ws[l] = apg(W.mT, partial(torch.matmul, G), C, spectral_norm(G), self.inner, project_W).mT
                Hs[l], Y = H, Ws[l]

    def objective(self, problem: Problem, factorization: Hierarchy) -> Tensor:
        return hierarchies.objective(problem, factorization, beta=2)

    def penalty(self, problem: Problem, factorization: Hierarchy) -> Tensor | None:
        return hierarchies.volumes(factorization).to(problem.X) if any(self.alpha or []) else None
