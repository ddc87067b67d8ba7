"""The commands about methods: list shows what there is to choose, new writes one, and check tests one."""

import argparse
import shlex
import warnings
from pathlib import Path

from nmfbench import config
from nmfbench.errors import ConfigError

GROUPS = {
    "solvers": "solver",
    "datasets": "dataset",
    "evaluators": "evaluator",
    "stopping": "stopping",
    "launchers": "launcher",
    "experiments": "experiment",
}


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add these commands to the parser."""
    new = commands.add_parser("new", help="write the files of a solver of your own, which work as they are")
    new.add_argument("what", choices=["solver"])
    new.add_argument("name", metavar="NAME", help="small letters, digits and _, as in my_nmf")
    new.add_argument("--folder", type=Path, default=Path("my_methods"), metavar="DIR", help="default: my_methods")
    new.set_defaults(command=_new)

    check = commands.add_parser(
        "check", help="test a method, yours or one of nmfbench, against the promises of all solvers"
    )
    check.add_argument(
        "words", nargs="+", metavar="WORD", help="solver=NAME or my_file.py:f; its settings, solver.lam=0.1"
    )
    check.add_argument("--config-dir", metavar="DIR", help="the folder of your YAMLs")
    check.set_defaults(command=_check)

    listing = commands.add_parser("list", help="list the solvers, datasets, evaluators or experiments")
    listing.add_argument("what", choices=GROUPS)
    how = listing.add_mutually_exclusive_group()
    how.add_argument("--plain", action="store_true", help="one name a line, nothing else")
    how.add_argument("--table", action="store_true", help="solvers: what each minimises and can do, as Markdown")
    listing.set_defaults(command=_list)


def _new(arguments: argparse.Namespace) -> int:
    from nmfbench.adapters import new

    for path in new.solver(arguments.name, arguments.folder):
        print(f"written:  {path}")
    folder, name = shlex.quote(str(arguments.folder)), arguments.name
    print(f"run it:   nmfbench run --config-dir {folder} -m solver={name},mu dataset=digits seeds=2")
    print(f"check it: nmfbench check --config-dir {folder} solver={name}")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    """`nmfbench check`: print the verdict on each claim of the contract, and return 1 if one is broken."""
    from nmfbench.running.methods import subject

    method = subject(arguments.words, arguments.config_dir)
    from nmfbench import contract

    counts = dict.fromkeys(("held", "broken", "not claimed"), 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the data is unusual on purpose, and a method may warn about it
        for verdict in contract.check(method):
            counts[verdict.status] += 1
            words = f"{'; ' if verdict.status == 'held' else ': '}{verdict.words}" if verdict.words else ""
            print(f"{verdict.status:<12} {verdict.claim.sentence}{words}", flush=True)
    untried = len(contract.CLAIMS) - sum(counts.values())
    print(f"\n{method.name} {_summary(counts, untried)}")
    return int(counts["broken"] > 0)


def _summary(counts: dict[str, int], untried: int) -> str:
    others = f"{counts['held']} held, {counts['not claimed']} not claimed"
    if untried:
        return f"cannot be fitted, so {untried} claims were not tried; {others}"
    if counts["broken"]:
        return f"breaks {counts['broken']} of {sum(counts.values())} claims; {others}"
    return f"keeps its promises: {others}"


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
