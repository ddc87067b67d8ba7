"""`nmfbench run`, `table NAME` and `plot NAME`: jobs → runs → records → table or figure."""

import multiprocessing
import os
import shlex
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from nmfbench.datasets.base import Dataset
from nmfbench.errors import DataError, DataMissing, NotApplicable
from nmfbench.evaluators import Evaluator, Exhibit, Fitted
from nmfbench.progress import FitProgress, say
from nmfbench.records import SCHEMA, Record, write_bytes, write_text
from nmfbench.records import environment as environment_of
from nmfbench.reports import tables
from nmfbench.reports.experiments import split
from nmfbench.running import measuring
from nmfbench.running.composing import Composed, by_experiment, compose
from nmfbench.running.jobs import Job, LeftOut, labelled_samples, load, plan

INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """`nmfbench run`. Returns the exit code; raises ConfigError or DataError for what is refused as a whole.

    Several experiments (``experiment=a,b``) are planned before the first runs; their tables come one after the other.
    """
    planned = []
    for one in by_experiment(arguments):
        composed = compose(one)
        if not composed:  # --help, --cfg and their like were answered by Hydra
            return 0
        planned.append((*plan(composed), composed[0]))
    code = 0
    for jobs, skipped, asked in planned:
        code = max(code, execute(jobs, skipped, asked))
        if code == INTERRUPTED:
            break
    return code


def rebuild(experiment: str, overrides: Sequence[str]) -> int:
    """`nmfbench table NAME`: the table of an experiment from the records that are there; what is missing is named.

    It is written only if nothing is missing, lest a part take the place of a whole one.
    """
    composed = compose([f"experiment={experiment}", *overrides])
    jobs, skipped = plan(composed)
    if any(job.there() for job in jobs):
        show(jobs, skipped, composed[0], write=not any(job.pending() for job in jobs))
    return _closing(jobs, skipped, interrupted=False)


def plot(name: str, overrides: Sequence[str]) -> int:
    """`nmfbench plot NAME`: a figure of a paper from the runs that are there; what is missing is named.

    Raises DataMissing or DataError where the data of a run is not there.
    """
    from nmfbench.reports import figures, plots

    figure = figures.FIGURES[name]
    shown, missing = [], []
    for arguments in figure.runs:
        jobs, skipped = plan(compose([*shlex.split(arguments), *overrides]))
        for left in skipped:
            raise left.reason
        found, absent = _with_codes(list(filter(figure.shows, jobs)), figure.codes)
        shown += [figures.Run(*run) for run in found]
        missing += [f"{name} is missing {line}" for line in absent]
        missing += [f"make them with: nmfbench run {' '.join([arguments, *overrides])}"] if absent else []
    for line in missing:
        say(line)
    if missing:
        return 1
    drawn, root = figure.draw(shown), jobs[0].store.root
    for kind in ("png", "pdf"):
        write_bytes(root / "figures" / f"{name}.{kind}", plots.file(drawn, kind))
    print(f"written to {root / 'figures' / name}.png and .pdf")
    return 0


def _with_codes(jobs: list[Job], needed: bool) -> tuple[list[tuple[Job, Record, Fitted]], list[str]]:
    """The finished runs of these jobs with their codes, which are empty if not ``needed``; and what is not there."""
    found, absent = [], []
    for job in jobs:
        for seed, record in job.records.items():
            saved = job.store.load_codes(job.config_of(seed), seed) if needed else (Fitted([]), {})
            if record and saved:
                found.append((job, record, saved[0]))
            elif record:  # which a run would not make again
                absent.append(
                    f"the codes of {job.label}, seed {seed}: delete {job.store.path(job.config_of(seed), seed)}"
                )
            else:
                absent.append(f"{job.label}, seed {seed}")
    return found, absent


def execute(jobs: list[Job], skipped: list[LeftOut], asked: Composed) -> int:
    """Run what is not there yet, print and write the table of everything that was asked for; the exit code.

    ``asked`` is the first of the configurations: its experiment says what stands under the table.
    """
    for job in jobs:
        job.look_again()
    todo = [job for job in jobs if job.pending()]
    n_runs, n_there = sum(len(job.pending()) for job in todo), sum(len(job.there()) for job in jobs)
    if not todo:
        say(f"nothing to run: all {n_there} runs are in {jobs[0].store.runs}" if jobs else "nothing to run")
    elif n_there:
        say(f"{n_there} runs are there already, {n_runs} to go")
    interrupted = False
    try:
        # By all jobs, not by those to go: a run that is taken up again has the threads it would have had.
        _run_all(todo, at_once=min([len(jobs), *(job.settings.jobs for job in jobs)]))
    except KeyboardInterrupt:
        interrupted = True
    if any(job.there() for job in jobs):
        show(jobs, skipped, asked)
    return _closing(jobs, skipped, interrupted)


def show(jobs: list[Job], skipped: list[LeftOut], asked: Composed, write: bool = True) -> None:
    """Print the table of all records that these jobs have, and write it."""
    records = [record | {"setting": job.setting} for job in jobs for record in job.there()]
    unfit = [(left.dataset, left.solver) for left in skipped if isinstance(left.reason, NotApplicable)]
    table = asked.table
    metric = table.metric or jobs[0].evaluator.metrics[0].name
    others = dict.fromkeys(m.name for job in jobs for m in job.evaluator.metrics if m.shown and m.name != metric)
    said: dict[str, Any] = {"metric": metric, "also": list(others)}
    if asked.experiment:
        if table.relative:
            records = table.relative.added(records)
        tested = records = split(records, table.split)
        if table.tuning:
            tested, best = table.tuning.blocks(records)
            records = [*tested, *best]
            metric = table.tuning.metric
            said |= {"metric": metric, "by_class_count": True}
        said |= {
            "notes": table.notes,
            "absent": {left.dataset: left.reason.anywhere for left in skipped if isinstance(left.reason, DataMissing)},
            "compared": tables.compare(tested, metric),
            "verdicts": tables.order(tested, **vars(table.order), metric=metric) if table.order else {},
        }
    frame = tables.frame(records, unfit, by_name=asked.experiment is None)
    said["exhibits"] = _exhibits(jobs)
    print(tables.text(frame, records, **said))
    if not write:
        return
    path = jobs[0].store.root / "tables" / (asked.experiment or _slug(jobs))
    write_text(path.with_name(f"{path.name}.csv"), tables.csv_file(frame, records, table.notes))
    write_text(path.with_name(f"{path.name}.md"), tables.markdown(frame, records, **said))
    write_text(path.with_name(f"{path.name}.tex"), tables.latex(frame, records, **said))
    print(f"\nwritten to {path}.csv, .md and .tex")


def _exhibits(jobs: list[Job]) -> dict[str, list[Exhibit]]:
    """What the evaluators show of the restart with the least objective of each job, by dataset."""
    found: dict[str, list[Exhibit]] = {}
    for job in jobs:
        if type(job.evaluator).exhibits is Evaluator.exhibits:
            continue
        with_objective = [record for record in job.there() if record.get("objective") is not None]
        best = min(with_objective, key=lambda record: record["objective"], default=None)
        if best and (saved := job.store.load_codes(best["config"], best["seed"])):
            dataset = load(job.loader_of(best["seed"]))
            for exhibit in job.evaluator.exhibits(saved[0], dataset):
                title = f"{job.config['solver']['name']} (seed {best['seed']}): {exhibit.title}"
                found.setdefault(dataset.name, []).append(exhibit._replace(title=title))
    return found


def _run_all(jobs: list[Job], at_once: int) -> None:
    """One after the other, or some at once."""
    if at_once <= 1:
        for i, job in enumerate(jobs, start=1):
            _run(job, f"[{i}/{len(jobs)}] " if len(jobs) > 1 else "")
        return
    # Spawned, not forked: threads of torch and a fork do not mix.
    with ProcessPoolExecutor(at_once, multiprocessing.get_context("spawn"), _ignore_interrupts) as workers:
        running = {
            workers.submit(_run, job, f"[{i}/{len(jobs)}] ", at_once): job for i, job in enumerate(jobs, start=1)
        }
        try:
            for done in as_completed(running):
                running[done].records |= done.result()
        except BrokenProcessPool:
            say(
                "a worker was killed, out of memory perhaps; the same command goes on from here (jobs=1: one at a time)"
            )
        except BaseException:
            for worker in multiprocessing.active_children():
                worker.kill()
            workers.shutdown(cancel_futures=True)
            raise
        finally:
            for job in jobs:  # what a worker saved before its end
                job.records = {s: r or job.store.finished(job.config_of(s), s) for s, r in job.records.items()}


def _ignore_interrupts() -> None:
    """Ctrl-C reaches every process of a terminal; the one that started the others ends them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _closing(jobs: list[Job], skipped: list[LeftOut], interrupted: bool) -> int:
    """Say what did not come out, and return the exit code."""
    for reason, names in _by_reason(skipped).items():
        say(f"left out: {', '.join(names)}: {reason}")
    failed = [(job.label, record) for job in jobs for record in job.there() if record["status"] == "failed"]
    for label, record in failed:
        say(f"failed: {label}, seed {record['seed']}: {record['error']}")
    if failed:
        say("`nmfbench status --errors` shows the tracebacks; the next call runs the failed ones again")
    missing = [job for job in jobs if job.pending()]
    if interrupted:
        say(f"interrupted: {sum(len(job.pending()) for job in jobs)} runs to go; the same command goes on from here")
        return INTERRUPTED
    for job in missing:
        say(f"missing: {job.label}, seeds {', '.join(map(str, job.pending()))}")
    if failed or missing:
        return 1
    corrupt = any(isinstance(left.reason, DataError) and not isinstance(left.reason, DataMissing) for left in skipped)
    return 3 if corrupt or (skipped and not jobs) else 0


def _by_reason(skipped: list[LeftOut]) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for left in skipped:
        reasons.setdefault(str(left.reason), []).append(f"{left.solver} on {left.dataset}")
    return {reason: list(dict.fromkeys(names)) for reason, names in reasons.items()}


def _run(job: Job, prefix: str, at_once: int = 1) -> dict[int, Record | None]:
    """Run the pending seeds of a job and keep each record as soon as it is there; returns the job's records."""
    start = time.monotonic()
    threads = job.settings.threads or max(1, (os.cpu_count() or 1) // at_once)
    environment = environment_of(threads, job.settings.device)
    pending = job.pending()
    by_data: dict[str, list[int]] = {}
    for seed in pending:
        by_data.setdefault(job.loader_of(seed), []).append(seed)
    with FitProgress(prefix + job.label) as progress:
        for node, seeds in by_data.items():
            dataset = load(node)
            for outcome in _outcomes(job, dataset, seeds, threads, progress):
                record = _record(job, dataset, outcome, environment)
                try:
                    if job.settings.save_codes and outcome.fitted:
                        job.store.save_codes(record["config"], outcome.seed, outcome.fitted, outcome.fit)
                    job.store.save(record)  # last: a record says that all of it is there
                except OSError as error:  # a full disk, say: this run counts as failed, earlier records are whole
                    record = _record(job, dataset, measuring.failed(outcome.seed, error), environment)
                job.records[outcome.seed] = record
    ended = [record["status"] for record in job.there() if record["seed"] in pending]
    statuses = ", ".join(f"{ended.count(status)} {status}" for status in sorted(set(ended)))
    say(f"{prefix}{job.label}: {len(pending)} seeds in {time.monotonic() - start:.1f} s ({statuses})")
    return job.records


def _outcomes(
    job: Job, dataset: Dataset, seeds: list[int], threads: int, progress: FitProgress
) -> Iterator[measuring.Outcome]:
    """From saved codes where an earlier fit left them, from a fit elsewhere."""
    labelled = labelled_samples(dataset, job.config["label_fraction"])
    saved = {seed: found for seed in seeds if (found := job.store.load_codes(job.config_of(seed), seed))}
    for seed, (fitted, fit) in saved.items():
        try:
            outcome = measuring.score(fitted, fit, dataset, job.evaluator, seed, labelled)
        except Exception as error:
            outcome = measuring.failed(seed, error)
        yield outcome
    fresh = [seed for seed in seeds if seed not in saved]
    yield from measuring.run(
        job.solver,
        dataset,
        job.evaluator,
        seeds=fresh,
        stopping=job.stopping,
        dtype=job.settings.dtype,
        device=job.settings.device,
        threads=threads,
        labelled=labelled,
        on_look=progress,
    )


def _record(job: Job, dataset: Dataset, outcome: measuring.Outcome, environment: dict[str, Any]) -> Record:
    fit = {key: value for key, value in outcome.fit.items() if key != "metrics"}
    return {
        "schema": SCHEMA,
        "config": job.config_of(outcome.seed),
        "dataset": dataset.name,
        "solver": job.config["solver"]["name"],
        "variant": job.variant,
        "rank": job.config["solver"].get("rank"),
        "footnote": job.footnote,
        "seed": outcome.seed,
        **fit,
        "metrics": outcome.fit["metrics"] + outcome.metrics,
        "data": {
            "features": dataset.X.shape[0],
            "samples": dataset.n_samples,
            "classes": dataset.n_classes,
            "preprocessing": list(dataset.preprocessing),
        },
        "environment": environment,
    }


def _slug(jobs: list[Job]) -> str:
    """A file name for the table of these jobs: datasets, then solvers."""
    names = [list(dict.fromkeys(job.config[group]["name"] for job in jobs)) for group in ("dataset", "solver")]
    return "-".join(
        "+".join(some) if len(some) <= 4 else f"{len(some)}_{group}"
        for some, group in zip(names, ("datasets", "solvers"), strict=True)
    )
