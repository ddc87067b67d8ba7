"""Neural NMF."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nmfbench.numerics import batches, label_term, layerwise, losses
from nmfbench.numerics.factorization import Chain, product
from nmfbench.numerics.nnls import layer, nnls
from nmfbench.numerics.optimizers import Adam, chain_lipschitz
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.projections import unit_columns
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import DeepSolver, Stopping, check_at_least, check_choice, check_nonnegative, check_positive

Seen = tuple[Tensor, Tensor] | None
"""Y (…, classes, n) and L (…, n) of `label_term.seen`."""


@dataclass(frozen=True, kw_only=True)
class NeuralNMF(DeepSolver):
    """min ½‖X − A_1…A_L S_L‖² + (λ/2)‖L∘(Y − B S_L)‖² over A_l, B ≥ 0, S_l = argmin_{S≥0} ‖S_{l−1} − A_l S‖, S_0 = X.

    Y are the one-hot labels, L masks those that are seen. The gradient passes through all the least squares problems,
    then the A_l are projected on A_l ≥ 0 and, beyond the paper, their columns scaled to unit length, so that steps stay
    relative to them. B is the exact minimiser, with mini-batches that of the last epoch's codes of all samples.
    No sweep is guaranteed to descend: gradient steps have a fixed learning rate.

    Parameters
    ----------
    rank: rank r_L ≥ 1 of the top layer; None: the last of ``ranks``.
    ranks: r_1 … r_L, each ≥ 1; None: [2·rank, rank].
    lam: weight λ ≥ 0 of the labels, for X whose largest entry is 1; not printed.
    cost: one of last, layers. "last" is the first term above, the error of the paper's Table 1; "layers" takes
        Σ ½‖S_{l−1} − A_l S_l‖² instead, "energy" in the authors' program.
    step: one of adam, gradient, the paper's Method 1; the program has both. Errors on ORL in 100 steps: 0.18, 0.24.
    lr: learning rate > 0; not printed. adam: in units of 1/√m, an entry of a unit column; gradient (take 1.0): in units
        of 1/L, L = ‖S_l S_lᵀ‖₂.
    batch_size: samples a step, ≥ 1; None: all. Paper: "GD or SGD".

    Gao, Haddock, Molitor, Needell, Sadovnik, Will & Zhang (2019), Method 1.
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=500)
    version: ClassVar[int] = 2
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"
    uses_labels: ClassVar[bool] = True
    encodes: ClassVar[Literal["", "layers", "product"]] = "layers"

    lam: float = 1.0
    cost: str = "last"
    step: str = "adam"
    lr: float = 0.3
    batch_size: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("cost", self.cost, ("last", "layers"))
        check_choice("step", self.step, ("adam", "gradient"))
        check_nonnegative("lam", self.lam)
        check_positive("lr", self.lr)
        check_at_least("batch_size", 1 if self.batch_size is None else self.batch_size, 1)

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Chain]:
        # Divided by its unit, because the labels and the ε of Adam are absolute.
        unit, seen = problem.unit, label_term.seen(problem)
        X = problem.X / unit
        shapes = zip((len(X), *self.layers), self.layers, strict=False)
        As = tuple(rng.uniform(f"A{l}", shape, X) for l, shape in enumerate(shapes, start=1))
        As = tuple((A / torch.linalg.vector_norm(A, dim=-2, keepdim=True)).requires_grad_() for A in As)
        # Entries of a unit column of length m are about 1/√m, and Adam moves each entry by about its learning rate.
        optimizers = [Adam([A], self.lr / A.shape[-2] ** 0.5) for A in As]
        orders, whole = rng.permutations("batches", X.shape[1], X), batches.count(X.shape[1], self.batch_size) == 1
        Ss: tuple[Tensor, ...] | None = None
        while True:
            with torch.set_grad_enabled(whole):
                chain, cost = self.propagate(X, As, seen, Ss)
            Ss = tuple(S.detach() for S in chain.Hs)
            B = None if chain.B is None else chain.B / unit
            yield Chain(tuple(A.detach() for A in As), tuple(unit * S for S in Ss), B)
            if whole:
                self.descend(As, Ss, cost, optimizers)
                continue
            for batch in batches.split(next(orders), self.batch_size):
                x, starts = X.mT[batch].mT, tuple(batches.rows(S.mT, batch).mT for S in Ss)
                labels = seen and (seen[0][:, batch].transpose(0, 1), seen[1][batch][:, None])
                with torch.enable_grad():
                    part, cost = self.propagate(x, As, labels, starts, chain.B)
                self.descend(As, tuple(S.detach() for S in part.Hs), cost, optimizers)

    def descend(self, As: tuple[Tensor, ...], Ss: tuple[Tensor, ...], cost: Tensor, optimizers: list[Adam]) -> None:
        """A step on every A_l, in place, and its projection. The S_l belong to the samples of the cost."""
        gradients = torch.autograd.grad(cost, As)
        before = [A.clone() for A in As]
        if self.step == "adam":
            for optimizer, gradient in zip(optimizers, gradients, strict=True):
                optimizer.step([gradient])
        else:
            for A, gradient, L in zip(As, gradients, list(chain_lipschitz(As, Ss)), strict=True):
                A -= self.lr / L * gradient
        for A, old in zip(As, before, strict=True):
            unit_columns(A, old)

    def propagate(
        self,
        X: Tensor,
        As: tuple[Tensor, ...],
        seen: Seen = None,
        starts: tuple[Tensor, ...] | None = None,
        B: Tensor | None = None,
    ) -> tuple[Chain, Tensor]:
        """S_l = q(A_l, S_{l−1}) in turn, B for S_L unless it is given, and the objective without ½‖X‖², summed over S.

        No array of size (S, m, n) is formed: ½‖X − A_1T‖² = ½‖X‖² − ⟨A_1ᵀX, T⟩ + ½⟨A_1ᵀA_1 T, T⟩.
        """
        gram, cross = As[0].mT @ As[0], As[0].mT @ X
        Ss = [nnls(gram, cross, starts[0] if starts else None)]
        for l, A in enumerate(As[1:], start=1):
            Ss.append(layer(A, Ss[-1], starts[l] if starts else None))
        T = product([*As[1:], Ss[-1]]) if self.cost == "last" else Ss[0]
        cost = ((gram @ T / 2 - cross) * T).sum()
        if self.cost == "layers":
            pairs = zip(Ss[:-1], As[1:], Ss[1:], strict=True)
            cost = cost + sum(losses.beta_divergence(below, A @ S, beta=2).sum() for below, A, S in pairs)
        if seen is None:
            return Chain(As, tuple(Ss)), cost
        Y, L = seen
        top = Ss[-1].detach()
        B = nnls((L * top) @ top.mT, top @ Y.mT).mT if B is None else B
        return Chain(As, tuple(Ss), B), cost + self.lam / 2 * label_term.misfit(Y, L, B, Ss[-1]).sum()

    def objective(self, problem: Problem, factorization: Chain) -> Tensor:
        if self.cost == "last":
            cost = losses.beta_divergence(problem.X, factorization.reconstruct(), beta=2)
        else:
            cost = layerwise.error(problem, factorization)
        penalty = self.penalty(problem, factorization)
        return cost if penalty is None else cost + penalty

    def penalty(self, problem: Problem, factorization: Chain) -> Tensor | None:
        return label_term.penalty(problem, self.lam / 2, factorization.B, factorization.Hs[-1])
