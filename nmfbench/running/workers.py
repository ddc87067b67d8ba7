"""Worker processes: calls of a function, several at once. A worker never outlives the process that started it."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from nmfbench import endings

GRACE = 6.0
"""Seconds in which a worker that is asked to end may keep what it has finished. Then it is killed."""
LATE = 2.0
"""Seconds by which a signal to all processes may reach this one later than its workers."""
TERMINATED = 128 + signal.SIGTERM


class WorkerEnded(Exception):
    """A worker ended in the middle of a call."""


def results(function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], at_once: int) -> Iterator[tuple[int, Any]]:
    """Call the function with each of these arguments, so many at once; yield (index, result) as the calls end.

    Raises what a call raises, and WorkerEnded. When the iterator is closed or an error leaves it, workers get SIGTERM,
    and after `GRACE` seconds they are killed.
    """
    # Each worker has a pipe of its own, and there is no lock: whoever is killed leaves no other waiting.
    waiting, workers = list(enumerate(calls))[::-1], dict[Connection, SpawnProcess]()
    running: dict[Connection, int] = {}

    def give(connection: Connection) -> None:
        if not waiting:
            connection.close()
            return
        running[connection], arguments = waiting.pop()
        try:
            connection.send((function, arguments))
        except OSError:
            raise _reason(workers[connection]) from None

    resource_tracker.ensure_running()  # here, because it unblocks the signals that `held` blocks
    try:
        for _ in range(min(at_once, len(calls))):
            with endings.held():
                connection, worker = _started()
                workers[connection] = worker
            give(connection)
        while running:
            for ready in wait(list(running)):
                assert isinstance(ready, Connection)
                index = running[ready]
                try:
                    result, error = ready.recv()
                except (EOFError, OSError):
                    raise _reason(workers[ready]) from None
                del running[ready]
                give(ready)
                if error is not None:
                    raise error
                yield index, result
    finally:
        for connection in running:
            workers[connection].terminate()
        for connection in workers:
            connection.close()  # a worker without a call ends
        _join(list(workers.values()))


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
            connection.send(answer)
    except BaseException:
        if not endings.asked():
            raise
        sys.exit(TERMINATED)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
