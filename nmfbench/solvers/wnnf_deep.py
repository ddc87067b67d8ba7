"""Weakly non-negative factorization of several layers."""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from nmfbench.numerics import inits, leaky
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import DeepSolver
from nmfbench.solvers.weak import WeakSolver


@dataclass(frozen=True, kw_only=True)
class DeepWNNF(WeakSolver, DeepSolver):
    """min ℓ(X, φ(W_L)…φ(W_1)φ(H)) + λ(Σ_l ‖W_l‖² + ‖H‖²) over real W_l, H, φ(x) = max(x, ηx).

    H has r_1 rows and W_l is r_{l+1} × r_l, so the first layer is next to the samples; the codes of layer l are
    φ(W_{l−1})…φ(W_1)φ(H). By Adam or another optimizer on mini-batches of samples; ℓ is summed over features and
    averaged over the batch.
    Scale-free: with ``reading="relative"``; the paper's λ, start and learning rate are absolute.
    With the paper's ranks the product has the rank r/2, so its codes separate less than those of one layer of rank r:
    on digits NMI 52.6, where NMF has 66.5 and ranks=[2r, r] 66.2.
    No sweep is guaranteed to descend: Adam steps on random batches with a fixed learning rate.

    Parameters
    ----------
    rank: rank r_L ≥ 1 of the last layer; None: the last of ``ranks``.
    ranks: r_1 … r_L, each ≥ 1; None: [rank/2, rank], as in the paper's Table 3b.
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
        others, layer by layer from the last, are ≥ 0 and need X ≥ 0.

    Kobayashi & Watanabe, Sec. 3.2, eq. (11)
    """

    init: str = "uniform"

    def __post_init__(self) -> None:
        DeepSolver.__post_init__(self)
        WeakSolver.__post_init__(self)
        inits.check_name(self.init)

    def ranks_below(self, rank: int) -> list[int]:
        return [max(1, rank // 2), rank]

    def check(self, problem: Problem) -> None:
        super().check(problem)
        inits.check_stacked(self.init, problem, self.layers)

    def start(self, problem: Problem, rng: Streams) -> tuple[list[Tensor], Tensor]:
        X, r = problem.X, self.layers
        if self.init != "uniform":
            Ws, H = inits.stacked(self.init, problem.by_sample / self.unit(problem), r, rng)
            return Ws, H.mT.contiguous()
        bounds = [leaky.bound(fan_in) for fan_in in r]
        shapes = [(above, below) for below, above in pairwise([*r, len(X)])]
        Ws = [
            rng.uniform(f"W{l}", shape, X, -bound, bound)
            for l, (shape, bound) in enumerate(zip(shapes, bounds, strict=True), start=1)
        ]
        H = rng.uniform("H", (r[0], X.shape[1]), X, -bounds[0], bounds[0])
        return Ws, H.mT.contiguous()
