"""Deep autoencoder-like NMF of a graph."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nmfbench.errors import NotApplicable
from nmfbench.numerics import inits, losses
from nmfbench.numerics.factorization import Chain, Chained, product
from nmfbench.numerics.graph import Graph, is_adjacency, of_data
from nmfbench.numerics.hierarchies import ratio
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import DeepSolver, Stopping, check_at_least, check_nonnegative


@dataclass(frozen=True)
class AutoencoderChain(Chained):
    """A `Chain`, what its bases make of X, and the graph of the samples.

    Parameters
    ----------
    Us: U_l (…, r_{l−1}, r_l) ≥ 0 with r_0 = m.
    Vs: the codes V_l (…, r_l, n) ≥ 0; only the last enters the objective.
    encoded: (U₁…U_L)ᵀX (…, r_L, n).
    graph: the graph of n samples.
    """

    Us: tuple[Tensor, ...]
    Vs: tuple[Tensor, ...]
    encoded: Tensor
    graph: Graph

    @property
    def chain(self) -> Chain:
        """The same factors alone."""
        return Chain(self.Us, self.Vs)

    @property
    def factors(self) -> dict[str, Tensor]:
        return self.chain.factors


@dataclass(frozen=True, kw_only=True)
class DANMF(DeepSolver):
    """min ‖X − U₁…U_L V_L‖² + ‖V_L − (U₁…U_L)ᵀX‖² + λ Tr(V_L L V_Lᵀ) over U_l, V_l ≥ 0, L the Laplacian of the graph X.

    A decoder and an encoder with the same weights: what is decoded from the codes is near X, and the codes are near
    what is encoded of X. Layers are pre-trained one after the other in the same way, V_{l−1} ≈ U_l V_l and
    V_l ≈ U_lᵀV_{l−1}; each sweep takes multiplicative steps in U_1, V_1, …, U_L, V_L. X is the adjacency matrix of a
    graph if it is symmetric; any other X has the graph of the p nearest neighbours of each sample.
    Descends: always.

    Parameters
    ----------
    rank: rank r_L ≥ 1 of the top layer, the number of communities; None: the last of ``ranks``.
    ranks: r_1 … r_L, each ≥ 1; None: [2·rank, rank].
    lam: weight λ ≥ 0 of the graph, whose largest weight counts as 1; authors' program: 1.
    p: nearest neighbours of a sample, 1 to n − 1, where X is no graph; `gnmf`'s paper: 5.
    pretrain: iterations a layer, ≥ 0; authors' program: at most 500.

    Ye, Chen & Zheng (2018), Algorithm 1.
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=1000)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"
    monotone: ClassVar[bool] = True
    accepts_sparse: ClassVar[bool] = True
    accepts_missing: ClassVar[bool] = False  # its encoder multiplies X as well

    lam: float = 1.0
    p: int = 5
    pretrain: int = 500

    def __post_init__(self) -> None:
        super().__post_init__()
        check_nonnegative("lam", self.lam)
        check_at_least("p", self.p, 1)
        check_at_least("pretrain", self.pretrain, 0)

    def check(self, problem: Problem) -> None:
        super().check(problem)
        n = problem.X.shape[-1]
        if self.p >= n and not is_adjacency(problem.X):
            raise NotApplicable(
                f"{self.p} nearest neighbours need at least {self.p + 1} samples, got {n}; choose p < {n}"
            )

    def iterates(self, problem: Problem, rng: Streams) -> Generator[AutoencoderChain | None, bool, None]:
        X, graph = problem.by_sample, of_data(problem.X, self.p)
        Us, Vs = yield from self.pretrained(problem, rng)
        encoded = product([U.mT for U in reversed(Us)]) @ X
        while True:
            yield AutoencoderChain(tuple(Us), tuple(Vs), encoded, graph)
            V, below, gram = Vs[-1], X, None  # below = ΨᵀX and gram = ΨᵀΨ for Ψ = U_1…U_{l−1}
            for l in range(len(Us)):
                above = product([*Us[l + 1 :], torch.eye(V.shape[-2]).to(V)])  # Φ = U_{l+1}…U_L
                Bt = (Us[l] @ above).mT
                encoded = Bt @ below if l else encoded
                p, q = V @ below.mT, (V @ V.mT) @ (Bt if gram is None else Bt @ gram) + encoded @ below.mT
                Us[l] = ratio(2 * Us[l] * (above @ p).mT, (above @ q).mT)
                below = Us[l].mT @ below
                gram = Us[l].mT @ (Us[l] if gram is None else gram @ Us[l])
                VA, VD = graph.split(Vs[l]) if l == len(Us) - 1 else (0, 0)
                # A sample of zeros has codes of 0, which its neighbours pull at: only the product is then finite.
                Vs[l] = ratio(Vs[l] * (2 * below + self.lam * VA), gram @ Vs[l] + Vs[l] + self.lam * VD)
            encoded = below

    def pretrained(self, problem: Problem, rng: Streams) -> Generator[None, bool, tuple[list[Tensor], list[Tensor]]]:
        """U_l (S, r_{l−1}, r_l) and V_l (S, r_l, n) after the method on each layer by itself, without the graph."""
        below, size = problem.by_sample, problem.unit**0.5
        Us, Vs = [], []
        for l, rank in enumerate(self.layers, start=1):
            U, V = inits.uniform(below, rank, rng, l if l > 1 else "")
            Ut, V = U.mT / size, V * size  # so that codes have the unit of X, and bases none
            encoded = Ut @ below
            for _ in range(self.pretrain):
                Ut = ratio(2 * Ut * (V @ below.mT), (V @ V.mT) @ Ut + encoded @ below.mT)
                encoded = Ut @ below
                V = ratio(2 * V * encoded, (Ut @ Ut.mT) @ V + V)
                if (yield None):
                    break
            Us.append(Ut.mT)
            Vs.append(V)
            below = V
        return Us, Vs

    def objective(self, problem: Problem, factorization: AutoencoderChain) -> Tensor:
        decoder = 2 * losses.half_square(problem, factorization.bases[-1], factorization.Vs[-1])
        encoder = (factorization.Vs[-1] - factorization.encoded).square().sum((-2, -1))
        penalty = self.penalty(problem, factorization)
        return decoder + encoder + (0 if penalty is None else penalty)

    def penalty(self, problem: Problem, factorization: AutoencoderChain) -> Tensor | None:
        return self.lam * factorization.graph.roughness(factorization.Vs[-1]) if self.lam else None
