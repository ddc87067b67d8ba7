"""Weakly non-negative deconvolutional factorization of images."""

import math
from dataclasses import dataclass

from torch import Tensor

from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.numerics import leaky
from nmfbench.numerics.deconvolution import Blocks, Deconvolution
from nmfbench.numerics.leaky import Mask, Tensors
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import check_choice, check_rank
from nmfbench.solvers.weak import WeakSolver


@dataclass(frozen=True, kw_only=True)
class DeconvWNNF(WeakSolver):
    """min ℓ(X, φ(W) ∗ᵀ_s φ(H)) + λ(‖W‖² + ‖H‖²) over real W, H, φ(x) = max(x, ηx).

    Every image is the transposed convolution with stride s of the r maps W, an s-th of its height and width, with its
    own r kernels of 2s × 2s. By Adam or another optimizer on mini-batches of images; ℓ is summed over pixels and
    averaged over the batch.
    Scale-free: with ``reading="relative"``; the paper's λ, start and learning rate are absolute.
    Small images have fewer pixels than the 4s²r entries of their kernels, and then the codes say little: on digits, of
    8 × 8 pixels, NMI is 16 with 640 entries an image, where NMF has 66.
    No sweep is guaranteed to descend: Adam steps on random batches with a fixed learning rate.

    Parameters
    ----------
    rank: number of maps r, ≥ 1; not printed.
    stride: s, even and ≥ 2; paper: 2 and 4, Table 4.
    latent: one of raw, sum: the codes are all 4s²r entries of an image's kernels, or the sum of each kernel. Paper:
        both, Table 4.
    eta: slope η of φ below 0, in [0, 1]; paper: 0.1, leaky ReLU; also 0, ReLU, and 1, linear (Sec. 3.1, Table 2).
    lam: weight λ ≥ 0 of the L2 penalty; None: 0.001 with ``reading="relative"``, else, and as a decay, the paper's 0.1,
        Sec. 3.1.
    loss: one of l1, l2, huber, kl, is: ℓ, see `numerics.weak_losses`. Paper: l1, Sec. 2.2; l2 is a row of its Table 2;
        "various types of loss function". kl needs X ≥ 0, is X > 0.
    optimizer: one of adam, adamw, sgd, rmsprop. Paper: AdamW, Sec. 2.2. With adamw, λ is no penalty but a decay of all
        parameters by λ times the learning rate a step; sgd has momentum 0.9.
    reading: one of relative, penalty, decoupled. "relative" fits X divided by the mean of its absolute entries, and λ
        weighs the mean square length of each factor's rows against the loss of a mean entry of X. The other two are
        absolute, as in the paper: "penalty" keeps λ inside the gradient that Adam normalises, on the bases and on the
        batch's codes; "decoupled" is AdamW's decay of all parameters. Not printed; the penalty fits Table 2.
    loss_reduction: one of mean, sum, over the samples of a batch; not printed, the mean fits Table 2.
    batch_size: samples a step, ≥ 1; None: all. Not printed.
    lr: learning rate, > 0. None: 0.0025 with ``reading="relative"``, in units of the codes' bound at the start, and 10
        such units over the number of features for sgd; else the paper's 0.001, Sec. 2.2.
    curriculum: epochs ≥ 0 over which η falls linearly from 1 to ``eta``; 0 keeps it constant. The paper's 1⇝0 is eta=0
        with curriculum > 0.

    Kobayashi & Watanabe, Sec. 3.3, eq. (12)
    """

    rank: int
    stride: int = 4
    latent: str = "sum"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rank(self.rank)
        if self.stride < 2 or self.stride % 2:
            raise ConfigError(f"stride must be even and at least 2, got {self.stride}")
        check_choice("latent", self.latent, ("raw", "sum"))

    def check(self, problem: Problem) -> None:
        super().check(problem)
        if problem.shape is None or len(problem.shape) != 2:
            shape = "no image shape" if problem.shape is None else f"images of shape {problem.shape}"
            raise NotApplicable(f"wnnf_deconv needs grey images (height × width), and this data has {shape}")

    def blocks(self, problem: Problem) -> Blocks:
        """The geometry of the convolution for this problem's images."""
        assert problem.shape is not None
        return Blocks(problem.shape[0], problem.shape[1], self.stride)

    def arranged(self, problem: Problem, A: Tensor) -> Tensor:
        blocks = self.blocks(problem)
        return blocks.cut(A.mT.unflatten(-1, (blocks.height, blocks.width)))

    def start(self, problem: Problem, rng: Streams) -> tuple[list[Tensor], Tensor]:
        X, blocks = problem.X, self.blocks(problem)
        bound = leaky.bound(4 * self.rank)  # because a pixel is a sum of 4r products
        W = rng.uniform("W", (math.prod(blocks.map_shape), self.rank), X, -bound, bound)
        H = rng.uniform("H", (X.shape[1], self.stride**2, 4 * self.rank), X, -bound, bound)
        return [W], H

    def factorization(self, problem: Problem, Ws: list[Tensor], H: Tensor, eta: Tensor) -> Deconvolution:
        return Deconvolution(tuple(Ws), H, eta, self.blocks(problem), self.latent)

    def loss_gradient(self, problem: Problem, X: Tensor, Ws: Tensors, H: Tensor, eta: float, mask: Mask) -> Tensors:
        blocks, b = self.blocks(problem), H.shape[1]
        if mask is None:
            frame = blocks.cut(X.new_ones(1, blocks.height, blocks.width)).bool()
            mask = frame.repeat(b, 1, 1)[None]  # False outside the image
        rows, codes, inside = X.flatten(1, 2), H.flatten(1, 2), mask.flatten(1, 2)
        divisor = b if self.loss_reduction == "mean" else 1
        dA, dH = leaky.gradient(rows, [blocks.moved(Ws[0])], codes, eta, self.loss, divisor, inside)
        return [blocks.moved_back(dA), dH.view_as(H)]
