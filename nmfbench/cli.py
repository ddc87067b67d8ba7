"""The command line: what a person types, and the exit code that it ends with."""

import argparse
import contextlib
import os
import sys
import textwrap
from collections.abc import Sequence

from nmfbench import __version__, config, endings
from nmfbench.commands import arena, choosing, claims, completion, data, methods, pictures, rank, records, sharing
from nmfbench.errors import ConfigError, DataError
from nmfbench.running import filenames

FORMATS = ("text", "csv", "md", "latex")
INTERMIXED = (
    "check",
    "rank",
    "table",
    "report",
    "plot",
    "show",
    "export",
    "rm",
    "status",
    "arena",
    "claims",
    "merge",
    "submit",
    "verify",
)
"""The commands that accept options between words."""


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
            if arguments[:1] == ["run"]:
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
    groups = "\n".join(f"{group}: {', '.join(config.options(group))}" for group in methods.GROUPS.values())
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
Tab completes all of these after eval "$(nmfbench completion bash)"; zsh and fish: nmfbench completion --help.
"""


def _parse(arguments: list[str]) -> argparse.Namespace:
    """Parse with the command's own parser where options may stand between words: argparse's subparsers cannot."""
    if not arguments:
        _parser().print_help(sys.stderr)
        raise SystemExit(2)
    if arguments[0] in INTERMIXED:
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
    table.add_argument("words", nargs="*", metavar="WORD", help=choosing.TABLE_WORDS)
    table.add_argument("--format", choices=FORMATS, help="text (default), csv (every metric), md, latex")
    table.add_argument("--metric", help="the metric shown first: nmi (default), nmi_max, accuracy, ari, … (csv: all)")
    table.add_argument(
        "--sort", nargs="?", const="", metavar="COLUMN", help="the best method first, by the metric shown or a COLUMN"
    )
    choosing.add_results(table)
    table.set_defaults(command=_table)

    for module in (rank, pictures, records, sharing, methods, arena, claims):
        module.add_to(commands)

    datasets = commands.add_parser("data", help="the datasets: which are here, and how to get the others")
    data.add_to(datasets.add_subparsers(metavar="ACTION", required=True))
    completion.add_to(commands)
    return parser


def _table(arguments: argparse.Namespace) -> int:
    from nmfbench import app

    words, sort = list(arguments.words), arguments.sort
    if sort and "=" in sort:  # --sort takes the word after it, which chooses records
        words, sort = [*words, sort], ""
    return app.table(choosing.name_first(words), arguments.results, arguments.format, arguments.metric, sort)
