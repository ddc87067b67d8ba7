"""The settings of a method that the arena tries: its defaults, and some of its search space."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from nmfbench import config
from nmfbench.numerics.rng import integer

Setting = dict[str, Any]
"""The parameters of a solver that differ from its YAML, by dotted key; empty for the defaults."""


def trials(solver: str, budget: int, folders: Sequence[Path] | None = None) -> list[Setting]:
    """The defaults, and ``budget`` − 1 other settings at most, drawn from the product of its search space.

    A parameter's default counts as one of its values. The draw depends on the solver's name alone, so it is the same on
    every dataset.
    """
    space, defaults = config.search_space(solver, folders), config.defaults("solver", solver, folders)
    values = [[defaults[key], *(value for value in tried if value != defaults[key])] for key, tried in space.items()]
    others = [
        {f"solver.{key}": value for key, value in zip(space, chosen, strict=True) if value != defaults[key]}
        for chosen in list(product(*values))[1:]
    ]
    order = np.random.default_rng(integer(f"trials {solver}", 0)).permutation(len(others))
    return [{}, *(others[i] for i in order[: budget - 1])]
