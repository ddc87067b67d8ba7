"""Neural NMF."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nmfbench.numerics import label_term, layerwise, losses
from nmfbench.numerics.factorization import Chain, product
from nmfbench.numerics.nnls import layer, nnls
from nmfbench.numerics.optimizers import Adam, spectral_norm
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import DeepSolver, Stopping, check_choice, check_nonnegative, check_positive


@dataclass(frozen=True, kw_only=True)
class NeuralNMF(DeepSolver):
    """min ½‖X − A_1…A_L S_L‖² + (λ/2)‖L∘(Y − B S_L)‖² over A_l, B ≥ 0, S_l = argmin_{S≥0} ‖S_{l−1} − A_l S‖, S_0 = X.

    Y are the one-hot labels, L masks those that are seen. The gradient passes through all the least squares problems,
    then the A_l are projected on A_l ≥ 0 and, beyond the paper, their columns scaled to unit length, so that steps stay
    relative to them. B is the exact minimiser.
    No sweep is guaranteed to descend: gradient steps have a fixed learning rate.

    Parameters
    ----------
    rank: rank r_L ≥ 1 of the top layer; None: the last of ``ranks``.
    ranks: r_1 … r_L, each ≥ 1; None: [2·rank, rank].
    lam: weight λ ≥ 0 of the labels, for X whose largest entry is 1; not printed.
    cost: one of last, layers. "last" is the first term above, the error of the paper's Table 1; "layers" takes
        Σ ½‖S_{l−1} − A_l S_l‖² instead, "energy" in the authors' program.
    step: one of adam, gradient. The paper's Method 1 is gradient; the program has both; adam fits better (ORL, 100
        steps: error 0.18 against 0.24).
    lr: learning rate > 0; not printed. adam: in units of 1/√m, an entry of a unit column; gradient (take 1.0): in units
        of 1/L, L = ‖S_l S_lᵀ‖₂.

    Gao, Haddock, Molitor, Needell, Sadovnik, Will & Zhang (2019), Method 1.
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=500)
    version: ClassVar[int] = 2
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "all"

    lam: float = 1.0
    cost: str = "last"
    step: str = "adam"
    lr: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("cost", self.cost, ("last", "layers"))
        check_choice("step", self.step, ("adam", "gradient"))
        check_nonnegative("lam", self.lam)
        check_positive("lr", self.lr)

    @property
    def uses_labels(self) -> bool:
        return True

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Chain]:
        # Divided by its unit, because the labels and the ε of Adam are absolute.
        unit, seen = problem.unit, label_term.seen(problem)
        X = problem.X / unit
        shapes = zip((len(X), *self.layers), self.layers, strict=False)
        As = tuple(rng.uniform(f"A{l}", shape, X) for l, shape in enumerate(shapes, start=1))
        As = tuple(A / torch.linalg.vector_norm(A, dim=-2, keepdim=True) for A in As)
        # Entries of a unit column of length m are about 1/√m, and Adam moves each entry by about its learning rate.
        optimizers = [Adam([A], self.lr / A.shape[-2] ** 0.5) for A in As]
        Ss: tuple[Tensor, ...] | None = None
        while True:
            with torch.enable_grad():
                for A in As:
                    A.requires_grad_()
                chain, cost = self.propagate(X, As, seen, Ss)
            Ss = tuple(S.detach() for S in chain.Hs)
            B = None if chain.B is None else chain.B / unit
            yield Chain(tuple(A.detach() for A in As), tuple(unit * S for S in Ss), B)
            gradients = torch.autograd.grad(cost, As)
            before = [A.clone() for A in As]
            if self.step == "adam":
                for optimizer, gradient in zip(optimizers, gradients, strict=True):
                    optimizer.step([gradient])
            else:
                for A, gradient, L in zip(As, gradients, list(lipschitz(As, Ss)), strict=True):
                    A -= self.lr / L * gradient
            for A, old in zip(As, before, strict=True):
                _project(A, old)

    def propagate(
        self,
        X: Tensor,
        As: tuple[Tensor, ...],
        seen: tuple[Tensor, Tensor] | None = None,
        starts: tuple[Tensor, ...] | None = None,
    ) -> tuple[Chain, Tensor]:
        """S_l = q(A_l, S_{l−1}) in turn, B for S_L, and the objective without ½‖X‖², summed over the restarts.

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
        B = nnls((L * top) @ top.mT, top @ Y.mT).mT
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


def lipschitz(As: tuple[Tensor, ...], Ss: tuple[Tensor, ...]) -> Iterator[Tensor]:
    """‖DᵀD‖₂ ‖S_l S_lᵀ‖₂ with D = A_1…A_{l−1}, (S, 1, 1): Lipschitz constant of the gradient in A_l at fixed S_l."""
    D = None
    for A, S in zip(As, Ss, strict=True):
        L = spectral_norm(S @ S.mT) * (1 if D is None else spectral_norm(D.mT @ D))
        yield L.clamp(min=torch.finfo(S.dtype).tiny)[:, None, None]
        D = A if D is None else D @ A


def _project(A: Tensor, before: Tensor) -> None:
    """[A]₊ in place, with columns of unit length."""
    length = torch.linalg.vector_norm(A.clamp_(min=0), dim=-2, keepdim=True)
    # Keep a column that the projection would empty: without codes it would never have a gradient again.
    A.copy_(torch.where(length > 0, A / length, before))
