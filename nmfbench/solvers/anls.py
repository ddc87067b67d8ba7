"""Alternating non-negative least squares: the baseline with the fewest and dearest sweeps."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nmfbench.numerics import inits, losses
from nmfbench.numerics.factorization import Product
from nmfbench.numerics.nnls import nnls
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.started import Started


@dataclass(frozen=True, kw_only=True)
class ANLS(Started):
    """min ½‖X − WH‖² over W, H ≥ 0, solved exactly in one factor at a time.

    Each sweep sets H = argmin_{H≥0} ‖X − WH‖, then W = argmin_{W≥0} ‖X − WH‖, by block principal pivoting from the
    last solution.
    Descends: always.

    Parameters
    ----------
    rank: number of components r, ≥ 1.
    init: one of uniform, nndsvd (its zeros can be left), nndsvda, nndsvdar, spa, snpa, kmeans; paper: random.
        The first sweep replaces H.

    Kim & Park (2011), each factor by Algorithm 2.
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=1000, tol=1e-5)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"
    monotone: ClassVar[bool] = True
    reads_sparse: ClassVar[bool] = True
    encodes: ClassVar[Literal["", "layers", "product"]] = "layers"

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Product]:
        X = problem.by_sample
        W, H = inits.start(self.init, X, self.rank, rng)
        XHt: Tensor | None = None
        while True:
            yield Product(W, H, XHt)
            H = self._solve(H, W.mT @ W, W.mT @ X)
            XHt = (H @ X.mT).mT
            W = self._solve(W.mT, H @ H.mT, XHt.mT).mT

    def objective(self, problem: Problem, factorization: Product) -> Tensor:
        return losses.half_square(problem, factorization.W, factorization.H, factorization.XHt)

    def _solve(self, H: Tensor, gram: Tensor, cross: Tensor) -> Tensor:
        """argmin_{H≥0} ‖X − WH‖ (S, r, n). A row whose column of W is zero stays, so that the component can recover."""
        return torch.where(gram.diagonal(dim1=-2, dim2=-1)[..., None] > 0, nnls(gram, cross, H), H)
