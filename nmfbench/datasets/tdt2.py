"""The TDT2 news corpus."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from nmfbench.datasets import base, files
from nmfbench.errors import ConfigError, DataError, DataMissing

RANK = 20


@dataclass(frozen=True, kw_only=True)
class TDT2(base.Loader):
    """9,394 documents of the 30 largest categories, counts of 36,771 words: sparse X (36771, 9394). Deng Cai.

    The file numbers its words without naming them: their names are the lines of tdt2/vocabulary.txt, if that file
    exists.

    Parameters
    ----------
    top_words: ≥ 0. Keep only the union of this many top words of each topic of a rank-20 Kullback–Leibler NMF of the
        corpus; 0: keep all words. Deep KL-NMF paper: 30.
    dense: whether X is made dense, for solvers that need it so.
    """

    top_words: int = 0
    dense: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.top_words < 0:
            raise ConfigError(f"top_words must be nonnegative, got {self.top_words}")

    def read(self) -> base.Dataset:
        hint = "Download TDT2.mat from Deng Cai's page; nmfbench data fetch tdt2 says where."
        mat = files.read_mat("tdt2", hint, "tdt2/TDT2.mat", fea=(9394, 36771), gnd=(9394, 1))
        X, words = csr_array(mat["fea"].T), np.array(_vocabulary(mat["fea"].shape[1]))
        selection = "all words"
        if self.top_words:
            kept = top_words(X, self.top_words)
            X, words = X[kept], words[kept]
            selection = f"the {X.shape[0]} top words of a rank-{RANK} NMF, {self.top_words} a topic"
        return base.Dataset(
            "tdt2",
            base.sparse_or_dense(X, self.dense),
            mat["gnd"].ravel() - 1,
            None,
            (selection,),
            feature_names=tuple(words.tolist()),
        )


def _vocabulary(n: int) -> list[str]:
    """The words, or their numbers from 1 if no list of words lies beside the file."""
    try:
        path = files.require("tdt2", "", "tdt2/vocabulary.txt")
    except DataMissing:
        return [f"#{i}" for i in range(1, n + 1)]
    words = path.read_text(encoding="utf-8").split()
    if len(words) != n:
        raise DataError(f"tdt2: {path} must have {n:,} words, one a line; it has {len(words):,}")
    return words


def top_words(X: Any, each: int) -> np.ndarray:
    """The rows (words) of X that are among the ``each`` largest of any topic, in order."""
    # Imported here because loaders need no solver otherwise, and importing torch takes a second.
    from nmfbench.fitting import fit
    from nmfbench.solvers.base import Stopping
    from nmfbench.solvers.mu import MultiplicativeNMF

    (result,) = fit(MultiplicativeNMF(rank=RANK, beta=1.0), X, stopping=Stopping(max_iter=100), dtype="float64")
    assert result.factorization is not None
    W = result.factorization.factors["W"].numpy()
    return np.unique(np.argsort(-W, axis=0, kind="stable")[:each])
