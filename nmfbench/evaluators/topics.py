"""Which words make a topic, do they belong together, and which topics does the next layer merge?"""

from dataclasses import dataclass
from itertools import accumulate
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from scipy.sparse import csr_array

from nmfbench import layered
from nmfbench.datasets.base import Dataset
from nmfbench.errors import ConfigError
from nmfbench.evaluators.base import Evaluator, Fitted


@dataclass(frozen=True, kw_only=True)
class Topics(Evaluator):
    """Coherence and diversity of the topics of each layer, where features are words and samples are documents.

    A topic is a basis on the words, and its top words are the ``n_words`` with the largest entries above 0. Coherence,
    in [−1, 1], is the mean over the topics of their mean NPMI over pairs of top words (`coherences`), counted on the
    data itself; diversity, in (0, 1], the share of distinct words among the top words of a layer. Of a hierarchy of
    bases there is ``kl`` too: KL(W_{l−1}, W_l H_l) at the scale at which H_l e = e, in the unit of X.
    Exhibits are each layer's top words and, for upper layers, the topics of the layer below that each merges: those
    with at least ``merged`` of their weight in it.
    Lau, Newman & Baldwin (2014); Röder, Both & Hinneburg (2015); Leplat, Le, Onwunta & Gillis (2023), Tables 3 and 4
    """

    metric: ClassVar[str] = "coherence"

    n_words: int = 10
    merged: float = 0.25

    def __post_init__(self) -> None:
        if self.n_words < 2:
            raise ConfigError(f"n_words must be at least 2, got {self.n_words}")
        if not 0 < self.merged <= 1:
            raise ConfigError(f"merged must lie in (0, 1], got {self.merged}")

    def check(self, dataset: Dataset, labelled: np.ndarray | None) -> None:
        if self.n_words > dataset.X.shape[0]:
            raise ConfigError(f"n_words={self.n_words} is more than the {dataset.X.shape[0]} words of {dataset.name}")

    def evaluate(
        self, fitted: Fitted, dataset: Dataset, seed: int, labelled: np.ndarray | None
    ) -> list[dict[str, Any]]:
        rows = []
        for layer, W in enumerate(topics(fitted)[0], start=1):
            tops = [top_words(column, self.n_words) for column in W.T]
            listed = np.concatenate(tops)
            measured = {
                "coherence": np.mean(coherences(dataset.X, tops)),
                "diversity": len(np.unique(listed)) / max(len(listed), 1),
            }
            if "H2" in fitted.factors:
                measured["kl"] = _costs(dataset.X, fitted)[layer - 1]
            rows += [{"layer": layer, "n_clusters": None, "metric": m, "value": float(v)} for m, v in measured.items()]
        return rows

    def exhibits(self, fitted: Fitted, dataset: Dataset) -> list[tuple[str, pd.DataFrame]]:
        measured = {(row["layer"], row["metric"]): row["value"] for row in self.evaluate(fitted, dataset, 0, None)}
        bases, shares = topics(fitted)
        words, what = dataset.vocabulary, "words"
        if words is None:
            words, what = (
                np.array([f"w{i}" for i in range(1, dataset.X.shape[0] + 1)]),
                "words (w1: the first row of X)",
            )
        found = []
        for layer, W in enumerate(bases, start=1):
            tops = [top_words(column, self.n_words) for column in W.T]
            table = pd.DataFrame(
                {
                    "topic": [str(k) for k in range(1, len(tops) + 1)],
                    what: [" ".join(words[top]) for top in tops],
                    "NPMI": [f"{value:.2f}" for value in coherences(dataset.X, tops)],
                }
            )
            if layer > 1:
                table[f"merges, of layer {layer - 1}"] = merges(shares[layer - 2], self.merged)
            said = [f"{m} {measured[layer, m]:.4g}" for m in ("coherence", "diversity", "kl") if (layer, m) in measured]
            found.append((f"topics of layer {layer} ({', '.join(said)})", table))
        return found


def topics(fitted: Fitted) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The bases of each layer on the features, (m, r_l), and where the topics of each layer but the top go.

    That is (r_{l+1}, r_l), the share of each topic of layer l in each of layer l + 1, columns of sum one. Where bases
    are factored, W_l = W_{l+1}H_{l+1}, it is that of topic j's sum; where codes are, H_l = W_{l+1}H_{l+1}, that of the
    sum of its codes. The scale of the factors means nothing to either.
    """
    F = [np.asarray(factor, np.float64) for factor in fitted.factors.values()]
    L = len(fitted.codes)
    if not F:
        return [], []
    if len(F) == 2 * L:  # W_1 … W_L, H_1 … H_L, or one layer
        bases, links = F[:L], F[L + 1 :]
        totals = [W.sum(0) for W in bases[1:]]
    elif next(iter(fitted.factors)).endswith("1"):  # W_1 … W_L, H_L: each layer factors the codes of the one below
        bases, links = list(accumulate(F[:-1], np.matmul)), [W.T for W in F[1:-1]]
        totals = [np.asarray(H, np.float64).sum(1) for H in fitted.codes[1:]]
    else:  # W_L … W_1, H: each layer makes the codes of the next
        bases, links = list(accumulate(F[:-1], np.matmul))[::-1], F[-2:0:-1]
        totals = [W.sum(0) for W in bases[1:]]
    weights = [np.maximum(link * total[:, None], 0) for link, total in zip(links, totals, strict=True)]
    return bases, [np.divide(w, w.sum(0), out=np.zeros_like(w), where=w.sum(0) > 0) for w in weights]


def top_words(topic: np.ndarray, n_words: int) -> np.ndarray:
    """The indices of the largest entries of a topic (m,), largest first; fewer where fewer are above 0."""
    top = np.argsort(-topic, kind="stable")[:n_words]
    return top[topic[top] > 0]


def coherences(X: Any, tops: list[np.ndarray]) -> np.ndarray:
    """The mean NPMI of the pairs of words of each topic, in [−1, 1]; X (m, n) is 0 where a document lacks a word.

    NPMI = log(p(v, w)/(p(v)p(w)))/(−log p(v, w)), where p is the share of documents that hold the words: −1 where none
    holds both, 0 for independent words, 1 for words that only occur together. 0 where all documents hold both, and of
    a topic with fewer than two words. Bouma (2009); Lau, Newman & Baldwin (2014)
    """
    words = np.unique(np.concatenate(tops)) if tops else np.zeros(0, int)
    holds = csr_array(X[words] != 0, dtype=np.float64)
    together = (holds @ holds.T).toarray() / X.shape[1]
    found = np.zeros(len(tops))
    for k, top in enumerate(tops):
        a, b = np.triu_indices(len(top), 1)
        at = np.searchsorted(words, top)
        joint, alone = together[at[a], at[b]], np.diag(together)[at]
        with np.errstate(divide="ignore", invalid="ignore"):
            npmi = np.log(joint / (alone[a] * alone[b])) / -np.log(joint)
        npmi = np.where(joint == 0, -1.0, np.where(joint == 1, 0.0, npmi))
        found[k] = npmi.mean() if len(npmi) else 0.0
    return found


def merges(shares: np.ndarray, merged: float) -> list[str]:
    """For each topic above, the topics below with at least that share in it, or with none larger, the largest first."""
    goes = (shares >= merged) | (shares == shares.max(0))
    goes &= shares > 0
    return [
        ", ".join(f"{j + 1} ({100 * row[j]:.0f} %)" for j in np.argsort(-row, kind="stable") if goes[k, j]) or "–"
        for k, row in enumerate(shares)
    ]


def _costs(X: Any, fitted: Fitted) -> np.ndarray:
    """KL(W_{l−1}, W_l H_l) of each layer of a hierarchy of bases, scaled so that H_l e = e: (L,)."""
    X = X.toarray() if hasattr(X, "toarray") else X
    L = len(fitted.codes)
    F = [torch.from_numpy(np.asarray(factor, np.float64))[None] for factor in fitted.factors.values()]
    Ws, Hs = F[:L], F[L:]
    layered.scale(Ws, Hs, of="H")
    return layered.costs(torch.from_numpy(np.asarray(X, np.float64)), Ws, Hs, 1.0)[0].numpy()
