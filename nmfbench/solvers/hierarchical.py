"""Hierarchical NMF: multilayer NMF that can learn from labels."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from nmfbench.numerics import label_term, layerwise
from nmfbench.numerics.factorization import Chain
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping, check_nonnegative
from nmfbench.solvers.started import DeepStarted


@dataclass(frozen=True, kw_only=True)
class HierarchicalNMF(DeepStarted):
    """min ½‖H_{l−1} − W_l H_l‖² layer by layer, H_0 = X; on layer L with + (λ/2)‖L∘(Y − B H_L)‖², all factors ≥ 0.

    Y are the one-hot labels, L masks those that are seen; without labels this is multilayer NMF.
    No sweep is guaranteed to descend: new codes of a layer are new data for the layer above.

    Parameters
    ----------
    rank: rank r_L ≥ 1 of the top layer; None: the last of ``ranks``.
    ranks: r_1 … r_L, each ≥ 1; None: [2·rank, rank].
    lam: weight λ ≥ 0 of the labels, for X whose largest entry is 1; not printed.
    init: one of uniform, nndsvd, nndsvda, nndsvdar, spa, snpa, kmeans, in every layer; not printed.

    The baseline "Hier. NMF" of Gao, Haddock, Molitor, Needell, Sadovnik, Will & Zhang (2019), Table 1.
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=1000)
    version: ClassVar[int] = 3
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"
    draws: ClassVar[bool] = True  # the classifier B
    uses_labels: ClassVar[bool] = True
    accepts_missing: ClassVar[bool] = True  # only layer 1 sees X, and its sweeps do not raise its loss
    encodes: ClassVar[Literal["", "layers", "product"]] = "layers"

    lam: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_nonnegative("lam", self.lam)

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Chain]:
        return layerwise.sweeps(problem, self.layers, rng, self.init, self.lam, label_term.seen(problem))

    def objective(self, problem: Problem, factorization: Chain) -> Tensor:
        """The sum over the layers, label term included."""
        error, penalty = layerwise.error(problem, factorization), self.penalty(problem, factorization)
        return error if penalty is None else error + penalty

    def penalty(self, problem: Problem, factorization: Chain) -> Tensor | None:
        return label_term.penalty(problem, self.lam / 2, factorization.B, factorization.Hs[-1])
