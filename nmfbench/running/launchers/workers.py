"""Worker processes: calls of a function, several at once. A worker never outlives the process that started it."""

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Self

from nmfbench import endings

GRACE = 6.0
"""Seconds in which a worker that is asked to end may keep what it has finished. Then it is killed."""
LATE = 2.0
"""Seconds by which a signal to all processes may reach this one later than its workers."""
TERMINATED = 128 + signal.SIGTERM


class WorkerEnded(Exception):
    """A worker ended in the middle of a call."""


class Workers:
    """Processes that call one function. A worker starts when there is a call and none is idle.

    Leaving the context sends SIGTERM to the workers; after `GRACE` seconds they are killed.
    """

    # Each worker has a pipe of its own, and there is no lock: whoever is killed leaves no other waiting.

    def __init__(self, function: Callable[..., Any]):
        self.function = function
        self.processes: dict[Connection, SpawnProcess] = {}
        self.running: dict[Connection, tuple[Any, ...]] = {}

    def __enter__(self) -> Self:
        resource_tracker.ensure_running()  # here, because it unblocks the signals that `held` blocks
        return self

    def __exit__(self, *exc: object) -> None:
        for connection in self.running:
            self.processes[connection].terminate()
        for connection in self.processes:
            connection.close()  # a worker without a call ends
        _join(list(self.processes.values()))

    def call(self, *arguments: Any) -> None:
        """Call the function in a worker."""
        idle = next((connection for connection in self.processes if connection not in self.running), None)
        if idle is None:
            with endings.held():
                idle, worker = _started()
                self.processes[idle] = worker
        self.running[idle] = arguments
        with contextlib.suppress(OSError):  # it has died; `wait` says so
            idle.send((self.function, arguments))

    def wait(self) -> tuple[tuple[Any, ...], Any]:
        """Wait until a call ends. Returns its arguments, and its result, the Exception it raised or WorkerEnded."""
        ready = wait(list(self.running))[0]
        assert isinstance(ready, Connection)
        try:
            result, error = ready.recv()
        except (EOFError, OSError):
            result, error = None, _reason(self.processes[ready])
            ready.close()
            _join([self.processes.pop(ready)])
        return self.running.pop(ready), result if error is None else error


def _started() -> tuple[Connection, SpawnProcess]:
    # Spawn, because a fork breaks torch's threads.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    worker = context.Process(target=_work, args=(theirs,), daemon=True)
    worker.start()
    theirs.close()  # so that the pipe ends with the worker
    return ours, worker


def _reason(worker: SpawnProcess) -> WorkerEnded:
    worker.join(LATE)
    if worker.exitcode == TERMINATED:
        time.sleep(LATE)  # a scheduler signals every process; this one's own signal interrupts the sleep
        return WorkerEnded("a worker was terminated")
    return WorkerEnded("a worker was killed, out of memory perhaps")


def _join(workers: Sequence[SpawnProcess]) -> None:
    end = time.monotonic() + GRACE
    for worker in workers:
        worker.join(max(0.0, end - time.monotonic()))
    for worker in workers:
        worker.kill()
        worker.join()
        worker.close()


def _work(connection: Connection) -> None:
    """Answer calls until there are no more. SIGTERM ends it, and so does the end of the process that started it."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        endings.be_a_worker()
        while True:
            try:
                function, arguments = connection.recv()
            except EOFError:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends anyway, and nothing is left to keep
                return
            answer: tuple[Any, Exception | None]
            try:
                answer = function(*arguments), None
            except Exception as error:
                endings.check()  # a library may have turned the interrupt into an error of its own
                answer = None, error
            try:
                connection.send(answer)
            except (TypeError, AttributeError, pickle.PicklingError):  # an error that holds what cannot travel
                connection.send((None, RuntimeError(f"{type(answer[1]).__name__}: {answer[1]}")))
    except BaseException:
        if not endings.asked():
            raise
        sys.exit(TERMINATED)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
