"""How processes end: the signals that stop one, and the names of the files that a killed one leaves."""

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, the request of a scheduler or a system that shuts down, and that of a terminal that is closed."""
AGAIN = 1.0
"""Seconds from the first signal to one that counts as the second: `timeout` and a closed terminal send theirs twice."""

_asked: tuple[int, float] | None = None
"""The first signal, and when it came; None: none came."""
_held = False


class Stopped(KeyboardInterrupt):
    """A signal asked this process to stop.

    Parameters
    ----------
    number: the signal.
    """

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


def exit_code(stop: KeyboardInterrupt) -> int:
    """The exit code of an interrupted command: 128 + the signal, as in a shell."""
    return 128 + (stop.number if isinstance(stop, Stopped) else signal.SIGINT)


@contextmanager
def stoppable() -> Iterator[None]:
    """Within the block a signal raises Stopped, and a second one ends the process at once.

    What was ignored before, such as SIGHUP under nohup, stays ignored. Outside the main thread nothing changes.
    """
    global _asked
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _asked = None
    former = {number: signal.getsignal(number) for number in SIGNALS}
    handled = [number for number, handler in former.items() if handler not in (signal.SIG_IGN, None)]
    try:
        for number in handled:
            signal.signal(number, _stop_or_end)
        yield
    except Exception:
        check()  # a library has turned the interrupt into an error of its own
        raise
    finally:
        for number in handled:
            signal.signal(number, former[number])
        _asked = None


def be_a_worker() -> None:
    """Let SIGTERM raise Stopped, once, and ignore the signals of a terminal: the process that started this one acts."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


@contextmanager
def held() -> Iterator[None]:
    """Let signals wait until the end of the block. A process that is started in it begins with them blocked."""
    global _held
    _held = True  # first, because a signal that was raised after the mask is set would leave it as it is
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        _held = False  # last, because a signal that is raised before the mask is restored would leave it as it is
    check()


def asked() -> bool:
    """Whether a signal has asked this process to stop."""
    return _asked is not None


def check() -> None:
    """Raise Stopped if a signal has come. A library may have swallowed the first one, for example in a callback."""
    if _asked is not None:
        raise Stopped(_asked[0])


def _stop(number: int, frame: FrameType | None) -> None:
    global _asked
    if _asked is None:
        _asked = (number, time.monotonic())
        if not _held:
            raise Stopped(number)


def _stop_or_end(number: int, frame: FrameType | None) -> None:
    if _asked is not None and time.monotonic() - _asked[1] > AGAIN:
        os._exit(128 + number)  # its workers see that it is gone, and end
    _stop(number, frame)


def temporary_name(stem: str) -> str:
    """The name of a temporary file or folder of this process."""
    return f".{stem}.{os.getpid()}@{_host()}.tmp"


def is_stray(path: Path) -> bool:
    """Whether a temporary file's process has ended. Files of other machines do not count: they may be in use."""
    owner = re.search(r"\.(\d+)@(.+)\.tmp$", path.name)
    if owner is None or owner[2] != _host():
        return False
    try:
        os.kill(int(owner[1]), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _host() -> str:
    return os.uname().nodename  # socket.gethostname() is the same, but every command would wait for its import
