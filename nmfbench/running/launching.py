"""Launching: run jobs in this process, or several at once in processes of their own."""

from collections.abc import Callable, Iterator, Sequence

from nmfbench.progress import say
from nmfbench.records import Record
from nmfbench.running import executing, workers
from nmfbench.running.jobs import Job

Launched = Iterator[tuple[Job, dict[int, Record | None]]]
Launcher = Callable[[Sequence[Job], int], Launched]
"""Runs the pending seeds of the jobs, at most so many jobs at once; yields each job with its records as it ends."""


def sequential(jobs: Sequence[Job], at_once: int) -> Launched:
    """Run one job after the other in this process."""
    for i, job in enumerate(jobs, start=1):
        yield job, executing.run(job, _prefix(i, len(jobs)))


def processes(jobs: Sequence[Job], at_once: int) -> Launched:
    """Run several jobs at once on this machine. A worker that is killed ends the launch, not what was recorded."""
    calls = [(job, _prefix(i, len(jobs)), at_once) for i, job in enumerate(jobs, start=1)]
    try:
        for index, records in workers.results(executing.run, calls, at_once):
            yield jobs[index], records
    except workers.WorkerEnded as ended:
        say(f"{ended}; the same command goes on from here (jobs=1: one at a time)")


LAUNCHERS: dict[str, Launcher] = {"sequential": sequential, "processes": processes}


def launch(jobs: Sequence[Job], at_once: int, launcher: str | None = None) -> Launched:
    """Run the pending seeds of these jobs; yields each job with its records as it ends.

    Every record is written as soon as it exists, so an interruption loses none. Without ``launcher``, jobs run in
    processes if several run at once.
    """
    return LAUNCHERS[launcher or ("sequential" if at_once <= 1 else "processes")](jobs, at_once)


def _prefix(i: int, n_jobs: int) -> str:
    return f"[{i}/{n_jobs}] " if n_jobs > 1 else ""
