"""Draw pictures in a notebook: each function draws one picture and returns its matplotlib axes.

`scores`, `sweep`, `frontier` and `convergence` show runs: ``records`` is a results folder, or a table of `nmfbench.run`
or `nmfbench.load_records`, whose rows choose datasets, methods and ranks. ``metric`` replaces the one that tables show
first, and settings choose records: ``dataset="orl"``. `bases`, `maps`, `codes` and `confusion` show a `FitResult`. Each
raises ConfigError if it cannot draw the picture.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nmfbench import records as files
from nmfbench.commands import choosing
from nmfbench.datasets.base import Dataset
from nmfbench.errors import ConfigError
from nmfbench.evaluators.base import Fitted
from nmfbench.evaluators.metric import Metric
from nmfbench.fitting import FitResult
from nmfbench.notebook import words_of
from nmfbench.records import Record
from nmfbench.reports import blocks, charts, pictures
from nmfbench.reports.charts import Chart
from nmfbench.reports.methods import Method

Records = str | Path | pd.DataFrame


def scores(records: Records = choosing.RESULTS, metric: str | None = None, **choice: Any) -> Axes:
    """Draw mean and standard deviation of every method on one dataset, the best at the top, and each run as a dot."""
    return _of_runs("scores", records, metric, choice)[0]


def sweep(
    records: Records = choosing.RESULTS, key: str | None = None, metric: str | None = None, **choice: Any
) -> Axes:
    """Draw the metric against a swept number: ``key="rank"``, "layers", "lam", "max_iter" …; None: the only one."""
    return _of_runs("sweep", records, metric, choice, key)[0]


def frontier(records: Records = choosing.RESULTS, metric: str | None = None, **choice: Any) -> Axes:
    """Draw the metric against the seconds of a fit; a line joins the methods that no faster one beats."""
    return _of_runs("frontier", records, metric, choice)[0]


def convergence(
    records: Records | Mapping[str, Sequence[FitResult]] = choosing.RESULTS, metric: str | None = None, **choice: Any
) -> list[Axes]:
    """Draw the objective relative to its start, against iterations and against seconds, and return both axes.

    ``{"mu": fit(…), "hals": fit(…)}`` instead of records shows these fits.
    """
    if not isinstance(records, Mapping):
        return _of_runs("convergence", records, metric, choice)
    methods = []
    for name, results in records.items():
        runs = [vars(result) for result in results if result.objective is not None]
        if runs:
            methods.append(Method(name, "", None, {}, runs, [float(run["objective"]) for run in runs]))
    return _axes(
        _only("convergence", charts.convergence("fits", methods, Metric("objective", "objective", better="lower")))
    )


def bases(
    result: FitResult,
    data: Dataset | None = None,
    *,
    shape: tuple[int, int] | None = None,
    feature_names: Sequence[str] | None = None,
) -> list[Axes]:
    """Draw the bases of the top layer: images of that ``shape``, top words by ``feature_names``, else curves.

    ``data``, from `load_dataset`, holds both, and the true spectra of a hyperspectral image.
    """
    fitted = _fitted(result)
    names = None if feature_names is None else tuple(feature_names)
    known = data or Dataset("X", fitted.codes[0], shape=shape, feature_names=names)
    return _of_fit("bases", result, fitted, known)


def maps(result: FitResult, data: Dataset | None = None, *, scene: Any = None) -> list[Axes]:
    """Draw the abundance maps of a hyperspectral image.

    ``scene`` (height, width) is the number of the sample at each pixel, −1 without one:
    ``np.arange(n).reshape(height, width)`` for pixels row by row. ``data``, from `load_dataset`, holds it, and the
    names of the materials.
    """
    fitted = _fitted(result)
    known = data or Dataset("X", fitted.codes[0], scene=None if scene is None else np.asarray(scene))
    return _of_fit("maps", result, fitted, known)


def codes(result: FitResult, y: Any = None) -> Axes:
    """Draw the codes of the top layer as a heat map, with samples sorted by labels ``y`` (n,), else by component."""
    fitted = _fitted(result)
    return _of_fit("codes", result, fitted, Dataset("X", fitted.codes[0], None if y is None else np.asarray(y)))[0]


def confusion(result: FitResult, y: Any) -> Axes:
    """Draw how many samples of each class ``y`` (n,) are in each cluster of k-means on the top layer's codes."""
    fitted = _fitted(result)
    return _of_fit("confusion", result, fitted, Dataset("X", fitted.codes[0], np.asarray(y)))[0]


def _of_runs(
    kind: str, records: Records, metric: str | None, choice: Mapping[str, Any], key: str | None = None
) -> list[Axes]:
    if isinstance(records, pd.DataFrame):
        chosen = _of_table(records, choice)
    else:
        chosen, _ = choosing.selected(words_of(choice), Path(records))
    drawn = list(charts.charts(chosen, [kind], metric))
    if key is not None:
        drawn = [chart for chart in drawn if chart.name.endswith(f"_{key.rpartition('.')[2]}")]
    return _axes(_only(kind, drawn))


def _of_table(table: pd.DataFrame, choice: Mapping[str, Any]) -> list[Record]:
    """Return the records behind the rows of a table that `nmfbench.run` or `nmfbench.load_records` returned."""
    from nmfbench.reports.selecting import select

    if "records" not in table.attrs:
        raise ConfigError("the table does not know its records; pass one of nmfbench.run or nmfbench.load_records")
    read = [files.read(Path(path)) for path in table.attrs["records"]]
    records = blocks.told_apart([record for record in read if isinstance(record, dict)])
    rows = {(row.dataset, row.solver, _rank(row.rank)) for row in table.itertuples()}
    chosen = [r for r in records if (r["dataset"], r["solver"], _rank(r.get("rank"))) in rows]
    return select(chosen, words_of(choice))


def _rank(value: Any) -> int | None:
    return None if value is None or pd.isna(value) else int(value)


def _fitted(result: FitResult) -> Fitted:
    factors = result.factorization if isinstance(result, FitResult) else None
    if factors is None:
        raise ConfigError(f"a FitResult with a factorization is needed, e.g. fit(…)[0], got {result!r}")
    tensors = (factors.codes, factors.bases, factors.links)
    codes, bases, links = ([tensor.numpy(force=True) for tensor in layers] for layers in tensors)
    return Fitted(codes, bases=bases, links=links, layering=factors.layering)


def _of_fit(kind: str, result: FitResult, fitted: Fitted, data: Dataset) -> list[Axes]:
    n = fitted.codes[0].shape[1]
    if data.y is not None and len(data.y) != n:
        raise ConfigError(f"y must hold a label for each of the {n} samples, got {len(data.y)}")
    if data.scene is not None and not (data.scene.ndim == 2 and data.scene.max(initial=-1) == n - 1):
        raise ConfigError(f"scene must hold, at each pixel, one of the samples 0 to {n - 1} or −1")
    record = {"dataset": data.name, "solver": "the fit", "rank": len(fitted.codes[-1]), "seed": result.seed}
    return _axes(_only(kind, filter(None, [pictures.KINDS[kind](record, fitted, data)])))


def _only(kind: str, candidates: Iterable[Chart]) -> Chart:
    """Return the only chart. Raises ConfigError if there is none, or several."""
    drawn = list(candidates)
    if not drawn:
        raise ConfigError(f"{kind} cannot be drawn: nothing here has what it shows")
    if len(drawn) > 1:
        names = ", ".join(chart.name.removeprefix(f"{kind}_") for chart in drawn)
        raise ConfigError(f"{kind} is one picture, and there are {len(drawn)} ({names}): choose by dataset=… or key=…")
    return drawn[0]


def _axes(chart: Chart) -> list[Axes]:
    """Register the figure with pyplot, so that a notebook shows it, and return its axes without colour bars."""
    import matplotlib.pyplot as plt

    def existing(**_: Any) -> Figure:
        return chart.figure

    plt.figure(FigureClass=existing)  # type: ignore[arg-type]
    drawn = [ax for ax in chart.figure.axes if ax.has_data() or ax.texts]
    return [ax for ax in drawn if ax.get_label() != "<colorbar>"]
