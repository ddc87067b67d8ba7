"""The ``table`` node of an experiment's YAML: how its records are laid out."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from nmfbench.config import structured
from nmfbench.errors import ConfigError

T = TypeVar("T")

SPLITS = ("layers", "label_fraction", "solver", "corrupt")
"""Keys by which a dataset's block can be split, besides settings: dataset.noise, corrupt.level, solver.alpha."""


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """Settings are chosen by this metric on seeds that the table leaves out.

    The data is drawn anew for each seed from a number of classes, as in the dnsNMF paper. Draws of all seeds take their
    classes from the same data, so the seeds that choose share samples with those of the table.

    Parameters
    ----------
    metric: the name of a metric; the setting with its highest mean is chosen.
    seeds: seeds ≥ 0 of the runs that choose.
    classes: numbers of classes on which those seeds run, each ≥ 1.
    """

    metric: str
    seeds: list[int]
    classes: list[int]


@dataclass(frozen=True, kw_only=True)
class Relative:
    """A new metric: a metric over that of another solver at the same seed, in percent.

    Parameters
    ----------
    metric: the name of the metric that is divided.
    to: the solver whose value divides.
    name: the name of the quotient.
    """

    metric: str
    to: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Order:
    """A printed order of methods, tested at as many clusters as there are classes.

    Parameters
    ----------
    solvers: names of solvers, the best first.
    """

    solvers: list[str]


@dataclass(frozen=True, kw_only=True)
class Table:
    """The layout of an experiment's table.

    Parameters
    ----------
    notes: sentences about the protocol, printed under the table.
    metric: the metric that is shown first and tested; null: the evaluator's first.
    split: keys that divide a dataset's block further: layers, label_fraction, solver, corrupt, or settings
        such as dataset.noise, corrupt.level and solver.alpha.
    together: whether these parts of a dataset are rows of one table with a column a method; else each is a table.
    tuning: how one of several settings is chosen; null: all are shown.
    relative: a quotient of two solvers' metrics to add; null: none.
    order: a printed order of methods to test; null: none.
    """

    notes: list[str] = field(default_factory=list)
    metric: str | None = None
    split: list[str] = field(default_factory=list)
    together: bool = False
    tuning: Tuning | None = None
    relative: Relative | None = None
    order: Order | None = None

    @classmethod
    def of(cls, node: Mapping[str, Any]) -> "Table":
        """The table that the node describes. Raises ConfigError, which names the nearest key for an unknown one."""

        def part(key: str, kind: type[T]) -> T | None:
            return structured(node[key], kind, f"table.{key}") if node.get(key) else None

        parts = {
            "tuning": part("tuning", Tuning),
            "relative": part("relative", Relative),
            "order": part("order", Order),
        }
        plain = structured({k: v for k, v in node.items() if not parts.get(k)}, cls, "table")
        settings = ("dataset.", "corrupt.", "solver.")
        if unknown := {key for key in plain.split if not key.startswith(settings)} - {*SPLITS}:
            raise ConfigError(
                f"table.split must name {', '.join(SPLITS)} or settings such as dataset.noise and solver.alpha, "
                f"got {', '.join(unknown)}"
            )
        if plain.together and not plain.split:
            raise ConfigError(f"table.together needs table.split, the rows: {' and '.join(SPLITS)}")
        return replace(plain, **parts)  # type: ignore[arg-type]
