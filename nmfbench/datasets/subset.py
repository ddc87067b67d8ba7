"""A smaller dataset: some of the samples, drawn without looking at their labels."""

from dataclasses import replace

import numpy as np

from nmfbench.datasets.base import Dataset
from nmfbench.errors import ConfigError
from nmfbench.numerics.rng import integer


def subset(data: Dataset, size: int) -> Dataset:
    """Keep ``size`` of the n samples, in their order; all of them if there are no more.

    The draw depends on n alone, so it is the same for every method, seed and scaling. Raises ConfigError for data with
    planted factors, which have a column a sample.
    """
    n = data.n_samples
    if size >= n:
        return data
    if data.truth:
        raise ConfigError(
            f"subset={size} would take samples from {data.name}, but not from the truth that comes with it"
        )
    kept = np.sort(np.random.default_rng(integer("subset", 0) + n).permutation(n)[:size])
    return replace(
        data,
        X=data.X[:, kept],
        y=None if data.y is None else data.y[kept],
        observed=None if data.observed is None else data.observed[:, kept],
        preprocessing=(*data.preprocessing, f"{size} of {n} samples, drawn at random"),
    )
