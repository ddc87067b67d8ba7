"""Semi-supervised NMF."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nmfbench.numerics import inits, label_term, losses
from nmfbench.numerics.factorization import Chain
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping, check_nonnegative
from nmfbench.solvers.started import Started


@dataclass(frozen=True, kw_only=True)
class SemiSupervisedNMF(Started):
    """min ‖X − AS‖² + λ‖L∘(Y − BS)‖² over A, B, S ≥ 0, Y the one-hot labels and L the mask of those that are seen.

    Multiplicative updates of A, B and S in turn. Without labels this is plain NMF. With missing entries the first term
    is ‖W∘(X − AS)‖², W their mask, as the paper and the Neural NMF slides have it.
    Descends: always.

    Parameters
    ----------
    rank: number of components r, ≥ 1.
    lam: weight λ ≥ 0 of the labels, for X whose largest entry is 1; the paper leaves it to the user, the ssnmf package
        has 1.
    init: one of uniform, nndsvd (its zeros stay zero), nndsvda, nndsvdar, spa, snpa, kmeans; paper: random. It is the
        start of A and S; B is drawn.

    Lee, Yoo & Choi (2010).
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=20000, tol=1e-5)
    version: ClassVar[int] = 2
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"
    skips_missing: ClassVar[bool] = True
    draws: ClassVar[bool] = True  # the classifier B
    uses_labels: ClassVar[bool] = True
    reads_sparse: ClassVar[bool] = True
    monotone: ClassVar[bool] = True
    encodes: ClassVar[Literal["", "layers", "product"]] = "layers"

    lam: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_nonnegative("lam", self.lam)

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Chain]:
        X, seen, lam = problem.by_sample, label_term.seen(problem), label_term.weight(problem, self.lam)
        A, S = inits.start(self.init, X, self.rank, rng)
        W = problem.weights
        X = X if W is None else X * W
        if seen:
            Y, L = seen
            B = rng.uniform("B", (len(Y), self.rank), X)
        while True:
            yield Chain((A,), (S,), B if seen else None)
            A = _multiply(A, (S @ X.mT).mT, A @ (S @ S.mT) if W is None else (A @ S).mul_(W) @ S.mT)
            p, q = A.mT @ X, A.mT @ A @ S if W is None else A.mT @ (A @ S).mul_(W)
            if seen:
                # Y needs no mask, because it is zero where L is.
                B = _multiply(B, Y @ S.mT, B @ ((L * S) @ S.mT))
                p, q = p + lam * (B.mT @ Y), q + lam * (B.mT @ B @ (L * S))
            S = _multiply(S, p, q)

    def objective(self, problem: Problem, factorization: Chain) -> Tensor:
        (A,), (S,) = factorization.Ws, factorization.Hs
        distance = 2 * losses.half_square(problem, A, S)
        penalty = self.penalty(problem, factorization)
        return distance if penalty is None else distance + penalty

    def penalty(self, problem: Problem, factorization: Chain) -> Tensor | None:
        return label_term.penalty(problem, self.lam, factorization.B, factorization.Hs[-1])


def _multiply(factor: Tensor, p: Tensor, q: Tensor) -> Tensor:
    """Multiply the factor by p/q, the negative over the positive part of its gradient."""
    return factor * (p / q.clamp(min=torch.finfo(q.dtype).tiny))
