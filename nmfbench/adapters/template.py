"""A method of yours: say in a line what it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nmfbench.numerics import inits, losses
from nmfbench.numerics.factorization import Product
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Solver, Stopping, check_nonnegative, check_rank


@dataclass(frozen=True, kw_only=True)
class Template(Solver):
    """min ½‖X − WH‖² + (λ/2)‖H‖² over W, H ≥ 0: put your problem here.

    Multiplicative updates of H, then W. Put your algorithm here.

    Parameters
    ----------
    rank: number of components r, ≥ 1.
    lam: weight λ ≥ 0 of the codes' squares, for X whose largest entry is 1.

    Your Name (2030), with the year: the last line is the source.
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=500)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"

    rank: int
    lam: float = 0.0

    def __post_init__(self) -> None:
        check_rank(self.rank)
        check_nonnegative("lam", self.lam)

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Product]:
        # The first axis of W (S, m, r) and H (S, r, n) holds S restarts: write .mT for a transpose, and dim=-1.
        X, lam, tiny = problem.X, self._weight(problem), torch.finfo(problem.X.dtype).tiny
        W, H = inits.uniform(X, self.rank, rng)
        while True:
            yield Product(W, H)  # the start, and then the factors after each sweep; fit() knows when to stop
            H = H * (W.mT @ X) / (W.mT @ W @ H + lam * H).clamp(min=tiny)
            W = W * (X @ H.mT) / (W @ (H @ H.mT)).clamp(min=tiny)

    def objective(self, problem: Problem, factorization: Product) -> Tensor:
        loss = losses.half_square(problem, factorization.W, factorization.H)
        penalty = self.penalty(problem, factorization)
        return loss if penalty is None else loss + penalty

    def penalty(self, problem: Problem, factorization: Product) -> Tensor | None:
        return self._weight(problem) / 2 * factorization.H.square().sum((-2, -1)) if self.lam else None

    def _weight(self, problem: Problem) -> float:
        """Return λ in the unit of X: the loss grows as X² and the penalty as X, so 1000·X keeps the codes."""
        return self.lam * problem.unit
