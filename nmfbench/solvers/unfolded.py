"""Unfolded NMF: a network whose layers are multiplicative updates with weights of their own."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nmfbench.errors import NotApplicable
from nmfbench.numerics import inits, label_term, losses
from nmfbench.numerics.factorization import Product
from nmfbench.numerics.nnls import nnls
from nmfbench.numerics.optimizers import Adam
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.numerics.unfolding import Classified, distinct, network
from nmfbench.solvers.base import Stopping, check_at_least, check_choice, check_nonnegative, check_positive
from nmfbench.solvers.started import Started


@dataclass(frozen=True, kw_only=True)
class UnfoldedNMF(Started):
    """min (½‖X − WH‖² + l₁ΣH + ½l₂‖H‖²)/n over W ≥ 0 and the weights P, Q ≥ 0 of the network H = net(X).

    Each of its layers is h ← h ∘ Px/(Qh + l₂h + l₁ + ε): P (r, m) in the place of Wᵀ, Q (r, r) in that of WᵀW, both
    free and different in every layer. An iteration is a step of Adam on all weights and samples; then W solves its
    non-negative least squares for the codes from before the step.
    With ``training="supervised"`` the weights, l₁ and l₂ minimise ‖L∘(Y − H)‖²/(r · labels seen) instead: Y are the
    one-hot labels, L masks those that are seen, and row k of H scores class k. The paper has the true codes of
    simulated samples in the place of Y. W is as before, for the codes of all samples.
    No sweep is guaranteed to descend: Adam has a fixed learning rate. The objective still falls by half a percent in 10
    steps after 500.

    Parameters
    ----------
    rank: number of components r, ≥ 1.
    n_layers: layers of the network, ≥ 1; paper: 10, of 5, 10, 15 and 20.
    l1: weight l₁ ≥ 0 of the sum of the codes, for X whose largest entry is 1; paper: 0, 1 or 2. Supervised training
        starts from it, 0 by default, and learns it.
    l2: weight l₂ ≥ 0 of their squares; paper: 0, 1 or 2. Supervised training learns it too.
    lr: learning rate of Adam, > 0; paper: 5e-4, unsupervised, and 1e-3, supervised.
    init: one of ones, random, nndsvd, nndsvda, nndsvdar, spa, snpa, kmeans. "ones", the authors' program, starts with
        all weights alike, 0.1 or, supervised, 1. So no two components differ until least squares, or a label, prefers
        one, and seeds do not differ; 27 of 40 codes of ORL at 28 × 23 pixels are zero. "random" draws weights uniformly
        with the same mean. On JAFFE k-means on the codes is 13 points of NMI below plain NMF with "ones", and no better
        with "random". The others start with P = Wᵀ and Q = WᵀW, so that layers are multiplicative updates.
    training: one of unsupervised, supervised; paper: both. Supervised training needs labels and a component a class.

    Nasser, Eldar & Sharan (2022), both trainings.
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=500, tol=0.0)
    version: ClassVar[int] = 2
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"

    starts: ClassVar[tuple[str, ...]] = ("ones", "random", *inits.CHOICES[1:])

    n_layers: int = 10
    l1: float = 0.0
    l2: float = 0.0
    lr: float = 5e-4
    init: str = "ones"
    training: str = "unsupervised"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("n_layers", self.n_layers, 1)
        check_nonnegative("l1", self.l1)
        check_nonnegative("l2", self.l2)
        check_positive("lr", self.lr)
        check_choice("training", self.training, ("unsupervised", "supervised"))

    @property
    def uses_labels(self) -> bool:
        return self.training == "supervised"

    def check(self, problem: Problem) -> None:
        super().check(problem)
        if not self.uses_labels:
            return
        if (seen := label_term.seen(problem)) is None:
            raise NotApplicable(
                "unfolded with training=supervised needs labels: label_fraction=0.4 shows it 40 %; in "
                "Python, a Problem with labels and labelled"
            )
        if self.rank < (classes := len(seen[0])):
            raise NotApplicable(f"unfolded with training=supervised needs rank ≥ {classes} classes, got {self.rank}")

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Product]:
        # Divided by the unit, because ε, the ε of Adam and labels are absolute.
        unit, target = problem.unit, label_term.target(problem, self.rank) if self.uses_labels else None
        X = problem.X / unit
        P, Q, W = self.start(X, rng)
        learnt = [] if target is None else [P.new_full((len(P), 1, 1), l) for l in (self.l1, self.l2)]
        l1, l2 = learnt or (self.l1, self.l2)
        kind = Product if target is None else Classified
        yield kind(W, unit * network(X, P, Q, l1, l2))
        weights = [weight.requires_grad_() for weight in (P, Q, *learnt)]
        optimizer = Adam(weights, self.lr)
        while True:
            with torch.enable_grad():
                H = network(X, P, Q, l1, l2)
            gradients = torch.autograd.grad(H, weights, self.slope(X, W, H.detach(), target))
            optimizer.step(list(gradients))
            torch._foreach_clamp_min_(weights, 0)
            H = H.detach()
            A = (H * distinct(H)).mT
            W = nnls(A.mT @ A, A.mT @ X.mT, start=W.mT).mT
            yield kind(W, unit * H)

    def start(self, X: Tensor, rng: Streams) -> tuple[Tensor, Tensor, Tensor]:
        """P (S, L, r, m), Q (S, L, r, r), W (S, m, r). A random start has the means of the constant one."""
        L, r, m, mean = self.n_layers, self.rank, len(X), 1.0 if self.uses_labels else 0.1
        if self.init not in ("ones", "random"):
            W, _ = inits.start(self.init, X, r, rng)
            P, Q = (weight[:, None].repeat(1, L, 1, 1) for weight in (W.mT, W.mT @ W))
            return P, Q, W
        shapes = {"P": ((L, r, m), mean), "Q": ((L, r, r), mean), "W": ((m, r), 1 / m)}
        if self.init == "random":
            P, Q, W = (rng.uniform(name, shape, X, high=2 * mean) for name, (shape, mean) in shapes.items())
        else:
            P, Q, W = (X.new_full((len(rng.seeds), *shape), mean) for shape, mean in shapes.values())
        return P, Q, W

    def slope(self, X: Tensor, W: Tensor, H: Tensor, target: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """∂`objective`/∂H at constant W, for X whose unit is 1."""
        if target:
            Y, L = target
            return 2 * L * (H - Y) / (len(Y) * L.sum())
        return (W.mT @ W @ H - W.mT @ X + self.l1 + self.l2 * H) / X.shape[-1]

    def objective(self, problem: Problem, factorization: Product) -> Tensor:
        W, H = factorization.W, factorization.H
        if self.uses_labels and (target := label_term.target(problem, self.rank)):
            Y, L = target
            return (L * (H / problem.unit - Y).square()).sum((-2, -1)) / (len(Y) * L.sum())
        loss = losses.half_square(problem, W, H) / problem.X.shape[-1]
        penalty = self.penalty(problem, factorization)
        return loss if penalty is None else loss + penalty

    def penalty(self, problem: Problem, factorization: Product) -> Tensor | None:
        if self.uses_labels or not (self.l1 or self.l2):
            return None
        H, l1 = factorization.H, self.l1 * problem.unit
        terms = l1 * H.sum((-2, -1)) + self.l2 / 2 * H.square().sum((-2, -1))
        return terms / problem.X.shape[-1]
