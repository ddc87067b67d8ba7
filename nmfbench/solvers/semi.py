"""Semi-NMF: only the codes are non-negative."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from nmfbench.numerics import inits, losses
from nmfbench.numerics.factorization import Product
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.numerics.signed import masked_semi_sweep, semi_sweep
from nmfbench.solvers.base import Solver, Stopping, check_rank


@dataclass(frozen=True, kw_only=True)
class SemiNMF(Solver):
    """min ‖X − ZH‖² over Z of any sign and H ≥ 0, for X of any sign.

    Each sweep solves for Z = XH⁺, then moves h ← h · √(([ZᵀX]₊ + [ZᵀZ]₋H)/([ZᵀX]₋ + [ZᵀZ]₊H)), where A± = (|A| ± A)/2.
    Descends: always.

    Parameters
    ----------
    rank: number of components r, ≥ 1.
    init: one of svd, random, spa, snpa, kmeans. "svd", the choice of deep semi-NMF's authors, is Gillis & Kumar (2015)
        without its zeros; "random" draws H uniformly; kmeans is the paper's. Only random and kmeans differ by seed.

    Ding, Li & Jordan (2010); started as in Gillis & Kumar (2015), Algorithm 2.
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=500, tol=1e-5, check_every=1)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "codes"
    accepts_negative: ClassVar[bool] = True
    skips_missing: ClassVar[bool] = True
    monotone: ClassVar[bool] = True
    encodes: ClassVar[Literal["", "layers", "product"]] = "layers"

    rank: int
    init: str = "svd"

    def __post_init__(self) -> None:
        check_rank(self.rank)
        inits.check_name(self.init, inits.SEMI_CHOICES)

    @property
    def draws(self) -> bool:
        return inits.draws(self.init)

    def check(self, problem: Problem) -> None:
        super().check(problem)
        inits.check_semi(self.init, problem.X, [self.rank])

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Product]:
        Z, H = inits.semi(self.init, problem.X, self.rank, rng)
        X, M = problem.by_sample, problem.weights
        X = X if M is None else X * M
        while True:
            yield Product(Z, H)
            Z, H = semi_sweep(X, H) if M is None else masked_semi_sweep(X, M, Z, H)

    def objective(self, problem: Problem, factorization: Product) -> Tensor:
        return 2 * losses.half_square(problem, factorization.W, factorization.H)
