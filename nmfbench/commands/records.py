"""The commands on records: show, export, compare, rm, status."""

import argparse
import shlex
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from nmfbench.commands import choosing
from nmfbench.config import options
from nmfbench.errors import ConfigError, DataError
from nmfbench.progress import plural
from nmfbench.records import Record, Store, Unreadable, read, write_text


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add these commands to the parser."""
    one_or_more = f"a file, the start of a record's name, or {choosing.CHOICE}"
    show = commands.add_parser("show", help="print one record, or list the names of those that words choose")
    show.add_argument("words", nargs="*", metavar="WORD", help=one_or_more)
    choosing.add_results(show)
    show.set_defaults(command=_show)

    export = commands.add_parser("export", help="clusters, factors and top features of runs as CSV; needs saved codes")
    export.add_argument("words", nargs="*", metavar="WORD", help=one_or_more)
    export.add_argument("--output", type=Path, metavar="DIR", help="default: export beside the runs")
    choosing.add_results(export)
    export.set_defaults(command=_export)

    compare = commands.add_parser("compare", help="two methods cell by cell: differences, intervals, a conclusion")
    compare.add_argument("a", metavar="A", help='words in one argument: "solver=mu rank=10"')
    compare.add_argument("b", metavar="B", help='the other method: "solver=wnnf rank=10"')
    compare.add_argument("--metric", help="by default the one that tables show first")
    choosing.add_results(compare)
    compare.set_defaults(command=_compare)

    remove = commands.add_parser("rm", help="remove records, chosen by the same words as for table")
    remove.add_argument("words", nargs="*", metavar="WORD", help=choosing.TABLE_WORDS)
    remove.add_argument("--yes", action="store_true", help="do not ask")
    choosing.add_results(remove)
    remove.set_defaults(command=_remove)

    status = commands.add_parser(
        "status", help="count the records, or the done, failed and missing runs of an experiment"
    )
    status.add_argument(
        "words", nargs="*", metavar="WORD", help="an experiment's name and its overrides; results_dir=DIR"
    )
    status.add_argument("--errors", action="store_true", help="show the traceback of each failed run")
    choosing.add_results(status)
    status.set_defaults(command=_status)


def _show(arguments: argparse.Namespace) -> int:
    """`nmfbench show`: print a whole record, or the names if the words choose several records."""
    words, results = choosing.name_first(arguments.words), arguments.results
    from nmfbench.reports import single

    records, store = choosing.chosen_records(words, results)
    if len(records) == 1:
        print(single.whole(records[0]))
        return 0
    for record in records:
        print(single.line(record, store.path(record["config"], record["seed"]).stem))
    print(f"{plural(len(records), 'record')}; nmfbench show NAME shows one whole")
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    """`nmfbench rm`: delete the records that the words choose, or those of an experiment, with their codes."""
    words, results = choosing.name_first(arguments.words), arguments.results
    if not words:
        raise ConfigError(
            "rm needs words that say which records go: nmfbench rm solver=mu dataset=orl, or an experiment"
        )
    if words[0] in options("experiment"):
        plan = choosing.planned(words, results)
        records, store = plan.records(), plan.store
        if not records:
            raise ConfigError(f"no record of {words[0]} in {store.runs}")
    else:
        records, store = choosing.chosen_records(words, results)
    counts: dict[tuple[str, str], int] = {}
    for record in records:
        counts[record["solver"], record["dataset"]] = counts.get((record["solver"], record["dataset"]), 0) + 1
    for (solver, dataset), n in counts.items():
        print(f"{solver} on {dataset}: {plural(n, 'record')}")
    confirmed = arguments.yes
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


def _status(arguments: argparse.Namespace) -> int:
    """`nmfbench status`: count the records of each solver and dataset by how they ended.

    If the first word names an experiment, count its done, failed and missing runs instead.
    """
    words, results = choosing.name_first(arguments.words), arguments.results
    if words and "=" not in words[0]:
        return _status_of_experiment(words, results, arguments.errors)
    store = choosing.store_of(words, results)
    records, unreadable = store.load()
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for record in records:
        counts[record["dataset"], record["solver"]][record["status"]] += 1
    for (dataset, solver), statuses in sorted(counts.items()):
        print(f"{dataset:<16} {solver:<16} " + ", ".join(f"{n} {ended}" for ended, n in sorted(statuses.items())))
    failed = [record for record in records if record["status"] == "failed"]
    _show_failed(failed, unreadable, arguments.errors)
    print(f"{len(records) - len(failed)} finished, {len(failed)} failed, {len(unreadable)} unreadable in {store.runs}")
    return 0


def _status_of_experiment(words: Sequence[str], results: Path, with_tracebacks: bool) -> int:
    plan = choosing.planned(words, results)
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    failed: list[Record] = []
    unreadable: list[Unreadable] = []
    for job, path in choosing.files(plan):
        record = read(path) if path.exists() else None
        state = "missing"  # the next run replaces an unreadable record
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


def _export(arguments: argparse.Namespace) -> int:
    """`nmfbench export`: write the clusters, factors and top features of chosen runs as CSV, a folder for each run."""
    words, results = choosing.name_first(arguments.words), arguments.results
    records, store = choosing.chosen_records(words, results)
    saved = [(record, store.load_codes(record["config"], record["seed"])) for record in records]
    if not any(codes for _, codes in saved):
        raise ConfigError(
            f"{plural(len(records), 'run')} without saved codes: add save_codes=true refit=true to the command that "
            "made them"
        )
    from nmfbench.reports import exported, frames

    folders: dict[str, Path] = {}  # by the name of the run's record
    exportable = [(record, codes) for record, codes in saved if codes]
    for record, codes in exportable:
        name = store.path(record["config"], record["seed"]).stem
        folder = folders[name] = (arguments.output or store.root / "export") / record["dataset"] / name
        tables = exported.tables(record, codes[0], *_names(record, store))
        for table, content in tables.items():
            write_text(folder / f"{table}.csv", content.to_csv(index=False, float_format="%.7g", lineterminator="\n"))
        print(f"written to {folder}: {', '.join(f'{table}.csv' for table in tables)}")
    if without := len(records) - len(exportable):
        print(f"left out: {plural(without, 'run')} whose codes were not saved", file=sys.stderr)
    for repetitions in frames.group_repetitions([record for record, _ in exportable]):
        scored = [record for record in repetitions if record.get("objective") is not None]
        if len(scored) > 1:
            best = min(scored, key=lambda record: float(record["objective"]))
            seed = f"{best['solver']} on {best['dataset']}, rank {best['rank']}: seed {best['seed']}"
            print(f"{seed} has the lowest objective: {folders[store.path(best['config'], best['seed']).stem]}")
    return 0


def _names(record: Record, store: Store) -> tuple[Sequence[str], Sequence[str]]:
    """Return the names of the features and of the samples; empty if the data is not here or has no names."""
    from nmfbench.running.cards import data_of

    try:
        data = data_of(record, store)
    except (ConfigError, DataError):
        return (), ()
    return data.feature_names or (), data.sample_names or ()


def _compare(arguments: argparse.Namespace) -> int:
    """`nmfbench compare`: print the differences of two methods cell by cell, and what can be concluded from them."""
    from tabulate import tabulate

    from nmfbench.reports import comparing

    ours, theirs = (choosing.selected(shlex.split(words), arguments.results)[0] for words in (arguments.a, arguments.b))
    table, conclusion = comparing.compared(ours, theirs, arguments.metric)
    shown = table.astype(object).where(table.notna(), None).to_dict("list")
    print(tabulate(shown, headers="keys", floatfmt=".4g", missingval="–"))
    print(f"\nA: {arguments.a}. B: {arguments.b}.\n{conclusion}")
    return 0
