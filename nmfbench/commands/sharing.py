"""The commands that bring records of several folders together, and check them: merge, verify."""

import argparse
import math

from nmfbench.commands import choosing
from nmfbench.errors import ConfigError
from nmfbench.records import Unreadable, read
from nmfbench.reports.selecting import select
from nmfbench.running import filenames


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add these commands to the parser."""
    merge = commands.add_parser(
        "merge", help="copy the records of other results folders into one; exit code 1 if a run disagrees"
    )
    merge.add_argument(
        "words", nargs="+", metavar="DIR", help="results folders to copy from, left as they are; results_dir=DIR"
    )
    choosing.add_results(merge)
    merge.set_defaults(command=_merge)

    verify = commands.add_parser(
        "verify",
        help="check records against the data and code here, and fit a sample again; exit code 1 if one differs",
    )
    verify.add_argument("words", nargs="*", metavar="WORD", help=choosing.TABLE_WORDS)
    verify.add_argument(
        "--sample",
        type=_share,
        default=0.1,
        metavar="PERCENT",
        help="share of the runs of each solver and dataset that is fitted again, at least one (default: 10%%)",
    )
    choosing.add_results(verify)
    verify.set_defaults(command=_verify)


def _share(text: str) -> float:
    """A share from a percentage: "10%" or "10"."""
    try:
        percent = float(text.removesuffix("%"))
    except ValueError:
        percent = math.nan
    if not 0 < percent <= 100:
        raise argparse.ArgumentTypeError(f"must be more than 0% and at most 100%, got {text}")
    return percent / 100


def _merge(arguments: argparse.Namespace) -> int:
    """`nmfbench merge`: copy the records of other results folders into one; what disagrees is shown."""
    from nmfbench.running import merging

    store = choosing.store_of(arguments.words, arguments.results)
    sources = [filenames.folder(word).expanduser() for word in arguments.words if not word.startswith("results_dir=")]
    if not sources:
        raise ConfigError("merge needs the results folders to copy from: nmfbench merge DIR … results_dir=DIR")
    merging.check(sources, store.root)
    store.ensure_writable()
    disagree = False
    for source in sources:
        merged = merging.merge(source, store)
        print("\n".join(merging.report(source, merged)))
        disagree |= bool(merged.disagreements)
    return int(disagree)


def _verify(arguments: argparse.Namespace) -> int:
    """`nmfbench verify`: check the records of an experiment, or those that words choose, and fit a sample again."""
    words, results = choosing.name_first(arguments.words), arguments.results
    if words and "=" not in words[0]:
        plan = choosing.planned(words, results)
        store = plan.store
        contents = {path: read(path) for _, path in choosing.files(plan) if path.exists()}
    else:
        store = choosing.store_of(words, results)
        contents = {path: read(path) for path in sorted(store.runs.glob("*/*/*.json"))}
        filters = [word for word in words if not word.startswith("results_dir=")]
        chosen = {id(record) for record in select([c for c in contents.values() if isinstance(c, dict)], filters)}
        contents = {path: c for path, c in contents.items() if isinstance(c, Unreadable) or id(c) in chosen}
    if not contents:
        raise ConfigError(f"no record in {store.runs} to verify; nmfbench status shows what is there")
    from nmfbench.running import verifying

    verified = verifying.verify(contents, store, arguments.sample, report=print)
    print("\n".join(verifying.summary(verified, store.runs)))
    return int(verified.counts["problems"] > 0)
