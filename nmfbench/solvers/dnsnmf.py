"""Deep non-smooth NMF."""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from torch import Tensor

from nmfbench.errors import ConfigError
from nmfbench.numerics import inits, losses
from nmfbench.numerics.nonsmooth import NonSmooth, check_steps
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping, check_share
from nmfbench.solvers.started import DeepStarted


@dataclass(frozen=True, kw_only=True)
class DeepNonSmoothNMF(DeepStarted):
    """min ½‖X − Z_1S_1Z_2S_2…Z_LS_LH‖² over Z_l, H ≥ 0, S_l = (1 − θ_l)I + (θ_l/r_l)11ᵀ.

    Pre-training factors X, then the codes of each layer, by non-smooth NMF. Each sweep then moves Z_1, …, Z_L and H by
    ``inner`` steps each.
    Descends: with ``variant="apg"``.

    Parameters
    ----------
    rank: rank r_L ≥ 1 of the top layer; None: the last of ``ranks``.
    ranks: r_1 … r_L, each ≥ 1; None: [2·rank, rank]. The paper does not print the size of its first layer.
    theta: θ of the top layers, θ_L last, each in [0, 1]; the layers below these have 0. Not printed. Measured on faces
        and digits, 0.1 in the top layer alone keeps every component alive. The authors' program has 0.1, and 0.9 for
        the top layer: up to 22 of 40 components of a layer end at zero. So do 8 of 20 on digits with 0.1 in both.
    inner: steps a block, ≥ 1; not printed, the authors' program: 10.
    pretrain: sweeps of non-smooth NMF a layer before the first sweep over all layers, ≥ 0; not printed.
    init: one of uniform, nndsvd, nndsvda, nndsvdar, spa, snpa, kmeans; paper, Sec. V-D: nndsvd. Seeds differ with
        uniform, nndsvdar and kmeans alone.
    variant: one of apg, mu. "apg" is the paper's accelerated proximal gradient; "mu" takes multiplicative steps and
        scales the columns of Z_l to unit norm without changing H, as the authors' program does.

    Yu, Zhou, Cichocki & Xie (2018), Algorithms 1 and 2
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=800, tol=1e-5)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"
    encodes: ClassVar[Literal["", "layers", "product"]] = "product"

    theta: list[float] = field(default_factory=lambda: [0.1])
    inner: int = 10
    pretrain: int = 100
    init: str = "nndsvd"
    variant: str = "apg"

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.theta) > len(self.layers):
            raise ConfigError(f"theta must have at most one value a layer ({len(self.layers)}), got {list(self.theta)}")
        for theta in self.thetas:
            check_share("theta", theta)
        check_steps(self.variant, inner=self.inner, pretrain=self.pretrain)

    @property
    def thetas(self) -> tuple[float, ...]:
        """θ_1 … θ_L."""
        return (0.0,) * (len(self.layers) - len(self.theta)) + tuple(self.theta)

    @property
    def monotone(self) -> bool:
        return self.variant == "apg"

    def iterates(self, problem: Problem, rng: Streams) -> Generator[NonSmooth | None, bool, None]:
        data, Zs = problem.X, []
        for l, (r, theta) in enumerate(zip(self.layers, self.thetas, strict=True), start=1):
            Z, H = inits.start(self.init, data, r, rng, layer=l)
            layer = NonSmooth((Z,), H, (theta,))
            for _ in range(self.pretrain):
                layer = layer.swept(data, self.inner, self.variant)
                if (yield None):
                    break
            Zs.append(layer.Zs[0])
            data = layer.H
        state = NonSmooth(tuple(Zs), data, self.thetas)
        while True:
            yield state
            state = state.swept(problem.X, self.inner, self.variant)

    def objective(self, problem: Problem, factorization: NonSmooth) -> Tensor:
        return losses.half_square(problem, factorization.bases[-1], factorization.H)
