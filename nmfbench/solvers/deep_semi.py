"""Deep semi-NMF, and its weakly supervised form."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nmfbench.errors import ConfigError
from nmfbench.numerics import graph, inits, label_term, losses
from nmfbench.numerics.factorization import Chain, Chained, product
from nmfbench.numerics.graph import Graph
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.numerics.signed import pinv, semi_sweep, square_root_step
from nmfbench.solvers.base import DeepSolver, Stopping, check_choice


@dataclass(frozen=True)
class GraphChain(Chained):
    """A `Chain`, and the graph of the samples with equal labels where labels are used.

    Parameters
    ----------
    Ws: Z_l (…, r_{l−1}, r_l) with r_0 = m, of any sign.
    Hs: the codes H_l (…, r_l, n) ≥ 0.
    graph: the graph of n samples; None: no labels are used.
    """

    Ws: tuple[Tensor, ...]
    Hs: tuple[Tensor, ...]
    graph: Graph | None

    @property
    def chain(self) -> Chain:
        """The same factors without the graph."""
        return Chain(self.Ws, self.Hs)

    @property
    def factors(self) -> dict[str, Tensor]:
        return self.chain.factors


@dataclass(frozen=True, kw_only=True)
class DeepSemiNMF(DeepSolver):
    """min ‖X − Z₁…Z_L H_L‖² + Σ λ_l Tr(H_l L H_lᵀ) over Z_l of any sign and H_l ≥ 0, L of the graph of equal labels.

    Layers are pre-trained one after the other by semi-NMF, H_{l−1} ≈ Z_l H_l. Each sweep goes through them: with
    D = Z₁…Z_{l−1}, Z_l = D⁺X(Z_{l+1}…Z_L H_L)⁺, and H_l takes a square-root step for X ≈ (DZ_l)H_l by itself.
    No sweep is guaranteed to descend: pseudo-inverses are truncated, and codes below the top lower their own error.

    Parameters
    ----------
    rank: rank r_L ≥ 1 of the top layer; None: the last of ``ranks``.
    ranks: r_1 … r_L, each ≥ 1; None: [2·rank, rank].
    variant: one of product, survey. "product" is the paper; "survey" puts Z_{l+1}H_{l+1} in the place of the product
        above layer l (De Handschutter, Gillis & Siebert 2021, Algorithm 3; the same for two layers).
    pretrain: iterations of semi-NMF a layer, ≥ 0; the authors' program: at most 500.
    init: one of svd, random, spa, snpa, kmeans. "svd", the paper's, is Gillis & Kumar (2015) without its zeros;
        "random" draws H uniformly. Only random and kmeans differ by seed.
    lams: λ_1 … λ_L, each ≥ 0, of the graphs of equal labels, for X whose largest entry is 1, for example [0, 0.1];
        None: unsupervised.

    Trigeorgis, Bousmalis, Zafeiriou & Schuller (2014), Algorithm 1; with labels (2017).
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=500, tol=0.0)
    version: ClassVar[int] = 2
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "codes"
    accepts_negative: ClassVar[bool] = True

    variant: str = "product"
    pretrain: int = 500
    init: str = "svd"
    lams: list[float] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("variant", self.variant, ("product", "survey"))
        inits.check_name(self.init, inits.SEMI_CHOICES)
        if self.pretrain < 0:
            raise ConfigError(f"pretrain must be a number of iterations, 0 or more, got {self.pretrain}")
        if self.lams is not None and (len(self.lams) != len(self.layers) or min(self.lams) < 0):
            raise ConfigError(f"lams must be {len(self.layers)} nonnegative numbers, one a layer, got {self.lams}")

    @property
    def draws(self) -> bool:
        return inits.draws(self.init)

    @property
    def uses_labels(self) -> bool:
        return any(self.lams or [])

    def check(self, problem: Problem) -> None:
        super().check(problem)
        inits.check_semi(self.init, problem.X, self.layers)

    @property
    def encodes(self) -> Literal["", "layers", "product"]:
        return "product" if not any(self.lams or ()) else ""

    def iterates(self, problem: Problem, rng: Streams) -> Generator[GraphChain | None, bool, None]:
        X, labels = problem.by_sample, None
        if self.uses_labels and problem.labels is not None and problem.labelled is not None:
            labels = graph.same_label(problem.labels, problem.labelled)
        Zs, Hs = yield from self.pretrained(X, rng)
        lams = [label_term.weight(problem, lam) for lam in self.lams or []]
        while True:
            yield GraphChain(tuple(Zs), tuple(Hs), labels)
            for l in range(len(Zs)):
                Z = X @ pinv(self.above(l, Zs, Hs))
                Zs[l] = pinv(product(Zs[:l])) @ Z if l else Z
                D = product(Zs[: l + 1])
                graph_terms = [lams[l] * part for part in labels.split(Hs[l])] if labels and lams else []
                Hs[l] = square_root_step(Hs[l], D.mT @ X, D.mT @ D, *graph_terms)

    def pretrained(self, X: Tensor, rng: Streams) -> Generator[None, bool, tuple[list[Tensor], list[Tensor]]]:
        """Z_l (S, r_{l−1}, r_l) and H_l (S, r_l, n) after semi-NMF of each layer by itself, for X (m, n)."""
        Zs: list[Tensor] = []
        Hs = [X]
        for l, rank in enumerate(self.layers, start=1):
            Z, H = inits.semi(self.init, Hs[-1], rank, rng, f"H{l}")
            for _ in range(self.pretrain):
                Z, H = semi_sweep(Hs[-1], H)
                if (yield None):
                    break
            Zs.append(Z)
            Hs.append(H)
        return Zs, Hs[1:]

    def above(self, l: int, Zs: list[Tensor], Hs: list[Tensor]) -> Tensor:
        """The layers above l multiplied: their approximation of layer l's codes, (S, r_l, n)."""
        if self.variant == "survey" and l + 1 < len(Zs):
            return Zs[l + 1] @ Hs[l + 1]
        return product([*Zs[l + 1 :], Hs[-1]])

    def objective(self, problem: Problem, factorization: GraphChain) -> Tensor:
        loss = 2 * losses.half_square(problem, factorization.bases[-1], factorization.codes[-1])
        penalty = self.penalty(problem, factorization)
        return loss if penalty is None else loss + penalty

    def penalty(self, problem: Problem, factorization: GraphChain) -> Tensor | None:
        graph = factorization.graph
        if graph is None or not self.lams:
            return None
        terms = [lam * graph.roughness(H) for lam, H in zip(self.lams, factorization.Hs, strict=True)]
        return label_term.weight(problem, 1.0) * torch.stack(terms).sum(0)
