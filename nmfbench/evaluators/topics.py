"""What are the topics about, do their words go together, and which topics merge?"""

from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from nmfbench.datasets.base import Dataset
from nmfbench.errors import ConfigError
from nmfbench.evaluators.base import Evaluator, Exhibit, Fitted


@dataclass(frozen=True, kw_only=True)
class Topics(Evaluator):
    """Coherence and diversity of the top words of the topics of each layer: X is words × documents.

    coherence: mean over the topics and the pairs of their top words of the normalised pointwise mutual information of
    "occurs in a document", −1 (never together) to 1, on the corpus itself. Lau, Newman & Baldwin (2014). diversity: how
    many of the top words of a layer differ, as a share. The table lists the words, and the topics of the layer below
    that each merges: those that give it at least ``merge`` of their mass. Leplat et al. (2023), Tables 3 and 4.
    """

    metric: ClassVar[str] = "coherence"
    also: ClassVar[tuple[str, ...]] = ("diversity",)

    words: int = 10
    merge: float = 0.25

    def __post_init__(self) -> None:
        if self.words < 2:
            raise ConfigError(f"words must be at least 2, got {self.words}")
        if not 0 < self.merge <= 1:
            raise ConfigError(f"merge must lie in (0, 1], got {self.merge}")

    def check(self, dataset: Dataset, labelled: np.ndarray | None) -> None:
        if dataset.X.shape[0] < self.words:
            raise ConfigError(f"words={self.words} are more than the {dataset.X.shape[0]} words of {dataset.name}")

    def evaluate(
        self, fitted: Fitted, dataset: Dataset, seed: int, labelled: np.ndarray | None
    ) -> list[dict[str, Any]]:
        rows = []
        for layer, W in enumerate(bases(fitted), start=1):
            tops = top_words(W, self.words)
            measured = {"coherence": coherence(dataset.X, tops), "diversity": len(np.unique(tops)) / tops.size}
            rows += [{"layer": layer, "n_clusters": None, "metric": m, "value": v} for m, v in measured.items()]
        return rows

    def exhibits(self, fitted: Fitted, dataset: Dataset) -> list[Exhibit]:
        names = dataset.feature_names or [f"#{i}" for i in range(1, dataset.X.shape[0] + 1)]
        found, merged = [], [None, *merges(fitted, self.merge)]
        for layer, (W, below) in enumerate(zip(bases(fitted), merged, strict=True), start=1):
            table = pd.DataFrame({"topic": range(1, W.shape[1] + 1)})
            if below is not None:
                table["merges"] = [", ".join(str(j + 1) for j in topics) for topics in below]
            table["top words"] = [", ".join(names[i] for i in column) for column in top_words(W, self.words).T]
            found.append(Exhibit(f"topics of layer {layer}", table.astype(str)))
        return found


def bases(fitted: Fitted) -> list[np.ndarray]:
    """The topics of each layer over the words, (words, r_l): W_l of a hierarchy of bases, W_1…W_l of one of codes."""
    Ws = [np.asarray(factor, np.float64) for name, factor in fitted.factors.items() if name.startswith("W")]
    found = Ws[:1]
    for W in Ws[1:]:
        found.append(W if len(W) == len(Ws[0]) and W.shape[1] < len(W) else found[-1] @ W)
    return found


def merges(fitted: Fitted, at_least: float) -> list[list[np.ndarray]]:
    """For each layer above the first and each of its topics: the topics of the layer below that it merges."""
    found = []
    factors = [np.asarray(factor, np.float64) for factor in fitted.factors.values()]
    by_layer = bases(fitted)
    for l, (below, above) in enumerate(pairwise(by_layer), start=1):
        # (r_l, r_{l+1}): how much of the mass of a topic below is that of a topic above.
        if len(factors) == 2 * len(by_layer):
            part = factors[len(by_layer) + l].T * above.sum(0)
        else:
            part = factors[l] * below.sum(0)[:, None]
        total = part.sum(1, keepdims=True)
        share = np.divide(part, total, out=np.zeros_like(part), where=total > 0)
        found.append([np.flatnonzero(column >= at_least) for column in share.T])
    return found


def top_words(W: np.ndarray, n: int) -> np.ndarray:
    """(n, r): the words with the largest entries of each topic, the largest first, as rows of X."""
    return np.argsort(-W, axis=0, kind="stable")[:n]


def coherence(X: Any, tops: np.ndarray) -> float:
    """Mean normalised pointwise mutual information of the pairs of words in each column of ``tops`` (n, r)."""
    words = np.unique(tops)
    there = X[words]
    occurs = ((there.toarray() if hasattr(there, "toarray") else np.asarray(there)) > 0).astype(np.float64)
    together = occurs @ occurs.T / occurs.shape[1]
    single = np.diag(together)
    with np.errstate(divide="ignore", invalid="ignore"):
        npmi = np.log(together / np.outer(single, single)) / -np.log(together)
    npmi = np.where(together == 0, -1, np.where(together == 1, 1, npmi))
    places = np.searchsorted(words, tops)
    return float(np.mean([npmi[i, j] for column in places.T for i, j in combinations(column, 2)]))
