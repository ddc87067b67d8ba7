"""Find the records that the words of a command choose, and the plan of the experiment that they name."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nmfbench.config import nearest
from nmfbench.errors import ConfigError
from nmfbench.records import Record, Store, read
from nmfbench.reports.selecting import select
from nmfbench.running import filenames

if TYPE_CHECKING:  # torch takes seconds
    from nmfbench.running.jobs import Job
    from nmfbench.running.planning import Plan

CHOICE = "key=value words that choose records: solver=mu,wnnf dataset=orl rank=40; results_dir=DIR"
TABLE_WORDS = f"an experiment's name and its overrides, or {CHOICE}"
RESULTS = Path("results/local")


def add_results(parser: argparse.ArgumentParser) -> None:
    """Add --results, the folder of the records."""
    parser.add_argument("--results", type=filenames.folder, default=RESULTS, metavar="DIR", help=f"default: {RESULTS}")


def planned(words: Sequence[str], results: Path) -> "Plan":
    """Plan the experiment that the first word names, to show its finished runs. Raises ConfigError if it is unknown."""
    from nmfbench.running.composing import requests

    others = filenames.literal(words[1:])
    (request,) = requests([f"experiment={words[0]}", *others, *results_word(words, results)])
    from nmfbench.running.planning import plan

    shown = plan(request, will_run=False)
    shown.save_cards()
    return shown


def files(plan: "Plan") -> "Iterator[tuple[Job, Path]]":
    """Yield the file of each run of a plan, with its job, whether or not it exists."""
    for job in plan.jobs:
        for seed in job.records:
            yield job, job.store.path(job.config_of(seed), seed)


def results_word(words: Sequence[str], results: Path) -> list[str]:
    """Return the override that names the results folder; none if the words name one."""
    named = any(word.startswith("results_dir=") for word in words)
    return [] if named else [f"results_dir={filenames.quoted(str(results))}"]


def within(words: Sequence[str], results: Path, name: str) -> list[str]:
    """Return the words with results_dir a folder of this name in the one that they name, else in ``results``.

    A command that makes runs of its own keeps them apart, so that they do not stand in other tables.
    """
    root = filenames.results_dir(words) or results
    others = [word for word in words if not word.startswith("results_dir=")]
    return [*others, f"results_dir={filenames.quoted(str(root / name))}"]


def name_first(words: Sequence[str]) -> list[str]:
    """Sort the words: names first, key=value words after them."""
    return sorted(words, key=lambda word: "=" in word)


def store_of(words: Sequence[str], results: Path) -> Store:
    return Store((filenames.results_dir(words) or results).expanduser())


def selected(words: Sequence[str], results: Path, whole: bool = True) -> tuple[list[Record], Store]:
    """Return the records that the words choose, and their store; for ``whole`` see `Store.load`.

    Raises ConfigError if the words choose no record.
    """
    store = store_of(words, results)
    records, unreadable = store.load(whole)
    for file in unreadable:
        print(f"not counted: {file.path}: {file.reason}", file=sys.stderr)
    if not records:
        raise ConfigError(f"no records in {store.runs}; make some with: nmfbench run solver=mu dataset=orl_28x23")
    filters = [word for word in words if not word.startswith("results_dir=")]
    chosen = select(records, filters)
    if not chosen:
        raise ConfigError(f"no record in {store.runs} has {' '.join(filters)}")
    return chosen, store


def chosen_records(words: Sequence[str], results: Path) -> tuple[list[Record], Store]:
    """Return the record that the first word names, or those that the words choose. Raises ConfigError without any."""
    if not words or "=" in words[0]:
        return selected(words, results)
    name, *others = words
    if filters := [word for word in others if not word.startswith("results_dir=")]:
        raise ConfigError(f"{name} names one record; leave it out, or leave out {' '.join(filters)}")
    store = store_of(others, results)
    return [_by_name(name, store)], store


def _by_name(name: str, store: Store) -> Record:
    """Read the record in that file, or the one whose name starts so. Raises ConfigError unless there is exactly one."""
    paths = [Path(name)] if Path(name).is_file() else sorted(store.runs.glob(f"*/*/{Path(name).stem}*.json"))
    if not paths:
        names = [path.stem for path in store.runs.glob("*/*/*.json")]
        raise ConfigError(f"no record in {store.runs} is called {name}{nearest(name, names, list_all=False)}")
    if len(paths) > 1:
        raise ConfigError(f"{name} starts the names of {len(paths)} records: {', '.join(p.stem for p in paths[:5])}")
    record = read(paths[0])
    if not isinstance(record, dict):
        raise ConfigError(f"{paths[0]} cannot be read: {record.reason}")
    return record
