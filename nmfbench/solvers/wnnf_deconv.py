"""Weakly non-negative deconvolutional factorization of images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.numerics import leaky
from nmfbench.numerics.deconvolution import Blocks, Deconvolution
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import check_rank
from nmfbench.solvers.weak import WeakSolver


@dataclass(frozen=True, kw_only=True)
class DeconvWNNF(WeakSolver):
    """min ℓ(X, φ(W) ∗ᵀ_s φ(H)) + λ(‖W‖² + ‖H‖²) over real W, H, φ(x) = max(x, ηx).

    Every image is the transposed convolution with stride s of the r maps W, an s-th of its height and width, with r
    kernels of 2s × 2s of its own. Its codes are all entries of its kernels (``latent="raw"``) or the sum of each
    (``"sum"``). By Adam on mini-batches of images; the other parameters stand at `WeakSolver`.
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
        if self.latent not in ("raw", "sum"):
            raise ConfigError(f"latent must be one of raw, sum, got {self.latent!r}")

    def check(self, problem: Problem) -> None:
        super().check(problem)
        if problem.shape is None or len(problem.shape) != 2:
            shape = "no image shape" if problem.shape is None else f"images of shape {problem.shape}"
            raise NotApplicable(f"wnnf_deconv needs grey images (height × width), and this data has {shape}")

    def blocks(self, problem: Problem) -> Blocks:
        assert problem.shape is not None
        return Blocks(problem.shape[0], problem.shape[1], self.stride)

    def start(self, problem: Problem, rng: Streams) -> tuple[Tensor, list[Tensor], Tensor]:
        X, blocks = problem.X, self.blocks(problem)
        bound = math.sqrt(6 / (4 * self.rank))  # He et al. (2015): 4r products make a pixel
        W = rng.uniform("W", (math.prod(blocks.map_shape), self.rank), X, -bound, bound)
        H = rng.uniform("H", (X.shape[1], self.stride**2, 4 * self.rank), X, -bound, bound)
        return blocks.cut(X.mT.unflatten(-1, (blocks.height, blocks.width))), [W], H

    def factorization(self, problem: Problem, Ws: list[Tensor], H: Tensor, eta: Tensor) -> Deconvolution:
        return Deconvolution(tuple(Ws), H, eta, self.blocks(problem), self.latent)

    def gradient(self, problem: Problem, X: Tensor, Ws: Sequence[Tensor], H: Tensor, eta: float) -> list[Tensor]:
        blocks = self.blocks(problem)
        frame = blocks.cut(X.new_ones(1, blocks.height, blocks.width))  # 0 outside the image
        rows, codes = X.flatten(1, 2), H.flatten(1, 2)
        mask = frame.repeat(1, H.shape[1], 1)
        dA, dH = leaky.gradient(rows, [blocks.moved(Ws[0])], codes, eta, self.loss, self.divisor(H), mask)
        return self.penalised([blocks.moved_back(dA), dH.view_as(H)], [*Ws, H])
