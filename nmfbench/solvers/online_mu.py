"""Multiplicative updates on mini-batches, for X that is larger than memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.numerics import inits, losses
from nmfbench.numerics.factorization import Product
from nmfbench.numerics.multiplicative import gradient
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Solver, Stopping, check_at_least, check_choice, check_rank


@dataclass(frozen=True, kw_only=True)
class OnlineMultiplicativeNMF(Solver):
    """min D_β(X, WH) over W, H ≥ 0, on mini-batches of samples.

    Each step updates the codes of its batch once, h ← h · (p/q)^γ with p and q the negative and positive parts of the
    gradient. Then W ← (A/B)^γ, where A ← ρA + w^(1/γ)p and B ← ρB + q remember the batches before. Batches are
    consecutive samples, so that a memory-mapped X is read in order and is never in memory as a whole.
    D_2 = ½‖X − WH‖², D_1 = Kullback–Leibler, D_0 = Itakura–Saito.
    No sweep is guaranteed to descend: W fits codes of earlier batches, which have changed since.

    Parameters
    ----------
    rank: number of components r, ≥ 1.
    beta: β of the divergence, one of 0, 1 and 2; the paper has 0, which needs X > 0.
    batch_size: samples a step, ≥ 1.
    forget: what is left of the memory after an epoch, in [0, 1]; of a batch of b samples ρ = forget^(b/n) is left, as
        in scikit-learn's MiniBatchNMF. 1 forgets nothing; 0 knows the last batch alone. Not printed; measured.

    Lefèvre, Bach & Févotte (2011), Algorithm 1, with the codes kept from one epoch to the next
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=200, tol=0.0)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"
    skips_missing: ClassVar[bool] = True

    rank: int
    beta: float = 2.0
    batch_size: int = 256
    forget: float = 0.1

    def __post_init__(self) -> None:
        check_rank(self.rank)
        check_choice("beta", self.beta, (0, 1, 2))
        check_at_least("batch_size", self.batch_size, 1)
        if not 0 <= self.forget <= 1:
            raise ConfigError(f"forget must lie in [0, 1], got {self.forget}")

    def check(self, problem: Problem) -> None:
        super().check(problem)
        if self.beta == 0 and problem.extremes[0] == 0:
            raise NotApplicable("the Itakura–Saito divergence (β = 0) is infinite where X is 0; use β > 0")

    @property
    def encodes(self) -> Literal["", "layers", "product"]:
        return "layers" if self.beta == 2 else ""

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Product]:
        X, floor, precision = problem.X, self._floor(problem), torch.finfo(problem.X.dtype)
        W, H = inits.start("uniform", X, self.rank, rng)
        Wt = W.mT.contiguous()
        gamma = 0.5 if self.beta == 0 else 1.0
        left = self.forget ** min(self.batch_size / X.shape[1], 1)
        # The start counts as one sample, else features that are zero in the first batch would stay zero.
        weight = max(problem.mean, precision.tiny) ** (self.beta - 0.5) / self.rank**0.5
        B = torch.full_like(Wt, min(weight, precision.max))
        A = Wt ** (1 / gamma) * B
        M = problem.weights
        X = X if M is None else X * M
        while True:
            yield Product(Wt.mT, H)
            weights = repeat(None) if M is None else M.split(self.batch_size, 1)
            for x, m, h in zip(X.split(self.batch_size, 1), weights, H.split(self.batch_size, 2), strict=False):
                p, q = gradient(Wt, x, h, self.beta, floor, m)
                h.mul_(p.div_(q.clamp_(min=precision.tiny)).pow_(gamma))
                # W has the same gradient, on Xᵀ ≈ HᵀWᵀ.
                p, q = gradient(h, x.mT, Wt, self.beta, floor, None if m is None else m.mT)
                A.mul_(left).add_(p.mul_(Wt.pow(1 / gamma)))
                B.mul_(left).add_(q.clamp_(min=precision.tiny))
                Wt = (A / B).pow_(gamma)

    def objective(self, problem: Problem, factorization: Product) -> Tensor:
        return losses.of_product(problem, factorization.W, factorization.H, self.beta, self._floor(problem))

    def _floor(self, problem: Problem) -> float:
        """Lower bound for WH, relative to X's scale, so that its powers stay finite in float32."""
        precision = torch.finfo(problem.X.dtype)
        return max(precision.eps * problem.mean, precision.tiny)
