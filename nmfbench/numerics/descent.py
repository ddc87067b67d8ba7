"""First-order optimizers on lists of parameters, in place: Adam with or without decay, SGD, RMSprop."""

import torch
from torch import Tensor

from nmfbench.numerics.optimizers import Adam


class SGD:
    """Gradient descent with momentum 0.9 (Polyak 1964); with ``decay``, SGDW (Loshchilov & Hutter 2019)."""

    def __init__(self, parameters: list[Tensor], lr: float, decay: float = 0.0):
        self.parameters, self.lr, self.decay = parameters, lr, decay
        self.momenta = [torch.zeros_like(p) for p in parameters]

    def step(self, gradients: list[Tensor]) -> None:
        """Move every parameter, in place, by the gradient of its shape."""
        torch._foreach_mul_(self.parameters, 1 - self.lr * self.decay)
        torch._foreach_mul_(self.momenta, 0.9)
        torch._foreach_add_(self.momenta, gradients)
        torch._foreach_add_(self.parameters, self.momenta, alpha=-self.lr)


class RMSprop:
    """Each gradient over the root of a moving mean of its squares, of weight 0.99 (Tieleman & Hinton 2012)."""

    def __init__(self, parameters: list[Tensor], lr: float, decay: float = 0.0):
        self.parameters, self.lr, self.decay = parameters, lr, decay
        self.squares = [torch.zeros_like(p) for p in parameters]

    def step(self, gradients: list[Tensor]) -> None:
        """Move every parameter, in place, by the gradient of its shape."""
        torch._foreach_mul_(self.parameters, 1 - self.lr * self.decay)
        torch._foreach_mul_(self.squares, 0.99)
        torch._foreach_addcmul_(self.squares, gradients, gradients, value=0.01)
        roots = torch._foreach_sqrt(self.squares)
        torch._foreach_add_(roots, 1e-8)
        torch._foreach_addcdiv_(self.parameters, gradients, roots, value=-self.lr)


OPTIMIZERS: dict[str, type[Adam] | type[SGD] | type[RMSprop]] = {
    "adam": Adam,
    "adamw": Adam,
    "sgd": SGD,
    "rmsprop": RMSprop,
}
"""Name → class; adamw is Adam with a decay."""
