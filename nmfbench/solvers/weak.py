"""The base of the weakly non-negative methods: leaky rectified factors, the loss, and Adam on mini-batches."""

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nmfbench.numerics import leaky
from nmfbench.numerics.leaky import Leaky, LeakyStack
from nmfbench.numerics.optimizers import Adam
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Solver, Stopping, check_at_least, check_choice, check_positive, check_share

READINGS = {"relative": (0.001, 0.0025), "penalty": (0.1, 0.001), "decoupled": (0.1, 0.001)}  # default λ and lr


@dataclass(frozen=True, kw_only=True)
class WeakSolver(Solver):
    """min ℓ(X, product of φ(factors)) + λ Σ‖factor‖² over real factors; the parameters are those of `WNNF`."""

    stopping: ClassVar[Stopping] = Stopping(max_iter=1000, tol=0.0)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "weak"
    accepts_negative: ClassVar[bool] = True

    eta: float = 0.1
    lam: float | None = None
    loss: str = "l1"
    reading: str = "relative"
    loss_reduction: str = "mean"
    batch_size: int | None = 64
    lr: float | None = None
    curriculum: int = 0

    def __post_init__(self) -> None:
        check_choice("loss", self.loss, ("l1", "l2"))
        check_choice("reading", self.reading, READINGS)
        check_choice("loss_reduction", self.loss_reduction, ("mean", "sum"))
        check_share("eta", self.eta)
        check_at_least("lam", self.weight, 0)
        check_positive("lr", self.rate)
        check_at_least("batch_size", 1 if self.batch_size is None else self.batch_size, 1)
        check_at_least("curriculum", self.curriculum, 0)

    @property
    def scale_free(self) -> bool:
        return self.reading == "relative"

    @property
    def weight(self) -> float:
        """λ."""
        return READINGS[self.reading][0] if self.lam is None else self.lam

    @property
    def rate(self) -> float:
        """The learning rate, in units of the codes' bound at the start if the reading is relative."""
        return READINGS[self.reading][1] if self.lr is None else self.lr

    def unit(self, problem: Problem) -> float:
        """What counts as an entry of 1: the mean of |X| if the reading is relative."""
        return (problem.mean_size or 1.0) if self.scale_free else 1.0

    @abstractmethod
    def start(self, problem: Problem, rng: Streams) -> tuple[Tensor, list[Tensor], Tensor]:
        """Samples (n, …), bases (S, …) and codes (S, n, …): samples first, so that a batch is one contiguous copy."""

    def factorization(self, problem: Problem, Ws: list[Tensor], H: Tensor, eta: Tensor) -> Leaky:
        """The factorization that these parameters define."""
        return LeakyStack(tuple(Ws), H.mT, eta)

    def gradient(self, problem: Problem, X: Tensor, Ws: Sequence[Tensor], H: Tensor, eta: float) -> list[Tensor]:
        """∂/∂(Ws, H) of the objective of a step on the batch X (S, b, …), H (S, b, …)."""
        gradients = self.loss_gradient(problem, X, Ws, H, eta)
        if self.reading != "decoupled" and self.weight:
            shares = self.shares(problem, Ws, H[0].numel(), H.shape[1])
            for gradient, parameter, share in zip(gradients, [*Ws, H], shares, strict=True):
                gradient.add_(parameter, alpha=2 * self.weight * share)
        return gradients

    def loss_gradient(self, problem: Problem, X: Tensor, Ws: Sequence[Tensor], H: Tensor, eta: float) -> list[Tensor]:
        """The same without the penalty."""
        return leaky.gradient(X, Ws, H, eta, self.loss, self.divisor(H))

    def divisor(self, H: Tensor) -> int:
        return H.shape[1] if self.loss_reduction == "mean" else 1

    def shares(self, problem: Problem, Ws: Sequence[Tensor], entries: float, b: float) -> list[float]:
        """What λ is multiplied by for each basis, and for the codes of a batch: ``entries`` numbers of b samples."""
        size = len(problem.X) * (1 if self.loss_reduction == "mean" else b)
        rows = [*(W.shape[1] for W in Ws), entries / Ws[0].shape[-1]]
        return [size / r if self.scale_free else 1.0 for r in rows]

    @property
    def footnote(self) -> str:
        size = "all samples" if self.batch_size is None else f"{self.batch_size} samples"
        own = f"as {self.reading}; the paper's (9) sums over all samples, so here the batch size weighs λ"
        how = "relative to the loss of an entry" if self.scale_free else own
        loss = f"the {self.loss_reduction} over batches of {size} of the loss summed over features"
        return f"wnnf descends {loss}, with λ {how}"

    def n_batches(self, n: int) -> int:
        """Number of batches that n samples make."""
        return 1 if self.batch_size is None else math.ceil(n / self.batch_size)

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Leaky]:
        samples, Ws, H = self.start(problem, rng)
        (S, n), unit = H.shape[:2], self.unit(problem)
        # Factors of a lower rank start larger, so they need larger steps.
        scale = leaky.bound(H.shape[-1]) if self.scale_free else 1
        optimizer = Adam([*Ws, H], self.rate * scale, decay=self.weight if self.reading == "decoupled" else 0.0)
        orders = rng.permutations("batches", n, H)
        offsets, dH = n * torch.arange(S, device=H.device)[:, None], torch.zeros_like(H)
        whole = (samples / unit).expand(S, *samples.shape) if self.n_batches(n) == 1 else None
        for epoch in count():
            eta = leaky.slope_at(epoch, self.eta, self.curriculum)
            # The last basis gets the unit back, because φ(ux) = uφ(x).
            yield self.factorization(problem, [*Ws[:-1], Ws[-1] * unit], H, H.new_full((S,), eta))
            if whole is not None:
                optimizer.step(self.gradient(problem, whole, Ws, H, eta))
                continue
            # Nearly equal batches, because a short last batch would give its samples more weight.
            for batch in next(orders).tensor_split(self.n_batches(n), dim=1):
                rows = (batch + offsets).flatten()  # a general index takes several times as long
                X = samples.index_select(0, batch.flatten()).div_(unit).unflatten(0, batch.shape)
                H_batch = H.flatten(0, 1).index_select(0, rows).unflatten(0, batch.shape)
                *dWs, dH_batch = self.gradient(problem, X, Ws, H_batch, eta)
                dH.zero_().flatten(0, 1).index_copy_(0, rows, dH_batch.flatten(0, 1))
                optimizer.step([*dWs, dH])

    def objective(self, problem: Problem, factorization: Leaky) -> Tensor:
        """The expected mean of a step's loss over the batches of an epoch, (S,), for X in its unit."""
        n, unit, penalty = problem.X.shape[-1], self.unit(problem), self.penalty(problem, factorization)
        total = factorization.misfit(problem.X, self.loss) / (unit if self.loss == "l1" else unit**2)
        loss = total / (n if self.loss_reduction == "mean" else self.n_batches(n))
        return loss if penalty is None else loss + penalty

    def penalty(self, problem: Problem, factorization: Leaky) -> Tensor | None:
        if self.reading == "decoupled":
            return None
        (*below, W), H = factorization.Ws, factorization.H
        batches = self.n_batches(n := problem.X.shape[-1])
        shares = self.shares(problem, factorization.Ws, H[0].numel() / batches, n / batches)
        factors = (*below, W / self.unit(problem), H)
        terms = [share * factor.square().flatten(1).sum(1) for share, factor in zip(shares, factors, strict=True)]
        return self.weight * (sum(terms[:-1]) + terms[-1] / batches)
