"""Robust NMF: losses that outliers do not rule, by weights that fall with the residual."""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nmfbench.numerics import inits, robust
from nmfbench.numerics.factorization import Product
from nmfbench.numerics.multiplicative import gradient
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping, check_at_least, check_choice
from nmfbench.solvers.started import Started


@dataclass(frozen=True)
class RobustProduct(Product):
    """X ≈ WH, and the size from which on a residual counts less than with its square.

    Parameters
    ----------
    W: bases (…, m, r).
    H: codes (…, r, n).
    XHt: None: the weights of the next sweep need other products.
    scale: c (…) of the loss, fixed at the start.
    """

    scale: Tensor = field(kw_only=True)


@dataclass(frozen=True, kw_only=True)
class RobustNMF(Started):
    """min Σ φ(r) over W, H ≥ 0, where r are the entries of X − WH, or the lengths of its columns, and φ grows slowly.

    φ is r²/2 up to r = c and cr − c²/2 beyond (huber), the same over c (l1, and l21 for columns; c is small), or
    c²(1 − exp(−r²/2c²)) (correntropy). With the weights Q = φ′(r)/r, H ← H ∘ Wᵀ(Q∘X) / Wᵀ(Q∘WH), and W alike with
    new weights. ``pretrain`` sweeps of plain NMF come first, and c is measured on what they leave. The papers measure
    it in every iteration, and so change what they minimise.
    Descends: always.

    Parameters
    ----------
    rank: number of components r, ≥ 1.
    loss: one of l21 (whole samples are outliers), huber (c is the median of |r|), correntropy (c² is the mean of r²),
        l1.
    pretrain: multiplicative sweeps on the squared error before the first with weights, ≥ 0; not printed.
    init: one of uniform, nndsvd (its zeros stay zero), nndsvda, nndsvdar, spa, snpa, kmeans; not printed.

    Kong, Ding & Huang (2011), l21; Du, Li & Shen (2012), the other losses
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=1000, tol=1e-5)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"
    monotone: ClassVar[bool] = True
    accepts_missing: ClassVar[bool] = False  # filled-in entries have no residual: they would lower c

    loss: str = "l21"
    pretrain: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("loss", self.loss, robust.LOSSES)
        check_at_least("pretrain", self.pretrain, 0)

    def iterates(self, problem: Problem, rng: Streams) -> Generator[RobustProduct | None, bool, None]:
        X = problem.by_sample
        W, H = inits.start(self.init, X, self.rank, rng)
        Wt = W.mT.contiguous()  # components in rows, so that WᵀX is one product for all restarts
        for _ in range(self.pretrain):
            H = H * ratio(*gradient(Wt, X, H, 2, 0))
            Wt = Wt * ratio(*gradient(H, X.mT, Wt, 2, 0))
            if (yield None):
                break
        scale = robust.scale(self.loss, problem, Wt, H)
        c = scale[:, None, None]
        while True:
            yield RobustProduct(Wt.mT, H, scale=scale)
            if self.loss == "l21":
                # A weight that all entries of a sample share cancels in the step of its codes.
                H = H * ratio(*gradient(Wt, X, H, 2, 0))
                weighted = H * robust.weights("l21", robust.lengths(X, Wt, H), c)
                Wt = Wt * ratio(weighted @ X.mT, (weighted @ H.mT) @ Wt)
            else:
                H = H * ratio(*robust.weighted_gradient(self.loss, Wt, X, H, c))
                Wt = Wt * ratio(*robust.weighted_gradient(self.loss, H, X.mT, Wt, c))

    def objective(self, problem: Problem, factorization: RobustProduct) -> Tensor:
        W, H, scale = factorization.W, factorization.H, factorization.scale
        return robust.total(self.loss, problem.X, W.mT, H, scale[:, None, None]).to(H.dtype)


def ratio(p: Tensor, q: Tensor) -> Tensor:
    """Return p/q elementwise, written into p; 1 where q is 0, as for a sample whose weights all vanish."""
    return torch.where(q > 0, p.div_(q.clamp(min=torch.finfo(q.dtype).tiny)), 1)
