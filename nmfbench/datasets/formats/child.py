"""The process apart, in which files are read whose parsers may crash. `apart` starts it and talks to it.

It reads one request a line, {"kind", "path", "seconds"}, writes the arrays as a numbered .npz to the file whose
descriptor is its first argument, and answers one line. Its second argument is the descriptor of a pipe on which nothing
is written: when that closes, the parent has ended, and so does this process.
"""

import fcntl
import importlib
import json
import os
import resource
import select
import signal
import sys
import types
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

READERS = {
    "mat": ("matlab", "read"),
    "h5": ("hdf", "read"),
    "h5ad": ("anndata", "read"),
    "mtx": ("sparse", "parse_mtx"),
    "svmlight": ("sparse", "parse_svmlight"),
}
LEAST_MEMORY = 4 * 2**30


def main() -> None:
    """Answer requests until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _end_with_parent(int(sys.argv[2]))
    _limit_memory()
    _hide_packages()
    warnings.simplefilter("ignore")
    # Libraries must not write between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for line in iter(sys.stdin.buffer.readline, b""):
        request = json.loads(line)
        signal.alarm(request["seconds"] + 1)
        answer = _answer(request["kind"], request["path"], int(sys.argv[1]))
        signal.alarm(0)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _limit_memory() -> None:
    """Let an allocation fail, and leave no core file."""
    memory = max(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), LEAST_MEMORY)
    for kind, limit in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_AS, memory)):
        hard = resource.getrlimit(kind)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        with suppress(ValueError, OSError):  # macOS does not take every limit
            resource.setrlimit(kind, (limit, hard))


def _hide_packages() -> None:
    """Import modules of nmfbench without its packages' own code, which brings torch and takes seconds."""
    folder = Path(__file__).resolve().parent
    for name in ("nmfbench.datasets.formats", "nmfbench.datasets", "nmfbench"):
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
        folder = folder.parent


def _end_with_parent(pipe: int) -> None:
    """Let SIGIO end this process as soon as the pipe closes, also inside a library that never returns to Python.

    macOS discards SIGIO; there the process ends with the file that it reads, at the latest by its alarm.
    """
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([pipe], [], [], 0)[0]:  # it had closed before
        os._exit(0)


def _answer(kind: str, path: str, result: int) -> dict[str, Any]:
    """Read a file; what to answer."""
    from nmfbench.datasets.formats import parts
    from nmfbench.errors import ConfigError, DataError

    module, function = READERS[kind]
    try:
        reader = importlib.import_module(f"nmfbench.datasets.formats.{module}")
        found = getattr(reader, function)(Path(path))
        forms = _write(found.arrays, result)
    except (ConfigError, DataError) as error:
        message = str(error) if path in str(error) else f"{path}: {error}; get or write the file again"
        return {"error": message, "config": isinstance(error, ConfigError)}
    except Exception as error:  # the parser of a damaged file may raise anything
        return {"error": f"{path} cannot be read: {parts.reason(error)}; get or write the file again", "config": False}
    return {
        "arrays": forms,
        "unreadable": found.unreadable,
        "y": found.y,
        "samples": found.samples,
        "feature_names": found.feature_names,
        "sentences": found.sentences,
    }


def _write(arrays: dict[str, Any], result: int) -> list[dict[str, Any]]:
    """Write the arrays to a descriptor, the array i as i or i.data, i.indices, i.indptr; the name and form of each."""
    import numpy as np
    import scipy.sparse

    forms: list[dict[str, Any]] = []
    members: dict[str, Any] = {}
    for i, (name, value) in enumerate(arrays.items()):
        if scipy.sparse.issparse(value):
            forms.append({"name": name, "form": value.format, "shape": list(map(int, value.shape))})
            members |= {f"{i}.{part}": getattr(value, part) for part in ("data", "indices", "indptr")}
        else:
            forms.append({"name": name, "form": "dense"})
            members[str(i)] = value
    # The two processes share one position in the file, which a file object that is kept would not know.
    with open(result, "r+b", closefd=False) as file:
        file.seek(0)
        file.truncate()
        np.savez(file, **members)
    return forms


if __name__ == "__main__":
    main()
