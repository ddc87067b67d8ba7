"""Multiplicative updates for any β-divergence."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.numerics import acceleration, inits, losses
from nmfbench.numerics.factorization import Product
from nmfbench.numerics.multiplicative import gradient
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping, check_choice, check_nonnegative
from nmfbench.solvers.started import Started

ALPHA = 2.0
"""Cost of the further updates of a factor, relative to that of its products. Gillis & Glineur (2012), Sec. 4."""


@dataclass(frozen=True, kw_only=True)
class MultiplicativeNMF(Started):
    """min D_β(X, WH) + (λ/2)(‖W‖² + ‖H‖²) over W, H ≥ 0.

    Each sweep updates H, then W: h ← h · (p/(q + λh))^γ, p and q the negative and positive parts of the gradient.
    Descends: if β = 2 or λ = 0, and not extrapolated.

    Parameters
    ----------
    rank: number of components r, ≥ 1.
    beta: β of the divergence, any real: 2 for ½‖X − WH‖² (the WNNF paper's baseline "NMF [4]"), 1 Kullback–Leibler,
        0 Itakura–Saito. β ≤ 0 needs X > 0.
    lam: weight λ ≥ 0 of the L2 penalty, for X whose largest entry is 1; the WNNF paper prints none for this baseline.
    init: one of uniform, nndsvd (its zeros stay zero), nndsvda, nndsvdar, spa, snpa, kmeans; not printed.
    accelerate: one of none; inner (β = 2: a factor is updated several times for one product with X, Gillis & Glineur
        2012); extrapolated (1 ≤ β ≤ 2: h is updated from h + β_k[h − h_before]₊, Hien, Leplat & Gillis 2024).

    Lee & Seung (2001), Theorems 1 and 2; Févotte & Idier (2011), Sec. 4.
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=1000, tol=1e-5)
    version: ClassVar[int] = 2
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"
    skips_missing: ClassVar[bool] = True

    beta: float = 2.0
    lam: float = 0.0
    accelerate: str = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_nonnegative("lam", self.lam)
        check_choice("accelerate", self.accelerate, acceleration.CHOICES)
        lowest = {"inner": 2, "extrapolated": 1}.get(self.accelerate)
        if lowest is not None and not lowest <= self.beta <= 2:
            raise ConfigError(f"accelerate={self.accelerate} needs {lowest} ≤ beta ≤ 2, got {self.beta:g}")

    @property
    def monotone(self) -> bool:
        # Only the quadratic update (β = 2) majorises the penalty's curvature exactly.
        return (self.beta == 2 or self.lam == 0) and self.accelerate != "extrapolated"

    @property
    def accepts_sparse(self) -> bool:
        # Other divergences need WH where X is zero, and the other starts a dense X.
        return self.beta in (1, 2) and self.init == "uniform"

    @property
    def accepts_missing(self) -> bool:
        return self.accelerate == "none"  # because the products of a masked update cannot be used twice

    @property
    def gamma(self) -> float:
        """The exponent that makes the update a majorise-minimise step. Févotte & Idier (2011), eq. (57)."""
        if self.beta < 1:
            return 1 / (2 - self.beta)
        return 1.0 if self.beta <= 2 else 1 / (self.beta - 1)

    def check(self, problem: Problem) -> None:
        super().check(problem)
        if self.beta <= 0 and (problem.X == 0).any():
            raise NotApplicable(f"the β-divergence with β = {self.beta:g} is infinite where X is 0; use β > 0")

    @property
    def encodes(self) -> Literal["", "layers", "product"]:
        return "layers" if self.beta == 2 and not self.lam else ""

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Product]:
        X = problem.by_sample if self.beta == 2 else problem.X
        floor, lam, M = self._floor(problem), self._weight(problem), problem.weights
        W, H = inits.start(self.init, X, self.rank, rng)
        Wt = W.mT.contiguous()  # components in rows, so that WᵀX is one product for all restarts
        X, Mt = (X, None) if M is None else (X * M, M.mT)
        most = acceleration.repeats(X, self.rank, ALPHA if self.accelerate == "inner" else 0)
        extrapolated, eta = self.accelerate == "extrapolated", 1.0
        H_before, Wt_before, HXt = H, Wt, None
        while True:
            yield Product(Wt.mT, H, None if HXt is None else HXt.mT)
            former, eta = eta, (1 + (1 + 4 * eta**2) ** 0.5) / 2
            further = (former - 1) / eta
            if extrapolated:
                H, H_before = H + further * torch.relu(H - H_before), H
            self._step(H, Wt, X, M, most[0], floor, lam)
            if extrapolated:
                Wt, Wt_before = Wt + further * torch.relu(Wt - Wt_before), Wt
            HXt = self._step(Wt, H, X.mT, Mt, most[1], floor, lam)  # the same step, on Xᵀ ≈ HᵀWᵀ

    def objective(self, problem: Problem, factorization: Product) -> Tensor:
        W, H = factorization.W, factorization.H
        if self.beta == 2:
            loss = losses.half_square(problem, W, H, factorization.XHt)
        else:
            loss = losses.of_product(problem, W, H, self.beta, self._floor(problem))
        penalty = self.penalty(problem, factorization)
        return loss if penalty is None else loss + penalty

    def penalty(self, problem: Problem, factorization: Product) -> Tensor | None:
        squares = factorization.W.square().sum((-2, -1)) + factorization.H.square().sum((-2, -1))
        return self._weight(problem) / 2 * squares if self.lam else None

    def _weight(self, problem: Problem) -> float:
        """λ in the unit of X: the divergence grows as its β-th power, the penalty as X."""
        return self.lam * problem.unit ** (self.beta - 1) if self.lam else 0.0

    def _floor(self, problem: Problem) -> float:
        """Lower bound for WH, relative to X's scale, so that its powers stay finite in float32."""
        precision = torch.finfo(problem.X.dtype)
        return max(precision.eps * problem.mean, precision.tiny)

    def _step(
        self, B: Tensor, A: Tensor, X: Tensor, M: Tensor | None, most: int, floor: float, lam: float
    ) -> Tensor | None:
        """Update B (S, r, n) in place for X ≈ AᵀB, A (S, r, m). Returns AX at β = 2, for the objective."""
        if self.beta != 2 or M is not None:
            self._update(B, *gradient(A, X, B, self.beta, floor, M), lam)
            return None
        p, gram = A @ X, A @ A.mT
        acceleration.repeat(lambda: self._update(B, p, gram @ B, lam), B, most)
        return p

    def _update(self, B: Tensor, p: Tensor, q: Tensor, lam: float) -> None:
        q = q + lam * B if lam else q
        # In place, because for many restarts a step is bound by memory; p is kept where the objective needs it.
        ratio = torch.div(p, q.clamp_(min=torch.finfo(B.dtype).tiny), out=q if self.beta == 2 else p)
        B.mul_(ratio if self.gamma == 1 else ratio.pow_(self.gamma))
