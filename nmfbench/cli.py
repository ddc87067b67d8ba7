"""The command line. `run` hands its arguments to Hydra; everything else is argparse."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from nmfbench import config
from nmfbench.errors import ConfigError, DataError

GROUPS = {"solvers": "solver", "datasets": "dataset", "evaluators": "evaluator", "experiments": "experiment"}
FORMATS = ("text", "csv", "md", "latex")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code: 0 fine, 1 a run failed, 2 wrong use, 3 data missing or corrupt, 130 interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that knows no ± shows a ?
    try:
        if arguments[:1] == ["run"]:
            from nmfbench import app

            code = app.main(arguments[1:])
        else:
            parsed = _parser().parse_args(arguments)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nmfbench",
        description="Compare variants of non-negative matrix factorization by how well their codes cluster.",
        epilog="Start with: nmfbench run solver=wnnf dataset=orl",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    commands.add_parser(
        "run", help="fit solvers to datasets, score them, print the table (-m sweeps; run --help: all settings)"
    )

    table = commands.add_parser("table", help="the table of all that was run")
    table.add_argument(
        "--format", choices=FORMATS, default="text", help="text (default), csv (every metric), md, latex"
    )
    table.add_argument("--metric", default="nmi", help="nmi (default), nmi_max, accuracy, ari, … (csv shows all)")
    _add_results(table)
    table.set_defaults(command=_table)

    listing = commands.add_parser("list", help="the solvers, datasets, evaluators or experiments there are")
    listing.add_argument("what", choices=GROUPS)
    listing.add_argument("--plain", action="store_true", help="one name a line, nothing else")
    listing.set_defaults(command=_list)

    status = commands.add_parser("status", help="what is among the records: done, failed, unreadable")
    status.add_argument("--errors", action="store_true", help="show the traceback of each failed run")
    _add_results(status)
    status.set_defaults(command=_status)

    data = commands.add_parser("data", help="the datasets: which are here, and whether they are whole")
    actions = data.add_subparsers(metavar="ACTION", required=True)
    for action, what in {
        "list": "each dataset: here or missing, shape, classes",
        "verify": "the same, and exit code 3 when one is damaged",
    }.items():
        parsed = actions.add_parser(action, help=what)
        parsed.add_argument("names", nargs="*", metavar="NAME", help="datasets to look at (default: all)")
        parsed.set_defaults(command=_data)
    return parser


def _add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")


def _table(arguments: argparse.Namespace) -> int:
    from nmfbench import results, tables

    records, unreadable = results.Store(arguments.results).load()
    for file in unreadable:
        print(f"not counted: {file.path}: {file.reason}", file=sys.stderr)
    if not records:
        raise ConfigError(f"no records in {arguments.results / 'runs'}; make some with: nmfbench run")
    table = tables.frame(records)
    known = sorted(table["metric"].dropna().unique())
    if arguments.metric not in {*known, "nmi"}:  # without labels there is none, and the table says so
        raise ConfigError(f"no record has a metric {arguments.metric!r}{config.nearest(arguments.metric, known)}")
    print(tables.FORMATS[arguments.format](table, records, arguments.metric).rstrip("\n"))
    return 0


def _list(arguments: argparse.Namespace) -> int:
    group = GROUPS[arguments.what]
    names = config.options(group)
    width = max(map(len, names), default=0)
    for name in names:
        print(name if arguments.plain else f"{name:<{width}}  {config.describe(group, name)}")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    from nmfbench import results

    store = results.Store(arguments.results)
    records, unreadable = store.load()
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for record in records:
        of_method = counts.setdefault((record["dataset"], record["solver"]), {})
        of_method[record["status"]] = of_method.get(record["status"], 0) + 1
    for (dataset, solver), statuses in sorted(counts.items()):
        print(f"{dataset:<16} {solver:<16} " + ", ".join(f"{n} {status}" for status, n in sorted(statuses.items())))
    failed = [record for record in records if record["status"] == "failed"]
    for record in failed:
        print(f"failed: {record['solver']} on {record['dataset']}, seed {record['seed']}: {record.get('error')}")
        if arguments.errors and record.get("traceback"):
            print(record["traceback"])
    for file in unreadable:
        print(f"not counted: {file.path}: {file.reason}")
    print(f"{len(records) - len(failed)} finished, {len(failed)} failed, {len(unreadable)} unreadable in {store.runs}")
    return 0


def _data(arguments: argparse.Namespace) -> int:
    from nmfbench import datasets

    known = config.options("dataset")
    for name in arguments.names:
        if name not in known:
            raise ConfigError(f"no dataset is called {name!r}{config.nearest(name, known)}")
    names = arguments.names or known
    width = max(map(len, names))
    states = []
    for name in names:
        state, line = datasets.look(name)
        print(f"{name:<{width}}  {state:<8} {line}", flush=True)
        states.append(state)
    return 3 if "damaged" in states or (arguments.names and "missing" in states) else 0
