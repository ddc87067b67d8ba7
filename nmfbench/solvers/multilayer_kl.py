"""Multilayer Kullback–Leibler NMF: layer by layer on the bases."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from nmfbench.numerics import hierarchies
from nmfbench.numerics.factorization import Hierarchy
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.started import DeepStarted


@dataclass(frozen=True, kw_only=True)
class MultilayerKL(DeepStarted):
    """min KL(W_{l−1}, W_l H_l) over W_l, H_l ≥ 0 for each layer l by itself, W_0 = X.

    A sweep takes one multiplicative step of H_l, then of W_l, in every layer on the current bases below, and scales the
    columns of W_l to maximum 1: after n sweeps every layer has had n steps, and a layer settles once the layer below
    has.
    No sweep is guaranteed to descend: new bases of a layer are new data for the layer above. The objective is the sum.

    Parameters
    ----------
    rank: rank r_L ≥ 1 of the top layer; None: the last of ``ranks``.
    ranks: r_1 … r_L, each ≥ 1; None: [2·rank, rank]. Deep KL-NMF paper: [80, 40, 20] on CBCL, [20, 10, 5] on TDT2.
    init: one of uniform, nndsvd, nndsvda, nndsvdar, spa, snpa, kmeans, in every layer; not printed.

    Cichocki & Zdunek (2006); on the bases as in Leplat, Le, Onwunta & Gillis (2023), Sec. 2
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=1000, tol=0.0)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"
    accepts_missing: ClassVar[bool] = True  # only layer 1 sees X, and its sweeps do not raise its loss

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Hierarchy]:
        eps = hierarchies.floor(problem)
        Ws, Hs = hierarchies.start(problem.X, self.layers, rng, self.init)
        weights = problem.X.new_ones(len(rng.seeds), len(Ws))
        while True:
            yield Hierarchy(tuple(Ws), tuple(Hs), weights)
            hierarchies.multilayer(problem.X, Ws, Hs, 1.0, eps)

    def objective(self, problem: Problem, factorization: Hierarchy) -> Tensor:
        return hierarchies.objective(problem, factorization, beta=1)
