"""One page of HTML with everything inside: tables that sort and filter, figures, warnings, protocol, environment."""

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from nmfbench import __version__
from nmfbench.records import Record
from nmfbench.reports import plots
from nmfbench.reports.charts import Chart
from nmfbench.reports.report import Report
from nmfbench.reports.words import DASH

_NUMBER = re.compile(rf"{DASH}|[-+]?\d+(\.\d+)?(e[-+]?\d+)?%?( ± .*)?( \[.*\])?")
"""A cell that a column of numbers may hold; the page sorts it by its first number."""
_KEPT = " !$'()*+,-./:;<=>?@[]^_`{|}~"
"""Characters that need no quoting in an address within the page."""
_PAGE = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


MOST_CELLS, MOST_LINKED = 1000, 8000
"""Maximum numbers of a figure that the page shows as a table, and that it offers as CSV behind a link."""


@dataclass(frozen=True)
class Picture:
    """A chart as the page shows it.

    Parameters
    ----------
    chart: the chart.
    source: its image, as a data: address.
    csv: its numbers, as a data: address; empty: they are too many.
    """

    chart: Chart
    source: str
    csv: str


def page(
    report: Report, charts: Iterable[Chart], records: Sequence[Record], title: str, pictures: Iterable[Chart] = ()
) -> str:
    """Render the page. It opens from a folder, because nothing in it comes from a network.

    ``charts`` are drawn as lines, ``pictures``, of bases and codes, in pixels.
    """
    failed = [record for record in records if record["status"] == "failed"]
    return _PAGE.get_template("page.html").render(
        title=title,
        version=__version__,
        blocks=report.blocks,
        sentences=report.sentences,
        figures=[_picture(chart, _drawing(chart)) for chart in charts],
        pictures=[_picture(chart, _address("image/webp", plots.file(chart.figure, "webp"))) for chart in pictures],
        warnings=[(block.heading.partition(":")[0], warning) for block in report.blocks for warning in block.warnings],
        failed=failed,
        environment=report.header,
        numeric=lambda grid, column: all(_NUMBER.fullmatch(row[column][0]) for row in grid.rows),
        shown=lambda chart: chart.numbers.to_dict("records") if chart.numbers.size <= MOST_CELLS else [],
    )


def _picture(chart: Chart, source: str) -> Picture:
    csv = chart.numbers.to_csv(index=False, float_format="%.6g") if chart.numbers.size <= MOST_LINKED else ""
    return Picture(chart, source, csv and _address("text/csv", csv.encode()))


def _address(media: str, content: bytes) -> str:
    return f"data:{media};base64,{base64.b64encode(content).decode()}"


def _drawing(chart: Chart) -> Markup:
    """Encode the chart as an SVG address, a quarter shorter than in base64, with positions to 0.01 points."""
    svg = plots.file(chart.figure, "svg").decode()
    svg = re.sub(r"(?<![\d.])([1-9]\d*\.\d\d)\d+", r"\1", svg)
    # Browsers drop line ends from an address; the other quoted characters would end it or its HTML attribute.
    return Markup("data:image/svg+xml," + quote(" ".join(svg.split()), safe=_KEPT))
