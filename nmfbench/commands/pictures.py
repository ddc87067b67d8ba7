"""The commands that draw: report and plot."""

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nmfbench import config
from nmfbench.commands import choosing
from nmfbench.errors import ConfigError, DataError, DataMissing
from nmfbench.progress import plural, say
from nmfbench.records import Record, Store, write_bytes, write_text
from nmfbench.running import filenames

if TYPE_CHECKING:  # their imports take seconds, and most commands need none of them
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from nmfbench.evaluators.base import Fitted
    from nmfbench.reports.charts import Chart
    from nmfbench.reports.figures import TableFigure


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands to a parser."""
    page = commands.add_parser("report", help="a page of HTML with tables, figures, warnings: opens in any browser")
    page.add_argument("words", nargs="*", metavar="WORD", help=choosing.TABLE_WORDS)
    page.add_argument("--metric", help="the metric shown first and drawn")
    page.add_argument("--output", type=Path, metavar="FILE", help="the page; default: report/NAME.html beside the runs")
    choosing.add_results(page)
    page.set_defaults(command=_report)

    plot = commands.add_parser("plot", help="a picture of any runs, or a paper's figure; without a name: all of them")
    plot.add_argument("words", nargs="*", metavar="NAME", help=f"pictures; {choosing.CHOICE}")
    plot.add_argument("--metric", help="pictures of any runs: the metric, by default the one that tables show first")
    plot.add_argument("--all", action="store_true", help="every figure of a paper")
    choosing.add_results(plot)
    plot.set_defaults(command=_plot)


def _report(arguments: argparse.Namespace) -> int:
    """`nmfbench report`: write an HTML page on the records that the words choose, or on an experiment."""
    from nmfbench import app
    from nmfbench.reports import charts, report
    from nmfbench.reports.renderers import html

    words, metric = choosing.name_first(arguments.words), arguments.metric
    if words and "=" not in words[0]:
        planned = choosing.planned(words, arguments.results)
        records, store, name = planned.records(), planned.store, app.table_name(planned)
        if not records:
            return app.closing(planned)
        built = app.report_of(planned, metric, None)
    else:
        records, store = choosing.selected(words, arguments.results)
        name, built = "index", report.build(records, metric=metric, sort="")
    path = arguments.output or store.root / "report" / f"{name}.html"
    title = f"nmfbench: {store.root if name == 'index' else words[0]}"
    drawn = charts.charts(records, metric=metric)
    write_text(path, html.page(built, drawn, records, title, _of_the_best(records, store, metric)))
    print(f"written to {path}, {path.stat().st_size / 2**20:.1f} MB")
    return 0


def _plot(arguments: argparse.Namespace) -> int:
    from nmfbench.reports import charts, pictures
    from nmfbench.reports.figures import FIGURES

    general = charts.KINDS | pictures.KINDS
    words = [word for word in arguments.words if "=" in word]
    names = list(FIGURES) if arguments.all else [word for word in arguments.words if "=" not in word]
    for name in names:
        if name not in FIGURES and name not in general:
            raise ConfigError(f"no figure is called {name!r}{config.nearest(name, [*general, *FIGURES])}")
    if not names:
        width = max(map(len, FIGURES))
        for name, draw in general.items():
            print(f"{name:<{width}}  any runs: {(draw.__doc__ or '').splitlines()[0]}")
        for name, figure in FIGURES.items():
            runs = "".join(f"\n{'':<{width}}  nmfbench run {line}" for line in figure.runs)
            print(f"{name:<{width}}  {figure.title}{runs}")
    if kinds := [name for name in names if name in charts.KINDS]:
        _charts(kinds, words, arguments.results, arguments.metric)
    if kinds := [name for name in names if name in pictures.KINDS]:
        _pictures(kinds, words, arguments.results)
    code = 0
    for name in (name for name in names if name in FIGURES):
        try:
            code = max(code, _paper_figure(name, words, arguments.results))
        except DataError as error:
            if len(names) == 1:
                raise
            print(f"nmfbench: {name}: {error}", file=sys.stderr)  # go on, because other figures may have their data
            # --all means every figure whose data is here, so missing data is no failure.
            if not (arguments.all and isinstance(error, DataMissing)):
                code = 3
    return code


def _charts(kinds: Sequence[str], words: Sequence[str], results: Path, metric: str | None) -> None:
    """Write charts of these kinds of the records that the words choose, each with its numbers."""
    from nmfbench.reports import charts, notes

    records, store = choosing.selected(words, results)
    drawn = list(charts.charts(records, kinds, metric))
    if not drawn:
        raise ConfigError(f"no record has what {', '.join(kinds)} shows; a sweep needs at least three values of a key")
    for chart in drawn:
        path = store.root / "figures" / chart.name
        _write(path, chart.figure, ("png", "pdf", "svg"), notes.provenance(records), chart.numbers)


def _pictures(kinds: Sequence[str], words: Sequence[str], results: Path) -> None:
    """Write pictures of these kinds for each method with saved codes, of its seed with the lowest objective."""
    from nmfbench.reports import frames, notes, pictures
    from nmfbench.running.cards import data_of

    records, store = choosing.selected(words, results)
    drawn = 0
    for repetitions in frames.group_repetitions(records):
        if saved := _best_seed(repetitions, store):
            record, fitted = saved
            data = data_of(record, store)
            for kind in kinds:
                if chart := pictures.KINDS[kind](record, fitted, data):
                    path, header = store.root / "figures" / chart.name, notes.provenance([record])
                    _write(path, chart.figure, ("png", "pdf", "svg"), header, chart.numbers)
                    drawn += 1
    if not drawn:
        raise ConfigError(
            f"no run has what {', '.join(kinds)} shows: add save_codes=true refit=true to the command that made them"
        )


def _of_the_best(records: Sequence[Record], store: Store, metric: str | None) -> "Iterator[Chart]":
    """Yield pictures of each dataset's best method with bases and saved codes; skip datasets that are not here."""
    from nmfbench.reports import pictures
    from nmfbench.reports.methods import ranked
    from nmfbench.running.cards import data_of

    for _, methods, _ in ranked(records, metric):
        saved = (_best_seed(method.records, store) for method in methods)
        record, fitted = next(
            ((record, fitted) for record, fitted in filter(None, saved) if fitted.bases), (None, None)
        )
        if record is None or fitted is None:
            continue
        try:
            data = data_of(record, store)
        except (DataError, ConfigError) as error:
            say(f"no pictures of bases and codes on {record['dataset']}: {error}")
            continue
        yield from filter(None, (draw(record, fitted, data) for draw in pictures.KINDS.values()))


def _best_seed(records: Sequence[Record], store: Store) -> "tuple[Record, Fitted] | None":
    """Return the record with the lowest objective among those with saved codes, and its factors; None without one."""
    scored = sorted((r for r in records if r.get("objective") is not None), key=lambda r: float(r["objective"]))
    return next(((r, codes[0]) for r in scored if (codes := store.load_codes(r["config"], r["seed"]))), None)


def _paper_figure(name: str, words: Sequence[str], results: Path) -> int:
    """Write a paper's figure and its numbers from finished runs, or say which runs are missing. Return the exit code.

    Raises DataMissing or DataError if the data of a run is needed and is not here.
    """
    from nmfbench.reports import figures, notes
    from nmfbench.running.finished import finished

    figure = figures.FIGURES[name]
    if isinstance(figure, figures.TableFigure):
        return _table_figure(name, figure, words, results)
    added = [*filenames.literal(words), *choosing.results_word(words, results)]
    runs, missing, store = finished(figure.runs, added, figure.shows, figure.codes)
    if missing:
        for line in missing:
            say(f"{name} is missing {line}")
        _say_how_to_make(figure.runs, words, results)
        return 1
    header, numbers = notes.provenance([run.record for run in runs]), figure.numbers and figure.numbers(runs)
    _write(store.root / "figures" / name, figure.draw(runs), ("png", "pdf"), header, numbers)
    return 0


def _table_figure(name: str, figure: "TableFigure", words: Sequence[str], results: Path) -> int:
    """Write the figure of a table's numbers, from its records if all are here, else from the CSV of the whole table.

    The CSV is looked up in the results folder, then among the published tables; neither holds a table with overrides.
    Return the exit code.
    """
    from nmfbench import app
    from nmfbench.reports.renderers import csv

    planned = choosing.planned([figure.table, *words], results)
    folders = [] if planned.request.changes else [planned.store.tables, config.PUBLISHED / "tables"]
    files = [path for folder in folders if (path := folder / f"{figure.table}.csv").is_file()]
    if planned.jobs and planned.is_whole and not planned.left_out:
        built = app.report_of(planned, None, None)
        header, table, source = built.header, built.frame, plural(len(planned.records()), "record")
    elif files:
        header, table = csv.read(files[0])
        source = f"the table {figure.table}.csv"
    else:
        say(f"{name} is missing runs of {figure.table}, and there is no whole table of them")
        _say_how_to_make(figure.runs, words, results)
        return 1
    numbers = figure.numbers(table)
    made_by = next((sentence for sentence in header if sentence.startswith("Made by")), "")
    drawn = figure.draw(numbers, f"Drawn from {source}. {made_by}")
    _write(planned.store.root / "figures" / name, drawn, ("png", "pdf"), header, numbers)
    return 0


def _say_how_to_make(runs: Sequence[str], words: Sequence[str], results: Path) -> None:
    others = [word for word in words if not word.startswith("results_dir=")]
    place = shlex.join([*others, f"results_dir={filenames.results_dir(words) or results}"])
    for arguments in runs:
        say(f"make them with: nmfbench run {arguments} {place}")


def _write(
    path: Path, drawn: "Figure", kinds: Sequence[str], header: Sequence[str], numbers: "DataFrame | None"
) -> None:
    """Write the picture in these formats, and its numbers behind the header as CSV."""
    from nmfbench.reports import plots
    from nmfbench.reports.renderers import csv

    for kind in kinds:
        write_bytes(path.with_name(f"{path.name}.{kind}"), plots.file(drawn, kind))
    suffixes = [f".{kind}" for kind in kinds]
    if numbers is not None:
        write_text(path.with_name(f"{path.name}.csv"), csv.commented(header, numbers))
        suffixes.append(".csv")
    print(f"written to {path}{', '.join(suffixes[:-1])} and {suffixes[-1]}")
