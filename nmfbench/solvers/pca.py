"""The second control: principal components."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from nmfbench.errors import NotApplicable
from nmfbench.numerics.factorization import Product
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Solver, Stopping, check_rank


@dataclass(frozen=True)
class Centred(Product):
    """X ≈ WH + mean; bases times codes lacks the mean.

    Parameters
    ----------
    W: orthonormal bases (…, m, r).
    H: scores (…, r, n), of any sign.
    XHt: None: no step is taken.
    mean: mean sample (…, m, 1).
    """

    mean: Tensor = field(kw_only=True)

    def reconstruct(self) -> Tensor:
        return self.W @ self.H + self.mean


@dataclass(frozen=True, kw_only=True)
class PCA(Solver):
    """min ½‖X − μ1ᵀ − WH‖² over W with orthonormal columns, by one SVD.

    Parameters
    ----------
    rank: number of components r, 1 to min(m, n).

    Pearson (1901).
    """

    stopping: ClassVar[Stopping] = Stopping()
    direct: ClassVar[bool] = True
    accepts_negative: ClassVar[bool] = True
    draws: ClassVar[bool] = False

    rank: int

    def __post_init__(self) -> None:
        check_rank(self.rank)

    def check(self, problem: Problem) -> None:
        super().check(problem)
        if self.rank > min(problem.X.shape):
            m, n = problem.X.shape
            raise NotApplicable(f"PCA has at most {min(m, n)} components on a {m} × {n} X, got rank {self.rank}")

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Centred]:
        mean = problem.X.mean(-1, keepdim=True)
        centred = problem.X - mean
        if not centred.isfinite().all():  # sums of huge entries overflow; of such a matrix the SVD would raise
            centred = torch.zeros_like(centred)
            mean = mean * math.nan
        U, s, Vt = torch.linalg.svd(centred, full_matrices=False)
        W, H = U[:, : self.rank], s[: self.rank, None] * Vt[: self.rank]
        yield Centred(W, H, mean=mean).map(lambda tensor: tensor.expand(len(rng.seeds), -1, -1))

    def encode(self, factorization: Any, X: Tensor) -> Tensor:
        return factorization.W.mT @ (X - factorization.mean)

    def objective(self, problem: Problem, factorization: Centred) -> Tensor:
        return (problem.X - factorization.reconstruct()).square().sum((-2, -1)) / 2
