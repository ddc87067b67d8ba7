"""The command claims: statements that were written before their runs, tested on the arena's tasks."""

import argparse
from dataclasses import replace

from nmfbench import config
from nmfbench.commands import choosing
from nmfbench.commands.arena import FREE, planned, save
from nmfbench.errors import ConfigError, DataMissing
from nmfbench.progress import say
from nmfbench.running import filenames


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this command to the parser."""
    claims = commands.add_parser(
        "claims", help="what the arena's tasks say of claims that were written before the runs"
    )
    claims.add_argument("words", nargs="*", metavar="WORD", help="names of claims (default: all); results_dir=, jobs=")
    claims.add_argument("--lite", action="store_true", help="on the tasks of the lite arena")
    claims.add_argument("--dry-run", action="store_true", help="say what would run, and how long it would take")
    choosing.add_results(claims)
    claims.set_defaults(command=_claims)


def _claims(arguments: argparse.Namespace) -> int:
    """Run what the claims need, and print the verdicts."""
    from nmfbench import app
    from nmfbench.arena import claims, figures, page, protocol, runs, scores
    from nmfbench.reports.renderers import RENDERERS
    from nmfbench.running.composing import opened

    names = [word for word in arguments.words if "=" not in word]
    known = config.options("claims")
    for name in names:
        if name not in known:
            raise ConfigError(f"no claim is called {name}{config.nearest(name, known)}")
    words = [word for word in arguments.words if "=" in word]
    composer, overrides = opened(filenames.literal(choosing.within(words, arguments.results, "arena")))
    for override in overrides:
        if override.key_or_group.partition(".")[0] not in FREE:
            raise ConfigError(f"{override.input_line}: the claims and the arena's protocol set it")
    rules = protocol.read("lite" if arguments.lite else "full")
    asked = [claims.read(name) for name in names or known]
    entering = runs.RunComposer(rules, composer, [word for o in overrides for word in composer.words_of(o)])
    wanted = [runs_of for claim in asked for runs_of in claim.wanted(rules)]
    # Claims on all methods read the scores of their defaults.
    wanted += [
        runs_of
        for task in rules.tasks
        if not task.licensed
        for solver in (entering.solvers if any(not claim.sides() for claim in asked) else ())
        for runs_of in runs.scoring(rules, task, solver, {})
    ]
    plan = planned(entering.request(wanted))
    if arguments.dry_run:
        from nmfbench.running.preview import preview

        print(preview(plan))
        return 0
    if stop := app.complete(plan):
        return app.closing(plan, stop)
    # Tuned rows are the arena's: their runs are in the same results folder.
    records = [record for record in plan.store.load()[0] if record["config"]["evaluator"].get("name") == "arena"]
    tasks = tuple(dict.fromkeys(task for claim in asked for task in claim.tasks(rules)))
    found = scores.cells(records, replace(rules, tasks=tasks))
    verdicts = [claims.verdict(claim, found, rules) for claim in asked]
    report = page.verdicts(verdicts, rules, records, page.absent(plan.left_out, []))
    # Some of the claims, or claims on some of the data, are not the whole.
    is_part = bool(names) or any(isinstance(left.reason, DataMissing) for left in plan.left_out)
    name = f"claims_{rules.name}_part" if is_part else f"claims_{rules.name}"
    save(plan.store.root, name, report, [figures.effects(verdicts)], records)
    print(RENDERERS["text"](report))
    if without := [one.claim.name for one in verdicts if not one.effects]:
        say(
            f"no task has what {', '.join(without)} needs; tuned methods need nmfbench arena in the same results folder"
        )
    print(f"written to {plan.store.root}: {name}.html, .md and .csv, and a picture")
    return 0
