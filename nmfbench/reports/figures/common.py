"""The parts that figures share: finished runs, the choice among them, and images from columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nmfbench.datasets.base import Dataset
from nmfbench.evaluators.base import Fitted
from nmfbench.records import Record

NAMES = {
    "deep_kl": "deep KL-NMF",
    "deep_kl_minvol": "min-vol deep KL-NMF",
    "deep_semi": "deep semi-NMF",
    "deep_mu": "deep NMF",
    "deep_onmf": "deep ONMF",
    "dnsnmf": "dnsNMF",
    "gnmf": "graph NMF",
    "lc_dmf": "LC-DMF",
    "mu": "NMF",
    "multilayer": "multilayer NMF",
    "multilayer_kl": "multilayer KL-NMF",
    "nsnmf": "nsNMF",
    "wnnf": "WNNF",
}


@dataclass(frozen=True)
class Run:
    """A finished run.

    Parameters
    ----------
    record: its record.
    fitted: its codes and bases; empty for a figure that is drawn from records alone.
    load: returns its data; only figures that show data call it.
    """

    record: Record
    fitted: Fitted
    load: Callable[[], Dataset]

    @property
    def solver(self) -> str:
        return str(self.record["solver"])

    @property
    def dataset(self) -> Dataset:
        return self.load()

    def setting(self, key: str) -> Any:
        """A parameter of the solver; None where it has none of that name."""
        return self.record["config"]["solver"].get(key)


@dataclass(frozen=True)
class PaperFigure:
    """A figure of a paper.

    Parameters
    ----------
    title: the paper, the figure's number and its subject.
    runs: the words after `nmfbench run` that make the runs it shows.
    draw: draws it from those runs.
    shows: whether it needs a run, given the config of its record.
    codes: whether it is drawn from codes and bases; if not, from records alone.
    numbers: the numbers that it shows, with those that the paper prints, one row each; None: it shows images.
    """

    title: str
    runs: tuple[str, ...]
    draw: Callable[[Sequence[Run]], Figure]
    shows: Callable[[dict[str, Any]], bool] = lambda config: True
    codes: bool = True
    numbers: Callable[[Sequence[Run]], pd.DataFrame] | None = None


@dataclass(frozen=True)
class TableFigure:
    """A figure of the numbers of an experiment's table: from its records, or from the CSV of the whole table.

    Parameters
    ----------
    title: the paper, the figure's number and its subject.
    table: the name of the experiment.
    draw: draws it from the rows that ``numbers`` chose, and a sentence that says where they come from.
    numbers: the rows that it shows, of the long form of the table, which has the columns of `frames.COLUMNS`.
    """

    title: str
    table: str
    draw: Callable[[pd.DataFrame, str], Figure]
    numbers: Callable[[pd.DataFrame], pd.DataFrame]

    @property
    def runs(self) -> tuple[str, ...]:
        return (f"experiment={self.table}",)


def best_of(runs: Sequence[Run], solver: str, **settings: object) -> Run:
    """The run with the lowest objective among those of that solver with these settings."""
    fitting = [run for run in runs if run.solver == solver and all(run.setting(k) == v for k, v in settings.items())]
    return min(fitting, key=lambda run: run.record["objective"])


def images(columns: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """(k, height, width) from the columns (pixels, k), pixels in row-major order."""
    return columns.T.reshape(-1, *shape)
