"""Steps that more than one solver takes: Adam, accelerated proximal gradient, exact coordinate descent."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from nmfbench.numerics.pieces import blocks, product_like


class Adam:
    """Adam (Kingma & Ba 2015) in place on contiguous tensors; with ``decay``, AdamW (Loshchilov & Hutter 2019)."""

    # The function, because torch.optim.AdamW takes seconds to import.

    def __init__(self, parameters: list[Tensor], lr: float, decay: float = 0.0):
        self.parameters, self.lr, self.decay = parameters, lr, decay
        self.means, self.squares = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
        self.steps = [torch.zeros((), device=p.device) for p in parameters]

    def step(self, gradients: list[Tensor]) -> None:
        """Move every parameter, in place, by the gradient of its shape."""
        adamw(
            self.parameters,
            [gradient.contiguous() for gradient in gradients],  # torch reads them in the order of the parameters
            self.means,
            self.squares,
            [],
            self.steps,
            fused=True,  # one pass over each parameter
            amsgrad=False,
            maximize=False,
            beta1=0.9,
            beta2=0.999,
            eps=1e-8,
            lr=self.lr,
            weight_decay=self.decay,
        )


def apg(
    P: Tensor,
    quadratic: Callable[[Tensor], Tensor],
    linear: Tensor,
    lipschitz: Tensor,
    steps: int,
    project: Callable[[Tensor], Tensor] = torch.relu,
) -> Tensor:
    """Accelerated proximal gradient for min ½⟨P, Q(P)⟩ − ⟨C, P⟩ over a convex set, from P (S, …): ``steps`` steps.

    ``quadratic`` is Q, linear and positive semidefinite; ``linear`` is C; ``lipschitz`` (S,) bounds the norm of Q;
    ``project`` maps onto the set, the non-negative orthant by default. A step that would raise the objective of a
    restart of the batch is taken again without momentum, so the objective never rises. Nesterov (1983), Beck &
    Teboulle (2009); the restart is O'Donoghue & Candès (2015), Sec. 3.2.
    """
    per_restart = (-1,) + (1,) * (P.ndim - 1)
    step = 1 / lipschitz.clamp(min=torch.finfo(P.dtype).tiny).reshape(per_restart)

    def value_at(P: Tensor, QP: Tensor) -> Tensor:
        return torch.sub(QP, linear, alpha=2).mul_(P).flatten(1).sum(1).reshape(per_restart) / 2

    def descend(Y: Tensor, QY: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        new = project(torch.addcmul(Y, QY - linear, -step))
        Q = quadratic(new)
        return new, Q, value_at(new, Q)

    QP = quadratic(P)
    value = value_at(P, QP)
    Y, QY = P, QP
    alpha = torch.ones_like(value)
    for _ in range(steps):
        new, Q_new, value_new = descend(Y, QY)
        rises = value_new > value
        if rises.any():
            plain, Q_plain, value_plain = descend(P, QP)
            # Without momentum only rounding can raise the objective; then the restart stays where it is.
            stays = value_plain > value
            new = torch.where(rises, torch.where(stays, P, plain), new)
            Q_new = torch.where(rises, torch.where(stays, QP, Q_plain), Q_new)
            value_new = torch.where(rises, torch.where(stays, value, value_plain), value_new)
        ahead = (1 + (4 * alpha.square() + 1).sqrt()) / 2
        ahead = torch.where(rises, 1.0, ahead)
        beyond = torch.where(rises, 1.0, 1 + (alpha - 1) / ahead)
        Y = torch.lerp(P, new, beyond)
        QY = torch.lerp(QP, Q_new, beyond)  # because Q is linear
        P, QP, value, alpha = new, Q_new, value_new, ahead
    return P


def spectral_norm(G: Tensor) -> Tensor:
    """The largest eigenvalue of each positive semidefinite G (S, r, r), (S,). Entries not finite count as 0."""
    # In float64, because LAPACK fails on some float32 matrices of low rank, and then for the whole batch.
    return torch.linalg.eigvalsh(torch.nan_to_num(G).double())[..., -1].to(G.dtype)


def chain_lipschitz(As: Sequence[Tensor], Ss: Sequence[Tensor]) -> Iterator[Tensor]:
    """‖DᵀD‖₂ ‖S_l S_lᵀ‖₂ with D = A_1…A_{l−1}, (S, 1, 1): Lipschitz constant of the gradient in A_l at fixed S_l."""
    D = None
    for A, S in zip(As, Ss, strict=True):
        L = spectral_norm(S @ S.mT) * (1 if D is None else spectral_norm(D.mT @ D))
        yield L.clamp(min=torch.finfo(S.dtype).tiny)[:, None, None]
        D = A if D is None else D @ A


class LeastSquares:
    """½‖X − A F B‖² as a function of F: ½⟨F, Q(F)⟩ − ⟨C, F⟩ up to a constant. A or B is None for the identity."""

    def __init__(self, X: Tensor, A: Tensor | None, B: Tensor | None):
        self.left = None if A is None else A.mT @ A
        self.right = None if B is None else B @ B.mT
        C = X if A is None else A.mT @ X
        self.C = C if B is None else C @ B.mT

    def Q(self, F: Tensor) -> Tensor:
        """AᵀA F BBᵀ, of the shape of F."""
        F = F if self.left is None else self.left @ F
        return F if self.right is None else F @ self.right

    @property
    def lipschitz(self) -> Tensor:
        """The norm of Q, (S,)."""
        norms = [spectral_norm(gram) for gram in (self.left, self.right) if gram is not None]
        return torch.stack(norms).prod(0)


def masked_coordinate_sweep(H: Tensor, A: Tensor, X: Tensor, M: Tensor) -> None:
    """`coordinate_sweep` of ‖M ∘ (X − AᵀH)‖² for A (S, r, m) and weights M (m, n) of 1 and 0, where X (m, n) is zero.

    h_k ← [h_k + a_k(M ∘ R)/(a_k²M)]₊ with the residual R = X − AᵀH kept current; a_k² is elementwise.
    """
    for part in blocks(X, len(A)):  # of which H needs no other, so that R stays in the cache
        x, weight, h = X[:, part], M[:, part], H[..., part]
        squares, R = A.square() @ weight, (x - product_like(x, A, h)).mul_(weight)
        # Keep an entry whose other factor is zero in all observed entries, as `coordinate_sweep` does.
        steps = torch.where(squares >= torch.finfo(H.dtype).tiny, 1 / squares, 0)
        for a, step, row in zip(A.split(1, -2), steps.split(1, -2), h.split(1, -2), strict=True):
            new = torch.addcmul(row, a @ R, step).clamp_(min=0)
            R.addcmul_(a.mT * weight, new - row, value=-1)
            row.copy_(new)


def coordinate_sweep(H: Tensor, gram: Tensor, cross: Tensor) -> None:
    """Minimise ‖X − WH‖² over each row of H (S, r, n) ≥ 0 in turn, in place, which never raises it.

    ``gram`` is WᵀW (S, r, r) and ``cross`` is WᵀX (S, r, n).
    """
    squares = gram.diagonal(dim1=-2, dim2=-1)[..., None]
    # Keep a component whose other factor is zero, so that the other factor can recover.
    moves = squares >= torch.finfo(H.dtype).tiny
    steps = torch.where(moves, 1 / squares.where(moves, 1), 0)
    others = gram * -steps
    others.diagonal(dim1=-2, dim2=-1).copy_(~moves[..., 0])
    alone = cross * steps
    for new, weights, row in zip(alone.split(1, -2), others.split(1, -2), H.split(1, -2), strict=True):
        torch.clamp(new.baddbmm_(weights, H), min=0, out=row)
