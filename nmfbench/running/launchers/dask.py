"""Launcher `dask`: dask.distributed on this machine, or workers anywhere that a scheduler knows."""

import contextlib
import logging
import os
import queue
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

import torch

from nmfbench import endings
from nmfbench.errors import ConfigError
from nmfbench.progress import plural, say
from nmfbench.records import Record
from nmfbench.running.executing import Task
from nmfbench.running.launchers import remote
from nmfbench.running.launchers.base import Died, Engine, Gone, Launcher
from nmfbench.running.settings import Settings

try:
    import dask
    from distributed import Client, KilledWorker, LocalCluster, WorkerPlugin
    from distributed.client import FutureCancelledError
except ImportError as error:
    raise ConfigError("launcher=dask needs dask.distributed: pip install 'nmfbench[dask]'") from error

for name in logging.root.manager.loggerDict:
    if name.startswith("distributed"):  # `launching` says what matters of it
        logging.getLogger(name).setLevel(logging.CRITICAL)

GRACE = 3.0
"""Seconds in which tasks that are asked to stop may keep what they have."""
LOOK = 1.0
"""Seconds between two looks at how many workers there are."""


@dataclass(frozen=True, kw_only=True)
class Dask(Launcher):
    """Workers under a dask scheduler.

    Parameters
    ----------
    scheduler: address (tcp://host:port, tls://host:port) or scheduler file of a scheduler that runs; null: a scheduler
        and workers of this machine, for this command alone.
    """

    scheduler: str | None = None

    @property
    def local(self) -> bool:
        return self.scheduler is None

    def describe(self, workers: int, settings: Settings) -> str:
        if self.local:
            return f"{plural(workers, 'dask worker')} of this machine"
        return f"the dask workers of {self.scheduler}"

    @contextmanager
    def start(self, workers: int, settings: Settings) -> Iterator[Engine]:
        if self.local:
            gpus = _gpus() if settings.device == "cuda" else []
            if gpus:
                workers = min(settings.jobs or len(gpus), len(gpus))
            with _local_cluster(workers, bool(gpus)) as cluster, Client(cluster) as client:
                try:
                    client.register_plugin(_Setup(gpus))
                except OSError:  # a worker died meanwhile; its nanny has started another
                    client.register_plugin(_Setup(gpus))
                with engine(client, settings, is_shared=True) as started:
                    yield started
            return
        by_address = "://" in str(self.scheduler)
        file = Path(str(self.scheduler)).expanduser()
        if not (by_address or file.is_file()):
            raise ConfigError(f"no scheduler file is at {file.absolute()}; dask scheduler --scheduler-file writes it")
        try:
            client = Client(self.scheduler) if by_address else Client(scheduler_file=file)
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(f"no dask scheduler answers at launcher.scheduler={self.scheduler}: {error}") from error
        with client:
            if not client.nthreads():
                word = self.scheduler if by_address else f"--scheduler-file {self.scheduler}"
                say(f"no worker is there yet; start some with: dask worker {word} --nthreads 1")
            with engine(client, settings, is_shared=False) as started:
                yield started


@contextmanager
def engine(client: Any, settings: Settings, is_shared: bool) -> Iterator[Engine]:
    """The engine over the workers of a client. ``is_shared``: they are known to be on the same results folder."""
    probe = settings.root / endings.temporary_name(f"probe-{token_hex(8)}")
    token = token_hex(16)
    probe.write_text(token)
    try:
        with _Engine(client, (str(probe), token), settings, is_shared) as started:
            yield started
    finally:
        probe.unlink(missing_ok=True)


@contextmanager
def _local_cluster(workers: int, on_gpus: bool) -> Iterator[Any]:
    # A death is reported at once: `launching` tries again, one seed at a time.
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
        try:
            cluster = LocalCluster(
                n_workers=workers,
                resources={"GPU": 1} if on_gpus else {},
                host="127.0.0.1",
                threads_per_worker=1,
                memory_limit=None,
                dashboard_address="127.0.0.1:0",  # any free port
                silence_logs=logging.CRITICAL,
            )
        except RuntimeError as error:
            raise Gone(f"dask's workers could not be started: {error}") from error
        with cluster:
            yield cluster


def _gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(i) for i in range(torch.cuda.device_count())]


class _Setup(WorkerPlugin):
    """Prepares each worker of this machine before its first task."""

    def __init__(self, gpus: list[str]):
        self.gpus = gpus  # one for each worker, or none at all

    def setup(self, worker: Any) -> None:
        for number in (signal.SIGINT, signal.SIGHUP):  # a terminal sends them to all; the command itself acts
            signal.signal(number, signal.SIG_IGN)
        if self.gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = self.gpus[int(worker.name)]


class _Engine:
    """Gives tasks to a dask scheduler."""

    def __init__(self, client: Any, probe: tuple[str, str], settings: Settings, is_shared: bool):
        self.client, self.probe, self.is_shared = client, probe, is_shared
        self.resources = {"GPU": 1} if settings.device.startswith("cuda") else {}
        self.tasks: dict[Any, Task] = {}
        self.ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.slots = self.ahead = len(client.nthreads())

    def __enter__(self) -> "_Engine":
        return self

    def __exit__(self, *exc: object) -> None:
        if not self.tasks:
            return
        end = time.monotonic() + GRACE
        # In a thread of its own, because a worker that imports torch answers late.
        threading.Thread(target=self._stop, daemon=True).start()
        with contextlib.suppress(Exception):  # the scheduler may be gone, and no task left that could answer
            while self.tasks:
                self._take(self.ended.get(timeout=max(0.0, end - time.monotonic())))
        with contextlib.suppress(Exception):
            self.client.cancel(list(self.tasks))

    def _stop(self) -> None:
        with contextlib.suppress(Exception):
            self.client.run(remote.stop, self.probe[1], on_error="ignore")

    def submit(self, task: Task) -> None:
        parcel = remote.pack(task, self.probe, self.is_shared)
        future = self.client.submit(remote.execute, parcel, resources=self.resources, pure=False)
        self.tasks[future] = task
        future.add_done_callback(self.ended.put)

    def wait(self) -> tuple[Task, dict[int, Record] | Exception] | None:
        try:
            future = self.ended.get(timeout=LOOK)
        except queue.Empty:
            if self.client.status != "running":  # once the connection is lost, so are the results on their way
                raise Gone("the dask scheduler is gone") from None
            with contextlib.suppress(OSError):  # a scheduler under load may answer too late
                self.slots = self.ahead = len(self.client.nthreads())
            return None
        return self._take(future)

    def _take(self, future: Any) -> tuple[Task, dict[int, Record] | Exception]:
        task = self.tasks.pop(future)
        try:
            return task, remote.unpack(future.result(), task.job.store)
        except KilledWorker:
            return task, Died("a worker was killed, out of memory perhaps")
        except FutureCancelledError:
            if self.client.status != "running":
                raise Gone("the dask scheduler is gone") from None
            return task, Died("a worker's answer was lost")
        except Exception as error:
            return task, error
