"""Deep orthogonal NMF: a hierarchy of clusterings."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from nmfbench.numerics.factorization import Hierarchy
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import DeepSolver, Stopping


@dataclass(frozen=True, kw_only=True)
class DeepONMF(DeepSolver):
    """min ½ Σ_l ‖W_{l−1} − W_l H_l‖², W_0 = X, over W, H ≥ 0 where the rows of each H_l are orthogonal.

    A column of H_l then has one non-zero: each basis of a layer goes to one basis of the next, a hierarchy of hard
    clusterings. A sweep assigns and re-centres in every layer, each on the current bases below, so layer l settles once
    l − 1 has. H_l H_lᵀ is diagonal but not the identity, as in the survey's example. The method starts from columns of
    the layer's data drawn at random; the optimum that it reaches depends on them, so compare seeds.
    A code holds one cluster and a length, no mixture. On JAFFE k-means on the codes is 12 points of NMI below plain NMF
    with two layers, 7 with one.
    No sweep is guaranteed to descend: new bases of a layer are new data for the layer above.

    Parameters
    ----------
    rank: rank r_L ≥ 1 of the top layer; None: the last of ``ranks``.
    ranks: r_1 … r_L, each ≥ 1; None: [2·rank, rank]. Survey: [4, 3] in its example, [7, 6, 4, 2] on its Urban image.

    Pompili, Gillis, Absil & Glineur (2014); De Handschutter, Gillis & Siebert (2021), Sec. 3.2.1
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=200, tol=1e-9)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Hierarchy]:
        below = problem.X.expand(len(rng.seeds), -1, -1)
        Ws, Hs = [], []
        for l, r in enumerate(self.layers, start=1):
            n = below.shape[-1]
            drawn = np.stack([generator.permutation(n)[np.arange(r) % n] for generator in rng(f"W{l}")])
            columns = torch.from_numpy(drawn).to(below.device)[:, None, :]
            Ws.append(below.gather(-1, columns.expand(-1, below.shape[-2], -1)))
            Hs.append(assign(below, Ws[-1]))
            below = Ws[-1]
        weights = problem.X.new_ones(len(rng.seeds), len(Ws))
        while True:
            yield Hierarchy(tuple(Ws), tuple(Hs), weights)
            below = problem.X
            for l in range(len(Ws)):
                Hs[l] = assign(below, Ws[l])
                Ws[l] = centre(below, Hs[l], Ws[l])
                below = Ws[l]

    def objective(self, problem: Problem, factorization: Hierarchy) -> Tensor:
        data = [problem.X, *factorization.Ws]
        layers = zip(pairwise(data), factorization.Hs, strict=True)
        return sum(((below - W @ H).square().sum((-2, -1)) / 2 for (below, W), H in layers), problem.X.new_zeros(()))


def assign(X: Tensor, W: Tensor) -> Tensor:
    """The best H (S, r, n) with one non-zero a column: x_j goes to the w_k at the smallest angle, projected."""
    norms = W.norm(dim=-2).clamp(min=torch.finfo(W.dtype).tiny)
    projections = (W / norms[:, None]).mT @ X
    best = projections.argmax(-2, keepdim=True)
    return torch.zeros_like(projections).scatter_(-2, best, projections.gather(-2, best)) / norms[..., None]


def centre(X: Tensor, H: Tensor, W: Tensor) -> Tensor:
    """The best W (S, m, r) for this H. A basis without members stays, and may be chosen again."""
    total = H.square().sum(-1)[:, None]
    return torch.where(total > 0, X @ H.mT / total.clamp(min=torch.finfo(H.dtype).tiny), W)
