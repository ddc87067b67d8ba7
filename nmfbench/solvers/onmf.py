"""Approximately orthogonal NMF: overlapping codes are penalised."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from nmfbench.numerics import inits, losses, penalised
from nmfbench.numerics.factorization import Product
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping, check_at_least, check_nonnegative
from nmfbench.solvers.started import Started


@dataclass(frozen=True, kw_only=True)
class OrthogonalNMF(Started):
    """min ½‖X − WH‖² + λ Σ_{j<k} h_jh_kᵀ over W, H ≥ 0 with ‖w_k‖ = 1.

    Codes ≥ 0 are orthogonal where no sample has two of them, so the penalty draws every sample to one component.
    ``pretrain`` sweeps of plain NMF come first: from a random start a large λ leaves all samples to one component.
    Each sweep solves for one row of H, then for one column of W after the other, and gives columns unit length.
    Descends: always.

    Parameters
    ----------
    rank: number of components r, ≥ 1.
    lam: weight λ ≥ 0 of the overlap, without unit: λ enters like the cosine of two bases. Not printed; measured.
    pretrain: sweeps without penalty before the first with it, ≥ 0; measured.
    init: one of uniform, nndsvd (its zeros can be left), nndsvda, nndsvdar, spa, snpa, kmeans; paper: random.

    Li, Zhou & Cichocki (2015), its penalty and hierarchical least squares
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=1000, tol=1e-5)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"
    monotone: ClassVar[bool] = True
    reads_sparse: ClassVar[bool] = True

    lam: float = 0.02
    pretrain: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        check_nonnegative("lam", self.lam)
        check_at_least("pretrain", self.pretrain, 0)

    def iterates(self, problem: Problem, rng: Streams) -> Generator[Product | None, bool, None]:
        X = problem.by_sample
        W, H = inits.start(self.init, X, self.rank, rng)
        Wt, length = penalised.unit_rows(W.mT.contiguous())
        H = H * length
        for _ in range(self.pretrain):
            penalised.sweep(X, Wt, H)
            if (yield None):
                break
        HXt: Tensor | None = None
        while True:
            yield Product(Wt.mT, H, None if HXt is None else HXt.mT)
            HXt = penalised.sweep(X, Wt, H, orthogonal=self.lam)

    def objective(self, problem: Problem, factorization: Product) -> Tensor:
        loss = losses.half_square(problem, factorization.W, factorization.H, factorization.XHt)
        penalty = self.penalty(problem, factorization)
        return loss if penalty is None else loss + penalty

    def penalty(self, problem: Problem, factorization: Product) -> Tensor | None:
        return self.lam * penalised.overlap(factorization.H) if self.lam else None
