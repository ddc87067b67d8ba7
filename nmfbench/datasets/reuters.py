"""Reuters news, as the package lda carries them."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array

from nmfbench.datasets import base, sources


@dataclass(frozen=True, kw_only=True)
class Reuters(base.Loader):
    """395 news of 1996 and 1997, counts of 4,258 words, without labels: sparse X (4258, 395).

    Parameters
    ----------
    dense: whether X is made dense, for solvers that need it so.
    """

    dense: bool = False

    def read(self) -> base.Dataset:
        counts, words = (path.read_text(encoding="utf-8") for path in sources.packaged("reuters"))
        vocabulary = tuple(words.split())
        # A line is a document: the number of its words, then word:count of each.
        documents = [line.split()[1:] for line in counts.splitlines()]
        pairs = np.array([pair.split(":") for document in documents for pair in document], dtype=int)
        starts = np.cumsum([0, *map(len, documents)])
        X = csc_array((pairs[:, 1], pairs[:, 0], starts), (len(vocabulary), len(documents)))
        return base.Dataset("reuters", base.sparse_or_dense(X, self.dense), feature_names=vocabulary, sample="document")
