"""The finished runs of command lines, with their codes, from which figures are drawn."""

import json
import shlex
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from nmfbench.evaluators.base import Fitted
from nmfbench.records import Store
from nmfbench.reports.figures import Run
from nmfbench.running.cards import load
from nmfbench.running.composing import requests
from nmfbench.running.jobs import Job
from nmfbench.running.planning import plan


def finished(
    lines: Sequence[str], words: Sequence[str], shows: Callable[[dict[str, Any]], bool], codes: bool
) -> tuple[list[Run], list[str], Store]:
    """The finished runs of these command lines, the missing ones in words, and the store.

    ``words`` are added to every line. ``shows`` chooses runs by their config. Without ``codes``, runs have no codes.
    Raises DataMissing or DataError where the data of a run is needed and not here.
    """
    runs: list[Run] = []
    missing: list[str] = []
    store = None
    for line in lines:
        for request in requests([*shlex.split(line), *words]):
            planned = plan(request, will_run=False)
            planned.save_cards()
            for left in planned.left_out:
                raise left.reason
            store = planned.store
            missing += [f"{label}, all seeds" for label in planned.unknown]
            for job in planned.jobs:
                if shows(job.config):
                    _add(job, codes, runs, missing)
    assert store is not None
    return runs, missing, store


def _add(job: Job, codes: bool, runs: list[Run], missing: list[str]) -> None:
    for seed, record in job.records.items():
        saved = job.store.load_codes(job.config_of(seed), seed) if codes else (Fitted([]), {})
        if record and saved:
            runs.append(Run(record, saved[0], partial(load, json.dumps(job.loader_for(seed)))))
        elif record:
            missing.append(f"the codes of {job.label}, seed {seed}: refit=true save_codes=true makes them")
        else:
            missing.append(f"{job.label}, seed {seed}")
