"""The labels that a method may see, as the matrices of a label term ‖L∘(Y − BH)‖²."""

import torch
from torch import Tensor

from nmfbench.numerics.problem import Problem


def seen(problem: Problem) -> tuple[Tensor, Tensor] | None:
    """Y (classes, n), one-hot where the label is seen and 0 elsewhere, and the mask L (n,) of 0 and 1, in X's dtype.

    None if no label is seen. Classes above the largest seen label have no row.
    """
    if problem.labels is None or problem.labelled is None or not problem.labelled.any():
        return None
    X, columns = problem.X, problem.labelled.nonzero().ravel()
    labels = problem.labels[columns].long()
    Y = torch.zeros((int(labels.max()) + 1, X.shape[1]), device=X.device, dtype=X.dtype)
    Y[labels, columns] = 1
    return Y, problem.labelled.to(X.dtype)


def target(problem: Problem, r: int) -> tuple[Tensor, Tensor] | None:
    """The same for codes (…, r, n) whose row k is to score class k: Y (r, n) has rows of zeros below the classes."""
    labels = seen(problem)
    return labels and (torch.nn.functional.pad(labels[0], (0, 0, 0, r - len(labels[0]))), labels[1])


def weight(problem: Problem, lam: float) -> float:
    """λ in the unit of X, because the loss grows as the square of X and the label term does not."""
    return lam * problem.unit**2


def penalty(problem: Problem, lam: float, B: Tensor | None, H: Tensor) -> Tensor | None:
    """λ‖L∘(Y − BH)‖², (S,), λ in the unit of X, B (S, classes, r), H (S, r, n); None if no label is seen."""
    labels = seen(problem)
    return None if B is None or labels is None else weight(problem, lam) * misfit(*labels, B, H)


def misfit(Y: Tensor, L: Tensor, B: Tensor, H: Tensor) -> Tensor:
    """‖L∘(Y − BH)‖², (S,), with Y (classes, n) and L (n,) from `seen`."""
    return (L * (Y - B @ H)).square().sum((-2, -1))
