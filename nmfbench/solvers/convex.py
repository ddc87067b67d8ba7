"""Convex NMF: bases are non-negative combinations of samples of any sign."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nmfbench.numerics import inits, losses, mixtures
from nmfbench.numerics.mixtures import Mixtures, Samples
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.started import Started


@dataclass(frozen=True, kw_only=True)
class ConvexNMF(Started):
    """min ½‖X − XAH‖² over A, H ≥ 0, for X of any sign.

    With K = XᵀX = K⁺ − K⁻, each sweep updates H, then A: h ← h · √((AᵀK⁺ + AᵀK⁻AH)/(AᵀK⁻ + AᵀK⁺AH)) and
    a ← a · √((K⁺Hᵀ + K⁻AHHᵀ)/(K⁻Hᵀ + K⁺AHHᵀ)). K is formed where n ≤ 2m. Elsewhere its parts are those that the parts
    of X make, K⁺ = X⁺ᵀX⁺ + X⁻ᵀX⁻ and K⁻ = X⁺ᵀX⁻ + X⁻ᵀX⁺: steps are then shorter for X with both signs.
    Descends: always.

    Parameters
    ----------
    rank: number of components r, ≥ 1.
    init: one of uniform, furthest_sum, spa, snpa, kmeans; paper: kmeans. Only uniform takes r > n.

    Ding, Li & Jordan (2010), convex NMF.
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=5000, tol=1e-5)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "codes"
    accepts_negative: ClassVar[bool] = True
    starts: ClassVar[tuple[str, ...]] = inits.MIXTURE_CHOICES
    monotone: ClassVar[bool] = True
    accepts_missing: ClassVar[bool] = False  # its bases are made of X, so what is filled in moves them
    encodes: ClassVar[Literal["", "layers", "product"]] = "layers"

    init: str = "kmeans"

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Mixtures]:
        samples, kernel = Samples(problem.by_sample, None), Kernel(problem.by_sample)
        At, H = mixtures.start(self.init, samples.X, self.rank, rng)
        plus, minus = kernel.parts(At)
        while True:
            yield Mixtures(samples, (At.mT,), (H,))
            H = H * root(plus + (minus @ At.mT) @ H, minus + (plus @ At.mT) @ H)
            gram, (of_H, minus_of_H) = H @ H.mT, kernel.parts(H)
            At = At * root(of_H + gram @ minus, minus_of_H + gram @ plus)
            plus, minus = kernel.parts(At)

    def objective(self, problem: Problem, factorization: Mixtures) -> Tensor:
        return losses.half_square(problem, factorization.bases[-1], factorization.codes[-1])


class Kernel:
    """K = XᵀX of X (m, n) as a difference K⁺ − K⁻ of two matrices ≥ 0."""

    def __init__(self, X: Tensor):
        m, n = X.shape
        formed = n <= 2 * m
        whole = X.mT @ X if formed else X
        self.formed, self.plus = formed, whole.clamp(min=0)
        self.minus = (-whole).clamp(min=0) if (whole < 0).any() else None

    def parts(self, B: Tensor) -> tuple[Tensor, Tensor]:
        """BK⁺ and BK⁻ for B (S, r, n)."""
        if self.formed:
            return B @ self.plus, torch.zeros_like(B) if self.minus is None else B @ self.minus
        of_plus = B @ self.plus.mT
        if self.minus is None:
            return of_plus @ self.plus, torch.zeros_like(B)
        of_minus = B @ self.minus.mT
        return of_plus @ self.plus + of_minus @ self.minus, of_plus @ self.minus + of_minus @ self.plus


def root(p: Tensor, q: Tensor) -> Tensor:
    """√(p/q), elementwise and finite where q is 0."""
    return (p / q.clamp(min=torch.finfo(q.dtype).tiny)).sqrt()
