"""Deep archetypal analysis, layer by layer on the codes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from nmfbench.numerics import inits, layerwise, mixtures
from nmfbench.numerics.mixtures import Mixtures, Samples
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping, check_at_least
from nmfbench.solvers.started import DeepStarted


@dataclass(frozen=True, kw_only=True)
class DeepArchetypalAnalysis(DeepStarted):
    """min ½‖H_{l−1} − H_{l−1}A_l H_l‖² layer by layer, H_0 = X, over A_l, H_l ≥ 0 with columns that sum to one.

    Layer l is archetypal analysis of the codes below. Each iteration is one sweep of it in every layer, on the current
    codes of the layer below, so each layer settles once those below have.
    No sweep is guaranteed to descend: new codes of a layer are new data for the layer above.

    Parameters
    ----------
    rank: rank r_L ≥ 1 of the top layer; None: the last of ``ranks``.
    ranks: r_1 … r_L, 1 to n each, not rising; None: [2·rank, rank].
    init: one of uniform, furthest_sum, spa, snpa, kmeans, in every layer; as for `ArchetypalAnalysis`.
    inner: gradient steps a block, ≥ 1; as for `ArchetypalAnalysis`.

    De Handschutter, Gillis & Siebert (2021), Sec. 3.2.4
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=500, tol=1e-5)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "codes"
    accepts_negative: ClassVar[bool] = True
    starts: ClassVar[tuple[str, ...]] = inits.MIXTURE_CHOICES

    init: str = "furthest_sum"
    inner: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("inner", self.inner, 1)

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Mixtures]:
        X, Ats, Hts = problem.by_sample, [], []
        samples, first = Samples(X, None), Samples.centred(X)
        below, centred = X, first
        for l, r in enumerate(self.layers, start=1):
            At, Ht = mixtures.archetypes(self.init, below, centred, r, rng, l if l > 1 else "")
            Ats.append(At)
            Hts.append(Ht)
            below, centred = Ht.mT, Samples.centred(Ht.mT)
        stretches = [X.new_full((len(At),), X.shape[-1] ** 0.5) for At in Ats]
        while True:
            yield Mixtures(samples, tuple(At.mT for At in Ats), tuple(Ht.mT for Ht in Hts))
            centred = first
            for l in range(len(Ats)):
                Ats[l], Hts[l], stretches[l] = mixtures.archetypal_sweep(
                    centred, Ats[l], Hts[l], self.inner, stretches[l]
                )
                centred = Samples.centred(Hts[l].mT)

    def objective(self, problem: Problem, factorization: Mixtures) -> Tensor:
        """The sum over the layers."""
        return layerwise.error(problem, factorization.chain)
