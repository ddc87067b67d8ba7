"""Divide the pending seeds of jobs into tasks, submit them to a launcher, and handle their results and failures."""

import math
import os
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from nmfbench.progress import Overall, say
from nmfbench.records import Record
from nmfbench.running import environment, estimates, executing
from nmfbench.running.executing import Task
from nmfbench.running.jobs import Job
from nmfbench.running.launchers.base import Died, Engine, Gone, Launcher
from nmfbench.running.measuring import REFERENCE_SEED
from nmfbench.running.settings import Settings

DEATHS = 3
"""Number of processes that the same seeds may kill before they count as failed."""
PARTS = 2
"""Smallest number of tasks for each worker, if there are enough seeds."""
ALONE = 5.0
"""Sweeps of up to this many seconds run in one process, because starting others takes about three seconds."""


def launch(jobs: Sequence[Job], launcher: Launcher) -> Iterator[tuple[Job, dict[int, Record]]]:
    """Run the pending seeds of these jobs; yields a job and new records of it, as its tasks end.

    Every record is written as soon as it exists, so an interruption loses none. A task whose process dies is run again,
    seed by seed; seeds that kill `DEATHS` processes have failed, and the others go on.
    """
    n, settings = workers(jobs), demands(jobs)
    if launcher.local and n * settings.threads > environment.cores():
        say(f"jobs={n} × threads={settings.threads} is more than the {environment.cores()} cores; fits take longer")
    if n > 1:  # of processes that share the machine, none waits for its threads by spinning
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        each = _seconds(jobs)
        expected: defaultdict[str, float] = defaultdict(float)
        for job in jobs:
            expected[job.config["solver"]["name"]] += each[id(job)] * len(job.pending())
        runs = sum(len(job.pending()) for job in jobs)
        with launcher.start(n, settings) as engine, Overall(runs, expected) as progress:
            for last in (False, True):
                # The last tasks wait for what other processes are making, and score what waited for its reference.
                yield from _run(deque(_tasks(jobs, engine.slots, last)), each, engine, progress)
    except Gone as gone:
        say(f"{gone}; the same command goes on from here")


def demands(jobs: Sequence[Job]) -> Settings:
    """Return the settings of these jobs, with the most threads and the GPU that any of them needs."""
    threads = max(job.settings.threads for job in jobs)
    device = next((job.settings.device for job in jobs if job.settings.device != "cpu"), "cpu")
    return replace(jobs[0].settings, threads=threads, device=device)


def workers(jobs: Sequence[Job]) -> int:
    """Return the number of processes in which to run these jobs on this machine."""
    settings, runs = jobs[0].settings, sum(len(job.pending()) for job in jobs)
    if settings.jobs:
        return min(settings.jobs, runs)
    # Fits that run side by side disturb each other's times.
    if settings.device != "cpu" or any(job.settings.timing for job in jobs):
        return 1
    costs = [(estimates.of(job), len(job.pending())) for job in jobs]
    if sum(cost.seconds * runs for cost, runs in costs) < ALONE:
        return 1
    need = max(cost.memory for cost, _ in costs) * 2**20
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(environment.cores() // settings.threads, int(0.8 * memory / need), runs))


def _seconds(jobs: Sequence[Job]) -> dict[int, float]:
    """Estimate the seconds that a seed of each job takes, by the identity of the job."""
    return {id(job): estimates.of(job).seconds for job in jobs}


def _tasks(jobs: Sequence[Job], slots: int, last: bool) -> list[Task]:
    """Divide the pending seeds into tasks, the longest first. With few jobs, workers share the seeds of a job."""
    each = _seconds(jobs)
    whole, tasks = sum(each[id(job)] * len(job.pending()) for job in jobs), []
    for job in jobs:
        if not (seeds := job.pending()):
            continue
        parts = 1
        # A method that draws nothing fits once for all seeds, and a GPU fits them in one batch. A refit keeps no codes
        # that could wait for the reference, and the last task waits for it itself.
        if slots > 1 and not last and job.solver.draws and job.settings.device == "cpu" and not job.settings.refit:
            parts = min(len(seeds), math.ceil(PARTS * slots * each[id(job)] * len(seeds) / whole))
        tasks += [Task(job, tuple(seeds[i::parts]), last=last) for i in range(parts)]
    if slots == 1:
        return tasks
    return sorted(tasks, key=lambda task: -each[id(task.job)] * len(task.seeds))


def _run(
    waiting: deque[Task], each: Mapping[int, float], engine: Engine, progress: Overall
) -> Iterator[tuple[Job, dict[int, Record]]]:
    """Run these tasks; ``each`` gives the seconds that a seed of each job is expected to take."""
    running: list[Task] = []
    unscored: dict[int, list[Task]] = {}  # by job: tasks whose codes wait for the reference
    while waiting or running:
        # After a death nothing is lined up behind a running task, so that it is known which of them kills.
        suspects = any(task.deaths for task in [*waiting, *running])
        while waiting and len(running) < max(1, engine.slots + (0 if suspects else engine.ahead)):
            running.append(waiting.popleft())
            engine.submit(running[-1])
        ended = engine.wait()
        if ended is None:
            continue
        task, outcome = ended
        running.remove(task)
        if isinstance(outcome, Died) and task.deaths + 1 < DEATHS:
            seeds = ", ".join(map(str, task.seeds))
            say(f"{task.job.label}, seed {seeds}: {outcome}; trying again, one seed at a time")
            alone = [replace(task, seeds=(seed,), deaths=task.deaths + 1) for seed in task.seeds]
            waiting.extendleft(reversed(alone))
            continue
        records = executing.fail(task, outcome) if isinstance(outcome, Exception) else outcome
        yield task.job, records
        progress.done(task.job.label, list(records.values()), each[id(task.job)] * len(records))
        if REFERENCE_SEED in records:
            waiting.extendleft(unscored.pop(id(task.job), []))
        elif left := [seed for seed in task.seeds if seed not in records]:
            unscored.setdefault(id(task.job), []).append(replace(task, seeds=tuple(left)))
