"""Draw charts of any runs: scores with their spread, a metric over a sweep, time against quality, convergence.

Records in, charts out. A chart is one picture of one part of a report, with the numbers that it shows.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nmfbench.evaluators.metric import Metric
from nmfbench.records import Record
from nmfbench.reports import plots
from nmfbench.reports.methods import Method, ranked
from nmfbench.reports.plots import COLOURS, MARKERS, styled

DASHES = ("-", "--", ":", "-.")
MOST_METHODS, MOST_LINES, MOST_NAMES = 40, 12, 15
"""Limits of a chart: rows of methods, lines, names beside dots. With more dots, only the frontier is named."""


@dataclass(frozen=True)
class Chart:
    """A picture and its numbers.

    Parameters
    ----------
    name: a file name: the kind of chart, the dataset and, in a sweep, its key.
    title: the words above it.
    text: what it shows, in a sentence, for those who do not see it.
    figure: the picture.
    numbers: every number in it.
    """

    name: str
    title: str
    text: str
    figure: Figure
    numbers: pd.DataFrame


def charts(records: Sequence[Record], kinds: Sequence[str] = (), metric: str | None = None) -> Iterator[Chart]:
    """Yield the charts of these kinds (of `KINDS`; none: all) for which the records have numbers, dataset by dataset.

    ``metric`` replaces the one that tables show first. Records without it are left out.
    """
    for dataset, methods, shown in ranked(records, metric):
        for kind in kinds or KINDS:
            yield from KINDS[kind](dataset, methods, shown)


def _axis(metric: Metric) -> str:
    return f"{metric.title} (%)" if metric.unit == "%" else metric.title


def _titled(name: str, title: str, text: str, figure: Figure, numbers: pd.DataFrame) -> Chart:
    """Make a chart with the title in the picture too, so that a saved file says what it shows."""
    figure.suptitle(title)
    return Chart(name, title, text, figure, numbers)


def _lines(methods: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Choose a colour, marker and dash for each method, so that they can be told apart even in grey."""
    looks = product(DASHES, zip(COLOURS, MARKERS, strict=True))
    return {
        name: {"color": colour, "marker": marker, "linestyle": dash}
        for name, (dash, (colour, marker)) in zip(methods, looks, strict=False)
    }


@styled
def scores(dataset: str, methods: Sequence[Method], metric: Metric) -> list[Chart]:
    """Draw the mean and standard deviation of every method, the best at the top, and each run as a dot."""
    shown = methods[:MOST_METHODS]
    figure = Figure(figsize=(7, 0.24 * len(shown) + 1), layout="constrained")
    ax = figure.subplots()
    for place, method in enumerate(shown):
        runs = [metric.scale * value for value in method.values]
        ax.plot(runs, [place] * len(runs), "o", color="0.75", markersize=3, zorder=1)
        spread = 0 if math.isnan(method.sd) else metric.scale * method.sd
        ax.errorbar(np.mean(runs), place, xerr=spread, fmt="o", color=COLOURS[0], markersize=5, capsize=2, zorder=2)
    ax.set_yticks(range(len(shown)), [method.label for method in shown])
    ax.set(ylim=(len(shown) - 0.5, -0.5), xlabel=f"{_axis(metric)}: mean, standard deviation, and each run")
    ax.grid(axis="y", color="0.92")
    numbers = pd.DataFrame(
        {
            "method": [method.label for method in shown],
            "mean": [metric.scale * method.mean for method in shown],
            "sd": [metric.scale * method.sd for method in shown],
            "n": [len(method.values) for method in shown],
        }
    )
    first, last = (f"{numbers['method'].iloc[at]}, {numbers['mean'].iloc[at]:.4g}" for at in (0, -1))
    if (level := int((numbers["mean"] == numbers["mean"].iloc[0]).sum())) > 1:
        first = f"{first}, and {level - 1} more level with it"
    title = f"{dataset}: {metric.title} of {len(shown)} methods"
    return [_titled(f"scores_{dataset}", title, f"{title}; best: {first}; last: {last}.", figure, numbers)]


@styled
def sweep(dataset: str, methods: Sequence[Method], metric: Metric) -> list[Chart]:
    """Draw the metric against each number swept over at least three values: a line a method, a band of one sd."""
    keys = dict.fromkeys(key for method in methods for key in method.swept)
    drawn = []

    def best(points: Mapping[float, Method]) -> float:
        return min(metric.sign * method.mean for method in points.values())

    for key in keys:
        swept = [method for method in methods if _is_number(method.value(key))]
        lines: dict[str, dict[float, Method]] = {}
        for method in swept:
            own = ("ranks=",) if key == "layers" else (f"{key}=", f"{key.rpartition('.')[2]}=")
            others = [word for word in method.setting.split(", ") if word and not word.startswith(own)]
            ranks = {other.rank for other in swept if other.solver == method.solver}
            others += [f"rank {method.rank}"] if key != "rank" and len(ranks) > 1 else []
            lines.setdefault(", ".join([method.solver, *others]), {})[float(method.value(key))] = method
        lines = {name: dict(sorted(points.items())) for name, points in lines.items() if len(points) > 2}
        lines = dict(sorted(lines.items(), key=lambda line: best(line[1]))[:MOST_LINES])
        if not lines:
            continue
        figure = Figure(figsize=(7, 4), layout="constrained")
        ax = figure.subplots()
        for name, look in _lines(list(lines)).items():
            x = list(lines[name])
            mean = np.array([metric.scale * method.mean for method in lines[name].values()])
            sd = np.nan_to_num([metric.scale * method.sd for method in lines[name].values()])
            ax.plot(x, mean, label=name, markersize=4, **look)
            ax.fill_between(x, mean - sd, mean + sd, color=look["color"], alpha=0.15, linewidth=0)
        every = sorted({x for points in lines.values() for x in points})
        if every[0] > 0 and every[-1] / every[0] > 50:
            ax.set_xscale("log")
        elif all(x.is_integer() for x in every):
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        short = key.rpartition(".")[2]
        ax.set(xlabel=short, ylabel=_axis(metric))
        figure.legend(loc="outside right center")
        numbers = pd.DataFrame(
            {
                "method": name,
                short: x,
                "mean": metric.scale * method.mean,
                "sd": metric.scale * method.sd,
                "n": len(method.values),
            }
            for name, points in lines.items()
            for x, method in points.items()
        )
        title = f"{dataset}: {metric.title} against {short}"
        text = f"{title}, {short} from {every[0]:g} to {every[-1]:g}; the band is one standard deviation."
        drawn.append(_titled(f"sweep_{dataset}_{short}", title, text, figure, numbers))
    return drawn


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@styled
def frontier(dataset: str, methods: Sequence[Method], metric: Metric) -> list[Chart]:
    """Draw the metric against the seconds of a fit; a line joins the methods that no faster one beats."""
    timed = [method for method in methods if method.seconds > 0]
    if len(timed) < 2:
        return []
    best: list[Method] = []
    for method in sorted(timed, key=lambda method: method.seconds):
        if not best or metric.sign * method.mean < metric.sign * best[-1].mean:
            best.append(method)
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    ax = figure.subplots()
    ax.plot([m.seconds for m in best], [metric.scale * m.mean for m in best], color="0.6", drawstyle="steps-post")
    for method, on in ((method, method in best) for method in timed):
        ax.plot(method.seconds, metric.scale * method.mean, MARKERS[0] if on else MARKERS[1], color=COLOURS[not on])
    ax.margins(x=0.12)
    ax.set(xscale="log", xlabel="seconds of a fit", ylabel=_axis(metric))
    shown = [*best, *(method for method in timed if method not in best)][: max(len(best), MOST_NAMES)]
    plots.named(ax, [(m.label, m.seconds, metric.scale * m.mean, m in best) for m in shown])
    numbers = pd.DataFrame(
        {
            "method": [method.label for method in timed],
            "seconds": [method.seconds for method in timed],
            "mean": [metric.scale * method.mean for method in timed],
            "no faster one is better": [method in best for method in timed],
        }
    )
    title = f"{dataset}: {metric.title} against seconds"
    text = f"{title}; no faster method is better than {'; '.join(method.label for method in best)}."
    return [_titled(f"frontier_{dataset}", title, text, figure, numbers)]


@styled
def convergence(dataset: str, methods: Sequence[Method], metric: Metric) -> list[Chart]:
    """Draw the objective relative to its start, against iterations and seconds, for the median seed of each method."""
    curves = {}
    for method in methods:
        histories = [r for r in method.records if len(r.get("history") or []) > 2 and r["history"][0][1] > 0]
        if histories:
            ranked = sorted(histories, key=lambda record: record["objective"])
            curves[method.label] = np.array(ranked[len(ranked) // 2]["history"], dtype=float)
    looks = _lines(list(curves)[:MOST_LINES])
    if not looks:
        return []
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for place, (name, look) in enumerate(looks.items()):
        iterations, objective, seconds = curves[name].T
        for ax, x in zip(axes, (iterations, seconds), strict=True):
            shown = x > 0
            # A few markers tell the lines apart in grey; they start at different looks, so as not to hide each other.
            every = (place % 5, max(1, int(shown.sum()) // 6))
            ax.plot(x[shown], objective[shown] / objective[0], label=name, markersize=4, markevery=every, **look)
    for ax, label in zip(axes, ("iterations", "seconds"), strict=True):
        ax.set(xscale="log", yscale="log", xlabel=label)
    axes[0].set_ylabel("objective / objective at the start")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center")
    numbers = pd.DataFrame(
        {"method": name, "iteration": int(i), "seconds": s, "objective": o}
        for name in looks
        for i, o, s in curves[name]
    )
    title = f"{dataset}: objective against iterations and seconds"
    text = f"{title}, of the {len(looks)} best methods, each over its own objective at the start; median seeds."
    return [_titled(f"convergence_{dataset}", title, text, figure, numbers)]


KINDS: dict[str, Callable[[str, Sequence[Method], Metric], list[Chart]]] = {
    "scores": scores,
    "sweep": sweep,
    "frontier": frontier,
    "convergence": convergence,
}
"""The kinds of charts: `nmfbench plot scores` draws one."""
