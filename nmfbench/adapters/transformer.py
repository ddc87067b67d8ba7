"""A solver as a scikit-learn transformer."""

import contextlib
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, check_non_negative, validate_data

from nmfbench import config
from nmfbench.errors import ConfigError, DataError, NotApplicable
from nmfbench.fitting import fit
from nmfbench.numerics.factorization import Factorization
from nmfbench.numerics.losses import relative_error
from nmfbench.numerics.plain import plain
from nmfbench.numerics.problem import place
from nmfbench.solvers.base import Solver, Stopping


class NMFTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A solver with scikit-learn's habits: samples in rows, fit, transform, pipelines, grid search.

    ``NMFTransformer("hals", n_components=5)``; the codes of the top layer are the new features. Codes of new samples
    are their non-negative least squares on the bases; a method for which that is not so is refused by `transform`, and
    `fit_transform` returns the codes of its own samples.

    Parameters
    ----------
    solver: a name from `nmfbench list solvers`, or a solver with its settings, e.g. ``HALS(rank=5)``.
    n_components: the rank; None: that of the given solver, for a name the number of features, as in scikit-learn.
    params: settings of the solver that differ from its YAML, for a solver that is named.
    max_iter: iterations at most; None: by the solver's own rule.
    tol: end once the objective falls by less than this share between two looks; None: the solver's own rule.
    random_state: the seed, an integer ≥ 0, so that a fit can be repeated.
    dtype: float64 or float32.

    Attributes
    ----------
    components_: bases (r, n_features) of the top layer.
    reconstruction_err_: the norm of X minus its reconstruction.
    n_iter_: iterations that were run.
    result_: the FitResult, with the factors of all layers.
    n_features_in_, feature_names_in_: as in scikit-learn.
    """

    def __init__(
        self,
        solver: str | Solver = "hals",
        n_components: int | None = None,
        *,
        params: dict[str, Any] | None = None,
        max_iter: int | None = None,
        tol: float | None = None,
        random_state: int = 0,
        dtype: str = "float64",
    ):
        self.solver = solver
        self.n_components = n_components
        self.params = params
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.dtype = dtype

    def fit(self, X: Any, y: Any = None) -> Self:
        """Factorize X (n_samples, n_features), a sparse one where the solver takes it.

        Raises ConfigError, DataError or NotApplicable, as `nmfbench.fit` does.
        """
        X = self._checked(X, reset=True)
        self.solver_ = self._built(X.shape[1])
        if not self.solver_.accepts_negative:
            check_non_negative(X, type(self).__name__)  # in scikit-learn's words
        given = {"max_iter": self.max_iter, "tol": self.tol}
        stopping = Stopping(**(vars(self.solver_.stopping) | {k: v for k, v in given.items() if v is not None}))
        problem = place(X.T, self.dtype)
        (self.result_,) = fit(self.solver_, problem, seeds=[self._seed()], stopping=stopping)
        factorization = self._factorization()
        self.components_ = factorization.bases[-1].mT.numpy() if factorization.bases else np.eye(X.shape[1])
        self.reconstruction_err_ = relative_error(problem.X, factorization) * problem.square**0.5
        self.n_iter_ = max(1, self.result_.iterations)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> np.ndarray:
        """Fit, and return the codes (n_samples, r) of the samples."""
        self.fit(X)
        return self.transform(X) if self._encodes() else self._factorization().codes[-1].mT.numpy()

    def transform(self, X: Any) -> np.ndarray:
        """Return the codes (n_samples, r) of samples (n_samples, n_features). Raises NotApplicable if it has none."""
        check_is_fitted(self)
        if not self._encodes():
            able = [name for name in config.options("solver") if type(self)(name)._built(1).encodes]
            raise NotApplicable(
                f"{type(self.solver_).__name__} with these settings gives no codes to new samples: they are not the "
                "least squares on its bases. fit_transform gives those of the samples it was fitted to. Solvers that "
                f"encode new samples: {', '.join(able)}"
            )
        samples = place(self._checked(X, reset=False).T, self.dtype).X
        return self.solver_.encode(self._factorization(), samples).mT.numpy()

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Return the samples (n_samples, n_features) that codes (n_samples, r) reconstruct."""
        check_is_fitted(self)
        mean = getattr(self._factorization(), "mean", None)
        return np.asarray(X) @ self.components_ + (0 if mean is None else mean.mT.numpy())

    def _checked(self, X: Any, reset: bool) -> Any:
        sparse = ("csr", "csc") if self._accepts_sparse() else False
        return validate_data(self, X, dtype=[np.float64, np.float32], accept_sparse=sparse, reset=reset)

    def _accepts_sparse(self) -> bool:
        with contextlib.suppress(ConfigError):  # scikit-learn asks for tags before parameters are checked
            return self._built(1).accepts_sparse
        return False

    def _seed(self) -> int:
        seed = plain(self.random_state)
        if type(seed) is not int or seed < 0:
            raise ConfigError(f"random_state must be an integer ≥ 0, got {self.random_state!r}")
        return seed

    def _factorization(self) -> Factorization:
        if self.result_.factorization is None:
            raise DataError(f"the fit has no factors: {self.result_.error}")
        return self.result_.factorization

    def _encodes(self) -> bool:
        return bool(self.solver_.encodes) or type(self.solver_).encode is not Solver.encode

    def _built(self, n_features: int) -> Solver:
        if isinstance(self.solver, Solver):
            if self.n_components is not None or self.params:
                raise ConfigError("n_components and params are for a solver that is named; this one has its settings")
            return self.solver
        node = config.defaults("solver", config.resolve_name("solver", self.solver))
        rank = n_features if self.n_components is None else plain(self.n_components)
        if type(rank) is not int or rank < 1:
            raise ConfigError(f"n_components must be an integer ≥ 1, got {self.n_components!r}")
        node = {key: rank if value == "${rank}" else value for key, value in node.items()}
        return config.build(node | (self.params or {}), Solver, "solver")

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        with contextlib.suppress(ConfigError):  # scikit-learn asks for tags before parameters are checked
            tags.input_tags.positive_only = not self._built(1).accepts_negative
        tags.input_tags.sparse = self._accepts_sparse()
        tags.transformer_tags.preserves_dtype = [self.dtype]
        return tags
