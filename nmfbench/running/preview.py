"""What a plan would run, how long that would take and how much memory it needs, in words."""

from tabulate import tabulate

from nmfbench.config import build
from nmfbench.progress import in_words, plural
from nmfbench.running import estimates
from nmfbench.running.jobs import Job
from nmfbench.running.launchers.base import Launcher
from nmfbench.running.launching import workers
from nmfbench.running.planning import Plan


def preview(planned: Plan) -> str:
    """The runs of a plan by method and data, its data cards, and the time that it would take."""
    groups: dict[tuple[str, str], list[Job]] = {}
    for job in planned.jobs:
        groups.setdefault((job.config["solver"]["name"], job.config["dataset"]["name"]), []).append(job)
    rows, whole = [], 0.0
    for (solver, dataset), jobs in groups.items():
        todo = [(estimates.of(job), len(job.pending())) for job in jobs if job.pending()]
        seconds, records = sum(e.seconds * n for e, n in todo), max((e.records for e, _ in todo), default=0)
        whole += seconds
        estimated = [
            in_words(seconds),
            f"{max(e.memory for e, _ in todo) / 1024:.1f} GiB",
            plural(records, "record") if records else "sizes alone",
        ]
        done, n = sum(len(job.done()) for job in jobs), sum(n for _, n in todo)
        rows.append([solver, dataset, len(jobs), n, done, *(estimated if todo else ["", "", ""])])
    headings = ["solver", "dataset", "settings", "to run", "done", "time", "memory", "estimated from"]
    lines = [tabulate(rows, headings, disable_numparse=True)] if rows else []
    cards = {card.sha256: card for known in planned.cards.values() for card in known.used()}
    for card in cards.values():
        lines.append(f"data: {card.in_words()}, sha256 {card.sha256[:12]}…")
    pending = [job for job in planned.jobs if job.pending()]
    if pending:
        n, launcher = workers(pending), build(planned.launcher, Launcher, "launcher")
        where = launcher.describe(n, pending[0].settings)
        lines.append(f"{in_words(whole)} of one process; it would run in {where}")
    return "\n".join(lines)
