"""The command arena: every method on every dataset under one protocol, and the ranking."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmfbench import config
from nmfbench.commands import choosing
from nmfbench.errors import ConfigError
from nmfbench.records import Record, Store, write_bytes, write_text
from nmfbench.running import filenames

if TYPE_CHECKING:  # torch takes seconds
    from nmfbench.arena.protocol import Protocol
    from nmfbench.arena.runs import Entering
    from nmfbench.running.composer import Composer
    from nmfbench.running.planning import LeftOut, Plan

_FREE = ("results_dir", "launcher", "jobs", "threads", "device", "refit")
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
    arena.add_argument("--dry-run", action="store_true", help="say what would run, and how long it would take")
    choosing.add_results(arena)
    arena.set_defaults(command=_arena)


def _arena(arguments: argparse.Namespace) -> int:
    """Plan, run what is missing, and rank."""
    from nmfbench.arena import runs
    from nmfbench.running.composing import opened

    words = [_data_word(word) for word in arguments.words]
    words = filenames.literal([*words, *choosing.results_word(words, arguments.results)])
    folder = ["--config-dir", arguments.config_dir] if arguments.config_dir else []
    composer, overrides = opened([*folder, *words])
    solvers, datasets, kept = None, [], []
    for override in overrides:
        group, _, key = override.key_or_group.partition(".")
        if group == "solver" and not key:
            solvers = composer.names(override)
        elif group == "dataset" and not key:
            datasets = composer.names(override)
        elif group in _FREE or (group == "dataset" and key != "scaling") or group == "rank":
            kept += composer.words_of(override)
        else:
            raise ConfigError(f"{override.input_line}: the arena's protocol sets {group}, the same for every method")
    rules = _rules(arguments.lite, datasets, composer, kept)
    entering = runs.Entering(rules, composer, kept, solvers)
    if arguments.dry_run:
        from nmfbench.running.preview import preview

        print(preview(_planned(entering.first())))
        return 0
    return _held(entering, rules)


def _data_word(word: str) -> str:
    """``dataset=my.csv`` as a dataset of the file."""
    key, _, value = word.partition("=")
    is_file = key == "dataset" and value not in config.options("dataset") and Path(value).expanduser().is_file()
    return f"dataset=file dataset.path={value}" if is_file else word


def _rules(lite: bool, datasets: Sequence[str], composer: "Composer", kept: Sequence[str]) -> "Protocol":
    """The protocol for these datasets: of the arena, or of one's own data."""
    from nmfbench.arena import protocol

    rules = protocol.read("lite" if lite else "full")
    known = {task.dataset for task in rules.tasks}
    if not datasets or {*datasets} <= known:
        return protocol.restricted(rules, datasets) if datasets else rules
    if len(datasets) > 1:
        raise ConfigError(f"dataset={','.join(datasets)}: one set of your own at a time, or some of {', '.join(known)}")
    own = protocol.read(protocol.OWN)
    return replace(own, tasks=tuple(replace(task, dataset=datasets[0]) for task in own.tasks))


def _held(entering: "Entering", rules: "Protocol") -> int:
    from nmfbench import app
    from nmfbench.arena import scores

    first = _planned(entering.first())
    if stop := app.complete(first):
        return app.closing(first, stop)
    found = scores.cells(first.records(), rules)
    second = _planned(entering.second(list(scores.choices(found.values(), rules))))
    if stop := app.complete(second):
        return app.closing(second, stop)
    _publish([*first.records(), *second.records()], [*first.left_out, *second.left_out], first.store, rules)
    return 0


def _planned(request: Any) -> "Plan":
    from nmfbench.running.planning import plan

    made = plan(request)
    made.save_cards()
    return made


def _publish(records: Sequence[Record], left_out: "Sequence[LeftOut]", store: Store, rules: "Protocol") -> None:
    """Print the ranking; write the page, its pictures and its numbers."""
    import pandas as pd

    from nmfbench.arena import controls, criteria, figures, page, scores
    from nmfbench.reports import plots
    from nmfbench.reports.renderers import RENDERERS, csv, html

    found = scores.cells(records, rules)
    table = pd.concat([scores.table(found, rules), pd.DataFrame(controls.controls(found, rules))], ignore_index=True)
    absent = page.absent(left_out, records)
    report = page.report(table, criteria.followed(found.values(), rules), rules, records, absent)
    folder, drawn = store.root / "arena", list(figures.charts(table))
    for chart in drawn:
        for kind in ("png", "pdf", "svg"):
            write_bytes(folder / f"{rules.name}_{chart.name}.{kind}", plots.file(chart.figure, kind))
        write_text(folder / f"{rules.name}_{chart.name}.csv", csv.commented(report.header, chart.numbers))
    write_text(folder / f"{rules.name}.md", RENDERERS["md"](report))
    write_text(folder / f"{rules.name}.csv", csv.commented(report.header, table))
    write_text(folder / f"{rules.name}.html", html.page(report, drawn, records, f"nmfbench arena: {rules.name}"))
    print(RENDERERS["text"](replace(report, blocks=report.blocks[:1])))
    print(f"written to {folder}: {rules.name}.html, .md and .csv, and {len(drawn)} pictures")
