"""The numbers that papers print: one paper a module, which says for which runs its numbers stand.

A module here declares ``PAPER`` and ``printed(record)``; it is found by being in this package. `printed` asks them all.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

Place = tuple[int | None, int | None, str]
"""Where a number belongs: layer, number of clusters (None where they mean nothing), metric."""


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
    far as it prints them; each module writes down its rules.
    """
    found: dict[Place, list[tuple[Paper, float]]] = {}
    for module in _modules():
        for place, value in module.printed(record).items():
            found.setdefault(place, []).append((module.PAPER, value))
    return found


def papers() -> list[Paper]:
    """Every paper with numbers here, in the order of its module's name."""
    return [module.PAPER for module in _modules()]


def _modules() -> Iterator[ModuleType]:
    """The modules of this package that declare a paper."""
    for name in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        module = importlib.import_module(f"{__name__}.{name}")
        if hasattr(module, "PAPER"):
            yield module
