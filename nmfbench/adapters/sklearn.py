"""A scikit-learn estimator as a solver."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from nmfbench.adapters import source
from nmfbench.errors import ConfigError
from nmfbench.numerics import losses
from nmfbench.numerics.factorization import Product
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Solver, Stopping, check_rank
from nmfbench.solvers.pca import Centred


@dataclass(frozen=True, kw_only=True)
class SklearnSolver(Solver):
    """Nothing is minimised that nmfbench knows of; ½‖X − WH‖² is measured. An estimator with fit_transform.

    The estimator gets Xᵀ, samples in rows, its ``n_components`` is the rank, and ``random_state`` the seed if it has
    one. Hᵀ is what fit_transform returns; Wᵀ is ``components_``, or Wᵀ is ``mixing_``ᵀ where that exists (FastICA). If
    it has a ``mean_``, X ≈ WH + mean.

    Parameters
    ----------
    rank: number of components r, ≥ 1.
    estimator: ``package.module.Class`` or ``my_file.py:Class``.
    params: further parameters of the estimator.
    """

    stopping: ClassVar[Stopping] = Stopping()
    refusals: ClassVar[tuple[type[Exception], ...]] = source.REFUSALS
    unclaimed: ClassVar[Mapping[str, str]] = {
        **source.UNCLAIMED,
        "seeds_differ": "scikit-learn's estimators have random_state whether or not they draw",
    }
    direct: ClassVar[bool] = True
    accepts_negative: ClassVar[bool] = True  # the estimator refuses what it cannot take

    rank: int
    estimator: str
    params: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_rank(self.rank)
        object.__setattr__(self, "estimator", source.resolved(self.estimator))
        if not (isinstance(self.adapted, type) and callable(getattr(self.adapted, "fit_transform", None))):
            raise ConfigError(f"{self.estimator} is no class with fit_transform")
        if "n_components" not in self._parameters:
            raise ConfigError(f"{self.estimator} has no parameter n_components, which is the rank")
        if owned := {"n_components", "random_state"} & set(self.params):
            raise ConfigError(f"params must not hold {', '.join(sorted(owned))}: nmfbench sets it from rank or seed")
        if unknown := set(self.params) - set(self._parameters):
            raise ConfigError(f"{self.estimator} has no parameter {', '.join(sorted(unknown))}")

    @property
    def adapted(self) -> Any:
        """The estimator's class, whose source is part of a record's identity."""
        return source.load(self.estimator)

    @property
    def draws(self) -> bool:
        return "random_state" in self._parameters

    @property
    def scale_free(self) -> bool:
        return False  # nobody claims it

    @property
    def footnote(self) -> str:
        return f"{self.estimator.replace(':', '.').rpartition('.')[2]} stops by its own rule"

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Product | Centred]:
        X, fits = problem.X.cpu().numpy().T, []
        for seed in rng.seeds:
            drawn = {"random_state": seed} if self.draws else {}
            estimator = self.adapted(n_components=self.rank, **drawn, **self.params)
            codes = np.asarray(estimator.fit_transform(X.copy()))
            W = np.asarray(estimator.mixing_ if hasattr(estimator, "mixing_") else estimator.components_.T)
            (m, n), r = problem.X.shape, self.rank
            if (W.shape, codes.shape) != ((m, r), (n, r)):
                raise ConfigError(
                    f"{self.estimator} must give codes ({n}, {r}) and components ({r}, {m}), got {codes.shape} and "
                    f"{W.T.shape}"
                )
            mean = getattr(estimator, "mean_", None)
            fits.append([W, codes.T, *([] if mean is None else [np.asarray(mean)[:, None]])])
        factors = [torch.from_numpy(np.stack(arrays)).to(problem.X) for arrays in zip(*fits, strict=True)]
        yield Product(*factors) if len(factors) == 2 else Centred(*factors[:2], mean=factors[2])

    def objective(self, problem: Problem, factorization: Product) -> Tensor:
        if isinstance(factorization, Centred):
            return losses.beta_divergence(problem.X, factorization.reconstruct(), beta=2)
        return losses.half_square(problem, factorization.W, factorization.H)

    @property
    def _parameters(self) -> list[str]:
        return list(inspect.signature(self.adapted).parameters)
