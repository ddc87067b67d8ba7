"""Reduce a dataset to some of its samples, drawn without looking at their labels."""

from dataclasses import replace

import numpy as np

from nmfbench.datasets.base import Dataset
from nmfbench.errors import ConfigError
from nmfbench.numerics.rng import integer


def subset(data: Dataset, size: int) -> Dataset:
    """Keep ``size`` of the n samples in their order, or all if n ≤ size.

    The draw depends on n alone, so it is the same for every method, seed and scaling. Raises ConfigError for data with
    known factors, which would keep a column for each dropped sample.
    """
    n = data.n_samples
    if size >= n:
        return data
    if data.truth:
        raise ConfigError(
            f"subset={size} cannot reduce {data.name}, whose true factors describe all samples: leave out subset"
        )
    kept = np.sort(np.random.default_rng(integer("subset", 0) + n).permutation(n)[:size])
    place = np.full(n + 1, -1)  # the last entry serves the pixels without a sample
    place[kept] = np.arange(size)
    return replace(
        data,
        scene=None if data.scene is None else place[data.scene],
        X=data.X[:, kept],
        y=None if data.y is None else data.y[kept],
        sample_names=None if data.sample_names is None else tuple(data.sample_names[i] for i in kept),
        observed=None if data.observed is None else data.observed[:, kept],
        preprocessing=(*data.preprocessing, f"{size} of {n} samples, drawn at random"),
    )
