"""Weakly non-negative factorization."""

from dataclasses import dataclass

from torch import Tensor

from nmfbench.numerics import inits, leaky
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import check_rank
from nmfbench.solvers.weak import WeakSolver


@dataclass(frozen=True, kw_only=True)
class WNNF(WeakSolver):
    """min ℓ(X, φ(W)φ(H)) + λ(‖W‖² + ‖H‖²) over real W, H, φ(x) = max(x, ηx).

    By Adam or another optimizer on mini-batches of samples; ℓ is summed over features and averaged over the batch.
    Scale-free: with ``reading="relative"``; the paper's λ, start and learning rate are absolute.
    No sweep is guaranteed to descend: Adam steps on random batches with a fixed learning rate.

    Parameters
    ----------
    rank: number of components r, ≥ 1.
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
    init: one of uniform, nndsvd, nndsvda, nndsvdar, spa, snpa, kmeans. "uniform" has both signs, as in the paper; the
        others are ≥ 0 and need X ≥ 0.

    Kobayashi & Watanabe, Sec. 3.1, eqs. (9) and (10)
    """

    rank: int
    init: str = "uniform"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rank(self.rank)
        inits.check_name(self.init)

    def check(self, problem: Problem) -> None:
        super().check(problem)
        inits.check_stacked(self.init, problem, [self.rank])

    def start(self, problem: Problem, rng: Streams) -> tuple[list[Tensor], Tensor]:
        if self.init != "uniform":
            Ws, H = inits.stacked(self.init, problem.by_sample / self.unit(problem), [self.rank], rng)
            return Ws, H.mT.contiguous()
        m, n = problem.X.shape
        bound = leaky.bound(self.rank)
        W = rng.uniform("W", (m, self.rank), problem.X, -bound, bound)
        H = rng.uniform("H", (self.rank, n), problem.X, -bound, bound)
        return [W], H.mT.contiguous()
