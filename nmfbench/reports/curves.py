"""Drawing curves: numbers in, a matplotlib figure out."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nmfbench.reports.plots import COLOURS, MARKERS, captioned, styled

LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
"""Line styles, so that curves can be told apart without colours."""


@styled
def beside_printed(
    rows: Mapping[str, Mapping[str, pd.DataFrame]], x: str, across: str, spread: str, title: str, note: str
) -> Figure:
    """A row of panels a metric in percent, a panel a method: its mean with a band of ± sd, and the printed numbers.

    Each table has the columns ``x``, mean, sd and paper. The means of the other methods of a row are thin grey lines.
    ``across`` is the label of the axis of ``x``; ``spread`` says what the band is over.
    """
    columns = len(next(iter(rows.values())))
    figure = Figure(figsize=(2.2 * columns, 2.1 * len(rows) + 1.4), layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=[0.2, 2.1 * len(rows) + 0.5])[:, 0]
    axes = below.subplots(len(rows), columns, sharex=True, sharey="row", squeeze=False)
    for line, (metric, methods) in zip(axes, rows.items(), strict=True):
        line[0].set_ylabel(metric)
        for ax, (method, table) in zip(line, methods.items(), strict=True):
            for other in methods.values():
                if other is not table:
                    ax.plot(other[x], other["mean"], color="0.75", linewidth=0.8)
            ax.fill_between(
                table[x], table["mean"] - table["sd"], table["mean"] + table["sd"], color=COLOURS[0], alpha=0.2, lw=0
            )
            (ours,) = ax.plot(table[x], table["mean"], color=COLOURS[0], marker="o", markersize=3.5)
            (paper,) = ax.plot(table[x], table["paper"], color=COLOURS[1], linestyle="--", marker="s", markersize=3.5)
            paper.set_markerfacecolor("white")
            ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            if metric == next(iter(rows)):
                ax.set_title(method)
            if metric == [*rows][-1]:
                ax.set_xlabel(across)
        line[0].set_ylim(max(0, line[0].get_ylim()[0]), 103)  # no share lies outside 0 to 100, whatever the sd
    (grey,) = axes[0, 0].plot([], [], color="0.75", linewidth=0.8)
    labels = [f"here, mean ± sd over {spread}", "printed", "the other methods here, mean"]
    above.legend([ours, paper, grey], labels, loc="center", ncols=3)
    return captioned(figure, title, note)


@styled
def spectra(
    bands: np.ndarray,
    materials: Mapping[str, tuple[np.ndarray | None, Mapping[str, np.ndarray]]],
    title: str,
    note: str,
) -> Figure:
    """A panel a material: its true spectrum (len(bands),), in black, where it is known, and an estimate a line."""
    columns = min(3, len(materials))
    rows = -(-len(materials) // columns)
    figure = Figure(figsize=(3.5 * columns, 3 * rows + 0.9), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for ax, (material, (true, estimates)) in zip(axes.flat, materials.items(), strict=False):
        if true is not None:
            ax.plot(bands, true, color="black", linewidth=2, label="truth")
        for (name, estimate), colour, style in zip(estimates.items(), COLOURS, LINES[1:], strict=False):
            ax.plot(bands, estimate, color=colour, linestyle=style, linewidth=1.2, label=name)
        ax.set_ylim(min(0, *(estimate.min() for estimate in estimates.values())), 1.05)
        # Above the axes, where no curve is below it.
        words = {"title": material, "title_fontsize": 9, "fontsize": 7, "columnspacing": 1, "handlelength": 1.8}
        ax.legend(ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1), **words)
    for ax in axes[-1]:
        ax.set_xlabel("band")
    for ax in axes[:, 0]:
        ax.set_ylabel("share of the largest entry")
    return captioned(figure, title, note)


@styled
def growth(panels: Mapping[str, Mapping[str, pd.Series]], y: str, title: str, note: str) -> Figure:
    """A panel a size on logarithmic axes: a curve a method, a series of values by size, with its slope in the legend.

    A dashed grey line has slope 1.
    """
    figure = Figure(figsize=(3.6 * len(panels), 4.6), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for ax, (size, curves) in zip(axes, panels.items(), strict=True):
        for i, (name, times) in enumerate(curves.items()):
            label = f"{name}: {slope(times):.2f}".replace(": -0.00", ": 0.00")
            ax.plot(times.index, times, color=COLOURS[i], linestyle=LINES[i], marker=MARKERS[i], ms=4, label=label)
        sizes = np.array(sorted({size for times in curves.values() for size in times.index}))
        lowest = min(times.iloc[0] for times in curves.values())
        ax.plot(sizes, 0.6 * lowest * sizes / sizes[0], color="0.5", linestyle="--", linewidth=1, label="slope 1")
        ax.set(xscale="log", yscale="log", xlabel=size)
        ax.set_xticks(sizes, [f"{n:,}" for n in sizes])
        ax.minorticks_off()
        # Above the axes, where no curve is below it.
        ax.legend(fontsize=7, title="slope", title_fontsize=8, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))
    axes[0].set_ylabel(y)
    return captioned(figure, title, note)


def slope(times: pd.Series) -> float:
    """The slope of the values over their index on logarithmic axes, by least squares."""
    return float(np.polyfit(np.log(times.index.to_numpy(float)), np.log(times.to_numpy(float)), 1)[0])
