"""A part of 20 Newsgroups, with labels at two levels."""

from dataclasses import dataclass

from scipy.sparse import csr_array

from nmfbench.datasets import base, files
from nmfbench.datasets.words import top_words
from nmfbench.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class News20(base.Loader):
    """200 newsgroup posts, tf-idf over 37,693 words: sparse X (37693, 200). Neural NMF paper.

    Parameters
    ----------
    level: labels, sub or super: the 10 newsgroups or the 6 subjects that they belong to.
    top_words: ≥ 0. Keep only the union of this many top words of each topic of a rank-20 Kullback–Leibler NMF; 0: keep
        all words. The deep KL-NMF paper does so with 30 on TDT2.
    dense: whether X is made dense, for solvers that need it so.
    """

    level: str = "sub"
    top_words: int = 0
    dense: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.level not in ("sub", "super"):
            raise ConfigError(f"level must be sub or super, got {self.level!r}")
        if self.top_words < 0:
            raise ConfigError(f"top_words must be nonnegative, got {self.top_words}")

    def read(self) -> base.Dataset:
        hint = "nmfbench data fetch news20 says what the file is."
        labels = f"{self.level}_cats"
        path = "neural_nmf/20News_subsampled.mat"
        mat = files.read_mat("news20", hint, path, X_subsampled=(37693, 200), **{labels: (1, 200)}, vocab=(37693,))
        X, words = csr_array(mat["X_subsampled"]), mat["vocab"]
        preprocessing = [f"labels of level {self.level}"]
        if self.top_words:
            kept, selection = top_words(X, self.top_words)
            X, words = X[kept], words[kept]
            preprocessing.append(selection)
        X = base.sparse_or_dense(X, self.dense)
        names = tuple(words.tolist())
        return base.Dataset("news20", X, mat[labels].ravel(), preprocessing=tuple(preprocessing), feature_names=names)
