"""Unfolded NMF: a network whose layers are multiplicative updates with weights of their own."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nmfbench.numerics import inits, losses
from nmfbench.numerics.factorization import Product
from nmfbench.numerics.nnls import nnls
from nmfbench.numerics.optimizers import Adam
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import (
    Solver,
    Stopping,
    check_at_least,
    check_nonnegative,
    check_positive,
    check_rank,
)

EPS = torch.finfo(torch.float32).eps
"""Added to the denominator of a layer, whatever the dtype."""
CHOICES = ("ones", "random", *inits.CHOICES[1:])


@dataclass(frozen=True, kw_only=True)
class UnfoldedNMF(Solver):
    """min (½‖X − WH‖² + l₁ΣH + ½l₂‖H‖²)/n over W ≥ 0 and the weights P, Q ≥ 0 of the network H = net(X).

    Each of its layers is h ← h ∘ Px/(Qh + l₂h + l₁ + ε): P (r, m) in the place of Wᵀ, Q (r, r) in that of WᵀW, both
    free and different in every layer. An iteration is a step of Adam on all weights and samples; then W solves its
    non-negative least squares for the codes from before the step.
    No sweep is guaranteed to descend: Adam has a fixed learning rate. The objective still falls by half a percent in 10
    steps after 500.

    Parameters
    ----------
    rank: number of components r, ≥ 1.
    n_layers: layers of the network, ≥ 1; paper: 10, of 5, 10, 15 and 20.
    l1: weight l₁ ≥ 0 of the sum of the codes, for X whose largest entry is 1; paper: 0, 1 or 2.
    l2: weight l₂ ≥ 0 of their squares; paper: 0, 1 or 2.
    lr: learning rate of Adam, > 0; paper: 5e-4, unsupervised.
    init: one of ones, random, nndsvd, nndsvda, nndsvdar, spa, snpa, kmeans. "ones", the authors' program, starts with
        all weights alike, so no two components differ until least squares prefers one, and seeds do not differ; 27 of
        40 codes of ORL at 28 × 23 pixels are zero. "random" draws weights uniformly with the same mean. On JAFFE
        k-means on the codes is 13 points of NMI below plain NMF with "ones", and no better with "random". The others
        start with P = Wᵀ and Q = WᵀW, so that layers are multiplicative updates.

    Nasser, Eldar & Sharan (2022), the unsupervised training.
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=500, tol=0.0)
    version: ClassVar[int] = 2
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"

    rank: int
    n_layers: int = 10
    l1: float = 0.0
    l2: float = 0.0
    lr: float = 5e-4
    init: str = "ones"

    def __post_init__(self) -> None:
        check_rank(self.rank)
        check_at_least("n_layers", self.n_layers, 1)
        check_nonnegative("l1", self.l1)
        check_nonnegative("l2", self.l2)
        check_positive("lr", self.lr)
        inits.check_name(self.init, CHOICES)

    @property
    def draws(self) -> bool:
        return inits.draws(self.init)

    def check(self, problem: Problem) -> None:
        super().check(problem)
        if self.init not in ("ones", "random"):
            inits.check(self.init, problem.X, [self.rank])

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Product]:
        # Divided by the unit, because ε and the ε of Adam are absolute.
        unit = problem.unit
        X = problem.X / unit
        P, Q, W = self.start(X, rng)
        optimizer = Adam([P, Q], self.lr)
        yield Product(W, unit * self.network(X, P, Q))
        while True:
            with torch.enable_grad():
                H = self.network(X, P.requires_grad_(), Q.requires_grad_())
            gradients = torch.autograd.grad(H, [P, Q], self.slope(X, W, H.detach()))
            P, Q, H = P.detach(), Q.detach(), H.detach()
            optimizer.step(list(gradients))
            P.clamp_(min=0), Q.clamp_(min=0)
            A = (H * distinct(H)).mT
            W = nnls(A.mT @ A, A.mT @ X.mT, start=W.mT).mT
            yield Product(W, unit * H)

    def start(self, X: Tensor, rng: Streams) -> tuple[Tensor, Tensor, Tensor]:
        """P (S, L, r, m), Q (S, L, r, r), W (S, m, r). A random start has the means of the constant one."""
        L, r, m = self.n_layers, self.rank, len(X)
        if self.init not in ("ones", "random"):
            W, _ = inits.start(self.init, X, r, rng)
            P, Q = (weight[:, None].repeat(1, L, 1, 1) for weight in (W.mT, W.mT @ W))
            return P, Q, W
        shapes = {"P": ((L, r, m), 0.1), "Q": ((L, r, r), 0.1), "W": ((m, r), 1 / m)}
        if self.init == "random":
            P, Q, W = (rng.uniform(name, shape, X, high=2 * mean) for name, (shape, mean) in shapes.items())
        else:
            P, Q, W = (X.new_full((len(rng.seeds), *shape), mean) for shape, mean in shapes.values())
        return P, Q, W

    def network(self, X: Tensor, P: Tensor, Q: Tensor) -> Tensor:
        """The codes (S, r, n) of X, from ones."""
        PX = P @ X
        H = torch.ones_like(PX[:, 0])
        for l in range(self.n_layers):
            H = H * PX[:, l] / (Q[:, l] @ H + self.l2 * H + self.l1 + EPS)
        return H

    def slope(self, X: Tensor, W: Tensor, H: Tensor) -> Tensor:
        """∂`objective`/∂H at constant W, for X whose unit is 1."""
        return (W.mT @ W @ H - W.mT @ X + self.l1 + self.l2 * H) / X.shape[-1]

    def objective(self, problem: Problem, factorization: Product) -> Tensor:
        W, H = factorization.W, factorization.H
        loss = losses.half_square(problem, W, H) / problem.X.shape[-1]
        penalty = self.penalty(problem, factorization)
        return loss if penalty is None else loss + penalty

    def penalty(self, problem: Problem, factorization: Product) -> Tensor | None:
        H, l1 = factorization.H, self.l1 * problem.unit
        terms = l1 * H.sum((-2, -1)) + self.l2 / 2 * H.square().sum((-2, -1))
        return terms / problem.X.shape[-1] if self.l1 or self.l2 else None


def distinct(H: Tensor) -> Tensor:
    """(S, r, 1): false for a component whose codes are, up to rounding, proportional to an earlier component's.

    Least squares may share a feature among such components in any way. An active-set solver gives all of it to the
    first one, and only this separates components that start alike.
    """
    unit = torch.nn.functional.normalize(H, dim=-1, eps=torch.finfo(H.dtype).tiny)
    distances = torch.cdist(unit, unit, compute_mode="donot_use_mm_for_euclid_dist")
    return (distances > 100 * torch.finfo(H.dtype).eps).logical_or(torch.ones_like(distances).triu() > 0).all(-1, True)
