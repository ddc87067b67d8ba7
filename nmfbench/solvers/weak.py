"""The base of the weakly non-negative methods: leaky rectified factors, a loss and an optimizer on mini-batches."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from nmfbench.numerics import batches, descent, leaky, weak_losses
from nmfbench.numerics.leaky import Leaky, LeakyStack, Mask, Tensors
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
    skips_missing: ClassVar[bool] = True

    eta: float = 0.1
    lam: float | None = None
    loss: str = "l1"
    optimizer: str = "adam"
    reading: str = "relative"
    loss_reduction: str = "mean"
    batch_size: int | None = 64
    lr: float | None = None
    curriculum: int = 0

    def __post_init__(self) -> None:
        check_choice("loss", self.loss, weak_losses.DEGREES)
        check_choice("optimizer", self.optimizer, descent.OPTIMIZERS)
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
    def decays(self) -> bool:
        """Whether λ is a decay of all parameters, and not a penalty in the gradient."""
        return self.reading == "decoupled" or self.optimizer == "adamw"

    @property
    def weight(self) -> float:
        """λ."""
        return READINGS["decoupled" if self.decays else self.reading][0] if self.lam is None else self.lam

    @property
    def rate(self) -> float:
        """The learning rate, in units of the codes' bound at the start if the reading is relative."""
        default = 10.0 if self.optimizer == "sgd" and self.scale_free else READINGS[self.reading][1]
        return default if self.lr is None else self.lr

    def unit(self, problem: Problem) -> float:
        """The unit of entries: the mean of |X| if the reading is relative."""
        return (problem.mean_size or 1.0) if self.scale_free else 1.0

    def check(self, problem: Problem) -> None:
        super().check(problem)
        weak_losses.check(self.loss, problem.extremes[0])

    @abstractmethod
    def start(self, problem: Problem, rng: Streams) -> tuple[list[Tensor], Tensor]:
        """Bases (S, …) and codes (S, n, …): samples first, so that a batch is one contiguous copy."""

    def arranged(self, problem: Problem, A: Tensor) -> Tensor:
        """An array of the size of X (m, n) with samples first, as the loss takes them (n, …)."""
        return A.mT.contiguous()

    def factorization(self, problem: Problem, Ws: list[Tensor], H: Tensor, eta: Tensor) -> Leaky:
        """The factorization that these parameters define."""
        return LeakyStack(tuple(Ws), H.mT, eta)

    def gradient(self, problem: Problem, X: Tensor, Ws: Tensors, H: Tensor, eta: float, mask: Mask = None) -> Tensors:
        """∂/∂(Ws, H) of a step's objective on the batch X (S, b, …), H (S, b, …), ``mask`` False where X is missing."""
        gradients = self.loss_gradient(problem, X, Ws, H, eta, mask)
        if self.weight and not self.decays:
            shares = self.shares(problem, Ws, H[0].numel(), H.shape[1])
            for gradient, parameter, share in zip(gradients, [*Ws, H], shares, strict=True):
                gradient.add_(parameter, alpha=2 * self.weight * share)
        return gradients

    def loss_gradient(self, problem: Problem, X: Tensor, Ws: Tensors, H: Tensor, eta: float, mask: Mask) -> Tensors:
        """The same without the penalty."""
        return leaky.gradient(X, Ws, H, eta, self.loss, H.shape[1] if self.loss_reduction == "mean" else 1, mask)

    def shares(self, problem: Problem, Ws: Tensors, entries: float, b: float) -> list[float]:
        """The factors of λ for a basis, and for the codes of a batch: ``entries`` numbers of b samples."""
        size = len(problem.X) * (1 if self.loss_reduction == "mean" else b)
        rows = [*(W.shape[1] for W in Ws), entries / Ws[0].shape[-1]]
        return [size / r if self.scale_free else 1.0 for r in rows]

    @property
    def footnote(self) -> str:
        size = "all samples" if self.batch_size is None else f"{self.batch_size} samples"
        own = f"as {self.reading}; the paper's (9) sums over all samples, so here the batch size weighs λ"
        how = own if not self.scale_free else "as decay" if self.decays else "relative to the loss of an entry"
        loss = f"the {self.loss_reduction} over batches of {size} of the loss summed over features"
        return f"wnnf descends {loss}, with λ {how}"

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Leaky]:
        Ws, H = self.start(problem, rng)
        (S, n), unit, dH = H.shape[:2], self.unit(problem), H.new_zeros(H.shape)
        samples = self.arranged(problem, problem.by_sample)
        mask = None if problem.observed is None else self.arranged(problem, problem.observed)
        # Factors of a lower rank start larger, so they need larger steps.
        scale = leaky.bound(H.shape[-1]) if self.scale_free else 1
        if self.optimizer == "sgd" and self.scale_free:
            scale /= len(problem.X)  # because gradients, which the others normalise, are sums over the features
        optimizer = descent.OPTIMIZERS[self.optimizer]([*Ws, H], self.rate * scale, self.weight if self.decays else 0.0)
        epochs = batches.epochs(samples, mask, unit, rng.permutations("batches", n, H), S, self.batch_size)
        for number, epoch in enumerate(epochs):
            eta = leaky.slope_at(number, self.eta, self.curriculum)
            # The last basis gets the unit back, because φ(ux) = uφ(x).
            yield self.factorization(problem, [*Ws[:-1], Ws[-1] * unit], H, H.new_full((S,), eta))
            for X, M, batch in epoch:
                *dWs, dH_batch = self.gradient(problem, X, Ws, batches.rows(H, batch), eta, M)
                optimizer.step([*dWs, batches.spread(dH_batch, batch, dH)])

    def objective(self, problem: Problem, factorization: Leaky) -> Tensor:
        """The expected mean of a step's loss over the batches of an epoch, (S,), for X in its unit."""
        n, unit, penalty = problem.X.shape[-1], self.unit(problem), self.penalty(problem, factorization)
        total = factorization.misfit(problem.X, self.loss, unit, problem.observed)
        loss = total / (n if self.loss_reduction == "mean" else batches.count(n, self.batch_size))
        return loss if penalty is None else loss + penalty

    def penalty(self, problem: Problem, factorization: Leaky) -> Tensor | None:
        if self.decays:
            return None
        (*below, W), H = factorization.Ws, factorization.H
        steps = batches.count(n := problem.X.shape[-1], self.batch_size)
        shares = self.shares(problem, factorization.Ws, H[0].numel() / steps, n / steps)
        factors = (*below, W / self.unit(problem), H)
        terms = [share * factor.square().flatten(1).sum(1) for share, factor in zip(shares, factors, strict=True)]
        return self.weight * (sum(terms[:-1]) + terms[-1] / steps)
