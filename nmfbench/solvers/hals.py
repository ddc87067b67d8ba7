"""Hierarchical alternating least squares: the fast exact baseline."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from nmfbench.numerics import inits, losses
from nmfbench.numerics.factorization import Product
from nmfbench.numerics.optimizers import coordinate_sweep
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Solver, Stopping, check_rank


@dataclass(frozen=True, kw_only=True)
class HALS(Solver):
    """min ½‖X − WH‖² over W, H ≥ 0, solved exactly in one component at a time.

    Each sweep updates the rows of H in turn, then the columns of W: h_k ← [h_k + w_kᵀ(X − WH)/‖w_k‖²]₊.
    Descends: always.

    Parameters
    ----------
    rank: number of components r, ≥ 1.
    init: one of uniform, nndsvd (its zeros can be left), nndsvda, nndsvdar; paper: random.

    Cichocki, Zdunek & Amari (2007); on the Gram side as in Cichocki & Phan (2009), Algorithm 2.
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=5000, tol=1e-5)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"

    rank: int
    init: str = "uniform"

    def __post_init__(self) -> None:
        check_rank(self.rank)
        inits.check_name(self.init)

    @property
    def draws(self) -> bool:
        return inits.draws(self.init)

    @property
    def monotone(self) -> bool:
        return True

    @property
    def accepts_sparse(self) -> bool:
        return self.init == "uniform"  # because NNDSVD needs a dense singular value decomposition

    def check(self, problem: Problem) -> None:
        super().check(problem)
        inits.check(self.init, problem.X, self.rank)

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Product]:
        X = problem.by_sample
        W, H = inits.start(self.init, X, self.rank, rng)
        # Components lie in rows, so that each is contiguous in both factors.
        Wt = W.mT.contiguous()
        HXt: Tensor | None = None
        while True:
            yield Product(Wt.mT, H, None if HXt is None else HXt.mT)
            coordinate_sweep(H, Wt @ Wt.mT, Wt @ X)
            HXt = H @ X.mT
            coordinate_sweep(Wt, H @ H.mT, HXt)

    def objective(self, problem: Problem, factorization: Product) -> Tensor:
        return losses.half_square(problem, factorization.W, factorization.H, factorization.XHt)
