"""Hierarchical alternating least squares: the fast exact baseline."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nmfbench.numerics import acceleration, inits, losses
from nmfbench.numerics.factorization import Product
from nmfbench.numerics.optimizers import coordinate_sweep, masked_coordinate_sweep
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping, check_choice
from nmfbench.solvers.started import Started

ALPHA = 0.5
"""Cost of the further updates of a factor, relative to that of its products. Gillis & Glineur (2012), Sec. 4."""
START, ETA, GAMMA, GAMMA_CAP = 0.5, 1.5, 1.01, 1.005
"""β at the start, and by what β is divided, β and its bound multiplied. Ang & Gillis (2019), their values for HALS."""


@dataclass(frozen=True, kw_only=True)
class HALS(Started):
    """min ½‖X − WH‖² over W, H ≥ 0, solved exactly in one component at a time.

    Each sweep updates the rows of H in turn, then the columns of W: h_k ← [h_k + w_kᵀ(X − WH)/‖w_k‖²]₊.
    Descends: always.

    Parameters
    ----------
    rank: number of components r, ≥ 1.
    init: one of uniform, nndsvd (its zeros can be left), nndsvda, nndsvdar, spa, snpa, kmeans; paper: random.
    accelerate: one of none; inner (each factor is updated several times for one product with X, Gillis & Glineur 2012);
        extrapolated (inner, with momentum β that restarts from the last pair where it would raise the objective, Ang &
        Gillis 2019).

    Cichocki, Zdunek & Amari (2007); on the Gram side as in Cichocki & Phan (2009), Algorithm 2.
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=5000, tol=1e-5)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"
    skips_missing: ClassVar[bool] = True
    monotone: ClassVar[bool] = True
    reads_sparse: ClassVar[bool] = True
    encodes: ClassVar[Literal["", "layers", "product"]] = "layers"

    accelerate: str = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("accelerate", self.accelerate, acceleration.CHOICES)

    @property
    def accepts_missing(self) -> bool:
        return self.accelerate == "none"  # because the products of a masked update cannot be used twice

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Product]:
        X = problem.by_sample
        W, H = inits.start(self.init, X, self.rank, rng)
        # Components lie in rows, so that each is contiguous in both factors.
        Wt = W.mT.contiguous()
        most = acceleration.repeats(X, self.rank, 0 if self.accelerate == "none" else ALPHA)
        if self.accelerate == "extrapolated":
            yield from self._extrapolated(X, Wt, H, most)
        if (M := problem.weights) is not None:
            X = X * M
            while True:
                yield Product(Wt.mT, H)
                masked_coordinate_sweep(H, Wt, X, M)
                masked_coordinate_sweep(Wt, H, X.mT, M.mT)
        HXt: Tensor | None = None
        while True:
            yield Product(Wt.mT, H, None if HXt is None else HXt.mT)
            self._update(H, Wt @ Wt.mT, Wt @ X, most[0])
            HXt = H @ X.mT
            self._update(Wt, H @ H.mT, HXt, most[1])

    def _update(self, H: Tensor, gram: Tensor, cross: Tensor, most: int) -> None:
        acceleration.repeat(lambda: coordinate_sweep(H, gram, cross), H, most)

    def _extrapolated(self, X: Tensor, W: Tensor, H: Tensor, most: tuple[int, int]) -> Iterator[Product]:
        """Sweeps of W (S, r, m) and H (S, r, n): W moves from Ŵ = W + β(W − W_before), for Ĥ = [H + β(H − H_before)]₊.

        What is yielded, and restarted from, is the pair (W, Ĥ), here named (W, H).
        """
        W_ahead, H_before, HXt = W, H, H @ X.mT
        beta = before = W.new_full((len(W), 1, 1), START)
        cap, used, WX = torch.ones_like(beta), torch.zeros_like(beta), torch.zeros_like(H)
        while True:
            yield Product(W.mT, H, HXt.mT)
            cross = W_ahead @ X
            # WᵀX without a product of its own, because Ŵ = W + β(W − W_before).
            WX = (cross + used * WX) / (1 + used)
            H_new = H.clone()
            self._update(H_new, W_ahead @ W_ahead.mT, cross, most[0])
            H_ahead = torch.relu(H_new + beta * (H_new - H_before))
            gram, cross = H_ahead @ H_ahead.mT, H_ahead @ X.mT
            W_new = W_ahead.clone()
            self._update(W_new, gram, cross, most[1])
            # The change of the objective from moves times gradients: of two objectives, too few digits are left.
            by_H = (H_ahead - H) * ((W @ W.mT) @ (H_ahead + H) / 2 - WX)
            by_W = (W_new - W) * (gram @ (W_new + W) / 2 - cross)
            rises = (by_H.sum((-2, -1)) + by_W.sum((-2, -1)))[:, None, None] > 0
            used = torch.where(rises, 0, beta)
            W_ahead = torch.where(rises, W, W_new + beta * (W_new - W))
            H_before = torch.where(rises, H, H_new)
            W, H, HXt = (torch.where(rises, old, new) for old, new in ((W, W_new), (H, H_ahead), (HXt, cross)))
            beta, before, cap = (
                torch.where(rises, beta / ETA, torch.minimum(cap, GAMMA * beta)),
                beta,
                torch.where(rises, before, (GAMMA_CAP * cap).clamp(max=1)),
            )

    def objective(self, problem: Problem, factorization: Product) -> Tensor:
        return losses.half_square(problem, factorization.W, factorization.H, factorization.XHt)
