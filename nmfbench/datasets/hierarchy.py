"""A toy hierarchy of topics: 9 within 4 within 2."""

from dataclasses import dataclass

import numpy as np

from nmfbench.datasets import base, files
from nmfbench.errors import ConfigError

LEVELS = (9, 4, 2)
PARENTS = {4: np.array([0, 0, 1, 1, 2, 2, 3, 3, 3]), 2: np.array([0, 0, 0, 0, 1, 1, 1, 1, 1])}
"""For each of the 9 topics, its parent among the 4 and among the 2, as in the file."""


@dataclass(frozen=True, kw_only=True)
class Hierarchy(base.Loader):
    """A toy hierarchy of 9 topics within 4 within 2: X (87, 90) ≥ 0 with labels at three levels. Neural NMF paper.

    Parameters
    ----------
    level: level of the labels, 9, 4 or 2 topics.
    generate: True: draw a set of the same kind instead of reading the paper's: 10 samples a topic, 9 features of each
        topic that its samples alone use, plus a background of its two parents, and noise.
    seed: seed ≥ 0 of the set that is drawn; it has nothing to do with the seeds of a fit.
    """

    level: int = 9
    generate: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.level not in LEVELS:
            raise ConfigError(f"level must be 9, 4 or 2, got {self.level}")
        if self.seed < 0:
            raise ConfigError(f"seed must be nonnegative, got {self.seed}")

    def read(self) -> base.Dataset:
        labelling = f"labels of level {self.level}"
        if self.generate:
            X, topic = self._drawn()
            levels = {9: topic} | {k: parents[topic] for k, parents in PARENTS.items()}
            return self._labelled(X, levels, (f"drawn by seed {self.seed}", labelling))
        hint = "nmfbench data fetch hierarchy says what the file is; dataset.generate=true draws a set of its kind."
        sizes: dict[str, tuple[int, ...]] = {f"labels{k}": (1, 90) for k in LEVELS}
        mat = files.read_mat("hierarchy", hint, "neural_nmf/synthetic_noise.mat", X=(87, 90), **sizes)
        levels = {k: mat[f"labels{k}"].ravel() for k in LEVELS}
        return self._labelled(mat["X"], levels, (labelling,))

    def _labelled(self, X: np.ndarray, levels: dict[int, np.ndarray], preprocessing: tuple[str, ...]) -> base.Dataset:
        truth = {f"level {k}": labels for k, labels in levels.items()}
        return base.Dataset("hierarchy", X, levels[self.level], preprocessing=preprocessing, truth=truth)

    def _drawn(self) -> tuple[np.ndarray, np.ndarray]:
        """X (87, 90) and which of the 9 topics each sample has (90,).

        81 of the 87 features belong to a topic, 4 and 2 to the levels above.
        """
        rng = np.random.default_rng(self.seed)
        topic = np.repeat(np.arange(9), 10)
        X = np.zeros((87, 90))
        X[:81] = np.repeat(np.arange(9), 9)[:, None] == topic
        X[81:85] = np.arange(4)[:, None] == PARENTS[4][topic]
        X[85:] = np.arange(2)[:, None] == PARENTS[2][topic]
        X = X * rng.uniform(0.5, 1, X.shape) + 0.05 * rng.uniform(size=X.shape)
        return X, topic
