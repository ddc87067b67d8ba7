"""Sparse NMF: an L1 penalty on the codes."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nmfbench.numerics import inits, losses
from nmfbench.numerics.factorization import Product
from nmfbench.numerics.optimizers import apg, spectral_norm
from nmfbench.numerics.penalised import unit_rows
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.projections import ball
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping, check_at_least, check_nonnegative
from nmfbench.solvers.started import Started


@dataclass(frozen=True, kw_only=True)
class SparseNMF(Started):
    """min ½‖X − WH‖² + λ‖H‖₁ over W, H ≥ 0 with ‖w_k‖ ≤ 1.

    Without the bound on the columns of W the penalty would vanish by scaling alone. Each sweep moves H, then W, by
    ``inner`` steps of accelerated proximal gradient. Codes shrink with λ, so the error grows with the sparsity.
    Descends: always.

    Parameters
    ----------
    rank: number of components r, ≥ 1.
    lam: weight λ ≥ 0, in lengths of the longest sample, which no entry of WᵀX exceeds: from 1 on all codes are zero.
        Not printed; measured.
    inner: steps a block, ≥ 1; not printed, the dnsNMF authors' program: 10.
    init: one of uniform, nndsvd, nndsvda, nndsvdar, spa, snpa, kmeans, then columns of W of unit length; paper: random.

    Hoyer (2002), its objective; the blocks as in Beck & Teboulle (2009)
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=1000, tol=1e-5)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"
    monotone: ClassVar[bool] = True
    reads_sparse: ClassVar[bool] = True

    lam: float = 0.03
    inner: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        check_nonnegative("lam", self.lam)
        check_at_least("inner", self.inner, 1)

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Product]:
        X = problem.by_sample
        W, H = inits.start(self.init, X, self.rank, rng)
        Wt, length = unit_rows(W.mT.contiguous())
        H, lam, HXt = H * length, self._weight(problem), None
        while True:
            yield Product(Wt.mT, H, None if HXt is None else HXt.mT)
            gram = Wt @ Wt.mT
            H = apg(H, partial(torch.matmul, gram), (Wt @ X).sub_(lam), spectral_norm(gram), self.inner)
            gram, HXt = H @ H.mT, H @ X.mT
            Wt = apg(Wt, partial(torch.matmul, gram), HXt, spectral_norm(gram), self.inner, ball)

    def objective(self, problem: Problem, factorization: Product) -> Tensor:
        loss = losses.half_square(problem, factorization.W, factorization.H, factorization.XHt)
        penalty = self.penalty(problem, factorization)
        return loss if penalty is None else loss + penalty

    def penalty(self, problem: Problem, factorization: Product) -> Tensor | None:
        return self._weight(problem) * factorization.H.sum((-2, -1)) if self.lam else None

    def _weight(self, problem: Problem) -> float:
        """λ in the unit of X."""
        return self.lam * problem.longest if self.lam else 0.0
