"""Projective NMF."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from nmfbench.numerics import inits, losses
from nmfbench.numerics.factorization import Product
from nmfbench.numerics.hierarchies import ratio
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.started import Started


@dataclass(frozen=True, kw_only=True)
class ProjectiveNMF(Started):
    """min ½‖X − WWᵀX‖² over W ≥ 0.

    The codes are H = WᵀX, so a new sample is encoded by one product. Each sweep is
    W ← W ∘ (2XHᵀ / (WHHᵀ + XHᵀWᵀW))^⅓: the term −⟨XXᵀ, WWᵀ⟩ is concave and lies below its tangent, the other grows
    no faster than a fourth power, which gives the exponent. Bases come out nearly orthogonal, so parts hardly overlap.
    Descends: always.

    Parameters
    ----------
    rank: number of components r, ≥ 1.
    init: one of uniform, nndsvd (its zeros stay zero), nndsvda, nndsvdar, spa, snpa, kmeans: the start of W, which is
        then scaled; paper: random.

    Yuan & Oja (2005); the exponent as in Yang & Oja (2010)
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=2000, tol=1e-5)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"
    monotone: ClassVar[bool] = True
    reads_sparse: ClassVar[bool] = True
    accepts_missing: ClassVar[bool] = False  # its codes are made of X, so what is filled in moves them

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Product]:
        X = problem.by_sample
        Wt = inits.start(self.init, X, self.rank, rng)[0].mT.contiguous()
        H = Wt @ X
        # The multiple of WWᵀX that is nearest to X.
        squares = ((H @ H.mT) * (Wt @ Wt.mT)).sum((-2, -1), keepdim=True)
        scale = (H.square().sum((-2, -1), keepdim=True) / squares.clamp(min=torch.finfo(H.dtype).tiny)).sqrt()
        Wt, H = Wt * scale, H * scale
        while True:
            HXt = H @ X.mT
            yield Product(Wt.mT, H, HXt.mT)
            Wt = Wt * ratio(2 * HXt, (H @ H.mT) @ Wt + (Wt @ Wt.mT) @ HXt) ** (1 / 3)
            H = Wt @ X

    def encode(self, factorization: Any, X: Tensor) -> Tensor:
        return factorization.W.mT @ X

    def objective(self, problem: Problem, factorization: Product) -> Tensor:
        return losses.half_square(problem, factorization.W, factorization.H, factorization.XHt)
