"""Non-smooth NMF."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from nmfbench.numerics import inits, losses
from nmfbench.numerics.nonsmooth import NonSmooth, check_steps
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping, check_share
from nmfbench.solvers.started import Started


@dataclass(frozen=True, kw_only=True)
class NonSmoothNMF(Started):
    """min ½‖X − ZSH‖² over Z, H ≥ 0, S = (1 − θ)I + (θ/r)11ᵀ.

    S blurs the codes, so Z and H become sparse. Each sweep moves Z, then H, by ``inner`` steps.
    Descends: with ``variant="apg"``.

    Parameters
    ----------
    rank: number of components r, ≥ 1.
    theta: θ in [0, 1]: 0 is plain NMF; not printed. Measured on faces and digits, 0.1 keeps every component alive.
        The dnsNMF authors' program has 0.9 for one layer: up to two thirds of the components end at zero.
    inner: steps a block, ≥ 1; not printed, the program: 10.
    init: one of uniform, nndsvd, nndsvda, nndsvdar, spa, snpa, kmeans; dnsNMF paper, Sec. V-D: nndsvd. Seeds differ
        with uniform, nndsvdar and kmeans alone.
    variant: one of apg, mu. "apg" is accelerated proximal gradient, as in the dnsNMF paper; "mu" takes multiplicative
        steps and scales the columns of Z to unit norm without changing H, as that paper's program does.

    Pascual-Montano, Carazo, Kochi, Lehmann & Pascual-Marqui (2006); Yu, Zhou, Cichocki & Xie (2018), Algorithm 1
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=800, tol=1e-5)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"
    encodes: ClassVar[Literal["", "layers", "product"]] = "layers"

    theta: float = 0.1
    inner: int = 10
    init: str = "nndsvd"
    variant: str = "apg"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("theta", self.theta)
        check_steps(self.variant, inner=self.inner)

    @property
    def monotone(self) -> bool:
        return self.variant == "apg"

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[NonSmooth]:
        Z, H = inits.start(self.init, problem.X, self.rank, rng)
        state = NonSmooth((Z,), H, (self.theta,))
        while True:
            yield state
            state = state.swept(problem.X, self.inner, self.variant)

    def objective(self, problem: Problem, factorization: NonSmooth) -> Tensor:
        return losses.half_square(problem, factorization.bases[-1], factorization.H)
