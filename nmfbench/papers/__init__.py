"""The numbers that papers print. Each module has one paper and states the runs to which its numbers apply.

A module declares ``PAPER`` and ``printed(record)`` and needs no registration. `printed` asks every module.
"""

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

Place = tuple[int | None, int | None, str]
"""The place of a number: layer, number of clusters (None where they do not apply), metric."""


class Inferred(float):
    """A printed number whose row in the paper's table we inferred, because our copy does not show it.

    Tables mark it, and it does not count in a method's distance to the printed numbers.
    """


@dataclass(frozen=True)
class Paper:
    """A paper, as tables cite it.

    Parameters
    ----------
    name: the name of its module.
    title: the words before "paper" in a sentence: the "WNNF" paper.
    reference: authors and title.
    year: year of publication; None: the copy at hand does not say.
    """

    name: str
    title: str
    reference: str
    year: int | None = None


def printed(record: dict[str, Any]) -> dict[Place, list[tuple[Paper, float]]]:
    """Every paper's numbers for this run, in the unit that tables show (percent where the metric's unit is "%").

    A paper has numbers for a run only if the data, its preprocessing, the ranks and the protocol are the paper's, as
    far as it prints them; the docstring of each module lists its rules. No paper holds entries out or corrupts data.
    """
    if record["config"].get("hidden") or record["config"]["dataset"].get("corrupt"):
        return {}
    numbers: dict[Place, list[tuple[Paper, float]]] = {}
    for module in _modules(tuple(__path__)):
        for place, value in module.printed(record).items():
            numbers.setdefault(place, []).append((module.PAPER, value))
    return numbers


def papers() -> list[Paper]:
    """Every paper with numbers here, in the order of its module's name."""
    return [module.PAPER for module in _modules(tuple(__path__))]


@cache  # a long table asks for every one of its rows
def _modules(folders: tuple[str, ...]) -> list[ModuleType]:
    """The modules of this package that declare a paper. ``folders``: those of the package."""
    names = sorted(module.name for module in pkgutil.iter_modules(folders))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return [module for module in modules if hasattr(module, "PAPER")]
