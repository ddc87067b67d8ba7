"""Graph-regularised NMF."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nmfbench.errors import NotApplicable
from nmfbench.numerics import inits, losses
from nmfbench.numerics.factorization import Factorization
from nmfbench.numerics.graph import Graph, nearest_neighbours
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping, check_at_least, check_nonnegative
from nmfbench.solvers.started import Started


@dataclass(frozen=True)
class GraphProduct(Factorization):
    """X ≈ WH. ``W`` and ``H`` are the iterates; `factors` has W with columns of unit length, and H to match.

    Parameters
    ----------
    W: iterate (…, m, r) ≥ 0.
    H: iterate (…, r, n) ≥ 0.
    graph: the graph of n samples.
    """

    W: Tensor
    H: Tensor
    graph: Graph

    @property
    def factors(self) -> dict[str, Tensor]:
        lengths = torch.linalg.vector_norm(self.W, dim=-2)
        scale = torch.where(lengths > 0, lengths, 1)
        return {"W": self.W / scale[..., None, :], "H": self.H * scale[..., :, None]}

    @property
    def codes(self) -> list[Tensor]:
        return [self.factors["H"]]

    @property
    def bases(self) -> list[Tensor]:
        return [self.factors["W"]]

    def reconstruct(self) -> Tensor:
        return self.W @ self.H


@dataclass(frozen=True, kw_only=True)
class GNMF(Started):
    """min ‖X − WH‖² + λ Tr(HLHᵀ) over W, H ≥ 0, L the Laplacian of the samples' p-nearest-neighbour graph.

    Each sweep updates H, then W: h ← h · (WᵀX + λHA)/(WᵀWH + λHD) with L = D − A, and W as in plain NMF. The codes that
    are clustered belong to columns of W of unit length; the iteration does not rescale, because the penalty depends on
    the scale of H. The penalty also falls when scale moves from H to W, so the graph counts for less the longer the
    fit.
    Descends: always.

    Parameters
    ----------
    rank: number of components r, ≥ 1.
    lam: weight λ ≥ 0 of the graph, for samples of unit length; paper: 100. Other samples count in units of their root
        mean square length, because the loss grows as the square of X and the penalty as X.
    p: nearest neighbours of a sample, 1 to n − 1; paper: 5, with weights 0 and 1.
    init: one of uniform, nndsvd (its zeros stay zero), nndsvda, nndsvdar, spa, snpa, kmeans; paper: random.

    Cai, He, Han & Huang (2011), the updates of the Frobenius form.
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=500, tol=1e-5)
    version: ClassVar[int] = 2
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"
    monotone: ClassVar[bool] = True
    reads_sparse: ClassVar[bool] = True

    lam: float = 100.0
    p: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_nonnegative("lam", self.lam)
        check_at_least("p", self.p, 1)

    def check(self, problem: Problem) -> None:
        super().check(problem)
        n = problem.X.shape[-1]
        if self.p >= n:
            raise NotApplicable(
                f"{self.p} nearest neighbours need at least {self.p + 1} samples, got {n}; choose p < {n}"
            )

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[GraphProduct]:
        X = problem.by_sample
        graph, lam = nearest_neighbours(X, self.p), self._weight(problem)
        W, H = inits.start(self.init, X, self.rank, rng)
        Wt = W.mT.contiguous()  # components in rows, so that WᵀX is one product for all restarts
        while True:
            yield GraphProduct(Wt.mT, H, graph)
            HA, HD = graph.split(H)
            H = H * quotient((Wt @ X).add_(HA, alpha=lam), ((Wt @ Wt.mT) @ H).add_(HD, alpha=lam))
            Wt = Wt * quotient(H @ X.mT, (H @ H.mT) @ Wt)

    def objective(self, problem: Problem, factorization: GraphProduct) -> Tensor:
        loss = 2 * losses.half_square(problem, factorization.W, factorization.H)
        penalty = self.penalty(problem, factorization)
        return loss if penalty is None else loss + penalty

    def penalty(self, problem: Problem, factorization: GraphProduct) -> Tensor | None:
        return self._weight(problem) * factorization.graph.roughness(factorization.H) if self.lam else None

    def _weight(self, problem: Problem) -> float:
        """λ in the unit of X."""
        return self.lam * (problem.square / problem.X.shape[-1]) ** 0.5


def quotient(p: Tensor, q: Tensor) -> Tensor:
    """p/q, elementwise and finite where q is 0, in the place of p."""
    return p.div_(q.clamp_(min=torch.finfo(q.dtype).tiny))
