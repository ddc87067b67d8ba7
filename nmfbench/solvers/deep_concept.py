"""Deep concept factorization, layer by layer on the codes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from nmfbench.numerics import inits, layerwise, mixtures
from nmfbench.numerics.mixtures import Mixtures, Samples
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.started import DeepStarted


@dataclass(frozen=True, kw_only=True)
class DeepConceptFactorization(DeepStarted):
    """min ½‖H_{l−1} − H_{l−1}A_l H_l‖² layer by layer, H_0 = X ≥ 0, over A_l, H_l ≥ 0.

    Layer l is concept factorization of the codes below. Each iteration is one sweep of it in every layer, on the
    current codes of the layer below, so each layer settles once those below have.
    No sweep is guaranteed to descend: new codes of a layer are new data for the layer above.

    Parameters
    ----------
    rank: rank r_L ≥ 1 of the top layer; None: the last of ``ranks``.
    ranks: r_1 … r_L, each ≥ 1; None: [2·rank, rank].
    init: one of uniform, furthest_sum, spa, snpa, kmeans, in every layer; as for `ConceptFactorization`.

    De Handschutter, Gillis & Siebert (2021), Sec. 3.2.4
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=5000, tol=1e-5)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"
    starts: ClassVar[tuple[str, ...]] = inits.MIXTURE_CHOICES

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Mixtures]:
        samples = data = Samples.of(problem.by_sample)
        Ats, Hs = [], []
        for l, r in enumerate(self.layers, start=1):
            At, H = mixtures.start(self.init, data.X, r, rng, l if l > 1 else "")
            At, _, H = mixtures.unit_bases(At, data.times(At), H)
            Ats.append(At)
            Hs.append(H)
            data = Samples.of(H)
        while True:
            yield Mixtures(samples, tuple(At.mT for At in Ats), tuple(Hs))
            data = samples
            for l, At in enumerate(Ats):
                Ats[l], _, Hs[l] = mixtures.concept_sweep(data, At, data.times(At), Hs[l])
                data = Samples.of(Hs[l])

    def objective(self, problem: Problem, factorization: Mixtures) -> Tensor:
        """The sum over the layers."""
        return layerwise.error(problem, factorization.chain)
