"""The order in which every format but CSV shows a report; the marks are each format's own."""

from collections.abc import Callable

from tabulate import tabulate

from nmfbench.reports.grids import Grid
from nmfbench.reports.report import Report


def lay_out(
    report: Report,
    grid: Callable[[Grid], str],
    *,
    heading: str,
    title: str,
    note: str,
    wrap: Callable[[str], str] = str,
) -> str:
    """The whole report: blocks, each with its tables, exhibits and sentences, and what holds for all blocks.

    ``heading``, ``title`` and ``note`` stand before a block's heading, the title of an exhibit and a sentence; ``wrap``
    breaks a sentence into lines.
    """
    shown = []
    for block in report.blocks:
        titled = [f"{title}{exhibit.title}\n\n{grid(exhibit)}" for exhibit in block.exhibits]
        sentences = "\n".join(wrap(f"{note}{sentence}") for sentence in block.sentences)
        pieces = [f"{heading}{block.heading}", *map(grid, block.grids), *titled, *([sentences] if sentences else [])]
        shown.append("\n\n".join(pieces))
    if report.sentences:
        shown.append(
            "\n".join([f"{heading}all blocks", "", *(wrap(f"{note}{sentence}") for sentence in report.sentences)])
        )
    return "\n\n".join(shown)


def tabulated(grid: Grid, style: str, line: str) -> str:
    """A grid in one of tabulate's styles, the lines of a cell joined by ``line``."""
    rows = [[line.join(cell) for cell in row] for row in grid.rows]
    headings = [line.join(heading) for heading in grid.headings]
    align = ["right" if i in grid.numeric else "left" for i in range(len(grid.headings))]
    return str(tabulate(rows, headings, style, disable_numparse=True, colalign=align if rows else None))
