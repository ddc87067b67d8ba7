"""Run one job: load its data, fit, score, and write each record as soon as it exists."""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import torch

from nmfbench import endings, records
from nmfbench.datasets.base import Dataset
from nmfbench.evaluators import measures
from nmfbench.fitting import Look
from nmfbench.progress import FitProgress, plural, say
from nmfbench.records import Record
from nmfbench.running import environment, measuring
from nmfbench.running.cards import load
from nmfbench.running.jobs import Job, labelled_samples, labels_seen, seeds_by_data


def run(job: Job, prefix: str = "", at_once: int = 1) -> dict[int, Record | None]:
    """Run the pending seeds of a job and write each record; returns the job's records by seed.

    ``at_once`` jobs share the cores. The record of a failed seed holds the error.
    """
    start = time.monotonic()
    threads = job.settings.threads or max(1, (os.cpu_count() or 1) // at_once)
    torch.set_float32_matmul_precision("highest")  # no TF32, whatever this process was told
    made_with = environment.of_run(threads, job.settings.device)
    pending = job.pending()
    with FitProgress(prefix + job.label) as progress:
        for node, seeds in seeds_by_data(job):
            dataset = load(json.dumps(node))
            ended: dict[int, measuring.Outcome] = {}
            try:
                for outcome in _outcomes(job, dataset, seeds, threads, progress, ended):
                    endings.check()
                    job.records[outcome.seed] = _keep(job, dataset, outcome, made_with)
                    ended.pop(outcome.seed, None)
            except KeyboardInterrupt:
                _keep_unscored(job, ended)
                raise
    found = [record["status"] for record in job.done() if record["seed"] in pending]
    statuses = ", ".join(f"{found.count(status)} {status}" for status in sorted(set(found)))
    say(f"{prefix}{job.label}: {plural(len(pending), 'seed')} in {time.monotonic() - start:.1f} s ({statuses})")
    return job.records


def _outcomes(
    job: Job,
    dataset: Dataset,
    seeds: list[int],
    threads: int,
    progress: FitProgress,
    ended: dict[int, measuring.Outcome],
) -> Iterator[measuring.Outcome]:
    """Score saved codes where they exist; fit the other seeds. Restarts that end are put into ``ended``, unscored."""

    def on_look(look: Look) -> None:
        endings.check()
        progress(look)

    return measuring.run(
        job.solver,
        dataset,
        job.evaluator,
        seeds=seeds,
        stopping=job.stopping,
        dtype=job.settings.dtype,
        device=job.settings.device,
        threads=threads,
        labelled=labelled_samples(dataset, job.config["label_fraction"]),
        reference=job.store.load_bases(job.config_of(seeds[0]), measuring.REFERENCE_SEED),
        unscored=_saved(job, seeds),
        of=len(job.records),
        on_look=on_look,
        on_end=lambda outcome: ended.update({outcome.seed: outcome}),
    )


def _saved(job: Job, seeds: list[int]) -> dict[int, measuring.Outcome]:
    """The seeds whose codes were saved by an earlier call, or kept by an interrupt. With ``refit`` there are none."""
    saved: dict[int, measuring.Outcome] = {}
    # A refit does not take what its own interrupted call has fitted either: nothing tells it from an older fit.
    for seed in [] if job.settings.refit else seeds:
        config = job.config_of(seed)
        codes = job.store.load_codes(config, seed) or job.store.load_codes(config, seed, unscored=True)
        if codes and not codes[0].lacks_bases:
            saved[seed] = measuring.Outcome(seed, codes[1], fitted=codes[0])
    return saved


def _keep(job: Job, dataset: Dataset, outcome: measuring.Outcome, made_with: dict[str, Any]) -> Record:
    """Write the record, and before it what others need of the run; returns the record."""
    record, seed = _record(job, dataset, outcome, made_with), outcome.seed
    config = record["config"]
    try:
        if outcome.fitted and job.settings.save_codes:
            job.store.save_codes(config, seed, outcome.fitted, outcome.fit)
        elif outcome.fitted and seed == measuring.REFERENCE_SEED:
            job.store.save_bases(config, seed, outcome.fitted.first_factor)
        job.store.save(record)  # last: a record means that the whole run is on disk
        if outcome.fitted:
            job.store.unscored_path(config, seed).unlink(missing_ok=True)
    except OSError as error:  # e.g. a full disk: only this run counts as failed
        return _record(job, dataset, measuring.failed(seed, error), made_with)
    return record


def _keep_unscored(job: Job, ended: dict[int, measuring.Outcome]) -> None:
    """Keep the codes of the restarts that an interrupt found ended and without a record; the next call scores them."""
    if job.settings.refit:
        return
    for seed, outcome in ended.items():
        config = job.config_of(seed)
        if outcome.fitted and not job.store.finished(config, seed):
            with contextlib.suppress(OSError):  # e.g. a full disk: the next call fits it again
                job.store.save_codes(config, seed, outcome.fitted, outcome.fit, unscored=True)


def _record(job: Job, dataset: Dataset, outcome: measuring.Outcome, made_with: dict[str, Any]) -> Record:
    fit = {key: value for key, value in outcome.fit.items() if key != "metrics"}
    metrics = outcome.fit["metrics"] + outcome.metrics
    measured = {row["metric"] for row in metrics}
    own = {metric.name: metric for metric in job.evaluator.metrics}
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
