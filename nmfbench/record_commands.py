"""The commands over records: show, export, compare, rm, status, merge, verify; and the records that words choose."""

import shlex
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nmfbench.config import nearest, options
from nmfbench.errors import ConfigError, DataError
from nmfbench.progress import plural
from nmfbench.records import Record, Store, Unreadable, read, write_text
from nmfbench.reports.selecting import select
from nmfbench.running import filenames

if TYPE_CHECKING:  # torch takes seconds
    from nmfbench.running.jobs import Job
    from nmfbench.running.planning import Plan

CHOICE = "key=value words that choose records: solver=mu,wnnf dataset=orl rank=40; results_dir=DIR"
TABLE_WORDS = f"an experiment's name and its overrides, or {CHOICE}"


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
    """`nmfbench status`: count the records of each solver and dataset by how they ended.

    If the first word names an experiment, its runs are counted: done, failed and missing.
    """
    if words and "=" not in words[0]:
        return _status_of_experiment(words, results, with_tracebacks)
    store = _store(words, results)
    records, unreadable = store.load()
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for record in records:
        counts[record["dataset"], record["solver"]][record["status"]] += 1
    for (dataset, solver), statuses in sorted(counts.items()):
        print(f"{dataset:<16} {solver:<16} " + ", ".join(f"{n} {ended}" for ended, n in sorted(statuses.items())))
    failed = [record for record in records if record["status"] == "failed"]
    _show_failed(failed, unreadable, with_tracebacks)
    print(f"{len(records) - len(failed)} finished, {len(failed)} failed, {len(unreadable)} unreadable in {store.runs}")
    return 0


def _status_of_experiment(words: Sequence[str], results: Path, with_tracebacks: bool) -> int:
    plan = planned(words, results)
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    failed: list[Record] = []
    unreadable: list[Unreadable] = []
    for job, path in files(plan):
        record = read(path) if path.exists() else None
        state = "missing"  # an unreadable one is run again
        if isinstance(record, Unreadable):
            unreadable.append(record)
        elif record:
            state = "failed" if record["status"] == "failed" else "done"
            failed += [record] if state == "failed" else []
        counts[job.config["dataset"]["name"], job.config["solver"]["name"]][state] += 1
    states = ("done", "failed", "missing")
    for (dataset, solver), of_method in counts.items():
        print(f"{dataset:<16} {solver:<16} " + ", ".join(f"{of_method[s]} {s}" for s in states if of_method[s]))
    _show_failed(failed, unreadable, with_tracebacks)
    for label, n in Counter(plan.unknown).items():
        print(f"missing: {label}{f', {n} settings' if n > 1 else ''}, all seeds")
    for line in plan.reasons():
        print(line)
    sums = [f"{sum(of_method[state] for of_method in counts.values())} {state}" for state in states]
    sums += [f"all seeds of {plural(len(plan.unknown), 'setting')} missing"] if plan.unknown else []
    sums += [f"{plural(len(plan.left_out), 'setting')} left out"] if plan.left_out else []
    print(f"{', '.join(sums)} in {plan.store.runs}")
    return 0


def _show_failed(failed: Sequence[Record], unreadable: Sequence[Unreadable], with_tracebacks: bool) -> None:
    for record in failed:
        print(f"failed: {record['solver']} on {record['dataset']}, seed {record['seed']}: {record.get('error')}")
        if with_tracebacks and record.get("traceback"):
            print(record["traceback"])
    for file in unreadable:
        print(f"not counted: {file.path}: {file.reason}")


def export(words: Sequence[str], results: Path, output: Path | None) -> int:
    """`nmfbench export`: the clusters, factors and top features of chosen runs as CSV, a folder for each run."""
    records, store = _chosen(words, results)
    saved = [(record, store.load_codes(record["config"], record["seed"])) for record in records]
    if not any(codes for _, codes in saved):
        raise ConfigError(
            f"{plural(len(records), 'run')} without saved codes: add save_codes=true refit=true to the command that "
            "made them"
        )
    from nmfbench.reports import exported, single

    for record, codes in saved:
        name = store.path(record["config"], record["seed"]).stem
        if not codes:
            print(f"left out: {single.line(record, name)}: its codes were not saved", file=sys.stderr)
            continue
        folder = (output or store.root / "export") / record["dataset"] / name
        tables = exported.tables(record, codes[0], _feature_names(record))
        for table, content in tables.items():
            write_text(folder / f"{table}.csv", content.to_csv(index=False, float_format="%.7g", lineterminator="\n"))
        print(f"written to {folder}: {', '.join(f'{table}.csv' for table in tables)}")
    return 0


def _feature_names(record: Record) -> Sequence[str]:
    """The names of the features, if the data is here and has them."""
    from nmfbench.datasets import load_dataset

    try:
        names = load_dataset(record["config"]["dataset"]["name"]).feature_names or ()
    except (ConfigError, DataError):
        return ()
    return names if len(names) == record["data"]["features"] else ()


def compare(a: str, b: str, results: Path, metric: str | None) -> int:
    """`nmfbench compare`: two methods cell by cell, each chosen by words in one argument, and what can be concluded."""
    from tabulate import tabulate

    from nmfbench.reports import comparing

    ours, theirs = (selected(shlex.split(words), results)[0] for words in (a, b))
    table, conclusion = comparing.compared(ours, theirs, metric)
    shown = table.astype(object).where(table.notna(), None).to_dict("list")
    print(tabulate(shown, headers="keys", floatfmt=".4g", missingval="–"))
    print(f"\nA: {a}. B: {b}.\n{conclusion}")
    return 0


def merge(words: Sequence[str], results: Path) -> int:
    """`nmfbench merge`: copy the records of other results folders into one; what disagrees is shown."""
    from nmfbench.running import merging

    store = _store(words, results)
    sources = [filenames.folder(word).expanduser() for word in words if not word.startswith("results_dir=")]
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


def verify(words: Sequence[str], results: Path, share: float) -> int:
    """`nmfbench verify`: check the records of an experiment, or those that words choose, and fit a sample again."""
    if words and "=" not in words[0]:
        plan = planned(words, results)
        store = plan.store
        contents = {path: read(path) for _, path in files(plan) if path.exists()}
    else:
        store = _store(words, results)
        contents = {path: read(path) for path in sorted(store.runs.glob("*/*/*.json"))}
        filters = [word for word in words if not word.startswith("results_dir=")]
        chosen = {id(record) for record in select([c for c in contents.values() if isinstance(c, dict)], filters)}
        contents = {path: c for path, c in contents.items() if isinstance(c, Unreadable) or id(c) in chosen}
    if not contents:
        raise ConfigError(f"no record in {store.runs} to verify; nmfbench status shows what is there")
    from nmfbench.running import verifying

    verified = verifying.verify(contents, store, share, report=print)
    print("\n".join(verifying.summary(verified, store.runs)))
    return int(verified.counts["problems"] > 0)


def planned(words: Sequence[str], results: Path) -> "Plan":
    """The plan of the experiment that the first word names, for showing what exists. Raises ConfigError."""
    from nmfbench.running.composing import requests

    others = filenames.literal(words[1:])
    (request,) = requests([f"experiment={words[0]}", *others, *results_word(words, results)])
    from nmfbench.running.planning import plan

    made = plan(request, will_run=False)
    made.save_cards()
    return made


def files(plan: "Plan") -> "Iterator[tuple[Job, Path]]":
    """The file of each run of a plan, with its job, whether or not it exists."""
    for job in plan.jobs:
        for seed in job.records:
            yield job, job.store.path(job.config_of(seed), seed)


def results_word(words: Sequence[str], results: Path) -> list[str]:
    """The override that names the results folder, unless the words do."""
    named = any(word.startswith("results_dir=") for word in words)
    return [] if named else [f"results_dir={filenames.quoted(str(results))}"]


def name_first(words: Sequence[str]) -> list[str]:
    """The words, those that name something before those that are key=value."""
    return sorted(words, key=lambda word: "=" in word)


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
