"""Markdown with pipe tables."""

from nmfbench.reports.renderers.layout import lay_out, tabulated
from nmfbench.reports.report import Report


def render(report: Report) -> str:
    """The report as Markdown."""
    return lay_out(report, lambda grid: tabulated(grid, "pipe", "<br>"), heading="## ", title="### ", note="- ") + "\n"
