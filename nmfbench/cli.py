"""The command line: what a person types, and the exit code that it ends with."""

import argparse
import contextlib
import math
import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from nmfbench import __version__, completion, config, data_commands, endings, picture_commands, record_commands
from nmfbench.errors import ConfigError, DataError
from nmfbench.running import filenames

GROUPS = {
    "solvers": "solver",
    "datasets": "dataset",
    "evaluators": "evaluator",
    "stopping": "stopping",
    "launchers": "launcher",
    "experiments": "experiment",
}
FORMATS = ("text", "csv", "md", "latex")
RESULTS = Path("results/local")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code.

    0: fine, 1: a run failed or a record differs, 2: wrong use, 3: data missing or corrupt, 128 + n: signal n ended it.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without ± shows ?
    try:
        with endings.stoppable():
            if completion.is_asked(arguments):
                code = completion.answer(arguments, _commands())
            elif arguments[:1] == ["run"]:
                code = _run(arguments[1:])
            else:
                parsed = _parse(arguments)
                code = int(parsed.command(parsed))
            sys.stdout.flush()  # before this block ends, so that a closed pipe is caught
        return code
    except ConfigError as error:
        print(f"nmfbench: {error}", file=sys.stderr)
        return 2
    except DataError as error:
        print(f"nmfbench: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt as stop:
        with contextlib.suppress(OSError):  # the terminal may have gone
            print("nmfbench: interrupted", file=sys.stderr)
        return endings.exit_code(stop)
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(arguments: list[str]) -> int:
    if not arguments or {"-h", "--help"} & {*arguments}:
        print(_run_help().rstrip())
        return 0 if arguments else 2
    if "--version" in arguments:
        print(f"nmfbench {__version__}")
        return 0
    if any(a.startswith(("--cfg", "-c=", "--info", "--hydra-help")) or a in ("-c", "-i") for a in arguments):
        from nmfbench.running import composing

        return composing.show(filenames.literal(arguments))
    from nmfbench import app

    return app.run([word for word in arguments if word != "--dry-run"], "--dry-run" in arguments)


def _run_help() -> str:
    settings = (config.CONFIG_DIR / "config.yaml").read_text(encoding="utf-8")
    settings = settings[settings.index("rank:") :].rstrip()
    title, *rule = config.text("stopping", "own").splitlines()
    groups = "\n".join(f"{group}: {', '.join(config.options(group))}" for group in GROUPS.values())
    return f"""usage: nmfbench run [-m] key=value …

Fit solvers to datasets, score their codes, print and keep the table.

Groups (choose with group=option; `run --cfg job solver=mu` shows an option's own settings)

{groups}

Settings (override with key=value)

{settings}
stopping:  {title}
{textwrap.indent(chr(10).join(rule), "  ")}

Examples

  nmfbench run solver=wnnf dataset=orl
  nmfbench run -m solver=mu,wnnf dataset=orl,digits rank=10,20 seeds=5
  nmfbench run dataset=file dataset.path=my.npz solver=mu rank=8
  nmfbench run experiment=orl

-m runs every combination of the values between commas; choice(…), range(…) and glob(…) work as well.
Finished runs are never repeated; refit=true runs them again. --dry-run says what would run, and how long it would take.
Runs use the cores of this machine; jobs=2 allows two processes, launcher=dask or slurm goes beyond one machine.
nmfbench logs and keeps results itself, so Hydra's launchers, sweepers and output folders are refused.
More options: --cfg job, --info, --config-dir DIR (YAMLs of your own), --config-name NAME.
Tab completion: bash: eval "$(nmfbench -sc install=bash)"; fish: nmfbench -sc install=fish | source;
zsh: autoload -U bashcompinit; bashcompinit; eval "$(nmfbench -sc install=zsh)"
"""


def _parse(arguments: list[str]) -> argparse.Namespace:
    """Parse with the command's own parser where options may stand between words: argparse's subparsers cannot."""
    if arguments and arguments[0] in ("table", "report", "plot", "show", "export", "rm", "status", "merge", "verify"):
        return _commands()[arguments[0]].parse_intermixed_args(arguments[1:])
    return _parser().parse_args(arguments)


def _commands() -> dict[str, argparse.ArgumentParser]:
    (actions,) = [a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(actions.choices)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nmfbench",
        description="Compare variants of non-negative matrix factorization by how well their codes cluster.",
        epilog="Start with: nmfbench run solver=wnnf dataset=orl",
    )
    parser.add_argument("--version", action="version", version=f"nmfbench {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    commands.add_parser(
        "run", help="fit solvers to datasets, score them, print the table (-m sweeps; run --help: all settings)"
    )

    table = commands.add_parser("table", help="the table of finished runs, or of an experiment")
    table.add_argument("words", nargs="*", metavar="WORD", help=record_commands.TABLE_WORDS)
    table.add_argument("--format", choices=FORMATS, help="text (default), csv (every metric), md, latex")
    table.add_argument("--metric", help="the metric shown first: nmi (default), nmi_max, accuracy, ari, … (csv: all)")
    table.add_argument(
        "--sort", nargs="?", const="", metavar="COLUMN", help="the best method first, by the metric shown or a COLUMN"
    )
    _add_results(table)
    table.set_defaults(command=_table)

    picture_commands.add_to(commands, _add_results)

    one_or_more = f"a file, the start of a record's name, or {record_commands.CHOICE}"
    show = commands.add_parser("show", help="a record whole, or the names of those that words choose")
    show.add_argument("words", nargs="*", metavar="WORD", help=one_or_more)
    _add_results(show)
    show.set_defaults(command=_show)

    export = commands.add_parser("export", help="clusters, factors and top features of runs as CSV; needs saved codes")
    export.add_argument("words", nargs="*", metavar="WORD", help=one_or_more)
    export.add_argument("--output", type=Path, metavar="DIR", help="default: export beside the runs")
    _add_results(export)
    export.set_defaults(command=_export)

    compare = commands.add_parser("compare", help="two methods cell by cell: differences, intervals, a conclusion")
    compare.add_argument("a", metavar="A", help='words in one argument: "solver=mu rank=10"')
    compare.add_argument("b", metavar="B", help='the other method: "solver=wnnf rank=10"')
    compare.add_argument("--metric", help="by default the one that tables show first")
    _add_results(compare)
    compare.set_defaults(command=_compare)

    remove = commands.add_parser("rm", help="remove records, chosen by the same words as for table")
    remove.add_argument("words", nargs="*", metavar="WORD", help=record_commands.TABLE_WORDS)
    remove.add_argument("--yes", action="store_true", help="do not ask")
    _add_results(remove)
    remove.set_defaults(command=_remove)

    new = commands.add_parser("new", help="write the files of a solver of your own, which work as they are")
    new.add_argument("what", choices=["solver"])
    new.add_argument("name", metavar="NAME", help="small letters, digits and _, as in my_nmf")
    new.add_argument("--folder", type=Path, default=Path("my_methods"), metavar="DIR", help="default: my_methods")
    new.set_defaults(command=_new)

    listing = commands.add_parser("list", help="list the solvers, datasets, evaluators or experiments")
    listing.add_argument("what", choices=GROUPS)
    how = listing.add_mutually_exclusive_group()
    how.add_argument("--plain", action="store_true", help="one name a line, nothing else")
    how.add_argument("--table", action="store_true", help="solvers: what each minimises and can do, as Markdown")
    listing.set_defaults(command=_list)

    status = commands.add_parser(
        "status", help="count the records, or the done, failed and missing runs of an experiment"
    )
    status.add_argument(
        "words", nargs="*", metavar="WORD", help="an experiment's name and its overrides; results_dir=DIR"
    )
    status.add_argument("--errors", action="store_true", help="show the traceback of each failed run")
    _add_results(status)
    status.set_defaults(command=_status)

    merge = commands.add_parser(
        "merge", help="copy the records of other results folders into one; exit code 1 if a run disagrees"
    )
    merge.add_argument(
        "words", nargs="+", metavar="DIR", help="results folders to copy from, left as they are; results_dir=DIR"
    )
    _add_results(merge)
    merge.set_defaults(command=_merge)

    verify = commands.add_parser(
        "verify",
        help="check records against the data and code here, and fit a sample again; exit code 1 if one differs",
    )
    verify.add_argument("words", nargs="*", metavar="WORD", help=record_commands.TABLE_WORDS)
    verify.add_argument(
        "--sample",
        type=_share,
        default=0.1,
        metavar="PERCENT",
        help="share of the runs of each solver and dataset that is fitted again, at least one (default: 10%%)",
    )
    _add_results(verify)
    verify.set_defaults(command=_verify)

    data = commands.add_parser("data", help="the datasets: which are here, and how to get the others")
    data_commands.add_to(data.add_subparsers(metavar="ACTION", required=True))
    return parser


def _add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=filenames.folder, default=RESULTS, metavar="DIR", help=f"default: {RESULTS}")


def _share(text: str) -> float:
    """A share from a percentage: "10%" or "10"."""
    try:
        percent = float(text.removesuffix("%"))
    except ValueError:
        percent = math.nan
    if not 0 < percent <= 100:
        raise argparse.ArgumentTypeError(f"must be more than 0% and at most 100%, got {text}")
    return percent / 100


def _table(arguments: argparse.Namespace) -> int:
    from nmfbench import app

    words, sort = list(arguments.words), arguments.sort
    if sort and "=" in sort:  # --sort takes the word after it, which chooses records
        words, sort = [*words, sort], ""
    return app.table(record_commands.name_first(words), arguments.results, arguments.format, arguments.metric, sort)


def _show(arguments: argparse.Namespace) -> int:
    return record_commands.show(record_commands.name_first(arguments.words), arguments.results)


def _export(arguments: argparse.Namespace) -> int:
    return record_commands.export(record_commands.name_first(arguments.words), arguments.results, arguments.output)


def _compare(arguments: argparse.Namespace) -> int:
    return record_commands.compare(arguments.a, arguments.b, arguments.results, arguments.metric)


def _remove(arguments: argparse.Namespace) -> int:
    return record_commands.remove(record_commands.name_first(arguments.words), arguments.results, arguments.yes)


def _new(arguments: argparse.Namespace) -> int:
    from nmfbench.adapters import new

    for path in new.solver(arguments.name, arguments.folder):
        print(f"written: {path}")
    print(f"run it:  nmfbench run --config-dir {arguments.folder} -m solver={arguments.name},mu dataset=digits seeds=2")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    group = GROUPS[arguments.what]
    if arguments.table:
        if group != "solver":
            raise ConfigError(f"--table is for solvers, not for {arguments.what}")
        from nmfbench import solvers

        print(solvers.markdown())
        return 0
    names = config.options(group)
    width = max(map(len, names), default=0)
    for name in names:
        print(name if arguments.plain else f"{name:<{width}}  {config.describe(group, name)}")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    return record_commands.status(record_commands.name_first(arguments.words), arguments.results, arguments.errors)


def _merge(arguments: argparse.Namespace) -> int:
    return record_commands.merge(arguments.words, arguments.results)


def _verify(arguments: argparse.Namespace) -> int:
    return record_commands.verify(record_commands.name_first(arguments.words), arguments.results, arguments.sample)
