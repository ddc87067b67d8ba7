"""Weakly non-negative factorization of several layers."""

import math
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import DeepSolver
from nmfbench.solvers.weak import WeakSolver


@dataclass(frozen=True, kw_only=True)
class DeepWNNF(WeakSolver, DeepSolver):
    """min ℓ(X, φ(W_L)…φ(W_1)φ(H)) + λ(Σ_l ‖W_l‖² + ‖H‖²) over real W_l, H, φ(x) = max(x, ηx).

    H has r_1 rows and W_l is r_{l+1} × r_l, so the first layer is the one at the samples; the codes of layer l are
    φ(W_{l−1})…φ(W_1)φ(H). By Adam on mini-batches of samples; the other parameters stand at `WeakSolver`.
    Kobayashi & Watanabe, Sec. 3.2, eq. (11)
    """

    def __post_init__(self) -> None:
        DeepSolver.__post_init__(self)
        WeakSolver.__post_init__(self)

    def ranks_below(self, rank: int) -> list[int]:
        return [max(1, rank // 2), rank]

    def start(self, problem: Problem, rng: Streams) -> tuple[Tensor, list[Tensor], Tensor]:
        X, r = problem.X, self.layers
        bounds = [math.sqrt(6 / fan_in) for fan_in in r]  # He et al. (2015)
        shapes = [(above, below) for below, above in pairwise([*r, len(X)])]
        Ws = [
            rng.uniform(f"W{l}", shape, X, -bound, bound)
            for l, (shape, bound) in enumerate(zip(shapes, bounds, strict=True), start=1)
        ]
        H = rng.uniform("H", (r[0], X.shape[1]), X, -bounds[0], bounds[0])
        return X.mT.contiguous(), Ws, H.mT.contiguous()
