"""The commands that draw: report and plot."""

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from nmfbench import config, record_commands
from nmfbench.errors import ConfigError, DataError
from nmfbench.progress import say
from nmfbench.records import write_bytes, write_text
from nmfbench.running import filenames


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", add_results: Callable[..., None]) -> None:
    """Add the commands to a parser; ``add_results`` adds --results to each."""
    page = commands.add_parser("report", help="a page of HTML with tables, figures, warnings: opens in any browser")
    page.add_argument("words", nargs="*", metavar="WORD", help=record_commands.TABLE_WORDS)
    page.add_argument("--metric", help="the metric shown first and drawn")
    page.add_argument("--output", type=Path, metavar="FILE", help="the page; default: report/NAME.html beside the runs")
    add_results(page)
    page.set_defaults(command=_report)

    plot = commands.add_parser("plot", help="a picture of any runs, or a paper's figure; without a name: all of them")
    plot.add_argument("words", nargs="*", metavar="NAME", help=f"pictures; {record_commands.CHOICE}")
    plot.add_argument("--metric", help="pictures of any runs: the metric, by default the one that tables show first")
    plot.add_argument("--all", action="store_true", help="every figure of a paper")
    add_results(plot)
    plot.set_defaults(command=_plot)


def _report(arguments: argparse.Namespace) -> int:
    """One page of HTML on the records that the words choose, or on an experiment."""
    from nmfbench import app
    from nmfbench.reports import charts, report
    from nmfbench.reports.renderers import html

    words, metric = record_commands.name_first(arguments.words), arguments.metric
    if words and "=" not in words[0]:
        planned = record_commands.planned(words, arguments.results)
        records, store, name = planned.records(), planned.store, app.table_name(planned)
        if not records:
            return app.closing(planned)
        built = app.report_of(planned, metric, None)
    else:
        records, store = record_commands.selected(words, arguments.results)
        name, built = "index", report.build(records, metric=metric, sort="")
    path = arguments.output or store.root / "report" / f"{name}.html"
    title = f"nmfbench: {store.root if name == 'index' else words[0]}"
    write_text(path, html.page(built, charts.charts(records, metric=metric), records, title))
    print(f"written to {path}, {path.stat().st_size / 2**20:.1f} MB")
    return 0


def _plot(arguments: argparse.Namespace) -> int:
    from nmfbench.reports.charts import KINDS
    from nmfbench.reports.figures import FIGURES

    words = [word for word in arguments.words if "=" in word]
    names = list(FIGURES) if arguments.all else [word for word in arguments.words if "=" not in word]
    for name in names:
        if name not in FIGURES and name not in KINDS:
            raise ConfigError(f"no figure is called {name!r}{config.nearest(name, [*KINDS, *FIGURES])}")
    if not names:
        width = max(map(len, FIGURES))
        for name, draw in KINDS.items():
            print(f"{name:<{width}}  any runs: {(draw.__doc__ or '').splitlines()[0]}")
        for name, figure in FIGURES.items():
            runs = "".join(f"\n{'':<{width}}  nmfbench run {line}" for line in figure.runs)
            print(f"{name:<{width}}  {figure.title}{runs}")
    if kinds := [name for name in names if name in KINDS]:
        _charts(kinds, words, arguments.results, arguments.metric)
    code = 0
    for name in (name for name in names if name in FIGURES):
        try:
            code = max(code, _paper_figure(name, words, arguments.results))
        except DataError as error:
            if len(names) == 1:
                raise
            print(f"nmfbench: {name}: {error}", file=sys.stderr)  # the others may have their data
            code = 3
    return code


def _charts(kinds: Sequence[str], words: Sequence[str], results: Path, metric: str | None) -> None:
    """Pictures of these kinds of the records that the words choose, each with its numbers."""
    from nmfbench.reports import charts, notes, plots
    from nmfbench.reports.renderers import csv

    records, store = record_commands.selected(words, results)
    drawn = list(charts.charts(records, kinds, metric))
    if not drawn:
        raise ConfigError(f"no record has what {', '.join(kinds)} shows; a sweep needs three values of a key at least")
    for chart in drawn:
        path = store.root / "figures" / chart.name
        for kind in ("png", "pdf", "svg"):
            write_bytes(path.with_name(f"{chart.name}.{kind}"), plots.file(chart.figure, kind))
        write_text(path.with_name(f"{chart.name}.csv"), csv.commented(notes.provenance(records), chart.numbers))
        print(f"written to {path}.png, .pdf, .svg and .csv")


def _paper_figure(name: str, words: Sequence[str], results: Path) -> int:
    """A figure of a paper from its finished runs, and its numbers; what is missing is named.

    Raises DataMissing or DataError where the data of a run is needed and not here.
    """
    from nmfbench.reports import figures, notes, plots
    from nmfbench.reports.renderers import csv
    from nmfbench.running.finished import finished

    figure = figures.FIGURES[name]
    added = [*filenames.literal(words), *record_commands.results_word(words, results)]
    runs, missing, store = finished(figure.runs, added, figure.shows, figure.codes)
    if missing:
        for line in missing:
            say(f"{name} is missing {line}")
        others = [word for word in words if not word.startswith("results_dir=")]
        place = shlex.join([*others, f"results_dir={filenames.results_dir(words) or results}"])
        for arguments in figure.runs:
            say(f"make them with: nmfbench run {arguments} {place}")
        return 1
    drawn = figure.draw(runs)
    for kind in ("png", "pdf"):
        write_bytes(store.root / "figures" / f"{name}.{kind}", plots.file(drawn, kind))
    kinds = ".png and .pdf"
    if figure.numbers:
        text = csv.commented(notes.provenance([run.record for run in runs]), figure.numbers(runs))
        write_text(store.root / "figures" / f"{name}.csv", text)
        kinds = ".png, .pdf and .csv"
    print(f"written to {store.root / 'figures' / name}{kinds}")
    return 0
