"""A torch module with a loss as a solver."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from nmfbench.adapters import source
from nmfbench.errors import ConfigError
from nmfbench.numerics.factorization import Product
from nmfbench.numerics.optimizers import Adam
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Solver, Stopping, check_positive, check_rank


@dataclass(frozen=True)
class Trained(Product):
    """X ≈ WH, and the loss of the module that has these factors.

    Parameters
    ----------
    W: bases (…, m, r).
    H: codes (…, r, n).
    XHt: None: a module leaves no products behind.
    loss: (S,), one a restart.
    """

    loss: Tensor = field(kw_only=True)


@dataclass(frozen=True, kw_only=True)
class ModuleSolver(Solver):
    """min the loss of a torch.nn.Module over its parameters, by Adam. One iteration is one step on all samples.

    The class is called with X (m features, n samples) and the rank, under torch's seed for this restart; ``forward(X)``
    is the loss, a scalar; ``factors()`` are W (m, rank) and H (rank, n).

    Parameters
    ----------
    rank: number of components r, ≥ 1.
    module: ``my_file.py:Class`` or ``package.module.Class``.
    params: further arguments of the class.
    lr: learning rate of Adam, > 0.
    """

    stopping: ClassVar[Stopping] = Stopping(max_iter=1000)
    refusals: ClassVar[tuple[type[Exception], ...]] = source.REFUSALS
    unclaimed: ClassVar[Mapping[str, str]] = source.UNCLAIMED
    accepts_negative: ClassVar[bool] = True  # the module refuses what it cannot take

    rank: int
    module: str
    params: dict[str, Any] = field(default_factory=dict)
    lr: float = 0.01

    def __post_init__(self) -> None:
        check_rank(self.rank)
        check_positive("lr", self.lr)
        object.__setattr__(self, "module", source.resolved(self.module))
        kind = self.adapted
        if not (isinstance(kind, type) and issubclass(kind, torch.nn.Module) and hasattr(kind, "factors")):
            raise ConfigError(f"{self.module} is no torch.nn.Module with a method factors")
        try:
            inspect.signature(kind).bind(None, self.rank, **self.params)
        except TypeError as error:
            raise ConfigError(f"{self.module} cannot be called with X, rank: {error}") from error

    @property
    def adapted(self) -> Any:
        """The module's class, whose source is part of a record's identity."""
        return source.load(self.module)

    @property
    def scale_free(self) -> bool:
        return False  # nobody claims it

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Trained]:
        modules, X = [], problem.X
        for seed in rng.seeds:
            with torch.random.fork_rng():  # a method leaves the global generator alone
                torch.manual_seed(seed)
                modules.append(self.adapted(X, self.rank, **self.params).to(X))
        parameters = [parameter for module in modules for parameter in module.parameters()]
        optimizer = Adam(parameters, self.lr)
        while True:
            with torch.enable_grad():
                losses = [module(X) for module in modules]
            factors = [self._factors(module.factors(), X) for module in modules]
            W, H = (torch.stack(both) for both in zip(*factors, strict=True))
            yield Trained(W, H, loss=torch.stack([loss.detach() for loss in losses]))
            optimizer.step(list(torch.autograd.grad(losses, parameters, materialize_grads=True)))

    def objective(self, problem: Problem, factorization: Trained) -> Tensor:
        return factorization.loss

    def _factors(self, factors: Any, X: Tensor) -> list[Tensor]:
        (m, n), r = X.shape, self.rank
        shapes = [tuple(factor.shape) for factor in factors]
        if shapes != [(m, r), (r, n)]:
            raise ConfigError(f"{self.module}.factors() must be W ({m}, {r}) and H ({r}, {n}), got shapes {shapes}")
        return [factor.detach().clone() for factor in factors]
