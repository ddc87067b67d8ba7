"""Non-negative least squares for all columns and restarts at once, and as a layer that gradients flow through."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

ROUNDS = 100
"""Maximum exchanges of block principal pivoting. Ten are usual; a column that needs 100 cycles by rounding."""
SWEEPS = 100
"""Maximum coordinate-descent sweeps over the columns that did not converge."""
CHUNK = {"cpu": 2**19, "cuda": 2**25}
"""Entries of the Gram matrices that are solved at once: what a cache holds, what keeps a GPU busy (12 times faster)."""


def nnls(gram: Tensor, cross: Tensor, start: Tensor | None = None) -> Tensor:
    """argmin_{S≥0} ‖X − AS‖ (…, r, n), from AᵀA (…, r, r) and AᵀX (…, r, n), differentiable in both.

    ``start`` (…, r, n) is the solution of a nearby problem or its support; it saves rounds and does not change the
    result. Columns of A that are zero get rows of zeros. If A lacks full rank, one of the solutions is returned.
    Each column is solved by itself, in float64 whatever the dtype; other columns and restarts do not change its bits.
    Block principal pivoting, Kim & Park (2011), Algorithm 2.
    """
    return _NNLS.apply(gram, cross, start)


def layer(A: Tensor, X: Tensor, start: Tensor | None = None) -> Tensor:
    """q(A, X) = argmin_{S≥0} ‖X − AS‖ (…, r, n) of A (…, m, r) and X (…, m, n), differentiable in both."""
    return nnls(A.mT @ A, A.mT @ X, start)


def solve_on_support(gram: Tensor, cross: Tensor, support: Tensor) -> Tensor:
    """Y (…, r, n) with AᵀA y = c in the rows of the ``support`` (…, r, n) of each column, and 0 in the others."""
    return _columnwise(_solve, gram, cross, support)


class _NNLS(torch.autograd.Function):
    """On the support of a column s = (AᵀA)⁻¹Aᵀx, and elsewhere s stays 0.

    So with y = (AᵀA)⁻¹g on the support, g = ∂/∂s: ∂/∂(Aᵀx) = y and ∂/∂(AᵀA) = −ysᵀ. For X and A that makes
    ∂/∂X = AY and ∂/∂A = (X − AS)Yᵀ − AYSᵀ.
    """

    @staticmethod
    def forward(ctx: Any, gram: Tensor, cross: Tensor, start: Tensor | None) -> Tensor:
        S = _columnwise(_pivot, gram, cross, cross > 0 if start is None else start > 0)
        ctx.save_for_backward(gram, S)
        return S

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, None]:
        gram, S = ctx.saved_tensors
        Y = solve_on_support(gram, g, S > 0)
        return -Y @ S.mT, Y, None


def _columnwise(solve: Callable[..., Tensor], gram: Tensor, cross: Tensor, support: Tensor) -> Tensor:
    """``solve`` applied to every column of every restart, in chunks, with the columns of A scaled to unit length."""
    r, n = cross.shape[-2:]
    G = gram.double().reshape(-1, r, r)
    squares = G.diagonal(dim1=-2, dim2=-1)
    # With unit columns no tolerance depends on the length of a column of A. Zero columns never reach a solve.
    unit = torch.where(squares > 0, squares.clamp(min=torch.finfo(G.dtype).tiny).rsqrt(), 0)
    G = G * unit[:, :, None] * unit[:, None, :]
    owner = torch.arange(len(G), device=G.device).repeat_interleave(n)
    columns = (cross.double().reshape(-1, r, n) * unit[:, :, None]).mT.reshape(-1, r)
    support = support.expand(cross.shape).reshape(-1, r, n).mT.reshape(-1, r) & (unit > 0)[owner]
    # The Gram matrix is only accurate to the input's precision, so regularise at that level.
    ridge = r * torch.finfo(cross.dtype).eps
    parts = zip(*(part.split(max(1, CHUNK[G.device.type] // r**2)) for part in (owner, columns, support)), strict=True)
    x = torch.cat([solve(G, *part, ridge) for part in parts])
    S = x.reshape(-1, n, r).mT * unit[:, :, None]
    most = torch.finfo(cross.dtype).max
    return S.clamp(-most, most).to(cross.dtype).reshape(cross.shape)


def _pivot(G: Tensor, owner: Tensor, c: Tensor, passive: Tensor, ridge: float) -> Tensor:
    """x (N, r) ≥ 0 with y = Gx − c ≥ 0 and xy = 0 for N columns c (N, r), from a first guess of x > 0.

    ``owner`` (N,) is the index of each column's matrix in G (S, r, r).
    """
    N, r = c.shape
    result = torch.empty_like(c)
    todo = torch.arange(N, device=c.device)
    fewest, chances = torch.full_like(todo, r + 1), torch.full_like(todo, 3)
    for _ in range(ROUNDS):
        result[todo] = x = _solve(G, owner, c, passive, ridge)
        y = (G[owner] @ x[:, :, None])[:, :, 0] - c
        noise = r * torch.finfo(c.dtype).eps * (c.abs().amax(1) + x.abs().amax(1))
        wrong = torch.where(passive, x < 0, y < -noise[:, None])
        n_wrong = wrong.sum(1)
        left = n_wrong.nonzero().ravel()
        if not len(left):
            return result
        todo, owner, c, passive, wrong, n_wrong, fewest, chances = (
            state[left] for state in (todo, owner, c, passive, wrong, n_wrong, fewest, chances)
        )
        chances = torch.where(n_wrong < fewest, 3, chances - 1)
        fewest = torch.minimum(n_wrong, fewest)
        # After three exchanges without progress, exchange only the last wrong variable; this always terminates.
        last = wrong & (wrong.flip(1).cumsum(1).flip(1) == 1)
        passive = passive ^ torch.where((chances < 0)[:, None], last, wrong)
    result[todo] = _descend(G[owner], c, result[todo].clamp(min=0))
    return result


def _solve(G: Tensor, owner: Tensor, c: Tensor, passive: Tensor, ridge: float) -> Tensor:
    """x (N, r) with Gx = c in the passive rows and columns, and x = 0 in the others."""
    alike, examples = _groups(owner, passive)
    F = passive[examples].to(c.dtype)
    D = G[owner[examples]].mul_(F[:, :, None]).mul_(F[:, None, :])
    D.diagonal(dim1=-2, dim2=-1).add_(1 - F * (1 - ridge))
    L, info = torch.linalg.cholesky_ex(D)
    x = torch.cholesky_solve((passive * c)[:, :, None], L[alike])[:, :, 0]
    singular = info[alike].nonzero().ravel()
    if len(singular) and ridge < 1:
        x[singular] = _solve(G, owner[singular], c[singular], passive[singular], 1000 * ridge)
    return x


def _groups(owner: Tensor, passive: Tensor) -> tuple[Tensor, Tensor]:
    """The group (N,) of each column and an example of each group. A group has the same owner and passive set."""
    group = owner
    for bits in passive.split(40, 1):
        word = (bits << torch.arange(bits.shape[1], device=bits.device)).sum(1)
        group = torch.unique((group << 40) + word, return_inverse=True)[1]
    examples = torch.empty_like(group[: int(group.max()) + 1])
    return group, examples.scatter_(0, group, torch.arange(len(group), device=group.device))


def _descend(G: Tensor, c: Tensor, x: Tensor) -> Tensor:
    """Cyclic coordinate descent from x ≥ 0, which never raises the residual."""
    for _ in range(SWEEPS):
        for i, g in enumerate(G.unbind(1)):
            square = g[:, i]
            step = (c[:, i] - (g * x).sum(1)) / torch.where(square > 0, square, 1)
            x[:, i] = (x[:, i] + step).clamp(min=0)
    return x
