"""Choose the settings of a method that the arena tries: its defaults, and a draw from its search space."""

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
    """Return the values that the arena tries for each parameter of a solver; empty if its YAML lists none.

    Raises ConfigError unless the space maps at most three parameters of the solver to lists of values.
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
    """Return the defaults and at most ``budget`` − 1 other settings, drawn from the product of the search space.

    A parameter's default counts as one of its values. The draw depends on the solver's name alone, so it is the same on
    every dataset.
    """
    space, defaults = search_space(solver, folders), config.defaults("solver", solver, folders)
    values = [[defaults[key], *(value for value in tried if value != defaults[key])] for key, tried in space.items()]
    others = [
        {f"solver.{key}": value for key, value in zip(space, chosen, strict=True) if value != defaults[key]}
        for chosen in list(product(*values))[1:]
    ]
    order = np.random.default_rng(integer(f"trials {solver}", 0)).permutation(len(others))
    return [{}, *(others[i] for i in order[: budget - 1])]
