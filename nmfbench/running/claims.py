"""Claims: a process locks a file beside each record while it runs it, so that no other process runs it too."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from nmfbench import endings

EVERY = 0.2
"""Seconds between two looks at a claim of another process."""


@contextmanager
def claimed(records: Sequence[Path], wait: bool = False) -> Iterator[list[Path]]:
    """Claim the records of these paths; yields those that no other process has claimed.

    The operating system releases a claim when its process ends. With ``wait``, wait until other processes release
    theirs. On a file system without locks every claim succeeds, so two processes may run the same seed; each writes a
    whole record.
    """
    locks: dict[Path, int] = {}
    try:
        mine = []
        for record in sorted(records):  # in one order, so that two processes never wait for each other
            while True:
                lock = _lock(record)
                if lock is not None or not wait:
                    break
                endings.check()
                time.sleep(EVERY)
            if lock is not None:
                locks[record] = lock
                mine.append(record)
        yield mine
    finally:
        for record, lock in locks.items():
            with contextlib.suppress(OSError):
                _path(record).unlink()  # while it is locked, so that nobody can have locked the same file
            os.close(lock)


def clean(runs: Path) -> None:
    """Delete the locks of processes that were killed."""
    for path in runs.rglob(".*.claim"):
        with claimed([path.with_name(path.name[1 : -len(".claim")])]):
            pass


def _path(record: Path) -> Path:
    return record.with_name(f".{record.name}.claim")


def _lock(record: Path) -> int | None:
    """The open file that locks a record; None if another process has it."""
    path = _path(record)
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        file = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        except OSError:  # no locks here
            return file
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), path.stat()):
                return file
        os.close(file)  # its owner has deleted it meanwhile
