"""The commands about what there is to choose, and about a method of one's own: list, new."""

import argparse
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

    listing = commands.add_parser("list", help="list the solvers, datasets, evaluators or experiments")
    listing.add_argument("what", choices=GROUPS)
    how = listing.add_mutually_exclusive_group()
    how.add_argument("--plain", action="store_true", help="one name a line, nothing else")
    how.add_argument("--table", action="store_true", help="solvers: what each minimises and can do, as Markdown")
    listing.set_defaults(command=_list)


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
