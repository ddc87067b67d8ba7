"""For a terminal: as wide as it is, a wide table in several blocks of columns."""

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from nmfbench.reports.grids import Cell, Grid
from nmfbench.reports.renderers.layout import lay_out
from nmfbench.reports.report import Report

_GAP = "  "
_PADDED = 2
"""Spaces behind a heading."""


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
    start = sum(widths[i] + len(_GAP) for i in keys)
    blocks: list[list[int]] = [[]]
    used = start
    for i in range(grid.keys, len(grid.headings)):
        if blocks[-1] and used + widths[i] > width:
            blocks.append([])
            used = start
        blocks[-1].append(i)
        used += widths[i] + len(_GAP)
    return "\n\n".join("\n".join(_lines(grid, [*keys, *block], widths)) for block in blocks)


def _lines(grid: Grid, kept: Sequence[int], widths: Sequence[int]) -> Iterator[str]:
    """The lines of these columns. A long table has a hundred thousand cells, for which tabulate takes seconds."""
    flush_right = [i in grid.numeric and bool(grid.rows) for i in kept]

    def lines(row: Sequence[Cell]) -> Iterator[str]:
        for cells in zip_longest(*(row[i] for i in kept), fillvalue=""):
            padded = [
                cell.rjust(widths[i]) if right else cell.ljust(widths[i])
                for cell, i, right in zip(map(str.strip, cells), kept, flush_right, strict=True)
            ]
            yield _GAP.join(padded).rstrip()

    yield from lines(grid.headings)
    yield _GAP.join("-" * widths[i] for i in kept)
    for row in grid.rows:
        yield from lines(row)
