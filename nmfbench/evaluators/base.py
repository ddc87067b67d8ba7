"""Evaluators: what is measured on a finished factorization."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd

from nmfbench.datasets.base import Dataset
from nmfbench.evaluators.metric import Metric


@dataclass(frozen=True)
class Fitted:
    """What an evaluator sees of one restart, without restart axis."""

    codes: list[np.ndarray]
    """One (r_l, n) array a layer, the top layer last."""
    factors: dict[str, np.ndarray] = field(default_factory=dict)
    """By the paper's letters, the bases first."""
    label_scores: np.ndarray | None = None
    """(classes, n), of a method that learns to classify."""


class Exhibit(NamedTuple):
    """What no number can show, for the restart with the least objective: it stands below the table."""

    title: str
    table: pd.DataFrame
    """Every cell is a string."""


@dataclass(frozen=True, kw_only=True)
class Evaluator(ABC):
    """Measures one restart against what the dataset knows. Subclasses are dataclasses of settings."""

    metrics: ClassVar[tuple[Metric, ...]]
    """Everything it measures. Its table shows and tests the first, and beside it the others that are ``shown``."""

    @abstractmethod
    def check(self, dataset: Dataset, labelled: np.ndarray | None) -> None:
        """Raise ConfigError or NotApplicable for settings that do not fit this dataset. Called before a fit.

        ``labelled`` (n,) bool: the samples whose labels the solver sees; None: it sees none.
        """

    @abstractmethod
    def evaluate(
        self, fitted: Fitted, dataset: Dataset, seed: int, labelled: np.ndarray | None
    ) -> list[dict[str, Any]]:
        """Rows of layer and n_clusters (None where that means nothing), metric and value."""

    def exhibits(self, fitted: Fitted, dataset: Dataset) -> list[Exhibit]:
        """What an experiment's table shows of its best restart; needs its codes, `save_codes`."""
        return []


def scored(dataset: Dataset, labelled: np.ndarray | None) -> np.ndarray:
    """The samples whose labels were not seen; all of them where every label was, which tables mark as training."""
    if labelled is None or labelled.all():
        return np.arange(dataset.n_samples)
    return np.flatnonzero(~labelled)
