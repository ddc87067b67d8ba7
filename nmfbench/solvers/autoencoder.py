"""The third control: an autoencoder of one rectified layer."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nmfbench.numerics import losses
from nmfbench.numerics.factorization import Product
from nmfbench.numerics.optimizers import Adam
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Solver, Stopping, check_positive, check_rank


@dataclass(frozen=True, kw_only=True)
class Autoencoder(Solver):
    """min ½‖X − WH‖² over W ≥ 0 and E of any sign, where the codes are H = [EX]₊.

    NMF whose codes are what one layer of a network makes of a sample: how much is lost shows what free codes are worth.
    Each sweep is a step of Adam on E and W for all samples, then W ← [W]₊.
    No sweep is guaranteed to descend: Adam has a fixed learning rate.

    Parameters
    ----------
    rank: number of components r, ≥ 1.
    lr: learning rate of Adam, > 0, for E in units of 1/√m and for W in units of √(mean of |X|/r), X in its unit; not
        printed. Measured on digits and ORL at 28 × 23 pixels: 0.03 fits best of 0.003, 0.01, 0.03 and 0.1.

    Lemme, Reinhart & Steil (2012), its non-negative decoder; trained by Adam (Kingma & Ba 2015)
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=1000)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"
    accepts_negative: ClassVar[bool] = True

    rank: int
    lr: float = 0.03

    def __post_init__(self) -> None:
        check_rank(self.rank)
        check_positive("lr", self.lr)

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Product]:
        # Divided by its unit, because the ε of Adam is absolute.
        (m, n), unit, r = problem.X.shape, problem.unit, self.rank
        X = problem.by_sample / unit
        size = (problem.mean_size / unit / r) ** 0.5
        E = rng.uniform("E", (r, m), X, -1, 1)
        length = (E @ X).abs().mean((-2, -1), keepdim=True) / (size or 1)
        E = E / torch.where(length > 0, length, 1)
        W = rng.uniform("W", (m, r), X, high=2 * size)
        scales = E.abs().mean((-2, -1)).clamp(min=torch.finfo(X.dtype).tiny), size or 1.0
        # Adam moves every entry by about its learning rate, so both factors count in units of their starts.
        e, w = E / scales[0][:, None, None], W / scales[1]
        optimizer = Adam([e, w], self.lr)
        while True:
            E, W = e * scales[0][:, None, None], w * scales[1]
            codes = E @ X
            H = codes.relu()
            yield Product(W.clone(), unit * H)
            slope = (W.mT @ W) @ H - W.mT @ X
            dW = (W @ (H @ H.mT) - (H @ X.mT).mT) * scales[1]
            dE = ((slope * (codes > 0)) @ X.mT) * scales[0][:, None, None]
            optimizer.step([dE / (m * n), dW / (m * n)])
            w.clamp_(min=0)

    def objective(self, problem: Problem, factorization: Product) -> Tensor:
        return losses.half_square(problem, factorization.W, factorization.H)
