"""Topics: their top words, how well these go together, and which topics merge."""

from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array

from nmfbench.datasets.base import Dataset
from nmfbench.errors import ConfigError
from nmfbench.evaluators.base import Evaluator, Exhibit, Fitted, require_all_entries
from nmfbench.evaluators.metric import Metric


@dataclass(frozen=True, kw_only=True)
class Topics(Evaluator):
    """Coherence and diversity of the top words of the topics of each layer: X is words × documents.

    The coherence is the normalised pointwise mutual information (NPMI) of "occurs in a document" on the corpus itself,
    from −1 (never together) to 1, averaged over the topics and the pairs of their top words. Lau, Newman & Baldwin
    (2014). The diversity is the share of distinct words among the top words of a layer. The table lists the top words
    and the NPMI of each topic, and the topics of the layer below that it merges. Leplat et al. (2023), Tables 3 and 4.

    If ``dataset.truth`` holds as many topics of a layer ("topics2", …: rows of title, merged topics and words) and one
    of their words has a name in the dataset, each printed topic stands beside one of ours: matched one to one, with as
    many common words as can be.

    Parameters
    ----------
    words: top words a topic, ≥ 2; deep KL-NMF paper: 10.
    merge: share in (0, 1]. A topic merges the topics below that give it at least this share of their mass, or more than
        they give any other topic.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("coherence", "coherence of the topics (NPMI)", better="higher"),
        Metric("diversity", "share of distinct words among the top words", better="higher"),
    )

    words: int = 10
    merge: float = 0.25

    def __post_init__(self) -> None:
        if self.words < 2:
            raise ConfigError(f"words must be at least 2, got {self.words}")
        if not 0 < self.merge <= 1:
            raise ConfigError(f"merge must lie in (0, 1], got {self.merge}")

    def check(self, dataset: Dataset, labelled: np.ndarray | None) -> None:
        require_all_entries("topics", dataset)
        if dataset.X.shape[0] < self.words:
            raise ConfigError(f"words={self.words} are more than the {dataset.X.shape[0]} words of {dataset.name}")

    def evaluate(
        self, fitted: Fitted, dataset: Dataset, seed: int, labelled: np.ndarray | None
    ) -> list[dict[str, Any]]:
        fitted.require_bases()
        rows = []
        for layer, W in enumerate(fitted.bases, start=1):
            tops = top_words(W, self.words)
            measured = {"coherence": coherence(dataset.X, tops), "diversity": len(np.unique(tops)) / tops.size}
            rows += [{"layer": layer, "n_clusters": None, "metric": m, "value": v} for m, v in measured.items()]
        return rows

    def exhibits(self, fitted: Fitted, dataset: Dataset) -> list[Exhibit]:
        names = dataset.feature_names or [f"#{i}" for i in range(1, dataset.X.shape[0] + 1)]
        tables, merged = [], merges(fitted, self.merge)
        for layer, W in enumerate(fitted.bases, start=1):
            tops = top_words(W, self.words)
            table = {"topic": [str(k) for k in range(1, W.shape[1] + 1)]}
            if layer > 1:
                table["merges"] = [", ".join(str(j + 1) for j in below) or "–" for below in merged[layer - 2]]
            table["NPMI"] = [f"{value:.2f}" for value in coherences(dataset.X, tops)]
            table["top words"] = [", ".join(names[i] for i in column) for column in tops.T]
            rows = [list(row) for row in zip(*table.values(), strict=True)]
            tables.append(Exhibit(f"topics of layer {layer}", list(table), rows))
            printed = dataset.truth.get(f"topics{layer}", np.empty((0, 0)))
            if len(printed) == W.shape[1] and not set(names).isdisjoint(printed[:, 2:].flat):
                tables.append(beside(printed, [[names[i] for i in column] for column in tops.T], layer))
        return tables


def beside(printed: np.ndarray, ours: list[list[str]], layer: int) -> Exhibit:
    """The printed topics, rows of title, merged topics and words, each with the topic of ours that is matched with it.

    The matching has the largest sum of common words.
    """
    common = np.array([[len(set(topic[2:]) & set(words)) for words in ours] for topic in printed])
    rows = []
    for k, j in zip(*linear_sum_assignment(common, maximize=True), strict=True):
        title, merged, *words = printed[k].tolist()
        rows.append([title, merged or "–", ", ".join(words), str(j + 1), str(common[k, j]), ", ".join(ours[j])])
    shared = sum(int(row[4]) for row in rows)
    title = f"printed topics of layer {layer} beside ours: {shared} of {printed[:, 2:].size} words in common"
    return Exhibit(title, ["printed topic", "merges", "printed words", "our topic", "in common", "our words"], rows)


def shares(fitted: Fitted) -> list[np.ndarray]:
    """(r_{l+1}, r_l) between two layers: the share of each topic below in each topic above; a column sums to one.

    It is a share of the sum of the topic's codes if layers factor codes, otherwise of the sum of its words. Neither
    depends on how the factors of a product are scaled.
    """
    fitted.require_bases()
    result = []
    for l, link in enumerate(fitted.links, start=1):
        above = fitted.codes[l].T if fitted.layering == "codes" else fitted.bases[l]
        part = np.maximum(np.asarray(link, np.float64) * np.asarray(above, np.float64).sum(0)[:, None], 0)
        result.append(np.divide(part, part.sum(0), out=np.zeros_like(part), where=part.sum(0) > 0))
    return result


def merges(fitted: Fitted, at_least: float) -> list[list[np.ndarray]]:
    """The topics of the layer below that each topic merges, for every layer above the first.

    A topic merges topics with at least that share in it, and topics with no larger share elsewhere, so that every topic
    belongs to one above.
    """
    return [
        [np.flatnonzero(row) for row in ((share >= at_least) | (share == share.max(0))) & (share > 0)]
        for share in shares(fitted)
    ]


def top_words(W: np.ndarray, n: int) -> np.ndarray:
    """(n, r): the words with the largest entries of each topic, the largest first, as rows of X."""
    return np.argsort(-W, axis=0, kind="stable")[:n]


def coherences(X: Any, tops: np.ndarray) -> np.ndarray:
    """(r,): mean normalised pointwise mutual information of the pairs of words in each column of ``tops`` (n, r)."""
    words = np.unique(tops)
    occurs = csr_array(X[words] > 0, dtype=np.float64)
    together = (occurs @ occurs.T).toarray() / X.shape[1]
    single = np.diag(together)
    with np.errstate(divide="ignore", invalid="ignore"):
        npmi = np.log(together / np.outer(single, single)) / -np.log(together)
    npmi = np.where(together == 0, -1, np.where(together == 1, 1, npmi))
    places = np.searchsorted(words, tops)
    return np.array([np.mean([npmi[i, j] for i, j in combinations(column, 2)]) for column in places.T])


def coherence(X: Any, tops: np.ndarray) -> float:
    """The mean of `coherences` over the topics."""
    return float(coherences(X, tops).mean())
