"""Read files in a process apart, so that a parser that crashes or hangs ends that process and not this one."""

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from nmfbench.datasets.formats import arrays, held, parts
from nmfbench.errors import ConfigError, DataError

CHILD = Path(__file__).with_name("child.py")
# A file may take this many seconds, and more if it is large.
SECONDS = 20
SECONDS_PER_MIB = 2


class ReaderEnded(DataError):
    """A file that ended the process in which it was read."""


def read(kind: str, path: Path) -> held.Arrays:
    """The arrays of a file of this kind: mat, h5, h5ad, mtx or svmlight.

    Raises DataError if the file is damaged, also if reading it crashes or does not end, and ConfigError if the extra
    that reads it is not installed.
    """
    global _child
    with _lock:
        if _child is not None and _child.process.poll() is not None:
            _stop()
        if _child is None:
            _child = _Child()
        try:
            return _child.read(kind, path)
        except (DataError, ConfigError):
            raise
        except BaseException:
            # Its next answer would be about this file.
            _stop()
            raise
        finally:
            if _child is not None and _child.lost:
                _stop()


class _Child:
    """The process, and the file without a name through which it hands over arrays."""

    def __init__(self) -> None:
        self.lost = False
        # It lies in no folder, so nothing is left however either process ends.
        self.result = tempfile.TemporaryFile()  # noqa: SIM115
        # Its other end closes when this process ends, whatever ends it.
        watched, self.lifeline = os.pipe()
        descriptors = [self.result.fileno(), watched]
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", str(CHILD), *map(str, descriptors)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=descriptors,
                # Ctrl-C in the terminal is for the parent.
                start_new_session=True,
                env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
        except OSError as error:
            self.result.close()
            os.close(self.lifeline)
            raise DataError(f"the process that reads files cannot be started: {error}") from error
        finally:
            os.close(watched)

    def read(self, kind: str, path: Path) -> held.Arrays:
        try:
            path = path.absolute()
            seconds = SECONDS + SECONDS_PER_MIB * (path.stat().st_size >> 20)
        except OSError as error:
            raise DataError(f"{path} cannot be opened: {error.strerror}") from error
        try:
            answer = self._ask({"kind": kind, "path": str(path), "seconds": seconds})
        except TimeoutError:
            self.lost = True
            raise DataError(f"{path}: reading it was given up after {seconds} s; get or write the file again") from None
        except (OSError, EOFError, ValueError):
            self.lost = True
            raise ReaderEnded(
                f"{path} is damaged: reading it ended the reading process ({self._end()}); get or write the file again"
            ) from None
        if "error" in answer:
            raise (ConfigError if answer["config"] else DataError)(answer["error"])
        return self._result(answer, path)

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request; the answer. Raises TimeoutError, and EOFError or OSError if the process ends."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write((json.dumps(request) + "\n").encode())
        self.process.stdin.flush()
        deadline = time.monotonic() + request["seconds"]
        answers = select.poll()
        answers.register(self.process.stdout, select.POLLIN)
        line = bytearray()
        while not line.endswith(b"\n"):
            if not answers.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise TimeoutError
            piece = os.read(self.process.stdout.fileno(), 1 << 20)
            if not piece:
                raise EOFError
            line += piece
        return json.loads(line)

    def _end(self) -> str:
        """The end of the process, in words."""
        try:
            code = self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "it answers no more"
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def _result(self, answer: dict[str, Any], path: Path) -> held.Arrays:
        """The arrays that the process wrote. A process that crashed soon after may have written anything."""
        try:
            # The two processes share one position in the file, which a file object that is kept would not know.
            with open(self.result.fileno(), "r+b", closefd=False) as file:
                file.seek(0)
                members = arrays.from_zip(file, str(path), 3 * parts.MOST_NAMES).arrays if answer["arrays"] else {}
                file.truncate(0)
            named = {form["name"]: _assembled(form, str(i), members) for i, form in enumerate(answer["arrays"])}
        except KeyError as error:
            raise DataError(f"{path}: array {error} could not be handed over; is the disk full?") from error
        except OSError as error:
            raise DataError(f"{path}: its arrays could not be handed over: {error}") from error
        names = answer["feature_names"]
        return held.Arrays(
            arrays=named,
            unreadable=answer["unreadable"],
            y=answer["y"],
            samples=answer["samples"],
            feature_names=None if names is None else tuple(names),
            sentences=tuple(answer["sentences"]),
        )


def _assembled(form: dict[str, Any], number: str, members: dict[str, Any]) -> Any:
    if form["form"] == "dense":
        return members[number]
    data, indices, indptr = (members[f"{number}.{part}"] for part in ("data", "indices", "indptr"))
    return parts.compressed(form["form"], data, indices, indptr, form["shape"])


_child: _Child | None = None
_lock = threading.Lock()


def _stop() -> None:
    """End the process; the next file starts another."""
    global _child
    child, _child = _child, None
    if child is not None:
        child.process.kill()
        child.process.wait()
        _close(child)


def _close(child: _Child) -> None:
    os.close(child.lifeline)
    for file in (child.process.stdin, child.process.stdout, child.result):
        assert file is not None
        with suppress(OSError):  # a request that could not be sent is still in the buffer
            file.close()


def _forget() -> None:
    """In a fork: leave the process to the parent, whose end must close its input."""
    global _child, _lock
    child, _child, _lock = _child, None, threading.Lock()
    if child is not None:
        child.process.returncode = 0  # not ours to wait for
        _close(child)


atexit.register(_stop)
os.register_at_fork(after_in_child=_forget)
