"""Deep NMF with a β-divergence: all layers at once."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from nmfbench.numerics import data_centric, hierarchies
from nmfbench.numerics.factorization import Hierarchy
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping, check_at_least, check_choice
from nmfbench.solvers.started import DeepStarted


@dataclass(frozen=True, kw_only=True)
class DeepKL(DeepStarted):
    """min Σ_l λ_l D_β(W_{l−1}, W_l H_l) over W_l, H_l ≥ 0 with H_l e = e, W_0 = X.

    With ``loss="data"`` layer l is compared with the data instead, D_β(X, W_l H_l…H_1).
    Starts from the multilayer method, scaled so that H_l e = e. Each sweep updates H_l, then W_l, from the first layer
    to the top: H_l by the multiplier of each row; W_l by the positive root of its majoriser's equation, which for β = 1
    is a Wright omega function, and for β = 2 by accelerated proximal gradient. Against the data both are ratios of
    gradients, summed over the layers, as in multiplicative NMF.
    K-means on the codes is up to 12 points of NMI below plain NMF (digits): every row of H_l sums to one, whatever its
    component's share of X. Scaled so that columns of the bases sum to one, the same codes are 6 below.
    Descends: no block raises the objective.

    Parameters
    ----------
    rank: rank r_L ≥ 1 of the top layer; None: the last of ``ranks``.
    ranks: r_1 … r_L, each ≥ 1; None: [2·rank, rank]. Paper: [80, 40, 20] on CBCL, [20, 10, 5] on TDT2.
    beta: β of the divergence, one of 0, 0.5, 1, 1.5, 2. Paper: 1, Kullback–Leibler, in its tables.
    loss: one of layers, data: the paper's layer-centric loss, its (4), or the data-centric loss, its (3).
    weights: λ_1 … λ_L, each > 0; None: D_1/D_l of the layers at the start, the paper's 1/D_l in the unit of X.
    pretrain: sweeps of the multilayer method before the first sweep over all layers, ≥ 0. Paper: 500 on CBCL.
    init: one of uniform, nndsvd, nndsvda, nndsvdar, spa, snpa, kmeans, in every layer; not printed.

    Leplat, Le, Onwunta & Gillis (2023), Sec. 3.2, eqs. (15) to (19)
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=500, tol=0.0)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"
    monotone: ClassVar[bool] = True

    beta: float = 1.0
    loss: str = "layers"
    weights: list[float] | None = None
    pretrain: int = 500

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("beta", self.beta, hierarchies.BETAS)
        check_choice("loss", self.loss, hierarchies.LOSSES)
        hierarchies.check_weights(self.weights, self.layers)
        check_at_least("pretrain", self.pretrain, 0)

    def check(self, problem: Problem) -> None:
        super().check(problem)
        hierarchies.check_zeros(problem, self.beta)

    def iterates(self, problem: Problem, rng: Streams) -> Generator[Hierarchy | None, bool, None]:
        X, eps = problem.X, hierarchies.floor(problem)
        Ws, Hs = yield from hierarchies.pretrained(problem, self.layers, rng, self.beta, self.pretrain, self.init)
        hierarchies.scale(Ws, Hs, of="H")
        # Apply the bounds of every step at the start too; applying them later would raise the objective.
        Ws, Hs = [W.clamp(min=eps) for W in Ws], [H.clamp(min=hierarchies.EPS) for H in Hs]
        weights = hierarchies.weights(problem, Ws, Hs, self.weights, self.beta, self.loss)
        while True:
            yield Hierarchy(tuple(Ws), tuple(Hs), weights)
            if self.loss == "data":
                data_centric.sweep(problem, Ws, Hs, weights, self.beta, eps)
                continue
            Y = X
            for l in range(len(Ws)):
                Hs[l] = hierarchies.codes_step(Y, Ws[l], Hs[l], self.beta, eps)
                if l + 1 < len(Ws):
                    above, lam = hierarchies.above(Ws, Hs, l), (weights[:, l + 1] / weights[:, l])[:, None, None]
                    Ws[l] = hierarchies.bases_step(Y, Ws[l], Hs[l], above, lam, self.beta, eps)
                else:
                    Ws[l] = hierarchies.top_step(Y, Ws[l], Hs[l], self.beta, eps)
                Y = Ws[l]

    def objective(self, problem: Problem, factorization: Hierarchy) -> Tensor:
        return hierarchies.objective(problem, factorization, self.beta, self.loss)
