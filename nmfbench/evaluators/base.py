"""The evaluator interface: its view of a finished factorization, and its results."""

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nmfbench.errors import DataError, NotApplicable
from nmfbench.evaluators.metric import Metric
from nmfbench.numerics.plain import Checked

if TYPE_CHECKING:
    from nmfbench.datasets.base import Dataset


@dataclass(frozen=True)
class Fitted:
    """The arrays of one restart's factorization, without the restart axis; `Factorization` explains each.

    Parameters
    ----------
    codes: one (r_l, n) array a layer, the top layer last.
    factors: the factors by the paper's letters, bases first.
    bases: one (m, r_l) array a layer; empty for raw data.
    links: one (r_{l+1}, r_l) array between two layers.
    layering: how layers build on each other: product, codes, bases or convolution.
    label_scores: (classes, n) scores of a method that learns to classify; None: it learnt no classifier.
    """

    codes: list[np.ndarray]
    factors: dict[str, np.ndarray] = field(default_factory=dict)
    bases: list[np.ndarray] = field(default_factory=list)
    links: list[np.ndarray] = field(default_factory=list)
    layering: str = "product"
    label_scores: np.ndarray | None = None

    @property
    def first_factor(self) -> np.ndarray | None:
        """(m, r), the factor whose columns are compared for stability; None for raw data."""
        return next(iter(self.factors.values()), None)

    @property
    def lacks_bases(self) -> bool:
        """Whether an older version saved these codes, of several layers or of non-smooth NMF, without their bases."""
        return bool(self.factors) and not self.bases

    def require_bases(self) -> None:
        """Raise DataError if `lacks_bases`."""
        if self.lacks_bases:
            raise DataError("an older version saved these codes without their bases; refit=true runs the fit again")

    @property
    def hierarchy(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """W_1 … W_L and H_1 … H_L with W_{l−1} ≈ W_l H_l, W_0 = X.

        Empty lists for raw data and for methods of several layers that do not factor their bases.
        """
        one_product = len(self.bases) == 1 and self.layering != "convolution"
        if self.layering == "bases" or one_product:
            return list(self.bases), [self.codes[0], *self.links]
        return [], []


@dataclass(frozen=True)
class Exhibit:
    """A table below the main one, for results that no single number shows. Its fields are plain: JSON can hold them.

    Parameters
    ----------
    title: the table's caption.
    columns: names of the columns.
    rows: the cells, as many a row as there are columns.
    """

    title: str
    columns: list[str]
    rows: list[list[str]]


@dataclass(frozen=True, kw_only=True)
class Evaluator(metaclass=Checked):
    """Measures one restart against what the dataset knows. Subclasses are dataclasses of settings."""

    metrics: ClassVar[tuple[Metric, ...]]
    """Everything it measures. Tables show and test the first metric, and also show the others that are ``shown``."""
    hides: ClassVar[bool] = False
    """Whether it hides entries of X from the fit, which then belongs to its settings as much as its score does."""
    splits_features: ClassVar[bool] = False
    """Whether each seed's fit is given other features, so that the bases of two seeds cannot be compared."""

    @abstractmethod
    def check(self, dataset: "Dataset", labelled: np.ndarray | None) -> None:
        """Raise ConfigError or NotApplicable for settings that do not fit this dataset. Called before a fit.

        ``labelled`` (n,) bool: the samples whose labels the solver sees; None: it sees no labels.
        """

    def hidden(self, dataset: "Dataset", seed: int) -> np.ndarray | None:
        """The entries (m, n) that the fit of this seed must not see, observed ones; None: it sees all.

        Rows and columns that are hidden whole are no part of the fit. Only evaluators that set `hides` implement it.
        Raises NotApplicable if no entry of the data can be hidden.
        """
        return None

    def prepare(self) -> None:
        """Import what `evaluate` needs and planning does not. Called before each, outside its clock."""

    @abstractmethod
    def evaluate(
        self, fitted: Fitted, dataset: "Dataset", seed: int, labelled: np.ndarray | None
    ) -> list[dict[str, Any]]:
        """Rows of layer, n_clusters (None without clusters), metric and value."""

    def exhibits(self, fitted: Fitted, dataset: "Dataset") -> list[Exhibit]:
        """Tables of this restart, which stand below an experiment's table if its objective is the lowest."""
        return []


def require_all_entries(name: str, dataset: "Dataset") -> None:
    """Raise NotApplicable if entries are missing that the evaluator of that name reads."""
    if dataset.observed is not None:
        raise NotApplicable(f"evaluator={name} reads all entries of X, and some of {dataset.name} are missing")


def scored(dataset: "Dataset", labelled: np.ndarray | None) -> np.ndarray:
    """Indices of the samples whose labels were not seen; all samples if every label was, which tables mark."""
    if labelled is None or labelled.all():
        return np.arange(dataset.n_samples)
    return np.flatnonzero(~labelled)
