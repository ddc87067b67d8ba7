"""LaTeX tables in the style of booktabs; headings and sentences are comments."""

from nmfbench.reports.renderers.layout import lay_out, tabulated
from nmfbench.reports.report import Report


def render(report: Report) -> str:
    """The report as LaTeX, for a document that loads booktabs."""
    return (
        lay_out(report, lambda grid: tabulated(grid, "latex_booktabs", " "), heading="% ", title="%% ", note="% ")
        + "\n"
    )
