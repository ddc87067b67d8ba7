"""For a terminal: as wide as it is, a wide table in several blocks of columns."""

import shutil
import textwrap

from nmfbench.reports.grids import Grid
from nmfbench.reports.renderers.layout import lay_out, tabulated
from nmfbench.reports.report import Report

_GAP = 2
_PADDED = 2
"""Columns that tabulate adds to a heading."""


def render(report: Report) -> str:
    """The report as lines that fit the terminal (100 columns without a terminal)."""
    width = shutil.get_terminal_size((100, 24)).columns

    def wrap(sentence: str) -> str:
        return textwrap.fill(sentence, width, break_long_words=False, break_on_hyphens=False, subsequent_indent="  ")

    return lay_out(report, lambda grid: _fitted(grid, width), heading="# ", title="## ", note="", wrap=wrap)


def _fitted(grid: Grid, width: int) -> str:
    """A grid in as many blocks of columns as the width asks for; each repeats the columns that name a row."""
    widths = [
        max([_PADDED + max(map(len, heading)), *(len(line) for row in grid.rows for line in row[i])])
        for i, heading in enumerate(grid.headings)
    ]
    keys = list(range(grid.keys))
    start = sum(widths[i] + _GAP for i in keys)
    blocks: list[list[int]] = [[]]
    used = start
    for i in range(grid.keys, len(grid.headings)):
        if blocks[-1] and used + widths[i] > width:
            blocks.append([])
            used = start
        blocks[-1].append(i)
        used += widths[i] + _GAP
    return "\n\n".join(tabulated(_columns(grid, [*keys, *block]), "simple", "\n") for block in blocks)


def _columns(grid: Grid, kept: list[int]) -> Grid:
    rows = [[row[i] for i in kept] for row in grid.rows]
    numeric = frozenset(place for place, i in enumerate(kept) if i in grid.numeric)
    return Grid([grid.headings[i] for i in kept], rows, grid.title, grid.keys, numeric)
