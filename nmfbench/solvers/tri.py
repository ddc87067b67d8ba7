"""Orthogonal tri-factorization: features and samples are clustered at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nmfbench.numerics import losses
from nmfbench.numerics.clusters import kmeans
from nmfbench.numerics.factorization import Factorization
from nmfbench.numerics.penalised import unit_rows
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Solver, Stopping, check_at_least, check_rank

SHARE = 0.2
"""Added to every entry of a k-means start, so that updates can still move each one. Ding et al. (2006)."""


@dataclass(frozen=True)
class TriProduct(Factorization):
    """X ≈ FSGᵀ, with bases FS and codes Gᵀ.

    Parameters
    ----------
    F: clusters of features (…, m, k).
    S: how much of each cluster of features a cluster of samples has, (…, k, r).
    Gt: clusters of samples Gᵀ (…, r, n).
    """

    F: Tensor
    S: Tensor
    Gt: Tensor

    @property
    def codes(self) -> list[Tensor]:
        return [self.Gt]

    @property
    def bases(self) -> list[Tensor]:
        return [self.F @ self.S]

    @property
    def factors(self) -> dict[str, Tensor]:
        return {"F": self.F, "S": self.S, "G": self.Gt}

    def reconstruct(self) -> Tensor:
        return self.F @ self.S @ self.Gt


@dataclass(frozen=True, kw_only=True)
class OrthogonalTriNMF(Solver):
    """min ‖X − FSGᵀ‖² over F, S, G ≥ 0 with FᵀF = I and GᵀG = I.

    Each sweep updates G, F and S: G ← G ∘ √(XᵀFS / GGᵀXᵀFS), F ← F ∘ √(XGSᵀ / FFᵀXGSᵀ), S ← S ∘ √(FᵀXG / FᵀFSGᵀG).
    It starts from k-means of the features and of the samples, 1 for a member and 0 for others, plus 0.2. The
    constraints hold at rest alone, and there up to small entries; the objective is the squared error on the way there.
    No sweep is guaranteed to descend: the multipliers of the constraints are those of the point of rest.

    Parameters
    ----------
    rank: number r of clusters of samples, ≥ 1.
    features: number k of clusters of features, ≥ 1; None: as many as of samples.

    Ding, Li, Peng & Park (2006)
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=1000, tol=1e-5)
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"
    accepts_sparse: ClassVar[bool] = True

    rank: int
    features: int | None = None

    def __post_init__(self) -> None:
        check_rank(self.rank)
        if self.features is not None:
            check_at_least("features", self.features, 1)

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[TriProduct]:
        X = problem.by_sample
        # From random factors, whose rows are all alike, the method stays at a product of rank one.
        clusters = kmeans(X.mT, self.features or self.rank, rng, "F"), kmeans(X, self.rank, rng, "G")
        Ft, Gt = (unit_rows(members + SHARE)[0] for members in clusters)
        S = Ft @ (Gt @ X.mT).mT
        while True:
            yield TriProduct(Ft.mT, S, Gt)
            P = (S.mT @ Ft) @ X
            Gt = Gt * root(P, (P @ Gt.mT) @ Gt)
            GtX = Gt @ X.mT
            P = S @ GtX
            Ft = Ft * root(P, (P @ Ft.mT) @ Ft)
            S = S * root(Ft @ GtX.mT, (Ft @ Ft.mT) @ S @ (Gt @ Gt.mT))

    def objective(self, problem: Problem, factorization: TriProduct) -> Tensor:
        return 2 * losses.half_square(problem, factorization.bases[0], factorization.Gt)


def root(p: Tensor, q: Tensor) -> Tensor:
    """√(p/q), elementwise and finite where q is 0."""
    return (p / q.clamp(min=torch.finfo(q.dtype).tiny)).sqrt()
