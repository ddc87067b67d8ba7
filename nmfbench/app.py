"""The commands that make tables and figures: run, table, plot. Here tables are printed and written."""

import dataclasses
import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmfbench import config, endings
from nmfbench.commands import choosing
from nmfbench.errors import DataError, DataMissing, NotApplicable
from nmfbench.progress import plural, say
from nmfbench.records import Record, write_text
from nmfbench.running import filenames

if TYPE_CHECKING:  # torch and pandas take seconds, and most commands need neither
    from nmfbench.reports.report import Report
    from nmfbench.running.jobs import Job
    from nmfbench.running.planning import Plan


def run(arguments: Sequence[str], dry: bool = False) -> int:
    """`nmfbench run`. Returns the exit code; raises ConfigError or DataError for what is refused as a whole.

    Several experiments (``experiment=a,b``) are planned before the first runs; their tables come one after the other.
    With ``dry``, print what would run and return without running it.
    """
    from nmfbench.running.composing import requests

    asked = requests(filenames.literal(arguments))
    from nmfbench.running.planning import plan  # torch takes a second, and a misspelt name is answered without it

    plans = [plan(request) for request in asked]
    for planned in plans:
        planned.save_cards()
        for line in planned.readings:
            say(line)
    if dry:
        from nmfbench.running.preview import preview

        for planned in plans:
            print(preview(planned))
            for line in planned.reasons():
                say(line)
        return 0
    code = 0
    for planned in plans:
        code = max(code, _execute(planned))
        if code > 128:  # a signal
            break
    return code


def table(words: Sequence[str], results: Path, style: str | None, metric: str | None, sort: str | None) -> int:
    """`nmfbench table`: all records that the words choose, or the experiment that the first word names.

    An experiment's table is written only if it is whole; what is missing is named.
    """
    from nmfbench.reports import report

    if words and "=" not in words[0]:
        planned = choosing.planned(words, results)
        if planned.records():
            built = report_of(planned, metric, sort)
            print(_rendered(built, style))
            if not (style or metric or sort is not None):
                _write(planned, built)
        return closing(planned)
    records, _ = choosing.selected(words, results, whole=False)
    print(_rendered(report.build(records, metric=metric, sort=sort), style))
    return 0


def _execute(planned: "Plan") -> int:
    """Run what is missing; print and write the table of all requested runs. Returns the exit code."""
    stop = complete(planned)
    if any(job.done() for job in planned.jobs):
        built = report_of(planned, None, None)
        print(_rendered(built, None))
        if not stop:
            _write(planned, built)
    return closing(planned, stop)


def complete(planned: "Plan") -> KeyboardInterrupt | None:
    """Run what is missing; returns the interrupt that ended it early, if one did."""
    jobs = planned.jobs
    for job in jobs:
        job.find_records()
    todo = [job for job in jobs if job.pending()]
    n_runs, n_done = sum(len(job.pending()) for job in todo), len(planned.records())
    if not todo:
        say(f"nothing to run; already done: {n_done}, in {planned.store.runs}" if jobs else "nothing to run")
    elif n_done:
        say(f"already done: {n_done}, to run: {n_runs}")
    stop = None
    try:
        for job, records in _launched(todo, planned.launcher):
            job.records |= records
    except KeyboardInterrupt as error:
        stop = error
    for job in todo:  # a worker that was killed may have saved some
        job.find_records()
    return stop


def _launched(jobs: "list[Job]", launcher: dict[str, Any]) -> "Iterator[tuple[Job, dict[int, Record]]]":
    if not jobs:  # scikit-learn takes a second, and is needed only to run
        return iter(())
    from nmfbench.running.launchers.base import Launcher
    from nmfbench.running.launching import launch

    return launch(jobs, config.build(launcher, Launcher, "launcher"))


def report_of(planned: "Plan", metric: str | None, sort: str | None) -> "Report":
    from nmfbench.reports import report

    request = planned.request
    refused = [(left.dataset, left.solver) for left in planned.left_out if isinstance(left.reason, NotApplicable)]
    absent = {left.dataset: left.reason.anywhere for left in planned.left_out if isinstance(left.reason, DataMissing)}
    if not request.experiment:
        return report.build(planned.records(), metric=metric, sort=sort, refused=refused)
    return report.build(planned.records(), request.table, metric=metric, sort=sort, refused=refused, absent=absent)


def _rendered(built: "Report", style: str | None) -> str:
    from nmfbench.reports.renderers import RENDERERS

    return RENDERERS[style or "text"](dataclasses.replace(built, header=[])).rstrip("\n")


def _write(planned: "Plan", built: "Report") -> None:
    """Write the table, if it is what its name says; see `_name`."""
    from nmfbench.reports.renderers import FILES, RENDERERS

    if any(job.pending() for job in planned.jobs) or planned.unknown:
        return
    path = planned.store.tables / table_name(planned)
    for style, suffix in FILES.items():
        write_text(path.with_name(f"{path.name}.{suffix}"), RENDERERS[style](built))
    suffixes = [f".{suffix}" for suffix in FILES.values()]
    print(f"\nwritten to {path}{', '.join(suffixes[:-1])} and {suffixes[-1]}")


def table_name(planned: "Plan") -> str:
    """The file name of a table. An experiment's whole table has the experiment's name, any other says what it is.

    Its words are sorted, so that the same sweep in another order has the same name, and no other sweep has it.
    """
    request = planned.request
    words = sorted(request.changes)
    if request.experiment:
        words = [request.experiment, *words]
    else:
        for group in ("solver", "dataset"):
            names = list(dict.fromkeys(job.config[group]["name"] for job in planned.jobs))
            if len(names) <= 4:  # more of them are named by the words that chose them
                words = ["+".join(names), *(word for word in words if word.partition("=")[0] != group)]
    if not planned.is_whole:
        words.append("partial")
    whole = "-".join(words)
    name = re.sub(r"[^\w.=+,-]+", "_", whole).strip("_")
    if name == whole and len(name.encode()) <= 100:  # file systems allow 255 bytes
        return name
    # What was changed or cut might be another sweep's name as well.
    digest = hashlib.sha256(whole.encode(errors="surrogateescape")).hexdigest()
    return f"{name.encode()[:90].decode(errors='ignore')}-{digest[:8]}"


def closing(planned: "Plan", stop: KeyboardInterrupt | None = None) -> int:
    """Report what did not finish; returns the exit code."""
    jobs = planned.jobs
    for line in planned.reasons():
        say(line)
    failed = [(job.label, record) for job in jobs for record in job.done() if record["status"] == "failed"]
    for label, record in failed:
        say(f"failed: {label}, seed {record['seed']}: {record['error']}")
    if failed:
        say("`nmfbench status --errors` shows the tracebacks; the next call runs the failed ones again")
    if stop:
        n_runs = sum(len(job.pending()) for job in jobs)
        say(f"interrupted: {plural(n_runs, 'run')} to go; the same command goes on from here")
        return endings.exit_code(stop)
    missing = [job for job in jobs if job.pending()]
    for job in missing:
        seeds = job.pending()
        say(f"missing: {job.label}, seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}")
    for label in planned.unknown:
        say(f"missing: {label}, all seeds")
    if failed or missing or planned.unknown:
        return 1
    corrupt = any(
        isinstance(left.reason, DataError) and not isinstance(left.reason, DataMissing) for left in planned.left_out
    )
    return 3 if corrupt or (planned.left_out and not jobs) else 0
