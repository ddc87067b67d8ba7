"""The base of the weakly non-negative methods: leaky rectified factors, the loss, and Adam on mini-batches."""

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from nmfbench.errors import ConfigError
from nmfbench.numerics import leaky
from nmfbench.numerics.leaky import Leaky, LeakyStack
from nmfbench.numerics.optimizers import Adam
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Solver, Stopping, check_choice, check_nonnegative, check_positive


@dataclass(frozen=True, kw_only=True)
class WeakSolver(Solver):
    """min ℓ(X, product of φ(factors)) + λ Σ‖factor‖² over real factors, φ(x) = max(x, ηx).

    ℓ is summed over features and averaged (or summed) over the b samples of a batch.
    No sweep is guaranteed to descend: Adam steps on random batches with a fixed learning rate.

    Parameters
    ----------
    eta: slope η of φ below 0, in [0, 1]; paper: 0.1, Sec. 3.1.
    lam: weight λ ≥ 0 of the L2 penalty; paper: 0.1, Sec. 3.1.
    loss: one of l1, l2: ℓ is the L1 or the squared L2 norm. Paper: l1, Sec. 2.2; l2 is a row of its Table 2.
    reading: one of penalty, decoupled. "penalty" keeps λ inside the gradient that Adam normalises, on the bases and on
        the batch's codes; "decoupled" is AdamW's decay of all parameters. Not printed; the penalty fits Table 2.
    loss_reduction: one of mean, sum, over the samples of a batch; not printed, the mean fits Table 2.
    batch_size: samples a step, ≥ 1; None: all. Not printed.
    lr: learning rate of Adam, > 0; paper: 0.001, Sec. 2.2.
    curriculum: epochs ≥ 0 over which η falls linearly from 1 to ``eta``; 0 keeps it constant. The paper's 1⇝0 is eta=0
        with curriculum > 0.
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=1000, tol=0.0)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "weak"
    accepts_negative: ClassVar[bool] = True

    eta: float = 0.1
    lam: float = 0.1
    loss: str = "l1"
    reading: str = "penalty"
    loss_reduction: str = "mean"
    batch_size: int | None = 64
    lr: float = 1e-3
    curriculum: int = 0

    def __post_init__(self) -> None:
        check_choice("loss", self.loss, ("l1", "l2"))
        check_choice("reading", self.reading, ("penalty", "decoupled"))
        check_choice("loss_reduction", self.loss_reduction, ("mean", "sum"))
        if not 0 <= self.eta <= 1:
            raise ConfigError(f"eta must lie in [0, 1], got {self.eta}")
        check_nonnegative("lam", self.lam)
        check_positive("lr", self.lr)
        if self.batch_size is not None and self.batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1 (or null: all samples), got {self.batch_size}")
        if self.curriculum < 0:
            raise ConfigError(f"curriculum must be a number of epochs, 0 or more, got {self.curriculum}")

    @abstractmethod
    def start(self, problem: Problem, rng: Streams) -> tuple[Tensor, list[Tensor], Tensor]:
        """Samples (n, …), bases (S, …) and codes (S, n, …): samples first, so that a batch is one contiguous copy."""

    def factorization(self, problem: Problem, Ws: list[Tensor], H: Tensor, eta: Tensor) -> Leaky:
        """The factorization that these parameters define."""
        return LeakyStack(tuple(Ws), H.mT, eta)

    def gradient(self, problem: Problem, X: Tensor, Ws: Sequence[Tensor], H: Tensor, eta: float) -> list[Tensor]:
        """∂/∂(Ws, H) of the objective of a step on the batch X (S, b, …), H (S, b, …)."""
        return self.penalised(leaky.gradient(X, Ws, H, eta, self.loss, self.divisor(H)), [*Ws, H])

    def divisor(self, H: Tensor) -> int:
        """Number the batch loss is divided by."""
        return H.shape[1] if self.loss_reduction == "mean" else 1

    def penalised(self, gradients: list[Tensor], parameters: Sequence[Tensor]) -> list[Tensor]:
        """Add the penalty's gradient if Adam should see it."""
        if self.reading == "penalty" and self.lam:
            for gradient, parameter in zip(gradients, parameters, strict=True):
                gradient.add_(parameter, alpha=2 * self.lam)
        return gradients

    @property
    def footnote(self) -> str:
        size = "all samples" if self.batch_size is None else f"{self.batch_size} samples"
        return (
            f"wnnf descends the {self.loss_reduction} over batches of {size} of the loss summed over features, "
            f"with λ as {self.reading}; the paper's (9) sums over all samples, so here the batch size weighs λ"
        )

    def eta_at(self, epoch: int) -> float:
        """η in this epoch, counted from 0."""
        left = max(0.0, 1 - epoch / self.curriculum) if self.curriculum else 0.0
        return self.eta + (1 - self.eta) * left

    def n_batches(self, n: int) -> int:
        """Number of batches that n samples make."""
        return 1 if self.batch_size is None else math.ceil(n / self.batch_size)

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Leaky]:
        samples, Ws, H = self.start(problem, rng)
        S, n = H.shape[:2]
        optimizer = Adam([*Ws, H], self.lr, decay=self.lam if self.reading == "decoupled" else 0.0)
        shuffles = rng("batches")
        restarts = torch.arange(S, device=H.device)[:, None]
        dH = torch.zeros_like(H)
        epoch = 0
        while True:
            eta = self.eta_at(epoch)
            yield self.factorization(problem, Ws, H, H.new_full((S,), eta))
            order = torch.from_numpy(np.stack([g.permutation(n) for g in shuffles]))
            # The host waits for a copy to a GPU, except from pinned memory.
            order = (order.pin_memory() if H.is_cuda else order).to(H.device, non_blocking=True)
            # Batches have nearly equal size, because a short last batch would give its samples more weight.
            for batch in order.tensor_split(self.n_batches(n), dim=1):
                *dWs, dH_batch = self.gradient(problem, samples[batch], Ws, H[restarts, batch], eta)
                dH.zero_()[restarts, batch] = dH_batch
                optimizer.step([*dWs, dH])
            epoch += 1

    def objective(self, problem: Problem, factorization: Leaky) -> Tensor:
        """The expected mean of a step's loss over the batches of an epoch, (S,)."""
        n = problem.X.shape[-1]
        R = problem.X - factorization.reconstruct()
        total = (R.abs() if self.loss == "l1" else R.square()).sum((-2, -1))
        value = total / (n if self.loss_reduction == "mean" else self.n_batches(n))
        if self.reading == "penalty":
            squares = [factor.square().flatten(1).sum(1) for factor in (*factorization.Ws, factorization.H)]
            value = value + self.lam * (sum(squares[:-1]) + squares[-1] / self.n_batches(n))
        return value
