"""Deep sparse NMF: layers with L1 penalties, then their product."""

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nmfbench.numerics import layerwise, losses, penalised
from nmfbench.numerics.factorization import Chain, Chained, product
from nmfbench.numerics.optimizers import LeastSquares, apg
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.projections import ball
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import DeepSolver, Stopping, check_at_least, check_choice, check_nonnegative


@dataclass(frozen=True)
class SparseChain(Chained):
    """X ≈ W₁…W_L H. In `factors`, columns of W_l have unit length and H has the scale; `Ws` and `H` are the iterates.

    Parameters
    ----------
    Ws: iterates W_l (…, r_{l−1}, r_l) ≥ 0 with r_0 = m.
    H: iterate H (…, r_L, n) ≥ 0.
    weights: λ of the L1 norms of W_1, …, W_L and H, (…, L + 1), fixed at the start; 0 where there is no penalty.
    """

    Ws: tuple[Tensor, ...]
    H: Tensor
    weights: Tensor

    @property
    def chain(self) -> Chain:
        """The same product with unit columns, and the codes W_{l+1}…W_L H of each layer l."""
        Ws: list[Tensor] = []
        scale = torch.ones_like(self.Ws[0][..., :1, :1])
        for W in self.Ws:
            Wt, scale = penalised.unit_rows((scale * W).mT)
            Ws.append(Wt.mT)
        codes = accumulate(reversed(Ws[1:]), lambda above, W: W @ above, initial=scale * self.H)
        return Chain(tuple(Ws), tuple(codes)[::-1])

    @property
    def factors(self) -> dict[str, Tensor]:
        return self.chain.factors


@dataclass(frozen=True, kw_only=True)
class DeepSparseNMF(DeepSolver):
    """min ½‖X − W₁…W_L H‖² + λ_H‖H‖₁ + Σ_l λ_l‖W_l‖₁ over W_l, H ≥ 0, with bounds on what has no penalty.

    Layers are pre-trained, ½‖H_{l−1} − W_l H_l‖² + λ‖H_l‖₁ with unit columns of W_l, or with λ‖W_l‖₁, or both; λ = 0 is
    multilayer NMF. Each sweep then moves W_1, …, W_L and H by ``inner`` steps of accelerated proximal gradient, W_l or
    H without penalty within columns or rows of length one. Penalties on all W_l also remove components of the lower
    layers in these sweeps: on digits 7 of 16 with λ = 0.03.
    Descends: always.

    Parameters
    ----------
    rank: rank r_L ≥ 1 of the top layer; None: the last of ``ranks``.
    ranks: r_1 … r_L, each ≥ 1; None: [2·rank, rank].
    of: the sparse factors, one of H, W, both; the paper has all three.
    lam: weight λ ≥ 0. 1 would make all codes, or all bases, of a layer zero in pre-training, and of the factor at the
        start of the sweeps over all. Not printed; measured.
    pretrain: sweeps of each layer by itself before the first sweep over all, ≥ 0; not printed.
    inner: steps a block, ≥ 1; not printed, the dnsNMF authors' program: 10.

    Guo & Zhang (2019); De Handschutter, Gillis & Siebert (2021), Sec. 3.2.2
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=500, tol=1e-5)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"
    monotone: ClassVar[bool] = True

    of: str = "H"
    lam: float = 0.01
    pretrain: int = 100
    inner: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("of", self.of, ("H", "W", "both"))
        check_nonnegative("lam", self.lam)
        check_at_least("pretrain", self.pretrain, 0)
        check_at_least("inner", self.inner, 1)

    def iterates(self, problem: Problem, rng: Streams) -> Generator[SparseChain | None, bool, None]:
        X, L = problem.by_sample, len(self.layers)
        F = yield from self._pretrained(problem, rng)
        if self.of == "W":
            F[L], length = penalised.unit_rows(F[L])
            F[L - 1] = F[L - 1] * length.mT
        sparse = [self.of != "H"] * L + [self.of != "W"]
        bounds = [torch.relu if one else ball if i == L else partial(ball, dim=-2) for i, one in enumerate(sparse)]
        below = [None, *accumulate(F[:L], torch.matmul)]
        terms = [LeastSquares(X, A, B).C for A, B in zip(below, above(F), strict=True)]
        weights = self.lam * torch.stack([C.amax((-2, -1)) for C in terms], -1) * X.new_tensor(sparse)
        while True:
            yield SparseChain(tuple(F[:L]), F[L], weights)
            A: Tensor | None = None
            for i, B in enumerate(above(F)):
                block = LeastSquares(X, A, B)
                C = block.C - weights[:, i, None, None]
                F[i] = apg(F[i], block.Q, C, block.lipschitz, self.inner, bounds[i])
                A = F[i] if A is None else A @ F[i]

    def _pretrained(self, problem: Problem, rng: Streams) -> Generator[None, bool, list[Tensor]]:
        """W_1, …, W_L with unit columns and H_L, each layer by itself."""
        X = problem.by_sample / problem.unit  # because the starts of the upper layers are absolute
        Wts, Hs = layerwise.start(X, self.layers, rng)
        for l, Wt in enumerate(Wts):
            Wts[l], length = penalised.unit_rows(Wt)
            Hs[l] = Hs[l] * length

        # No code of unit columns is longer than the longest sample, no basis of unit rows than the longest feature.
        def weight(factor: str, below: Tensor, dim: int) -> Tensor | None:
            if not self.lam or self.of not in (factor, "both"):
                return None
            return self.lam * penalised.longest(below, dim).reshape(-1, 1, 1).to(X)

        for _ in range(self.pretrain):
            below = X
            for Wt, H in zip(Wts, Hs, strict=True):
                penalised.sweep(below, Wt, H, weight("H", below, -2), weight("W", below, -1))
                below = H
            if (yield None):
                break
        return [*(Wt.mT for Wt in Wts), problem.unit * Hs[-1]]

    def objective(self, problem: Problem, factorization: SparseChain) -> Tensor:
        loss = losses.half_square(problem, product(factorization.Ws), factorization.H)
        penalty = self.penalty(problem, factorization)
        return loss if penalty is None else loss + penalty

    def penalty(self, problem: Problem, factorization: SparseChain) -> Tensor | None:
        sums = torch.stack([F.sum((-2, -1)) for F in (*factorization.Ws, factorization.H)], -1)
        return (factorization.weights * sums).sum(-1) if self.lam else None


def above(F: list[Tensor]) -> list[Tensor | None]:
    """The product on the right of each factor (S, …, …), None for the last; no step on a factor below moves it."""
    products = [*accumulate(reversed(F[1:]), lambda right, W: W @ right)]
    return [*products[::-1], None]
