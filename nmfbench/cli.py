"""The command line: what a person types, and the exit code that it ends with."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from nmfbench import __version__, completion, config
from nmfbench.errors import ConfigError, DataError

GROUPS = {"solvers": "solver", "datasets": "dataset", "evaluators": "evaluator", "experiments": "experiment"}
FORMATS = ("text", "csv", "md", "latex")
RESULTS = Path("results/local")
_CHOICE = "key=value words that choose records: solver=mu,wnnf dataset=orl rank=40; results_dir=DIR"
_TABLE_WORDS = f"an experiment's name and its overrides, or {_CHOICE}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code: 0 fine, 1 a run failed, 2 wrong use, 3 data missing or corrupt, 130 interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that knows no ± shows a ?
    try:
        if completion.is_asked(arguments):
            code = completion.answer(arguments, _commands())
        elif arguments[:1] == ["run"]:
            code = _run(arguments[1:])
        else:
            parsed = _parse(arguments)
            code = int(parsed.command(parsed))
        sys.stdout.flush()  # here, where a closed pipe is caught
        return code
    except ConfigError as error:
        print(f"nmfbench: {error}", file=sys.stderr)
        return 2
    except DataError as error:
        print(f"nmfbench: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("nmfbench: interrupted", file=sys.stderr)
        return 130
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

        return composing.show(arguments)
    from nmfbench import app

    return app.run(arguments)


def _run_help() -> str:
    settings = (config.CONFIG_DIR / "config.yaml").read_text(encoding="utf-8")
    settings = settings[settings.index("rank:") :].rstrip()
    groups = "\n".join(f"{group}: {', '.join(config.options(group))}" for group in GROUPS.values())
    return f"""usage: nmfbench run [-m] key=value …

Fit solvers to datasets, score their codes, print and keep the table.

Groups (choose with group=option; `run --cfg job solver=mu` shows an option's own settings)

{groups}

Settings (override with key=value)

{settings}

Examples

  nmfbench run solver=wnnf dataset=orl
  nmfbench run -m solver=mu,wnnf dataset=orl,digits rank=10,20 seeds=5
  nmfbench run dataset=file dataset.path=my.npz solver=mu rank=8
  nmfbench run experiment=orl

-m runs every combination of the values between commas; choice(…), range(…) and glob(…) work as well.
Finished runs are never repeated; refit=true runs them again. jobs=2 runs two jobs at once. nmfbench launches its jobs,
logs and keeps results itself, so Hydra's launchers, sweepers and output folders are refused.
More options: --cfg job, --info, --config-dir DIR (YAMLs of your own), --config-name NAME.
Tab completion: eval "$(nmfbench -sc install=bash)"
"""


def _parse(arguments: list[str]) -> argparse.Namespace:
    """Options may stand between the words, which one parser for all commands cannot read."""
    parser = _parser()
    if arguments and arguments[0] in ("table", "plot", "show", "rm", "status"):
        command = _commands()[arguments[0]]
        return command.parse_intermixed_args(arguments[1:])
    return parser.parse_args(arguments)


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
    table.add_argument("words", nargs="*", metavar="WORD", help=_TABLE_WORDS)
    table.add_argument("--format", choices=FORMATS, help="text (default), csv (every metric), md, latex")
    table.add_argument("--metric", help="the metric shown first: nmi (default), nmi_max, accuracy, ari, … (csv: all)")
    table.add_argument(
        "--sort", nargs="?", const="", metavar="COLUMN", help="the best method first, by the metric shown or a COLUMN"
    )
    _add_results(table)
    table.set_defaults(command=_table)

    plot = commands.add_parser("plot", help="a paper's figure from finished runs; without a name: the list of figures")
    plot.add_argument("words", nargs="*", metavar="NAME", help="figures; results_dir=DIR")
    plot.add_argument("--all", action="store_true", help="every figure")
    _add_results(plot)
    plot.set_defaults(command=_plot)

    show = commands.add_parser("show", help="a record whole, or the names of those that words choose")
    show.add_argument("words", nargs="*", metavar="WORD", help=f"a file, the start of a record's name, or {_CHOICE}")
    _add_results(show)
    show.set_defaults(command=_show)

    remove = commands.add_parser("rm", help="remove records, chosen by the same words as for table")
    remove.add_argument("words", nargs="*", metavar="WORD", help=_TABLE_WORDS)
    remove.add_argument("--yes", action="store_true", help="do not ask")
    _add_results(remove)
    remove.set_defaults(command=_remove)

    listing = commands.add_parser("list", help="list the solvers, datasets, evaluators or experiments")
    listing.add_argument("what", choices=GROUPS)
    how = listing.add_mutually_exclusive_group()
    how.add_argument("--plain", action="store_true", help="one name a line, nothing else")
    how.add_argument("--table", action="store_true", help="solvers: what each minimises and can do, as Markdown")
    listing.set_defaults(command=_list)

    status = commands.add_parser("status", help="count the records: done, failed, unreadable")
    status.add_argument("words", nargs="*", metavar="WORD", help="results_dir=DIR")
    status.add_argument("--errors", action="store_true", help="show the traceback of each failed run")
    _add_results(status)
    status.set_defaults(command=_status)

    data = commands.add_parser("data", help="the datasets: which are here, and how to get the others")
    _add_data(data.add_subparsers(metavar="ACTION", required=True))
    return parser


def _add_data(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    listing = actions.add_parser("list", help="each: shipped, here, fetchable, on application or missing; shape, size")
    listing.set_defaults(command=_data_list)
    verify = actions.add_parser("verify", help="the same, with checksums; exit code 3 when one is damaged")
    verify.set_defaults(command=_data_verify)
    for parser in (listing, verify):
        parser.add_argument("names", nargs="*", metavar="NAME", help="datasets to look at (default: all)")

    fetch = actions.add_parser("fetch", help="download a dataset, or say who to ask and where to put it")
    fetch.add_argument("name", metavar="NAME")
    fetch.add_argument("--force", action="store_true", help="also when it is here")
    fetch.set_defaults(command=_data_fetch)

    build = actions.add_parser("build", help="make the CNN features of a folder of images; goes on where it stopped")
    build.add_argument("name", choices=["imagenet_cnn"])
    build.add_argument("--images", type=Path, required=True, metavar="DIR", help="a sub-folder a class, or --labels")
    build.add_argument("--labels", type=Path, metavar="FILE", help="CSV filename,label, or ILSVRC's ground truth")
    build.add_argument("--batch", type=int, default=64, metavar="N", help="images at once (default: 64)")
    build.add_argument("--device", default="cpu", help="cpu (default), cuda or cuda:N")
    build.set_defaults(command=_data_build)

    bring = actions.add_parser("import", help="look at a file or a folder of images and make it a dataset of yours")
    bring.add_argument("path", type=Path, metavar="PATH", help="a file, or a folder with a folder of images a class")
    bring.add_argument("--name", help="for dataset=NAME (default: from the file's name)")
    bring.add_argument("--x", metavar="NAME", help="the array with the data (.npz, .mat)")
    bring.add_argument("--y", metavar="NAME", help="the array or column with the labels (.npy: a second file)")
    bring.add_argument("--samples", choices=["rows", "columns"], help="where the samples are")
    bring.add_argument("--force", action="store_true", help="replace an earlier import of that name")
    bring.set_defaults(command=_data_import)


def _add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help=f"default: {RESULTS}")


def _table(arguments: argparse.Namespace) -> int:
    from nmfbench import app

    words, sort = list(arguments.words), arguments.sort
    if sort and "=" in sort:  # a word that follows --sort is no column
        words, sort = [*words, sort], ""
    return app.table(words, arguments.results, arguments.format, arguments.metric, sort)


def _show(arguments: argparse.Namespace) -> int:
    from nmfbench import app

    return app.show(arguments.words, arguments.results)


def _remove(arguments: argparse.Namespace) -> int:
    from nmfbench import app

    return app.remove(arguments.words, arguments.results, arguments.yes)


def _plot(arguments: argparse.Namespace) -> int:
    from nmfbench import app
    from nmfbench.reports.figures import FIGURES

    words = [word for word in arguments.words if "=" in word]
    names = list(FIGURES) if arguments.all else [word for word in arguments.words if "=" not in word]
    for name in names:
        if name not in FIGURES:
            raise ConfigError(f"no figure is called {name!r}{config.nearest(name, FIGURES)}")
    if not names:
        width = max(map(len, FIGURES))
        for name, figure in FIGURES.items():
            runs = "".join(f"\n{'':<{width}}  nmfbench run {line}" for line in figure.runs)
            print(f"{name:<{width}}  {figure.title}{runs}")
    code = 0
    for name in names:
        try:
            code = max(code, app.plot(name, words, arguments.results))
        except DataError as error:
            if len(names) == 1:
                raise
            print(f"nmfbench: {name}: {error}", file=sys.stderr)  # the others may have their data
            code = 3
    return code


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
    from nmfbench import app

    return app.status(arguments.words, arguments.results, arguments.errors)


def _known_datasets(names: list[str]) -> list[str]:
    """These datasets, or all. Raises ConfigError for an unknown one."""
    known = config.options("dataset")
    names = [config.resolve_name("dataset", name) for name in names]
    for name in names:
        if name not in known:
            raise ConfigError(f"no dataset is called {name!r}{config.nearest(name, known)}")
    return names or known


def _data_list(arguments: argparse.Namespace, notes: bool = False) -> int:
    from nmfbench import datasets

    names = _known_datasets(arguments.names)
    width = max(map(len, names))
    states = set()
    for name in names:
        state, line = datasets.look(name)
        print(f"{name:<{width}}  {state:<14}  {line}", flush=True)
        for note in datasets.unlike_tested(name) if notes else []:
            print(f"{'':<{width}}  note            {note}")
        states.add(state)
    absent = bool(arguments.names) and bool(states & {"missing", "fetchable", "on application"})
    return 3 if "damaged" in states or absent else 0


def _data_verify(arguments: argparse.Namespace) -> int:
    return _data_list(arguments, notes=True)


def _data_fetch(arguments: argparse.Namespace) -> int:
    from nmfbench import datasets
    from nmfbench.datasets import fetching, sources

    (name,) = _known_datasets([arguments.name])
    state, line = datasets.look(name)
    if state in ("here", "shipped") and not arguments.force:
        print(f"{name} is here already: {line}")
        return 0
    if state == "yours":
        raise ConfigError(f"{name} is for data of your own: nmfbench data import PATH")
    source = sources.SOURCES.get(name)
    if source is None:
        raise ConfigError(f"nmfbench knows no address to fetch {name} from ({state}: {line})")
    if source.url is None:
        print(sources.instructions(name, source))
        return 3
    print("\n".join(fetching.fetch(name)))
    return 0


def _data_build(arguments: argparse.Namespace) -> int:
    from nmfbench.datasets import features, sources
    from nmfbench.fitting import check_device
    from nmfbench.progress import counted

    if arguments.batch < 1:
        raise ConfigError(f"--batch must be at least 1, got {arguments.batch}")
    check_device(arguments.device)
    features.listed(arguments.images, arguments.labels)  # before the weights are downloaded
    extractor = features.resnet50(arguments.device)
    with counted(arguments.name, "images") as on_rows:
        lines = features.build(
            arguments.images,
            arguments.labels,
            sources.data_folder() / arguments.name,
            extractor,
            arguments.batch,
            on_rows,
        )
    print("\n".join(lines))
    return 0


def _data_import(arguments: argparse.Namespace) -> int:
    from nmfbench.datasets import guess

    seen = guess.look_at(arguments.path, arguments.x, arguments.y, arguments.samples)
    print("\n".join(seen.lines))
    name = arguments.name or guess.slug(arguments.path.expanduser().absolute().stem)
    print(f"wrote {guess.save(seen, name, arguments.force)}; correct it there, or use it: nmfbench run dataset={name}")
    return 0
