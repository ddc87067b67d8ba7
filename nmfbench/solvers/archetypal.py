"""Archetypal analysis: bases are mixtures of samples, samples are mixtures of bases."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from nmfbench.numerics import inits, losses, mixtures
from nmfbench.numerics.mixtures import Mixtures, Samples
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping, check_at_least
from nmfbench.solvers.started import Started


@dataclass(frozen=True, kw_only=True)
class ArchetypalAnalysis(Started):
    """min ½‖X − XAH‖² over A, H ≥ 0 with columns that sum to one, for X of any sign.

    The archetypes XA lie in the hull of the samples, and are pulled to its corners. Each sweep moves H, then A, by
    accelerated projected gradient, A by steps as long as descend. K = XᵀX is formed where n ≤ 2m; a sweep multiplies r
    vectors with it inner + 2 times, or twice as often with X.
    Descends: always.

    Parameters
    ----------
    rank: number of archetypes r, 1 to n.
    init: one of uniform, furthest_sum, spa, snpa, kmeans; Mørup & Hansen: furthest_sum.
    inner: gradient steps a block, ≥ 1; Mørup & Hansen's program: 10.

    Cutler & Breiman (1994); by projected gradient as in Mørup & Hansen (2012).
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=500, tol=1e-5)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "codes"
    accepts_negative: ClassVar[bool] = True
    starts: ClassVar[tuple[str, ...]] = inits.MIXTURE_CHOICES
    monotone: ClassVar[bool] = True
    accepts_missing: ClassVar[bool] = False  # its bases are made of X, so what is filled in moves them

    init: str = "furthest_sum"
    inner: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("inner", self.inner, 1)

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Mixtures]:
        X = problem.by_sample
        samples, centred = Samples(X, None), Samples.centred(X)
        At, Ht = mixtures.archetypes(self.init, X, centred, self.rank, rng)
        stretch = X.new_full((len(At),), X.shape[-1] ** 0.5)
        while True:
            yield Mixtures(samples, (At.mT,), (Ht.mT,))
            At, Ht, stretch = mixtures.archetypal_sweep(centred, At, Ht, self.inner, stretch)

    def objective(self, problem: Problem, factorization: Mixtures) -> Tensor:
        return losses.half_square(problem, factorization.bases[-1], factorization.codes[-1])
