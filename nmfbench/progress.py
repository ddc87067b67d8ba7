"""Progress of a run, for a person: a bar on a terminal, plain lines elsewhere."""

import sys
import threading
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tqdm import tqdm

if TYPE_CHECKING:  # torch takes seconds
    from nmfbench.fitting import Look


# tqdm's own lock is a semaphore of the system as well, which a killed process leaves behind.
tqdm.set_lock(threading.RLock())

EVERY = 15.0
"""Seconds between two lines without a terminal."""


def _shows_bars() -> bool:
    """Tell whether a bar can be drawn: on a terminal, and in a notebook."""
    return sys.stderr.isatty() or _in_notebook()


def _in_notebook() -> bool:
    """Tell whether this process is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return "IPKernelApp" in getattr(shell, "config", {})


def _bar(**options: Any) -> "tqdm":  # type: ignore[type-arg]
    """Make a bar; in a notebook with ipywidgets, a graphical one."""
    if not _in_notebook():
        return tqdm(**options)
    with warnings.catch_warnings(action="ignore"):  # tqdm warns where ipywidgets is missing, and draws it as text
        from tqdm.auto import tqdm as of_notebook

    options.pop("bar_format", None)  # it is for text bars alone
    return of_notebook(**options)


def say(line: str) -> None:
    """Write a line to the log (standard error), above any bar."""
    tqdm.write(line, file=sys.stderr)
    sys.stderr.flush()


class Overall:
    """Shows the progress of a sweep: a line for each finished task and, on a terminal, a bar with the time left.

    Parameters
    ----------
    runs: number of runs.
    expected: seconds that the runs of each method are expected to take, one after the other.
    """

    def __init__(self, runs: int, expected: Mapping[str, float]):
        self.runs, self.to_go, self.n, self.start = runs, dict(expected), 0, time.monotonic()
        self.planned: dict[str, float] = defaultdict(float)  # seconds expected for each method's finished runs
        self.took: dict[str, float] = defaultdict(float)  # seconds that these runs took
        self.bar: tqdm | None = None  # type: ignore[type-arg]

    def __enter__(self) -> Self:
        if self.runs > 1 and _shows_bars():
            shape = "{desc} {bar} {n_fmt}/{total_fmt}{postfix}"
            self.bar = _bar(desc="runs", total=self.runs, bar_format=shape, leave=False)
        return self

    def __exit__(self, *exc: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def done(self, label: str, records: list[dict[str, Any]], seconds: float) -> None:
        """Report a task that has ended with these records; ``seconds`` is its expected time."""
        took = sum(record["seconds"] + record.get("evaluation_seconds", 0.0) for record in records)
        self.n += len(records)
        if records:
            method = records[0]["solver"]
            self.to_go[method] -= seconds
            self.planned[method] += seconds
            self.took[method] += took
        left = f"about {in_words(self._left())} left" if self.n < self.runs and any(self.took.values()) else ""
        if self.bar is not None:
            self.bar.set_postfix_str(left, refresh=False)
            self.bar.update(len(records))
        if records:
            counter = f"[{self.n}/{self.runs}] " if self.runs > len(records) else ""
            ended = [record["status"] for record in records]
            statuses = ", ".join(f"{ended.count(status)} {status}" for status in sorted(set(ended)))
            reasons = dict.fromkeys(str(record["error"]) for record in records if record["status"] == "failed")
            line = f"{counter}{label}: {plural(len(records), 'seed')} in {took:.1f} s ({statuses})"
            say(": ".join([line, *reasons]) + (f", {left}" if left and self.bar is None else ""))

    def _left(self) -> float:
        """Estimate the seconds left, if each method's runs exceed their expected time as they have so far."""
        factors = {method: self.took[method] / planned for method, planned in self.planned.items() if planned}
        work = sum(max(0.0, seconds) * factors.get(method, 1.0) for method, seconds in self.to_go.items())
        # Several processes get through more than one second of work in a second.
        return work * (time.monotonic() - self.start) / sum(self.took.values())


class FitProgress:
    """Shows one fit: iteration, mean objective of the running restarts, upper bound of the time left.

    ``bar=False`` is for workers, whose bars would overwrite each other on a terminal.
    """

    def __init__(self, label: str, bar: bool = True):
        self.label, self.has_bar = label, bar
        self.bar: tqdm | None = None  # type: ignore[type-arg]
        self.last_line = time.monotonic()
        self.started = 0.0  # seconds that the method's start took, such as pre-training

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.close()

    def __call__(self, look: "Look") -> None:
        limit = look.stopping.max_seconds
        total = None if limit else look.stopping.max_iter  # of two limits, time is the one that counts
        if not look.iteration:
            self.started = look.seconds
        objective = "in its start" if look.objective is None else f"objective {look.objective:.6g}"
        if _shows_bars():
            if not self.has_bar:
                return
            if self.bar is None or look.iteration < self.bar.n:
                self.bar = self.bar or _bar(desc=self.label, total=total, leave=False, dynamic_ncols=True, unit="it")
                self.bar.reset(total)
            self.bar.set_postfix_str(objective, refresh=False)
            self.bar.update(look.iteration - self.bar.n)
        elif time.monotonic() - self.last_line > EVERY:
            self.last_line = time.monotonic()
            left = None
            if limit:
                left = limit - look.seconds
            elif look.iteration:
                left = (look.seconds - self.started) * (look.stopping.max_iter / look.iteration - 1)
            time_left = "" if left is None else f", at most {max(0, left):.0f} s left"
            of = f" of at most {total}" if total else ""
            say(f"{self.label}: iteration {look.iteration}{of}, {objective}{time_left}")


@contextmanager
def counted(label: str, unit: str) -> Iterator[Callable[[int, int | None], None]]:
    """Yield a bar for a function that reports (done, total); without a terminal, a line every `EVERY` seconds."""
    last, bar = time.monotonic(), None
    hidden = not _shows_bars()

    def on_count(done: int, total: int | None) -> None:
        nonlocal last, bar
        if bar is None:  # made at the first report, so that earlier work does not count towards the speed
            bar = _bar(desc=label, initial=done, total=total, unit=unit, unit_scale=True, leave=False, disable=hidden)
        bar.update(done - bar.n)
        if hidden and time.monotonic() - last > EVERY:
            last = time.monotonic()
            say(f"{label}: {done:,} of {f'{total:,}' if total else '?'} {unit}")

    try:
        yield on_count
    finally:
        if bar is not None:
            bar.close()


def in_words(seconds: float) -> str:
    """Write a time in seconds, minutes or hours: "40 s", "12 min", "3.5 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def plural(n: int, noun: str) -> str:
    """Return the number with its noun: "1 seed", "3 seeds"."""
    return f"{n} {noun}{'' if n == 1 else 's'}"
