"""Drawing: arrays in, a matplotlib figure out. Knows neither runs nor files."""

import io
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

STYLE = {"font.size": 9, "axes.titlesize": 9.5, "figure.titlesize": 11, "legend.fontsize": 8, "legend.frameon": False}
STYLE |= {"axes.spines.top": False, "axes.spines.right": False}
# Okabe & Ito (2008): colour-blind readers can tell them apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
MARKERS = "osD^vP"
DPI, PAGE_DPI = 200, 110
styled = matplotlib.rc_context(STYLE)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Tiles:
    """Images side by side under a title. Each has a scale of its own.

    Parameters
    ----------
    title: the words above them.
    images: (k, height, width).
    columns: images a row, ≥ 1.
    signed: whether the scale runs from minus to plus the largest absolute entry; if not, from 0 to the largest.
    """

    title: str
    images: np.ndarray
    columns: int
    signed: bool = False


def file(figure: Figure, kind: str) -> bytes:
    """The content of a "png", "pdf", "svg" or, for a page, "webp". Undated: the same figure is the same bytes."""
    undated: dict[str, dict[str, Any]] = {
        "png": {"Software": None},
        "pdf": {"CreationDate": None, "Producer": None},
        "svg": {"Date": None, "Creator": None},
    }
    dpi = PAGE_DPI if kind == "webp" else DPI
    with io.BytesIO() as opened, matplotlib.rc_context({"savefig.dpi": dpi, "svg.hashsalt": "nmfbench"}):
        figure.savefig(opened, format=kind, metadata=undated.get(kind))
        return opened.getvalue()


@styled
def tiles(
    rows: Sequence[Sequence[Tiles]], title: str, note: str, *, width: float, cmap: str = "gray_r", scale: str = ""
) -> Figure:
    """Rows of `Tiles`, each with its panels from left to right, on a page of that width in inches.

    ``scale`` is the label of a colour bar; empty: no colour bar.
    """
    mosaics = [[_mosaic(panel) for panel in row] for row in rows]
    heights = [max(mosaic.shape[0] / mosaic.shape[1] for mosaic in row) for row in mosaics]
    columns = len(rows[0])
    # The height of the page follows from the width that is left for the images; titles and note are added.
    room = (width - (0.9 if scale else 0)) / columns - 0.08
    height = sum(heights) * room + 0.27 * len(rows) + 0.15 * _wrapped(note, width).count("\n") + 0.5
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(len(rows), columns, height_ratios=heights, squeeze=False)
    for ax, panel, mosaic in zip(axes.flat, chain(*rows), chain(*mosaics), strict=True):
        colours = matplotlib.colormaps["RdBu_r" if panel.signed else cmap].with_extremes(bad="0.8", under="white")
        ax.imshow(mosaic, cmap=colours, vmin=-1 if panel.signed else 0, vmax=1, interpolation="nearest")
        ax.set_title(panel.title)
        ax.axis("off")
        ax.set_anchor("N")
    if scale:
        figure.colorbar(axes[0, 0].images[0], ax=axes, shrink=0.6, aspect=30, pad=0.02, label=scale)
    return captioned(figure, title, note)


def _mosaic(panel: Tiles) -> np.ndarray:
    """The images on one page, with gaps of NaN. Empty places in the last row hold −9, which is below every scale."""
    k, h, w = panel.images.shape
    gap = max(1, round(0.06 * w))
    rows = -(-k // panel.columns)
    page = np.full((rows * (h + gap) - gap, panel.columns * (w + gap) - gap), np.nan)
    for i, image in enumerate(panel.images):
        largest = (np.abs(image) if panel.signed else image).max()
        top, left = i // panel.columns * (h + gap), i % panel.columns * (w + gap)
        page[top : top + h, left : left + w] = image / (largest if largest > 0 else 1)
    if k % panel.columns:
        page[-h - gap if rows > 1 else 0 :, left + w :] = -9
    return page


@styled
def histograms(methods: Mapping[str, Mapping[str, np.ndarray]], title: str, note: str) -> Figure:
    """Counts, on a logarithmic axis, of the entries of each factor (a row) of each method (a column).

    Entries below 0 have a colour of their own; the legend shows the smallest.
    """
    rows = max(map(len, methods.values()))
    figure = Figure(figsize=(9, 2.3 * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, len(methods), squeeze=False)
    for column, (method, factors) in zip(axes.T, methods.items(), strict=True):
        column[0].set_title(method)
        for ax, (name, factor) in zip(column, factors.items(), strict=True):
            entries = factor.ravel()
            low, high = min(0.0, float(entries.min())), float(entries.max())
            width = (high - low) / 60
            # Make 0 an edge, so that no bar holds entries of both signs.
            edges = np.arange(-np.ceil(-low / width), np.ceil(high / width) + 1) * width
            label = "min ≥ 0" if entries.min() >= 0 else f"min = {entries.min():.2g}".replace("-", "−")
            for part, colour in ((entries[entries >= 0], COLOURS[0]), (entries[entries < 0], COLOURS[1])):
                ax.hist(part, edges, color=colour, log=True)
            ax.plot([], [], " ", label=label)
            ax.plot([], [], " ", label=f"{np.mean(entries < 0):.1%} below 0")
            ax.legend(loc="upper right", handlelength=0, handletextpad=0)
            ax.set_ylim(bottom=0.7)
            ax.set_xlabel(f"entry of {name}")
            ax.xaxis.set_major_locator(MaxNLocator(5))
    for ax in axes[:, 0]:
        ax.set_ylabel("count")
    return captioned(figure, title, note)


@styled
def ratios(
    x: Sequence[int], curves: Mapping[str, np.ndarray], printed: Mapping[str, float], title: str, note: str
) -> Figure:
    """Medians over the runs of each curve (runs, len(x)), with a band from lowest to highest, and the line at 1.

    ``printed``: curve → the paper's value at its end, drawn beside it.
    """
    figure = Figure(figsize=(6, 4.2), layout="constrained")
    ax = figure.subplots()
    ax.axhline(1, color="0.4", linewidth=1, linestyle="--")
    for (name, values), colour, marker in zip(curves.items(), COLOURS, MARKERS, strict=False):
        ax.plot(x, np.median(values, 0), color=colour, marker=marker, markersize=4, label=name)
        if len(values) > 1:
            ax.fill_between(x, values.min(0), values.max(0), color=colour, alpha=0.2, linewidth=0)
        if name in printed:
            ax.plot(x[-1] * 1.04, printed[name], marker="_", color=colour, markersize=12, markeredgewidth=2)
    if printed:
        ax.plot([], [], marker="_", color="0.4", markersize=12, markeredgewidth=2, linestyle="", label="printed")
    ax.set_yscale("log")
    ax.set_ylim(bottom=0.8 * min([values.min() for values in curves.values()] + list(printed.values())))
    ax.set_yticks([*_ticks(ax)], [f"{tick:.0%}" for tick in _ticks(ax)])
    ax.minorticks_off()
    ax.set_xlabel("iterations of deep KL-NMF")
    ax.set_ylabel("error / final error of multilayer KL-NMF")
    ax.legend(ncols=2)
    return captioned(figure, title, note)


def _ticks(ax: Axes) -> list[float]:
    """1, 2, 3 and 5 times the powers of ten that an axis shows."""
    low, high = ax.get_ylim()
    ticks = [m * 10.0**e for e in range(-6, 6) for m in (1, 2, 3, 5)]
    return [tick for tick in ticks if low <= tick <= high]


@styled
def depths(curves: Mapping[str, Sequence[Sequence[float]]], title: str, note: str) -> Figure:
    """Mean and standard deviation of the accuracies (fractions) at depth 1, 2, …, a curve a dataset."""
    figure = Figure(figsize=(6, 4.6), layout="constrained")
    ax = figure.subplots()
    for i, (name, values) in enumerate(curves.items()):
        x = np.arange(1, len(values) + 1) + 0.04 * (i - (len(curves) - 1) / 2)  # shifted, so that no bar hides another
        mean = [100 * float(np.mean(v)) for v in values]
        sd = [100 * float(np.std(v, ddof=1)) if len(v) > 1 else 0.0 for v in values]
        ax.errorbar(x, mean, sd, color=COLOURS[i], marker=MARKERS[i], markersize=5, capsize=3, label=name)
    ax.set_xticks(range(1, max(map(len, curves.values())) + 1))
    ax.set_xlabel("layers")
    ax.set_ylabel("accuracy in percent")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1))  # above the axes: no curve below it
    return captioned(figure, title, note)


@styled
def sweeps(
    panels: Mapping[tuple[str, str], Mapping[str, np.ndarray]], x: Sequence[float], x_label: str, title: str, note: str
) -> Figure:
    """Mean and standard deviation over the runs of each curve (runs, len(x)), in panels by (y label, column title).

    Values of x stand side by side at equal distances, so that 0 has its place among powers of ten.
    """
    rows, columns = ([*dict.fromkeys(labels)] for labels in zip(*panels, strict=True))
    figure = Figure(figsize=(2.2 + 2.6 * len(columns), 0.9 + 2.3 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), len(columns), sharex=True, sharey="row", squeeze=False)
    for (row, column), curves in panels.items():
        ax = axes[rows.index(row), columns.index(column)]
        for i, (name, values) in enumerate(curves.items()):
            at = np.arange(len(x)) + 0.06 * (i - (len(curves) - 1) / 2)  # shifted, so that no bar hides another
            sd = values.std(0, ddof=1) if len(values) > 1 else np.zeros(len(x))
            ax.errorbar(
                at, values.mean(0), sd, color=COLOURS[i], marker=MARKERS[i], markersize=4, capsize=2, label=name
            )
        ax.set_xticks(range(len(x)), [f"{value:g}" for value in x])
    for ax, row in zip(axes[:, 0], rows, strict=True):
        ax.set_ylabel(row)
    for ax, column in zip(axes[0], columns, strict=True):
        ax.set_title(column)
    for ax in axes[-1]:
        ax.set_xlabel(x_label)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right center")
    return captioned(figure, title, note)


@styled
def representations(methods: Mapping[str, tuple[np.ndarray, np.ndarray]], title: str, note: str) -> Figure:
    """The codes (r, n) of each method as a picture, above the sparsity (n,) of its samples.

    Each sample is divided by its largest entry.
    """
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes = figure.subplots(2, len(methods), height_ratios=[3, 1], sharex=True, squeeze=False)
    for (above, below), (name, (codes, sparsity)) in zip(axes.T, methods.items(), strict=True):
        (r, n), largest = codes.shape, codes.max(0)
        scaled, sides = codes / np.where(largest > 0, largest, 1), (0.5, n + 0.5, r + 0.5, 0.5)
        above.imshow(scaled, cmap="gray_r", vmin=0, vmax=1, extent=sides, aspect="auto", interpolation="nearest")
        above.set_title(f"{name}: mean sparsity {sparsity.mean():.2f}")
        above.set_yticks([1, *range(5, r + 1, 5)])
        below.bar(np.arange(1, n + 1), sparsity, color=COLOURS[0])
        below.set_ylim(0, 1)
        below.set_xlabel("sample")
        below.set_xticks([1, *range(5, n + 1, 5)])
    axes[0, 0].set_ylabel("component of the code")
    axes[1, 0].set_ylabel("Hoyer sparsity")
    figure.colorbar(axes[0, 0].images[0], ax=axes[0, :], label="share of the sample's largest", pad=0.02)
    return captioned(figure, title, note)


def captioned(figure: Figure, title: str, note: str) -> Figure:
    """The figure with a title above it and a note below it."""
    figure.suptitle(title)
    figure.supxlabel(_wrapped(note, figure.get_figwidth()), fontsize=8, color="0.3")
    return figure


def _wrapped(note: str, width: float) -> str:
    """The note in lines that fit on a page of that width in inches."""
    return textwrap.fill(note, round(14 * width), break_on_hyphens=False)


def named(ax: Axes, names: Sequence[tuple[str, float, float, bool]]) -> None:
    """Write each name (text, x, y, bold) beside its dot, in this order, where it hides no other name and no dot."""
    if figure := ax.get_figure(root=True):
        figure.draw_without_rendering()  # where the dots lie is known once the page is laid out
    dots = [ax.transData.transform((x, y)) for _, x, y, _ in names]
    taken: list[Any] = [Bbox.from_extents(x - 4, y - 4, x + 4, y + 4) for x, y in dots]
    for text, x, y, bold in names:
        for beside in ((5, 2), (5, -8), (-5, 2), (-5, -8)):
            side = "left" if beside[0] > 0 else "right"
            weight = "bold" if bold else "normal"
            label = ax.annotate(text, (x, y), beside, textcoords="offset points", fontsize=7, weight=weight, ha=side)
            box = label.get_window_extent()
            if not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            label.remove()
