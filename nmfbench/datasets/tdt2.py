"""The TDT2 news corpus."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from nmfbench.datasets import base, files
from nmfbench.datasets.words import top_words
from nmfbench.errors import ConfigError, DataError, DataMissing
from nmfbench.papers import deep_kl


@dataclass(frozen=True, kw_only=True)
class TDT2(base.Loader):
    """9,394 documents of the 30 largest categories, counts of 36,771 words: sparse X (36771, 9394). Deng Cai.

    The file numbers its words without naming them: their names are the lines of tdt2/vocabulary.txt, if that file
    exists. ``truth``: the topics "topics2" and "topics3" that the deep KL-NMF paper prints of layers 2 and 3.

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
            kept, selection = top_words(X, self.top_words)
            X, words = X[kept], words[kept]
        return base.Dataset(
            "tdt2",
            base.sparse_or_dense(X, self.dense),
            mat["gnd"].ravel() - 1,
            None,
            (selection,),
            feature_names=tuple(words.tolist()),
            truth={f"topics{layer}": topics for layer, topics in deep_kl.topics().items()},
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
