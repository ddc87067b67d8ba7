"""What the tests of the weakly non-negative methods compare with: their losses in plain lines."""

import pytest
import torch

from nmfbench.solvers.weak import WeakSolver


def entry_loss(loss: str, V: torch.Tensor, X: torch.Tensor) -> torch.Tensor:
    """ℓ(x, v), elementwise, in plain lines, x > 0; the divergences are their tangents below v = x/10."""
    R, t = V - X, X / 10
    if loss in ("l1", "l2"):
        return R.abs() if loss == "l1" else R.square()
    if loss == "huber":
        return torch.where(R.abs() <= 0.1, R.square() / 2, 0.1 * (R.abs() - 0.05))
    low, v = t > V, torch.where(t > V, 1.0, V)
    if loss == "kl":
        above, at_t = (X * (X / u).log() - X + u for u in (v, t))
        slope = 1 - X / t
    else:
        above, at_t = (X / u - (X / u).log() - 1 for u in (v, t))
        slope = 1 / t - X / t**2
    return torch.where(low, at_t + slope * (V - t), above)


def batch_loss(solver: WeakSolver, V: torch.Tensor, X: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
    """The loss (S,) that a step descends, in plain lines: V reconstructs the batch X, the first axes are S and b."""
    loss = entry_loss(solver.loss, V, X).flatten(1).sum(1)
    if solver.loss_reduction == "mean":
        loss = loss / X.shape[1]
    if solver.reading == "penalty":
        loss = loss + solver.weight * sum(parameter.square().flatten(1).sum(1) for parameter in parameters)
    if solver.reading == "relative":
        # λ times the mean square length of a factor's rows, beside the loss of a mean entry.
        lengths = sum(parameter.square().sum(-1).flatten(1).mean(1) for parameter in parameters)
        loss = loss + solver.weight * lengths * X[0].numel() / (X.shape[1] if solver.loss_reduction == "mean" else 1)
    return loss


readings = [
    pytest.mark.parametrize("reading", ["relative", "penalty", "decoupled"]),
    pytest.mark.parametrize("reduction", ["mean", "sum"]),
    pytest.mark.parametrize("loss", ["l1", "l2", "huber", "kl", "is"]),
    pytest.mark.parametrize("eta", [0.0, 0.1, 1.0]),
]


def every_reading(test):
    for mark in readings:
        test = mark(test)
    return test
