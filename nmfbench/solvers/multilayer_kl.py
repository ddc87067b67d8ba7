"""Multilayer Kullback–Leibler NMF: layer by layer on the bases."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from nmfbench.numerics import hierarchies
from nmfbench.numerics.factorization import Hierarchy
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import DeepSolver, Stopping


@dataclass(frozen=True, kw_only=True)
class MultilayerKL(DeepSolver):
    """min KL(W_{l−1}, W_l H_l) over W_l, H_l ≥ 0 for each layer l by itself, W_0 = X.

    A sweep takes one multiplicative step of H_l, then of W_l in every layer, each on the bases below as they stand, and
    scales the columns of W_l to maximum 1: after n sweeps every layer has had n steps, and a layer settles once the one
    below has. The objective is the sum over the layers, which no sweep is bound to lower.
    Cichocki & Zdunek (2006); on the bases as in Leplat, Le, Onwunta & Gillis (2023), Sec. 2
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=1000, tol=0.0)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Hierarchy]:
        eps = hierarchies.floor(problem.X)
        Ws, Hs = hierarchies.start(problem.X, self.layers, rng)
        weights = problem.X.new_ones(len(rng.seeds), len(Ws))
        while True:
            yield Hierarchy(tuple(Ws), tuple(Hs), weights)
            hierarchies.multilayer(problem.X, Ws, Hs, 1.0, eps)

    def objective(self, problem: Problem, factorization: Hierarchy) -> Tensor:
        return hierarchies.objective(problem.X, factorization, beta=1)
