"""Weakly non-negative factorization."""

import math
from dataclasses import dataclass

from torch import Tensor

from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import check_rank
from nmfbench.solvers.weak import WeakSolver


@dataclass(frozen=True, kw_only=True)
class WNNF(WeakSolver):
    """min ℓ(X, φ(W)φ(H)) + λ(‖W‖² + ‖H‖²) over real W, H, φ(x) = max(x, ηx).

    By Adam on mini-batches of samples; what ℓ, λ and the other parameters mean stands at `WeakSolver`.
    Kobayashi & Watanabe, Sec. 3.1, eqs. (9) and (10)
    """

    rank: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rank(self.rank)

    def start(self, problem: Problem, rng: Streams) -> tuple[Tensor, list[Tensor], Tensor]:
        m, n = problem.X.shape
        bound = math.sqrt(6 / self.rank)  # He et al. (2015): fan-in r
        W = rng.uniform("W", (m, self.rank), problem.X, -bound, bound)
        H = rng.uniform("H", (self.rank, n), problem.X, -bound, bound)
        return problem.X.mT.contiguous(), [W], H.mT.contiguous()
