"""Multilayer NMF."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from nmfbench.numerics import layerwise
from nmfbench.numerics.factorization import Chain
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.started import DeepStarted


@dataclass(frozen=True, kw_only=True)
class MultilayerNMF(DeepStarted):
    """min ½‖H_{l−1} − W_l H_l‖² over W_l, H_l ≥ 0, one layer after the other, l = 1…L, H_0 = X.

    Each iteration is one sweep of hierarchical alternating least squares (HALS) in every layer, on the current codes of
    the layer below, so each layer converges as soon as those below have. Columns of W_l have unit length.
    No sweep is guaranteed to descend: new codes of a layer are new data for the layer above.

    Parameters
    ----------
    rank: rank r_L ≥ 1 of the top layer; None: the last of ``ranks``.
    ranks: r_1 … r_L, each ≥ 1; None: [2·rank, rank].
    init: one of uniform, nndsvd, nndsvda, nndsvdar, spa, snpa, kmeans, in every layer; not printed.

    Cichocki & Zdunek (2006); De Handschutter, Gillis & Siebert (2021), Algorithm 2.
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=1000)
    version: ClassVar[int] = 3
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"
    accepts_missing: ClassVar[bool] = True  # only layer 1 sees X, and its sweeps do not raise its loss
    encodes: ClassVar[Literal["", "layers", "product"]] = "layers"

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Chain]:
        return layerwise.sweeps(problem, self.layers, rng, self.init)

    def objective(self, problem: Problem, factorization: Chain) -> Tensor:
        """The sum over the layers."""
        return layerwise.error(problem, factorization)
