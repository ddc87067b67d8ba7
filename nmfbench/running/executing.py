"""Run one job: load its data, fit, score, and write each record as soon as it exists."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from nmfbench import records
from nmfbench.datasets.base import Dataset
from nmfbench.evaluators import measures
from nmfbench.progress import FitProgress, plural, say
from nmfbench.records import Record
from nmfbench.running import environment, measuring
from nmfbench.running.cards import load
from nmfbench.running.jobs import Job, labelled_samples, seeds_by_data


def run(job: Job, prefix: str = "", at_once: int = 1) -> dict[int, Record | None]:
    """Run the pending seeds of a job and write each record; returns the job's records by seed.

    ``at_once`` jobs share the cores. The record of a failed seed holds the error.
    """
    start = time.monotonic()
    threads = job.settings.threads or max(1, (os.cpu_count() or 1) // at_once)
    made_with = environment.of_run(threads, job.settings.device)
    pending = job.pending()
    with FitProgress(prefix + job.label) as progress:
        for node, seeds in seeds_by_data(job):
            dataset = load(json.dumps(node))
            for outcome in _outcomes(job, dataset, seeds, threads, progress):
                record = _record(job, dataset, outcome, made_with)
                try:
                    if outcome.fitted and job.settings.save_codes:
                        job.store.save_codes(record["config"], outcome.seed, outcome.fitted, outcome.fit)
                    elif outcome.seed == measuring.REFERENCE_SEED and outcome.fitted:
                        job.store.save_bases(record["config"], outcome.seed, outcome.fitted.first_factor)
                    job.store.save(record)  # last: a record means that the whole run is on disk
                except OSError as error:  # e.g. a full disk: only this run counts as failed
                    record = _record(job, dataset, measuring.failed(outcome.seed, error), made_with)
                job.records[outcome.seed] = record
    ended = [record["status"] for record in job.done() if record["seed"] in pending]
    statuses = ", ".join(f"{ended.count(status)} {status}" for status in sorted(set(ended)))
    say(f"{prefix}{job.label}: {plural(len(pending), 'seed')} in {time.monotonic() - start:.1f} s ({statuses})")
    return job.records


def _outcomes(
    job: Job, dataset: Dataset, seeds: list[int], threads: int, progress: FitProgress
) -> Iterator[measuring.Outcome]:
    """Score saved codes where they exist; fit the other seeds."""
    labelled = labelled_samples(dataset, job.config["label_fraction"])
    saved = {}
    if not job.settings.refit:
        loaded = {seed: job.store.load_codes(job.config_of(seed), seed) for seed in seeds}
        saved = {seed: codes for seed, codes in loaded.items() if codes and not codes[0].lacks_bases}
    for seed, (fitted, fit) in saved.items():
        try:
            outcome = measuring.score(fitted, fit, dataset, job.evaluator, seed, labelled)
        except Exception as error:
            outcome = measuring.failed(seed, error)
        yield outcome
    fresh = [seed for seed in seeds if seed not in saved]
    if not fresh:
        return
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
        reference=job.store.load_bases(job.config_of(fresh[0]), measuring.REFERENCE_SEED),
        on_look=progress,
    )


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
            "preprocessing": list(dataset.preprocessing),
        },
        "environment": made_with,
    }
