"""A part of 20 Newsgroups, with labels at two levels."""

from dataclasses import dataclass

from nmfbench.datasets import base, files
from nmfbench.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class News20(base.Loader):
    """200 newsgroup posts, tf-idf over 37,693 words: sparse X (37693, 200). Neural NMF paper.

    Parameters
    ----------
    level: labels, sub or super: the 10 newsgroups or the 6 subjects that they belong to.
    dense: whether X is made dense, for solvers that need it so.
    """

    level: str = "sub"
    dense: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.level not in ("sub", "super"):
            raise ConfigError(f"level must be sub or super, got {self.level!r}")

    def read(self) -> base.Dataset:
        hint = "nmfbench data fetch news20 says what the file is."
        labels = f"{self.level}_cats"
        path = "neural_nmf/20News_subsampled.mat"
        mat = files.read_mat("news20", hint, path, X_subsampled=(37693, 200), **{labels: (1, 200)}, vocab=(37693,))
        words = tuple(mat["vocab"].tolist())
        X = base.sparse_or_dense(mat["X_subsampled"], self.dense)
        labelling = (f"labels of level {self.level}",)
        return base.Dataset("news20", X, mat[labels].ravel(), preprocessing=labelling, feature_names=words)
