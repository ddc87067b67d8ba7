"""Send a task to a worker that shares nothing with this process, run it there, and bring its results back."""

import ctypes
import os
import pickle
import signal
import socket
import sys
import threading
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from nmfbench import __version__, endings
from nmfbench.errors import ConfigError
from nmfbench.fitting import Look
from nmfbench.records import Record, Store, write_bytes
from nmfbench.running import executing
from nmfbench.running.cards import loader_of
from nmfbench.running.executing import Task
from nmfbench.running.measuring import REFERENCE_SEED

_FOLDERS = ("NMFBENCH_DATA", "NMFBENCH_CONFIG")
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_one_at_a_time = threading.Lock()  # a fit sets the threads of its whole process
_stopped: set[str] = set()


@dataclass(frozen=True)
class Parcel:
    """A task in plain values.

    Parameters
    ----------
    task: the pickled task, with absolute paths. It is unpickled where its classes can be imported.
    path: folders of a user's own from which Python imports here.
    environment: variables that say where data and configs are here; those of the worker come first.
    version: nmfbench's version here.
    probe: a file in the results folder, and its content. A worker that reads the same shares the folder.
    files: what the task needs of the results folder where it is not shared, by relative path.
    """

    task: bytes
    path: tuple[str, ...]
    environment: dict[str, str]
    version: str
    probe: tuple[str, str]
    files: dict[str, bytes]


@dataclass(frozen=True)
class Answer:
    """The results of a task as they travel back.

    Parameters
    ----------
    records: see `executing.run`; empty if the task was stopped.
    files: what it wrote, by relative path, where the results folder is not shared.
    """

    records: dict[int, Record] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


def pack(task: Task, probe: tuple[str, str], is_shared: bool) -> Parcel:
    """Pack a task for a worker. ``is_shared``: the worker is known to share the results folder."""
    job = task.job
    node = dict(job.loader_node)
    for key in loader_of(node).location:
        value = node.get(key)
        names = value if isinstance(value, list) else [value]
        places = [Path(name).expanduser().absolute() for name in names if isinstance(name, str) and name]
        if len(places) == len(names) and all(place.exists() for place in places):
            node[key] = [str(place) for place in places] if isinstance(value, list) else str(places[0])
    travelling = replace(job, loader_node=node, records=dict.fromkeys(job.records))
    of_python = tuple(str(Path(prefix).resolve()) for prefix in {sys.prefix, sys.base_prefix})
    folders = (str(Path(folder).resolve()) for folder in sys.path)
    return Parcel(
        task=pickle.dumps(replace(task, job=travelling)),
        path=tuple(folder for folder in folders if not folder.startswith(of_python)),
        environment={key: str(Path(os.environ[key]).expanduser().absolute()) for key in _FOLDERS if key in os.environ},
        version=__version__,
        probe=probe,
        files={} if is_shared else _needed(task),
    )


def execute(parcel: Parcel) -> Answer:
    """Run a task on a worker. Where the results folder is not shared, its files come back."""
    if parcel.version != __version__:
        where = socket.gethostname()
        raise ConfigError(f"the worker on {where} has nmfbench {__version__}, this command is {parcel.version}")
    sys.path.extend(folder for folder in parcel.path if folder not in sys.path)
    for key, folder in parcel.environment.items():
        os.environ.setdefault(key, folder)
    _keep_memory()
    task: Task = pickle.loads(parcel.task)
    with _one_at_a_time:
        if _shares(parcel.probe):
            return Answer(_run(task, parcel))
        with TemporaryDirectory() as folder:
            store = Store(Path(folder))
            for name, content in parcel.files.items():
                write_bytes(store.root / name, content)
            records = _run(replace(task, job=replace(task.job, store=store)), parcel)
            written = {str(path.relative_to(folder)): path for path in store.root.rglob("*") if path.is_file()}
            new = {name: path.read_bytes() for name, path in written.items() if name not in parcel.files}
            return Answer(records, new)


@cache
def _keep_memory() -> None:
    """Let this process keep freed memory, as Python processes do by default.

    dask's nanny sets a threshold at which glibc returns it at once. Every temporary array is then mapped anew, which
    made a sweep of all methods 1.5 times as slow.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc
        libc.mallopt(_M_MMAP_THRESHOLD, 32 * 2**20)
        libc.mallopt(_M_TRIM_THRESHOLD, 256 * 2**20)


def _shares(probe: tuple[str, str]) -> bool:
    """Whether this worker sees the results folder of the command."""
    try:
        return Path(probe[0]).read_text() == probe[1]
    except OSError:
        return False


def _run(task: Task, parcel: Parcel) -> dict[int, Record]:
    def look(look: Look) -> None:
        if parcel.probe[1] in _stopped:
            raise endings.Stopped(signal.SIGTERM)

    try:
        return executing.run(task, look)
    except KeyboardInterrupt:  # the codes of restarts that had ended are kept
        return {}


def stop(token: str) -> None:
    """Stop this worker's task for the command with that token. Finished restarts are kept."""
    _stopped.add(token)


def unpack(answer: Answer, store: Store) -> dict[int, Record]:
    """Write the files that came back, records last; returns the records."""
    for name in sorted(answer.files, key=lambda name: name.endswith(".json")):
        write_bytes(store.root / name, answer.files[name])
    for seed, record in answer.records.items() if answer.files else ():
        store.unscored_path(record["config"], seed).unlink(missing_ok=True)
    return answer.records


def _needed(task: Task) -> dict[str, bytes]:
    """The codes and bases that earlier runs of the job have left, by relative path."""
    job, paths = task.job, set[Path]()
    for seed in task.seeds:
        config = job.config_of(seed)
        paths |= {job.store.codes_path(config, seed), job.store.unscored_path(config, seed)}
        paths |= {job.store.bases_path(config, REFERENCE_SEED), job.store.codes_path(config, REFERENCE_SEED)}
    return {str(path.relative_to(job.store.root)): path.read_bytes() for path in paths if path.exists()}
