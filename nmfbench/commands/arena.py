"""The command arena: every method on every dataset under one protocol, and the ranking."""

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmfbench import config
from nmfbench.commands import choosing
from nmfbench.errors import ConfigError, DataMissing, NotApplicable
from nmfbench.progress import plural, say
from nmfbench.records import Record, Store, digest, write_bytes, write_text
from nmfbench.running import filenames

if TYPE_CHECKING:  # torch takes seconds
    from nmfbench.arena.protocol import Protocol
    from nmfbench.arena.runs import RunComposer
    from nmfbench.records.verdicts import Verdict
    from nmfbench.reports.charts import Chart
    from nmfbench.reports.report import Report
    from nmfbench.running.composer import Composer
    from nmfbench.running.planning import LeftOut, Plan

FREE = ("results_dir", "launcher", "jobs", "threads", "device", "refit")
"""The settings that a person may choose: where and how runs are made. All others are the protocol's."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this command to the parser."""
    arena = commands.add_parser(
        "arena", help="rank all methods on all datasets, or on yours, under one protocol that looks at no label"
    )
    arena.add_argument(
        "words",
        nargs="*",
        metavar="WORD",
        help="solver=NAME,… (these alone), dataset=NAME,… (these tasks alone) or dataset=FILE; results_dir=, jobs=",
    )
    arena.add_argument("--lite", action="store_true", help="small subsets and few trials: some hours on two cores")
    arena.add_argument("--config-dir", metavar="DIR", help="a folder with the YAML of a solver of yours")
    arena.add_argument(
        "--with", dest="packs", action="append", type=Path, default=[], metavar="FILE", help="results of others: a pack"
    )
    arena.add_argument("--dry-run", action="store_true", help="say what would run, and how long it would take")
    choosing.add_results(arena)
    arena.set_defaults(command=_arena)


def _arena(arguments: argparse.Namespace) -> int:
    """Plan, run what is missing, and rank."""
    from nmfbench.arena import protocol, runs
    from nmfbench.running.composing import opened

    is_described = any(word.startswith("dataset.") for word in arguments.words)
    words = [part for word in arguments.words for part in _data_words(word, is_described)]
    words = filenames.literal(choosing.within(words, arguments.results, "arena"))
    folder = ["--config-dir", arguments.config_dir] if arguments.config_dir else []
    composer, overrides = opened([*folder, *words])
    chosen: dict[str, list[str]] = {}
    kept: list[str] = []
    about_data: list[str] = []
    for override in overrides:
        group, _, key = override.key_or_group.partition(".")
        if group in ("solver", "dataset") and not key:
            chosen[group] = composer.names(override)
        elif group in FREE:
            kept += composer.words_of(override)
        elif group == "rank" or (group == "dataset" and key != "scaling"):
            about_data += composer.words_of(override)
        else:
            raise ConfigError(f"{override.input_line}: the arena's protocol sets {group}, the same for every method")
    rules, clusters = protocol.read("lite" if arguments.lite else "full"), None
    known = {task.dataset for task in rules.tasks}
    if {*chosen.get("dataset", ())} <= known:
        if about_data:
            raise ConfigError(f"{about_data[0]}: the arena's protocol sets it; it is for dataset=FILE, data of yours")
        rules = protocol.restricted(rules, chosen["dataset"]) if "dataset" in chosen else rules
    else:
        rules, clusters = _own(chosen["dataset"], composer, [*kept, *about_data], known)
    entering = runs.RunComposer(rules, composer, [*kept, *about_data], chosen.get("solver"), clusters)
    if arguments.dry_run:
        _foretell(entering, rules)
        return 0
    others = _others(rules, chosen.get("solver", []), arguments.packs)
    # Some of the tasks, or some of the methods without the results of the others, are no ranking of the whole arena.
    all_tasks = "dataset" not in chosen or rules.name == protocol.OWN
    whole = all_tasks and ("solver" not in chosen or bool(others))
    return _compete(entering, rules, others, rules.name if whole else f"{rules.name}_part")


def _others(rules: "Protocol", solvers: Sequence[str], files: Sequence[Path]) -> list[Record]:
    """Return the published records of other methods, if only ``solvers`` run here, and those of packs, marked."""
    from nmfbench.arena import scores
    from nmfbench.records import packs, verdicts

    published = [path for path in packs.published() if path.name == f"{rules.name}{packs.SUFFIX}"] if solvers else []
    others = [record for path in published for record in packs.read(path).records if record["solver"] not in solvers]
    taken: set[str] = set()
    for path in files:
        verified, records = verdicts.read(path), packs.read(path).records
        if beyond := next(scores.over_budget(scores.cells(records, rules).values(), rules), ""):
            raise ConfigError(f"{path}: {beyond}")
        marks = {solver: _mark(records, solver, verified) for solver in {record["solver"] for record in records}}
        names = {solver: f"{solver} ({mark})" for solver, mark in marks.items()}
        # Methods of one name from two files are two methods.
        file = path.name.removesuffix(packs.SUFFIX)
        names |= {solver: f"{solver} ({marks[solver]}, {file})" for solver, name in names.items() if name in taken}
        taken |= {*names.values()}
        others += [record | {"solver": names[record["solver"]]} for record in records]
    return others


def _mark(records: Sequence[Record], solver: str, verified: "Sequence[Verdict]") -> str:
    """Return one mark for a method of a pack: differs if it does on any dataset, verified with the share of them."""
    from nmfbench.records import verdicts

    standing: dict[str, str] = {}
    for record in records:
        if record["solver"] == solver:
            standing.setdefault(record["dataset"], verdicts.standing(record, verified))
    counts = Counter(standing.values())
    if counts["differs"]:
        return "differs"
    some = f"verified on {counts['verified']} of {len(standing)} datasets"
    return "verified" if counts["verified"] == len(standing) else some if counts["verified"] else "reported"


def _data_words(word: str, is_described: bool) -> list[str]:
    """Return the word, or for ``dataset=my.csv`` those of a dataset of that file.

    Unless the data is described by words of its own, labels are recognised as `nmfbench data import` does it.
    """
    key, _, value = word.partition("=")
    if key != "dataset" or value in config.options("dataset") or not Path(value).expanduser().is_file():
        return [word]
    words = ["dataset=file", f"dataset.path={value}"]
    if is_described:
        return words
    from nmfbench.datasets import guess

    labels = guess.look_at(Path(value)).node.get("y")
    if labels is None:
        return words
    say(f"labels: {labels}, as nmfbench data import takes them; dataset.y=… names others, dataset.y=null none")
    return [*words, f"dataset.y={labels}"]


def _own(
    datasets: Sequence[str], composer: "Composer", words: Sequence[str], known: Iterable[str]
) -> "tuple[Protocol, int | None]":
    """The protocol for data of one's own, and its number of clusters if it has no labels. Raises ConfigError."""
    from nmfbench.arena import protocol
    from nmfbench.running.cards import Cards
    from nmfbench.running.settings import Settings

    if len(datasets) > 1:
        raise ConfigError(f"dataset={','.join(datasets)}: one set of your own at a time, or some of {', '.join(known)}")
    composed = composer.compose([f"dataset={datasets[0]}", *words])
    settings = Settings.of(composed.node)
    card = Cards(Store(settings.root)).of(composed.plain("dataset"))
    rank = settings.rank or card.rank or card.classes
    if rank is None:
        raise ConfigError(f"{card.name} has no labels: add rank=K, the number of components and of clusters")
    rules = protocol.read(protocol.OWN)
    seconds = protocol.seconds_for(card.features, card.samples, rank)
    tasks = tuple(replace(task, dataset=datasets[0], data=card.name, rank=rank) for task in rules.tasks)
    return replace(rules, tasks=tasks, max_seconds=seconds), None if card.classes else rank


def _foretell(entering: "RunComposer", rules: "Protocol") -> None:
    """Say what would run: the trials, then the settings that they choose, as far as they have chosen."""
    from nmfbench.arena import scores
    from nmfbench.running.preview import preview

    first = planned(entering.first_round())
    print(preview(first))
    if not any(job.pending() for job in first.jobs):
        found = scores.cells(first.records(), rules)
        print(preview(planned(entering.second_round(list(scores.choices(found.values(), rules))))) if found else "")
        return
    tuned = {
        (job.config["solver"]["name"], digest(job.config["dataset"]), job.config["solver"].get("rank"))
        for job in first.jobs
        if len(entering.trials[job.config["solver"]["name"]]) > 1
    }
    runs = 2 * len(tuned) * (rules.seeds + 1)
    print(f"then the settings that are chosen, by the criterion and by the labels: {plural(runs, 'run')} at most")


def _missing(plan: "Plan") -> "list[LeftOut]":
    """Return what should have run and has no record, as when a process was killed."""
    from nmfbench.running.planning import LeftOut

    counts: Counter[tuple[str, str]] = Counter()
    for job in plan.jobs:
        counts[job.config["solver"]["name"], job.config["dataset"]["name"]] += len(job.pending())
    return [
        LeftOut(*pair, RuntimeError(f"{plural(n, 'run')} missing: the same command makes what is missing"))
        for pair, n in counts.items()
        if n
    ]


def _compete(entering: "RunComposer", rules: "Protocol", others: Sequence[Record], name: str) -> int:
    """Run both rounds, publish the ranking, and pack the records that may be passed on. Returns the exit code."""
    from nmfbench import app
    from nmfbench.arena import page, protocol, scores
    from nmfbench.records import packs

    first = planned(entering.first_round())
    rules, name = _here(rules, first.left_out, name)
    if stop := app.complete(first):
        return app.closing(first, stop)
    found = scores.cells(first.records(), rules)
    choices = list(scores.choices(found.values(), rules))
    if not choices:
        raise NotApplicable("; ".join(page.absent(first.left_out, first.records())) or "nothing ran")
    second = planned(entering.second_round(choices))
    if stop := app.complete(second):
        return app.closing(second, stop)
    # The second phase asks again for the defaults that were chosen.
    runs = {(digest(job.config), seed) for job in first.jobs for seed in job.records}
    again = (record for job in second.jobs for record in job.done() if (digest(job.config), record["seed"]) not in runs)
    records = [*first.records(), *again]
    missing = [*_missing(first), *_missing(second)]
    _publish([*records, *others], [*first.left_out, *second.left_out, *missing], first.store, rules, name)
    if rules.name != protocol.OWN and not others:
        # The labels of a licensed set are in its records, and may not be passed on.
        free = [record for record in records if any(task.has(record) for task in rules.tasks if not task.licensed)]
        path = first.store.root / f"{name}{packs.SUFFIX}"
        packs.write(path, free)
        print(f"written to {path}: {plural(len(free), 'record')}, for nmfbench submit and --with")
    return int(bool(missing) or any(record["status"] == "failed" for record in records))


def _here(rules: "Protocol", left_out: "Sequence[LeftOut]", name: str) -> "tuple[Protocol, str]":
    """The protocol without the tasks whose data is not here, and the name of the ranking over the others.

    Nobody takes part in these tasks, rather than coming last; a ranking without an open one is a part.
    """
    missing = {left.dataset for left in left_out if isinstance(left.reason, DataMissing)}
    if not (away := [task for task in rules.tasks if task.dataset in missing]) or len(away) == len(rules.tasks):
        return rules, name
    say(f"not here, so no part of this ranking: {', '.join(dict.fromkeys(task.dataset for task in away))}")
    whole = all(task.licensed for task in away) or name.endswith("_part")
    return replace(rules, tasks=tuple(t for t in rules.tasks if t not in away)), name if whole else f"{name}_part"


def planned(request: Any) -> "Plan":
    """Return the plan of a request, with its data cards written."""
    from nmfbench.running.planning import plan

    made = plan(request)
    made.save_cards()
    return made


def _publish(
    records: Sequence[Record], left_out: "Sequence[LeftOut]", store: Store, rules: "Protocol", name: str
) -> None:
    """Print the ranking; write the page, its pictures and its numbers."""
    import pandas as pd

    from nmfbench.arena import controls, criteria, figures, own, page, protocol, scores
    from nmfbench.reports.renderers import RENDERERS

    found = scores.cells(records, rules)
    scored = scores.table(found, rules)
    if scored.empty:
        raise NotApplicable("no method has finished all the seeds that are scored; the same command makes the others")
    table = pd.concat([scored, pd.DataFrame(controls.controls(found, rules))], ignore_index=True)
    absent = [*page.absent(left_out, records), *scores.other_data(found.values())]
    if rules.name == protocol.OWN:
        name = name.replace(protocol.OWN, records[0]["dataset"], 1)
        board = own.board(table, found, rules)
        report = own.report(board, table, rules, records, absent)
        drawn = [own.chart(board, f"Methods on {name}")]
    else:
        openly = [cell for cell in found.values() if not cell.task.licensed]
        report = page.report(table, criteria.followed(openly, rules), rules, records, absent)
        drawn = list(figures.charts(table))
    save(store.root, name, report, drawn, records)
    print(RENDERERS["text"](replace(report, blocks=report.blocks[:1])))
    print(f"written to {store.root}: {name}.html, .md and .csv, and {plural(len(drawn), 'picture')}")


def save(folder: Path, name: str, report: "Report", drawn: "Sequence[Chart]", records: Sequence[Record]) -> None:
    """Write a report as a page, as Markdown and as the numbers behind it, and its pictures each with its own."""
    from nmfbench.reports import plots
    from nmfbench.reports.renderers import RENDERERS, csv, html

    for chart in drawn:
        for kind in ("png", "pdf", "svg"):
            write_bytes(folder / f"{name}_{chart.name}.{kind}", plots.file(chart.figure, kind))
        write_text(folder / f"{name}_{chart.name}.csv", csv.commented(report.header, chart.numbers))
    pictures = [f"## {chart.title}\n\n![{chart.text}]({name}_{chart.name}.png)\n" for chart in drawn]
    write_text(folder / f"{name}.md", "\n".join([RENDERERS["md"](report), *pictures]))
    write_text(folder / f"{name}.csv", csv.commented(report.header, report.frame))
    write_text(folder / f"{name}.html", html.page(report, drawn, records, f"nmfbench arena: {name}"))
