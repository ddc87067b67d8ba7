"""Deep NMF by multiplicative updates."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nmfbench.numerics import inits, label_term, losses
from nmfbench.numerics.factorization import Stack
from nmfbench.numerics.optimizers import LeastSquares
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import DeepSolver, Stopping, check_nonnegative


@dataclass(frozen=True, kw_only=True)
class DeepMU(DeepSolver):
    """min ½‖X − W_L…W_1 H‖² + (λ/2)(Σ_l ‖W_l‖² + ‖H‖²) over W_l, H ≥ 0.

    H has r_1 rows and W_l is r_{l+1} × r_l; the codes of layer l are W_{l−1}…W_1 H. Each sweep updates H, W_1, …, W_L:
    F ← F ∘ AᵀXBᵀ / (AᵀAFBBᵀ + λF), where A and B are the products on the left and on the right of F. The WNNF paper
    compares its deep form with this method and does not print how it starts.
    With labels, + (μ/2)‖M∘(Y − CH)‖² over C ≥ 0: Y are the one-hot labels, M masks those that are seen. C is updated
    before H, whose ratio gets μCᵀY above and μCᵀC(M∘H) below. One layer is then semi-supervised NMF. It stands in for
    the deep NMF of Flenner & Hunter (2018) in the Neural NMF paper, which does not specify their pooling.
    Descends: always.

    Parameters
    ----------
    rank: rank r_L ≥ 1 of the last layer; None: the last of ``ranks``.
    ranks: r_1 … r_L, each ≥ 1; None: [rank/2, rank], as in the WNNF paper's Table 3b.
    lam: weight λ ≥ 0 of the L2 penalty, for X whose largest entry is 1; not printed for this baseline, so the WNNF
        paper's 0.1.
    init: one of uniform, nndsvd (its zeros stay zero), nndsvda, nndsvdar, spa, snpa, kmeans, layer by layer from the
        top; not printed.
    lam_labels: weight μ ≥ 0 of the labels, for X whose largest entry is 1; 0: none is used, as in the WNNF paper.

    Lee & Seung (2001), Theorem 1, block by block; Kobayashi & Watanabe, Sec. 3.2
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=1000, tol=1e-5)
    version: ClassVar[int] = 2
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"
    monotone: ClassVar[bool] = True

    lam: float = 0.1
    init: str = "uniform"
    lam_labels: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_nonnegative("lam", self.lam)
        check_nonnegative("lam_labels", self.lam_labels)
        inits.check_name(self.init)

    @property
    def draws(self) -> bool:
        return inits.draws(self.init)

    @property
    def uses_labels(self) -> bool:
        return self.lam_labels > 0

    def check(self, problem: Problem) -> None:
        super().check(problem)
        inits.check_stacked(self.init, problem, self.layers)

    def ranks_below(self, rank: int) -> list[int]:
        return [max(1, rank // 2), rank]

    @property
    def encodes(self) -> Literal["", "layers", "product"]:
        return "layers" if not self.lam else ""

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Stack]:
        X, L = problem.by_sample, len(self.layers)
        sizes = [X.shape[1], *self.layers, len(X)]
        # The product of uniform factors on [0, 2c] has the mean c^(L+1) r_1 … r_L; this c makes it the mean of X.
        c = (problem.mean / math.prod(self.layers)) ** (1 / (L + 1))
        names = ["H", *(f"W{l}" for l in range(1, L + 1))]
        if self.init == "uniform":
            F = [rng.uniform(name, (sizes[i + 1], sizes[i]), X, high=2 * c) for i, name in enumerate(names)]
        else:
            Ws, H = inits.stacked(self.init, X, self.layers, rng)
            F = [H, *Ws]
        tiny, lam = torch.finfo(X.dtype).tiny, self._weight(problem)
        seen = label_term.seen(problem) if self.uses_labels else None
        C, mu = None, label_term.weight(problem, self.lam_labels)
        if seen:
            Y, M = seen
            C = rng.uniform("C", (len(Y), self.layers[0]), X)
        while True:
            yield Stack(tuple(F[1:]), F[0], C)
            if C is not None:
                labelled = M * F[0]
                C = C * (Y @ F[0].mT) / (C @ (labelled @ F[0].mT)).clamp(min=tiny)
            # A[i] is the product on the left of factor i; no update before factor i's own changes it.
            A: list[Tensor | None] = [None, *accumulate(F[:0:-1], torch.matmul)][::-1]
            B: Tensor | None = None
            for i, f in enumerate(F):
                block = LeastSquares(X, A[i], B)
                p, q = block.C, block.Q(f) + lam * f
                if C is not None and i == 0:
                    p, q = p + mu * (C.mT @ Y), q + mu * (C.mT @ C @ labelled)
                F[i] = f * p / q.clamp(min=tiny)
                B = F[i] if B is None else F[i] @ B

    def objective(self, problem: Problem, factorization: Stack) -> Tensor:
        loss = losses.half_square(problem, factorization.Ws[-1], factorization.codes[-1])
        penalty = self.penalty(problem, factorization)
        return loss if penalty is None else loss + penalty

    def penalty(self, problem: Problem, factorization: Stack) -> Tensor | None:
        squares = torch.stack([F.square().sum((-2, -1)) for F in factorization.factors.values()])
        size = self._weight(problem) * squares.sum(0) / 2 if self.lam else None
        labels = label_term.penalty(problem, self.lam_labels / 2, factorization.B, factorization.H)
        return size if labels is None else labels if size is None else size + labels

    def _weight(self, problem: Problem) -> float:
        """λ in the unit u of X: the loss grows as u², and each of the L + 1 factors as its root of that order."""
        L = len(self.layers)
        return self.lam * problem.unit ** (2 * L / (L + 1))
