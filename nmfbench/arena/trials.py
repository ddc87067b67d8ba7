"""The settings of a method that the arena tries: its defaults, and some of its search space."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from nmfbench import config
from nmfbench.errors import ConfigError
from nmfbench.numerics.rng import integer

Setting = dict[str, Any]
"""The parameters of a solver that differ from its YAML, by dotted key; empty for the defaults."""


def search_space(name: str, folders: Sequence[Path] | None = None) -> dict[str, list[Any]]:
    """Return the values that the arena tries for a solver, by parameter; empty if its YAML names none.

    Raises ConfigError for a space that is no mapping of its parameters, three at most, to lists.
    """
    node = config.whole("solver", name, folders)
    space = node.get(config.SEARCH) or {}
    if not isinstance(space, dict) or not all(isinstance(values, list) and values for values in space.values()):
        raise ConfigError(f"{config.SEARCH} in solver/{name}.yaml must name parameters and a list of values for each")
    if len(space) > 3:
        raise ConfigError(f"{config.SEARCH} in solver/{name}.yaml names {len(space)} parameters; three are allowed")
    for key in space:
        if key not in node:
            close = config.nearest(key, node)
            raise ConfigError(f"{config.SEARCH} in solver/{name}.yaml names {key}, which is not a parameter{close}")
    return space


def trials(solver: str, budget: int, folders: Sequence[Path] | None = None) -> list[Setting]:
    """Return the defaults, and ``budget`` − 1 other settings of its search space at most.

    First each parameter is changed alone: the first value of each, then the second, … Then come combinations, in an
    order drawn from the solver's name alone, so that every dataset has the same trials.
    """
    space, defaults = search_space(solver, folders), config.defaults("solver", solver, folders)
    tried = {key: [value for value in values if value != defaults[key]] for key, values in space.items()}
    alone = [
        {f"solver.{key}": values[place]}
        for place in range(max(map(len, tried.values()), default=0))
        for key, values in tried.items()
        if place < len(values)
    ]
    together = [
        {f"solver.{key}": value for key, value in zip(tried, chosen, strict=True) if value != defaults[key]}
        for chosen in product(*([defaults[key], *values] for key, values in tried.items()))
    ]
    combined = [setting for setting in together if len(setting) > 1]
    order = np.random.default_rng(integer(f"trials {solver}", 0)).permutation(len(combined))
    return [{}, *alone, *(combined[i] for i in order)][:budget]
