"""Weakly non-negative factorization."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nmfbench.errors import ConfigError
from nmfbench.factorization import Factorization
from nmfbench.optimizers import Adam
from nmfbench.rng import Streams
from nmfbench.solvers.base import Problem, Solver, Stopping, check_rank


@dataclass(frozen=True)
class WeakProduct(Factorization):
    """X ≈ φ(W)φ(H) with φ(x) = max(x, ηx); ``W`` and ``H`` are the free parameters, ``eta`` (S,) is η now."""

    W: Tensor
    H: Tensor
    eta: Tensor

    @property
    def factors(self) -> dict[str, Tensor]:
        eta = self.eta[..., None, None]
        return {"W": torch.maximum(self.W, eta * self.W), "H": torch.maximum(self.H, eta * self.H)}

    @property
    def codes(self) -> list[Tensor]:
        return [self.factors["H"]]

    def reconstruct(self) -> Tensor:
        return self.factors["W"] @ self.factors["H"]


@dataclass(frozen=True, kw_only=True)
class WNNF(Solver):
    """min ℓ(X, φ(W)φ(H)) + λ(‖W‖² + ‖H‖²) over real W, H, φ(x) = max(x, ηx), by Adam on mini-batches of samples.

    ℓ is the L1 or the squared L2 norm, summed over features and averaged (or summed) over the b samples of a
    batch. ``reading="penalty"`` keeps λ inside the gradient that Adam normalises, on W and on the batch's columns
    of H; ``"decoupled"`` is AdamW's decay of all parameters. The paper does not say which; the penalty fits its
    ablation, the decay does not. Kobayashi & Watanabe, eqs. (9) and (10).
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=1000, tol=0.0)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "weak"
    accepts_negative: ClassVar[bool] = True

    rank: int
    eta: float = 0.1
    lam: float = 0.1
    loss: str = "l1"
    reading: str = "penalty"
    loss_reduction: str = "mean"
    batch_size: int | None = 64
    lr: float = 1e-3
    curriculum: int = 0
    """Epochs over which η falls linearly from 1 to ``eta``; 0 keeps it constant."""

    def __post_init__(self) -> None:
        check_rank(self.rank)
        for name, choices in {
            "loss": ("l1", "l2"),
            "reading": ("penalty", "decoupled"),
            "loss_reduction": ("mean", "sum"),
        }.items():
            if getattr(self, name) not in choices:
                raise ConfigError(f"{name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}")
        if not 0 <= self.eta <= 1:
            raise ConfigError(f"eta must lie in [0, 1], got {self.eta}")
        if self.lam < 0:
            raise ConfigError(f"lam must be nonnegative, got {self.lam}")
        if not self.lr > 0:
            raise ConfigError(f"lr must be positive, got {self.lr}")
        if self.batch_size is not None and self.batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1 (or null: all samples), got {self.batch_size}")
        if self.curriculum < 0:
            raise ConfigError(f"curriculum must be a number of epochs, 0 or more, got {self.curriculum}")

    @property
    def footnote(self) -> str:
        size = "all samples" if self.batch_size is None else f"{self.batch_size} samples"
        return (
            f"wnnf descends the {self.loss_reduction} over batches of {size} of the loss summed over features, "
            f"with λ as {self.reading}; the paper's (9) sums over all samples, so here the batch size weighs λ"
        )

    def eta_at(self, epoch: int) -> float:
        left = max(0.0, 1 - epoch / self.curriculum) if self.curriculum else 0.0
        return self.eta + (1 - self.eta) * left

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Factorization]:
        X = problem.X
        m, n = X.shape
        S = len(rng.seeds)
        bound = math.sqrt(6 / self.rank)  # He et al. (2015): fan-in r
        W = rng.uniform("W", (m, self.rank), X, -bound, bound)
        # Samples in rows, so that a batch of them is one contiguous copy.
        H = rng.uniform("H", (self.rank, n), X, -bound, bound).mT.contiguous()
        samples = X.mT.contiguous()
        optimizer = Adam([W, H], self.lr, decay=self.lam if self.reading == "decoupled" else 0.0)
        shuffles = rng("batches")
        restarts = torch.arange(S, device=X.device)[:, None]
        dH = torch.zeros_like(H)
        epoch = 0
        while True:
            eta = self.eta_at(epoch)
            yield WeakProduct(W, H.mT, W.new_full((S,), eta))
            order = torch.from_numpy(np.stack([g.permutation(n) for g in shuffles])).to(X.device)
            # Batches of nearly equal size: a short last one would weigh its samples more.
            for batch in order.tensor_split(self.n_batches(n), dim=1):
                dW, dH_batch = self.gradient(samples[batch], W, H[restarts, batch], eta)
                dH.zero_()[restarts, batch] = dH_batch
                optimizer.step([dW, dH])
            epoch += 1

    def n_batches(self, n: int) -> int:
        return 1 if self.batch_size is None else math.ceil(n / self.batch_size)

    def gradient(self, X: Tensor, W: Tensor, H: Tensor, eta: float) -> tuple[Tensor, Tensor]:
        """∂`batch_loss`/∂(W, H) for one batch, written out: one pass over each array instead of autograd's several.

        X (S, b, m) and H (S, b, r) have samples in rows; W is (S, m, r).
        """
        P, Q = F.leaky_relu(W, eta), F.leaky_relu(H, eta)
        R = torch.baddbmm(X, Q, P.mT, beta=-1)
        R = R.sign_() if self.loss == "l1" else R.mul_(2)
        if self.loss_reduction == "mean":
            Q = Q / len(R[0])  # the batch mean, on the small factor: dW = RᵀQ
        dW = torch.bmm(R.mT, Q)
        dH = torch.bmm(R, P)
        if self.loss_reduction == "mean":
            dH /= len(R[0])
        slope = torch.ops.aten.leaky_relu_backward
        dW, dH = slope(dW, W, eta, False), slope(dH, H, eta, False)
        if self.reading == "penalty" and self.lam:
            dW.add_(W, alpha=2 * self.lam)
            dH.add_(H, alpha=2 * self.lam)
        return dW, dH

    def batch_loss(self, X: Tensor, W: Tensor, H: Tensor, eta: float) -> Tensor:
        """What one step descends, (S,): the plain line that `gradient` is tested against. Shapes as there."""
        R = F.leaky_relu(H, eta) @ F.leaky_relu(W, eta).mT - X
        loss = self._sum(R)
        if self.loss_reduction == "mean":
            loss = loss / X.shape[-2]
        if self.reading == "penalty":
            loss = loss + self.lam * (W.square().sum((-2, -1)) + H.square().sum((-2, -1)))
        return loss

    def objective(self, problem: Problem, factorization: Factorization) -> Tensor:
        """The mean of `batch_loss` over the batches of an epoch, in expectation over their random composition."""
        assert isinstance(factorization, WeakProduct)
        n_batches = self.n_batches(problem.X.shape[-1])
        loss = self._sum(problem.X - factorization.reconstruct())
        loss = loss / (problem.X.shape[-1] if self.loss_reduction == "mean" else n_batches)
        if self.reading == "penalty":
            W, H = factorization.W, factorization.H
            loss = loss + self.lam * (W.square().sum((-2, -1)) + H.square().sum((-2, -1)) / n_batches)
        return loss

    def _sum(self, R: Tensor) -> Tensor:
        return (R.abs() if self.loss == "l1" else R.square()).sum((-2, -1))
