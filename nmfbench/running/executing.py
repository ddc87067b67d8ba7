"""Run one task: load its data, fit, score, and write each record as soon as it exists."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from nmfbench import endings, records
from nmfbench.datasets.base import Dataset
from nmfbench.evaluators import measures
from nmfbench.fitting import Look
from nmfbench.records import Record
from nmfbench.running import claims, environment, measuring
from nmfbench.running.cards import load
from nmfbench.running.jobs import Job, labelled_samples, labels_seen, observed_entries, seeds_by_data
from nmfbench.running.measuring import REFERENCE_SEED, Outcome


@dataclass(frozen=True)
class Task:
    """Seeds of a job that one process runs one after the other.

    Parameters
    ----------
    job: the job.
    seeds: those of its seeds that are to run.
    deaths: how many processes have died while they ran it.
    last: whether to wait for runs that another process makes, and to score without the reference where there is none.
    """

    job: Job
    seeds: tuple[int, ...]
    deaths: int = 0
    last: bool = False


def run(task: Task, on_look: Callable[[Look], None] | None = None) -> dict[int, Record]:
    """Run the seeds of a task and write their records; returns the records, that of a failed seed with its error.

    A seed that another process is running is left out. So is a seed whose reference, seed 0, another process still
    fits: its codes are kept, and the `last` task scores them.
    """
    job, settings, done = task.job, task.job.settings, dict[int, Record]()
    torch.set_float32_matmul_precision("highest")  # no TF32, whatever this process was told
    pin(settings.threads)
    made_with = environment.of_run(settings.threads, settings.device)
    ended: dict[int, Outcome] = {}

    def make(dataset: Dataset, block: list[int], wanted: list[int]) -> None:
        seen = labelled_samples(dataset, job.config["label_fraction"])
        with _claimed(task, wanted, done) as seeds:
            for outcome in _outcomes(task, dataset, block, seeds, seen, on_look, ended) if seeds else ():
                endings.check()
                seed, reference = outcome.seed, _reference(job, outcome.seed)
                if reference is None and _awaits(task, outcome, done):
                    _keep_unscored(job, {seed: outcome})
                else:
                    scored = measuring.score(outcome, dataset, job.evaluator, seen, reference)
                    done[seed] = _keep(job, dataset, scored, made_with)
                ended.pop(seed, None)

    try:
        for node, all_seeds in seeds_by_data(job, list(job.records)):
            if not {*all_seeds} & {*task.seeds}:
                continue
            dataset = load(json.dumps(node))
            blocks = measuring.blocks(job.solver, all_seeds, dataset.X.size, settings.dtype, settings.device)
            for block in blocks:
                make(dataset, block, [seed for seed in block if seed in task.seeds])
            for block in blocks:  # what waited for the reference, if it is there now
                left = [seed for seed in block if seed in task.seeds and seed not in done]
                make(dataset, block, [seed for seed in left if _reference(job, seed) is not None])
    except KeyboardInterrupt:
        _keep_unscored(job, ended)
        raise
    return done


def fail(task: Task, error: Exception) -> dict[int, Record]:
    """Write a failed record for each seed of the task that has no record yet. Returns all records of the task."""
    job = task.job
    done = {} if job.settings.refit else {seed: record for seed in task.seeds if (record := job.recorded(seed))}
    made_with = environment.of_run(job.settings.threads, job.settings.device)
    for node, seeds in seeds_by_data(job, [seed for seed in task.seeds if seed not in done]):
        dataset = load(json.dumps(node))
        done |= {seed: _keep(job, dataset, measuring.failed(seed, error), made_with) for seed in seeds}
    return done


_pinned: int | None = None


def pin(threads: int) -> None:
    """Give torch, numpy and scipy this many threads in this process, and libraries that it loads later too."""
    global _pinned
    torch.set_num_threads(threads)
    if _pinned != threads:  # looking for the libraries takes milliseconds
        threadpool_limits(threads)
        # scikit-learn and scipy's BLAS are imported when they are needed, and then read these.
        os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
        _pinned = threads


@contextlib.contextmanager
def _claimed(task: Task, seeds: list[int], done: dict[int, Record]) -> Iterator[list[int]]:
    """Claim the seeds. Yields those that this process must run; ``done`` gets the records that others have made."""
    job = task.job
    if job.settings.refit or not seeds:
        yield seeds
        return
    paths = {job.store.path(job.config_of(seed), seed): seed for seed in seeds}
    with claims.claimed(list(paths), task.last) as mine:
        done |= {seed: record for path in mine if (record := job.recorded(seed := paths[path]))}
        yield [paths[path] for path in mine if paths[path] not in done]


def _outcomes(
    task: Task,
    dataset: Dataset,
    block: list[int],
    wanted: list[int],
    labelled: np.ndarray | None,
    on_look: Callable[[Look], None] | None,
    ended: dict[int, Outcome],
) -> Iterator[Outcome]:
    """Take saved codes where they exist; fit the block for the others. Restarts that end are put into ``ended``."""
    job = task.job

    def look(look: Look) -> None:
        endings.check()
        if on_look:
            on_look(look)

    def end(outcome: Outcome) -> None:
        if outcome.seed in wanted:
            ended[outcome.seed] = outcome

    saved = _saved(job, wanted)
    if saved.keys() != {*wanted}:
        outcomes = measuring.fitted(
            job.solver,
            dataset,
            seeds=block,
            stopping=job.stopping,
            dtype=job.settings.dtype,
            device=job.settings.device,
            labelled=labelled,
            observed=observed_entries(dataset, job.evaluator, block[0]),
            on_look=look,
            on_end=end,
        )
        yield from (outcome for outcome in outcomes if outcome.seed in wanted and outcome.seed not in saved)
    yield from saved.values()


def _saved(job: Job, seeds: list[int]) -> dict[int, Outcome]:
    """The seeds whose codes were saved by an earlier call, or kept by an interrupt. With ``refit`` there are none."""
    saved: dict[int, Outcome] = {}
    # A refit does not take what its own interrupted call has fitted either: nothing tells it from an older fit.
    for seed in [] if job.settings.refit else seeds:
        config = job.config_of(seed)
        codes = job.store.load_codes(config, seed) or job.store.load_codes(config, seed, unscored=True)
        if codes and not codes[0].lacks_bases:
            saved[seed] = Outcome(seed, codes[1], fitted=codes[0])
    return saved


def _reference(job: Job, seed: int) -> np.ndarray | None:
    """The bases of seed 0, to compare with those of this seed; None if there are none yet."""
    return None if seed == REFERENCE_SEED else job.store.load_bases(job.config_of(seed), REFERENCE_SEED)


def _awaits(task: Task, outcome: Outcome, done: dict[int, Record]) -> bool:
    """Whether another process will leave the reference of this outcome, which has bases to compare with it."""
    job, seed = task.job, outcome.seed
    has_one = REFERENCE_SEED in job.records and job.config_of(seed) == job.config_of(REFERENCE_SEED)
    comparable = outcome.fitted is not None and outcome.fitted.first_factor is not None
    return has_one and comparable and not (task.last or seed == REFERENCE_SEED or REFERENCE_SEED in done)


def _keep(job: Job, dataset: Dataset, outcome: Outcome, made_with: dict[str, Any]) -> Record:
    """Write the record, and before it what others need of the run; returns the record."""
    record, seed = _record(job, dataset, outcome, made_with), outcome.seed
    config = record["config"]
    try:
        if outcome.fitted and job.settings.save_codes:
            job.store.save_codes(config, seed, outcome.fitted, outcome.fit)
        elif outcome.fitted and seed == REFERENCE_SEED:
            job.store.save_bases(config, seed, outcome.fitted.first_factor)
        job.store.save(record)  # last: a record means that the whole run is on disk
        if outcome.fitted:
            job.store.unscored_path(config, seed).unlink(missing_ok=True)
    except OSError as error:  # e.g. a full disk: only this run counts as failed
        return _record(job, dataset, measuring.failed(seed, error), made_with)
    return record


def _keep_unscored(job: Job, ended: dict[int, Outcome]) -> None:
    """Keep the codes of the restarts that an interrupt found ended and without a record; the next call scores them."""
    if job.settings.refit:
        return
    for seed, outcome in ended.items():
        config = job.config_of(seed)
        if outcome.fitted and not job.store.finished(config, seed):
            with contextlib.suppress(OSError):  # e.g. a full disk: the next call fits it again
                job.store.save_codes(config, seed, outcome.fitted, outcome.fit, unscored=True)


def _record(job: Job, dataset: Dataset, outcome: Outcome, made_with: dict[str, Any]) -> Record:
    fit = {key: value for key, value in outcome.fit.items() if key != "metrics"}
    metrics = outcome.fit["metrics"] + outcome.metrics
    measured = {row["metric"] for row in metrics}
    own = {metric.name: metric for metric in (*job.evaluator.metrics, measures.CLEAN)}
    always = measures.declared(outcome.fitted.factors if outcome.fitted else ())
    declared = [*own.values(), *(replace(metric, shown=False) for metric in always if metric.name not in own)]
    return {
        "schema": records.SCHEMA,
        "config": job.config_of(outcome.seed),
        "dataset": dataset.name,
        "block": "",
        "solver": job.config["solver"]["name"],
        "variant": job.variant,
        "setting": job.setting,
        "rank": job.config["solver"].get("rank"),
        "footnote": job.footnote,
        "seed": outcome.seed,
        **fit,
        "metrics": metrics,
        "declared": [metric.as_dict() for metric in declared if metric.name in measured],
        "exhibits": [asdict(exhibit) for exhibit in outcome.exhibits],
        "data": {
            "features": dataset.X.shape[0],
            "samples": dataset.n_samples,
            "classes": dataset.n_classes,
            "labels_seen": labels_seen(dataset, job.config["label_fraction"]),
            "preprocessing": list(dataset.preprocessing),
            "error_of_mean": dataset.error_of_mean,
        },
        "environment": made_with,
    }
