"""The commands that show, count or remove records: show, status, rm; and the records that words choose."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nmfbench.config import nearest, options
from nmfbench.errors import ConfigError
from nmfbench.progress import plural
from nmfbench.records import Record, Store, read
from nmfbench.reports.selecting import select
from nmfbench.running import filenames

if TYPE_CHECKING:  # torch takes seconds
    from nmfbench.running.planning import Plan


def show(words: Sequence[str], results: Path) -> int:
    """`nmfbench show`: a whole record, chosen by its file, the start of its name or words.

    If the words choose several records, their names are listed.
    """
    from nmfbench.reports import single

    records, store = _chosen(words, results)
    if len(records) == 1:
        print(single.whole(records[0]))
        return 0
    for record in records:
        print(single.line(record, store.path(record["config"], record["seed"]).stem))
    print(f"{plural(len(records), 'record')}; nmfbench show NAME shows one whole")
    return 0


def remove(words: Sequence[str], results: Path, confirmed: bool) -> int:
    """`nmfbench rm`: delete the records that the words choose, or those of an experiment, with their codes."""
    if not words:
        raise ConfigError(
            "rm needs words that say which records go: nmfbench rm solver=mu dataset=orl, or an experiment"
        )
    if words[0] in options("experiment"):
        plan = planned(words, results)
        records, store = plan.records(), plan.store
        if not records:
            raise ConfigError(f"no record of {words[0]} in {store.runs}")
    else:
        records, store = _chosen(words, results)
    counts: dict[tuple[str, str], int] = {}
    for record in records:
        counts[record["solver"], record["dataset"]] = counts.get((record["solver"], record["dataset"]), 0) + 1
    for (solver, dataset), n in counts.items():
        print(f"{solver} on {dataset}: {plural(n, 'record')}")
    if not confirmed:
        if not sys.stdin.isatty():
            raise ConfigError(f"nothing was removed: add --yes to remove {plural(len(records), 'record')}")
        confirmed = input(f"remove {plural(len(records), 'record')} from {store.runs}? [y/N] ").casefold() in (
            "y",
            "yes",
        )
    if confirmed:
        store.remove(records)
        print(f"removed {plural(len(records), 'record')}")
    else:
        print("nothing was removed")
    return 0


def status(words: Sequence[str], results: Path, with_tracebacks: bool) -> int:
    """`nmfbench status`: count the records of each solver and dataset by how they ended."""
    store = _store(words, results)
    records, unreadable = store.load()
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for record in records:
        of_method = counts.setdefault((record["dataset"], record["solver"]), {})
        of_method[record["status"]] = of_method.get(record["status"], 0) + 1
    for (dataset, solver), statuses in sorted(counts.items()):
        print(f"{dataset:<16} {solver:<16} " + ", ".join(f"{n} {ended}" for ended, n in sorted(statuses.items())))
    failed = [record for record in records if record["status"] == "failed"]
    for record in failed:
        print(f"failed: {record['solver']} on {record['dataset']}, seed {record['seed']}: {record.get('error')}")
        if with_tracebacks and record.get("traceback"):
            print(record["traceback"])
    for file in unreadable:
        print(f"not counted: {file.path}: {file.reason}")
    print(f"{len(records) - len(failed)} finished, {len(failed)} failed, {len(unreadable)} unreadable in {store.runs}")
    return 0


def planned(words: Sequence[str], results: Path) -> "Plan":
    """The plan of the experiment that the first word names, for showing what exists. Raises ConfigError."""
    from nmfbench.running.composing import requests

    others = filenames.literal(words[1:])
    (request,) = requests([f"experiment={words[0]}", *others, *results_word(words, results)])
    from nmfbench.running.planning import plan

    made = plan(request, will_run=False)
    made.save_cards()
    return made


def results_word(words: Sequence[str], results: Path) -> list[str]:
    """The override that names the results folder, unless the words do."""
    named = any(word.startswith("results_dir=") for word in words)
    return [] if named else [f"results_dir={filenames.quoted(str(results))}"]


def _store(words: Sequence[str], results: Path) -> Store:
    return Store((filenames.results_dir(words) or results).expanduser())


def selected(words: Sequence[str], results: Path, whole: bool = True) -> tuple[list[Record], Store]:
    """The records that the words choose, ``whole`` or as `Store.load` says. Raises ConfigError if they choose none."""
    store = _store(words, results)
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


def _chosen(words: Sequence[str], results: Path) -> tuple[list[Record], Store]:
    """The record that the first word names, or those that the words choose. Raises ConfigError."""
    if not words or "=" in words[0]:
        return selected(words, results)
    name, *others = words
    if filters := [word for word in others if not word.startswith("results_dir=")]:
        raise ConfigError(f"{name} names one record; leave it out, or leave out {' '.join(filters)}")
    store = _store(others, results)
    return [_by_name(name, store)], store


def _by_name(name: str, store: Store) -> Record:
    """The record in that file, or the one whose file name starts so. Raises ConfigError."""
    paths = [Path(name)] if Path(name).is_file() else sorted(store.runs.glob(f"*/*/{Path(name).stem}*.json"))
    if not paths:
        names = [path.stem for path in store.runs.glob("*/*/*.json")]
        raise ConfigError(f"no record in {store.runs} is called {name}{nearest(name, names, list_all=False)}")
    if len(paths) > 1:
        raise ConfigError(f"{name} starts the names of {len(paths)} records: {', '.join(p.stem for p in paths[:5])}")
    record = read(paths[0])
    if not isinstance(record, dict):
        raise ConfigError(f"{paths[0]} cannot be shown: {record.reason}")
    return record
