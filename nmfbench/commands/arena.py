"""The commands arena, which ranks all methods under one protocol, and claims, which tests statements on its tasks."""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmfbench import config
from nmfbench.commands import choosing
from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.progress import plural
from nmfbench.records import Record, Store, write_bytes, write_text
from nmfbench.running import filenames

if TYPE_CHECKING:  # torch takes seconds
    from nmfbench.arena.protocol import Protocol
    from nmfbench.arena.runs import RunComposer
    from nmfbench.running.composer import Composer
    from nmfbench.running.planning import LeftOut, Plan

_FREE = ("results_dir", "launcher", "jobs", "threads", "device", "refit")
"""Settings that a user may choose: where and how runs are made. The protocol fixes all others."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add these commands to the parser."""
    arena = commands.add_parser(
        "arena", help="rank all methods on all datasets, or on yours, under one protocol that uses no labels"
    )
    arena.add_argument(
        "words",
        nargs="*",
        metavar="WORD",
        help="solver=NAME,… (these alone), dataset=NAME,… (these tasks alone) or dataset=FILE; results_dir=, jobs=",
    )
    arena.add_argument("--lite", action="store_true", help="small subsets and few trials: a few hours on two cores")
    arena.add_argument("--config-dir", metavar="DIR", help="a folder with the YAML of a solver of yours")
    arena.add_argument(
        "--with",
        dest="packs",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="also rank the results in this pack",
    )
    arena.add_argument("--dry-run", action="store_true", help="say what would run, and how long it would take")
    choosing.add_results(arena)
    arena.set_defaults(command=_arena)

    claims = commands.add_parser("claims", help="test claims that were written before the runs on the arena's tasks")
    claims.add_argument("words", nargs="*", metavar="WORD", help="names of claims (default: all); results_dir=, jobs=")
    claims.add_argument("--lite", action="store_true", help="on the tasks of the lite arena")
    claims.add_argument("--dry-run", action="store_true", help="say what would run, and how long it would take")
    choosing.add_results(claims)
    claims.set_defaults(command=_claims)


def _arena(arguments: argparse.Namespace) -> int:
    """`nmfbench arena`: plan, run what is missing, and rank."""
    from nmfbench.arena import protocol, runs
    from nmfbench.running.composing import opened

    words = [part for word in arguments.words for part in _data_words(word)]
    words = filenames.literal([*words, *choosing.results_word(words, arguments.results)])
    folder = ["--config-dir", arguments.config_dir] if arguments.config_dir else []
    composer, overrides = opened([*folder, *words])
    chosen: dict[str, list[str]] = {}
    kept: list[str] = []
    about_data: list[str] = []
    for override in overrides:
        group, _, key = override.key_or_group.partition(".")
        if group in ("solver", "dataset") and not key:
            chosen[group] = composer.names(override)
        elif group in _FREE:
            kept += composer.words_of(override)
        elif group == "rank" or (group == "dataset" and key != "scaling"):
            about_data += composer.words_of(override)
        else:
            raise ConfigError(
                f"{override.input_line}: leave it out; the arena's protocol sets {group}, the same for every method"
            )
    rules, clusters = protocol.read("lite" if arguments.lite else "full"), None
    known = {task.dataset for task in rules.tasks}
    if {*chosen.get("dataset", ())} <= known:
        if about_data:
            raise ConfigError(
                f"{about_data[0]}: leave it out, or name your own data by dataset=FILE; here the protocol sets it"
            )
        rules = protocol.restricted(rules, chosen["dataset"]) if "dataset" in chosen else rules
    else:
        rules, clusters = _own(chosen["dataset"], composer, [*kept, *about_data], known)
    run_composer = runs.RunComposer(rules, composer, [*kept, *about_data], chosen.get("solver"), clusters)
    if arguments.dry_run:
        from nmfbench.running.preview import preview

        print(preview(_planned(run_composer.first_round())))
        return 0
    return _compete(run_composer, rules, _others(rules, chosen.get("solver", []), arguments.packs))


def _others(rules: "Protocol", solvers: Sequence[str], files: Sequence[Path]) -> list[Record]:
    """Return the published records of other methods if only ``solvers`` run here, and the records of packs, marked."""
    from nmfbench.records import packs, verdicts

    published = [path for path in packs.published() if path.name == f"{rules.name}{packs.SUFFIX}"] if solvers else []
    others = [record for path in published for record in packs.read(path).records if record["solver"] not in solvers]
    for path in files:
        verified = verdicts.read(path)
        for record in packs.read(path).records:
            others.append(record | {"solver": f"{record['solver']} ({verdicts.standing(record, verified)})"})
    return others


def _data_words(word: str) -> list[str]:
    """Return the word; for ``dataset=my.csv``, the words that load this file as a dataset."""
    key, _, value = word.partition("=")
    is_file = key == "dataset" and value not in config.options("dataset") and Path(value).expanduser().is_file()
    return ["dataset=file", f"dataset.path={value}"] if is_file else [word]


def _own(
    datasets: Sequence[str], composer: "Composer", words: Sequence[str], known: Iterable[str]
) -> "tuple[Protocol, int | None]":
    """Return the protocol for a user's own data, and the number of clusters if the data has no labels.

    Raises ConfigError for several datasets, or if labels and rank are both missing.
    """
    from nmfbench.arena import protocol
    from nmfbench.running.cards import Cards
    from nmfbench.running.settings import Settings

    if len(datasets) > 1:
        raise ConfigError(f"dataset={','.join(datasets)}: one set of your own at a time, or some of {', '.join(known)}")
    composed = composer.compose([f"dataset={datasets[0]}", *words])
    settings = Settings.of(composed.node)
    card = Cards(Store(settings.root)).of(composed.plain("dataset"))
    rank = settings.rank or card.classes
    if rank is None:
        raise ConfigError(f"{card.name} has no labels: add rank=K, the number of components and of clusters")
    rules = protocol.read(protocol.OWN)
    seconds = protocol.seconds_for(card.features, card.samples, rank)
    tasks = tuple(replace(task, dataset=datasets[0], data=card.name) for task in rules.tasks)
    return replace(rules, tasks=tasks, max_seconds=seconds), None if card.classes else rank


def _claims(arguments: argparse.Namespace) -> int:
    """`nmfbench claims`: run what the claims need, and print the verdicts."""
    from nmfbench import app
    from nmfbench.arena import claims, page, protocol, runs, scores
    from nmfbench.reports import notes
    from nmfbench.reports.renderers import RENDERERS, csv
    from nmfbench.running.composing import opened

    names = [word for word in arguments.words if "=" not in word]
    known = config.options("claims")
    for name in names:
        if name not in known:
            raise ConfigError(f"no claim is called {name}{config.nearest(name, known)}")
    words = [word for word in arguments.words if "=" in word]
    composer, overrides = opened(filenames.literal([*words, *choosing.results_word(words, arguments.results)]))
    for override in overrides:
        if override.key_or_group.partition(".")[0] not in _FREE:
            raise ConfigError(f"{override.input_line}: leave it out; the claims and the arena's protocol set it")
    rules = protocol.read("lite" if arguments.lite else "full")
    tested = [claims.read(name) for name in names or known]
    run_composer = runs.RunComposer(rules, composer, [word for o in overrides for word in composer.words_of(o)])
    needed = [method_runs for claim in tested for method_runs in claim.wanted(rules)]
    # Claims on all methods read the scores of their defaults.
    needed += [
        method_runs
        for task in rules.tasks
        if not task.licensed
        for solver in (run_composer.solvers if any(not claim.sides() for claim in tested) else ())
        for method_runs in runs.scoring(rules, task, solver, {})
    ]
    plan = _planned(run_composer.request(needed))
    if arguments.dry_run:
        from nmfbench.running.preview import preview

        print(preview(plan))
        return 0
    if stop := app.complete(plan):
        return app.closing(plan, stop)
    records = plan.records()
    tasks = tuple(dict.fromkeys(task for claim in tested for task in claim.tasks(rules)))
    cells = scores.cells(records, replace(rules, tasks=tasks))
    verdicts = [claims.verdict(claim, cells, rules) for claim in tested]
    report = page.verdicts(verdicts, notes.provenance(records))
    folder = plan.store.root / "arena"
    write_text(folder / f"claims_{rules.name}.md", RENDERERS["md"](report))
    write_text(folder / f"claims_{rules.name}.csv", csv.commented(report.header, report.frame))
    print(RENDERERS["text"](report))
    print(f"written to {folder}: claims_{rules.name}.md and .csv")
    return 0


def _compete(run_composer: "RunComposer", rules: "Protocol", others: Sequence[Record]) -> int:
    """Run the two rounds of the arena, publish the ranking, and pack the records that may be passed on."""
    from nmfbench import app
    from nmfbench.arena import page, protocol, scores
    from nmfbench.records import packs

    first = _planned(run_composer.first_round())
    if stop := app.complete(first):
        return app.closing(first, stop)
    cells = scores.cells(first.records(), rules)
    if not cells:
        raise NotApplicable("; ".join(page.absent(first.left_out, first.records())) or "nothing ran")
    second = _planned(run_composer.second_round(list(scores.choices(cells.values(), rules))))
    if stop := app.complete(second):
        return app.closing(second, stop)
    records = [*first.records(), *second.records()]
    _publish([*records, *others], [*first.left_out, *second.left_out], first.store, rules)
    if rules.name != protocol.OWN and not others:
        # Records of a licensed dataset contain its labels, which may not be passed on.
        free = [record for record in records if any(task.has(record) for task in rules.tasks if not task.licensed)]
        path = first.store.root / "arena" / f"{rules.name}{packs.SUFFIX}"
        packs.write(path, free)
        print(f"written to {path}: {plural(len(free), 'record')}, for nmfbench submit and --with")
    return 0


def _planned(request: Any) -> "Plan":
    from nmfbench.running.planning import plan

    planned = plan(request)
    planned.save_cards()
    return planned


def _publish(records: Sequence[Record], left_out: "Sequence[LeftOut]", store: Store, rules: "Protocol") -> None:
    """Print the ranking, and write its page, pictures and numbers."""
    import pandas as pd

    from nmfbench.arena import controls, criteria, figures, own, page, protocol, scores
    from nmfbench.reports import plots
    from nmfbench.reports.renderers import RENDERERS, csv, html

    cells = scores.cells(records, rules)
    table = pd.concat([scores.table(cells, rules), pd.DataFrame(controls.controls(cells, rules))], ignore_index=True)
    absent = page.absent(left_out, records)
    if rules.name == protocol.OWN:
        name = f"{records[0]['dataset']}"
        board = own.board(table, cells, rules)
        report = own.report(board, table, rules, records, absent)
        drawn = [own.chart(board, f"Methods on {name}")]
    else:
        name = rules.name
        report = page.report(table, criteria.followed(cells.values(), rules), rules, records, absent)
        drawn = list(figures.charts(table))
    folder = store.root / "arena"
    for chart in drawn:
        for kind in ("png", "pdf", "svg"):
            write_bytes(folder / f"{name}_{chart.name}.{kind}", plots.file(chart.figure, kind))
        write_text(folder / f"{name}_{chart.name}.csv", csv.commented(report.header, chart.numbers))
    write_text(folder / f"{name}.md", RENDERERS["md"](report))
    write_text(folder / f"{name}.csv", csv.commented(report.header, table))
    write_text(folder / f"{name}.html", html.page(report, drawn, records, f"nmfbench arena: {name}"))
    print(RENDERERS["text"](replace(report, blocks=report.blocks[:1])))
    print(f"written to {folder}: {name}.html, .md and .csv, and {plural(len(drawn), 'picture')}")
