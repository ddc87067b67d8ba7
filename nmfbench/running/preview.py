"""Describe what a plan would run, how long it would take and how much memory it would need."""

from tabulate import tabulate

from nmfbench.config import build
from nmfbench.progress import in_words, plural
from nmfbench.running import estimates
from nmfbench.running.jobs import Job
from nmfbench.running.launchers.base import Launcher
from nmfbench.running.launching import demands, workers
from nmfbench.running.planning import Plan

_HEADINGS = ("solver", "dataset", "settings", "to run", "done", "time", "memory", "estimated from")


def preview(planned: Plan) -> str:
    """A table of the plan's runs by method and data, its data cards, and the total time."""
    groups: dict[tuple[str, str], list[Job]] = {}
    for job in planned.jobs:
        groups.setdefault((job.config["solver"]["name"], job.config["dataset"]["name"]), []).append(job)
    rows, whole, guessed = [], 0.0, False
    for (solver, dataset), jobs in groups.items():
        row = [
            solver,
            dataset,
            len(jobs),
            sum(len(job.pending()) for job in jobs),
            sum(len(job.done()) for job in jobs),
        ]
        todo = [(estimates.of(job), len(job.pending())) for job in jobs if job.pending()]
        if todo:
            seconds, records = sum(e.seconds * n for e, n in todo), max(e.records for e, _ in todo)
            memory = max(e.memory for e, _ in todo) / 1024
            row += [in_words(seconds), f"{memory:.1f} GiB", plural(records, "record") if records else "sizes"]
            whole, guessed = whole + seconds, guessed or not records
        rows.append([*map(str, row), *[""] * (len(_HEADINGS) - len(row))])
    lines = [tabulate(rows, _HEADINGS, disable_numparse=True)]
    if guessed:
        lines.append(
            "without records, the time is that of a plain method; one with several layers may take 20 times as long"
        )
    cards = {card.sha256: card for known in planned.cards.values() for card in known.used()}
    lines += [f"data: {card.in_words()}, sha256 {card.sha256[:12]}…" for card in cards.values()]
    pending = [job for job in planned.jobs if job.pending()]
    if not pending:
        return "\n".join([*lines, "nothing would run"])
    launcher = build(planned.launcher, Launcher, "launcher")
    where = launcher.describe(workers(pending), demands(pending))
    return "\n".join([*lines, f"{in_words(whole)} of one process; it would run in {where}"])
