"""A sweep that is killed and interrupted at random moments, and resumed until it is done, is the undisturbed sweep."""

import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import left, numbers, start, until
from shell import load
from test_launchers import cluster

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")]
KILLS = int(os.environ.get("NMFBENCH_TEST_KILLS", "12"))
TERMS = int(os.environ.get("NMFBENCH_TEST_TERMS", "6"))
SWEEP = ["solver=mu,wnnf", "rank=2,3,4,5,6,7", "dataset.n_samples=200", "dataset.n_features=40", "dataset.n_classes=4"]
SWEEP += ["seeds=3", "evaluator.n_init=5", "stopping.max_iter=3000", "dtype=float64"]
N_RECORDS = 2 * 6 * 3
# A call takes about two seconds to start and ten to fit and score it all.
LATEST = 9.0


def command(folder: Path, words: list[str], results: str) -> subprocess.Popen[str]:
    return start(folder, "run", "-m", "dataset=synthetic", *SWEEP, "threads=1", *words, f"results_dir={results}")


def state(folder: Path) -> dict[Path, tuple[int, bytes]]:
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.glob("runs/*/*/*.json")}


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, output = process.communicate(timeout=240)
    return process.returncode, output


@contextlib.contextmanager
def launched(folder: Path, how: str, results: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, int]]]:
    """A call under that launcher, and the processes that may be killed: by name, except for its workers."""
    with contextlib.ExitStack() as stack:
        words, victims = ["jobs=2"], dict[str, int]()
        if how == "here":
            words = ["jobs=1"]
        elif how == "dask":
            words = ["jobs=2", "launcher=dask"]
        elif how == "elsewhere":
            address, (scheduler, *workers) = stack.enter_context(cluster(folder / "elsewhere"))
            words = ["launcher=dask", f"launcher.scheduler={address}"]
            victims = {"scheduler": scheduler.pid, "worker": workers[0].pid}
        process = command(folder, words, results)
        yield process, {"command": process.pid} | victims


def worker_of(process: subprocess.Popen[str], moments: random.Random) -> int | None:
    """One of its workers, if there is any."""
    names = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in left(process) if pid != process.pid}
    workers = [pid for pid, name in names.items() if b"spawn_main" in name]
    return moments.choice(workers) if workers else None


def test_sweep_killed_at_random_moments_is_the_undisturbed_one(tmp_path: Path) -> None:
    moments = random.Random(int(os.environ.get("NMFBENCH_TEST_SEED", "0")))
    code, output = finish(command(tmp_path, ["jobs=1"], "undisturbed"))
    assert code == 0, output
    whole = numbers(load(tmp_path / "undisturbed"))
    assert len(whole) == N_RECORDS
    todo = [signal.SIGKILL] * KILLS + [signal.SIGTERM] * TERMS
    moments.shuffle(todo)
    done: Counter[str] = Counter()
    for sweep in itertools.count():
        if not todo:
            break
        results, before = tmp_path / f"sweep{sweep}", {}
        while True:
            number = todo.pop() if todo else None
            how = moments.choice(["here", "processes", "processes", "dask", "elsewhere"] if number else ["here"])
            with launched(tmp_path, how, results.name) as (process, victims):
                victim = "command" if number != signal.SIGKILL else moments.choice([*victims, "worker"])
                if number:
                    try:
                        process.wait(moments.uniform(0.2, LATEST))
                        todo.append(number)  # it was faster
                    except subprocess.TimeoutExpired:
                        begin, pid = time.monotonic(), victims.get(victim) or worker_of(process, moments)
                        if pid is None:
                            victim, pid = "command", process.pid
                        os.kill(pid, number)
                        done[f"{victim} {how}"] += 1
                code, output = finish(process)
            where = f"sweep {sweep}, {how}, {victim}, {number}, {done}: {output}"
            assert until(lambda process=process: not left(process), 10), where
            assert "Traceback" not in output, where
            now = state(results)
            assert all(now.get(path) == seen for path, seen in before.items()), where
            before = now
            print(f"{dict(done)}, records: {len(now)}, exit code {code}", flush=True)
            if code == 0:
                break
            if number == signal.SIGTERM:
                # Before and after the command itself, Python ends by the signal.
                assert code in (128 + number, -number) and time.monotonic() - begin < 15, where
                assert not list(results.rglob("*.tmp")), where
            elif victim == "scheduler":
                # Before the command has reached it, nothing runs.
                gone = {1: "the dask scheduler is gone", 2: "no dask scheduler answers"}
                assert gone.get(code, "?") in output, where
            elif "could not be started" in output:  # a worker was killed before it worked
                assert (how, victim, code) == ("dask", "worker", 1), where
            else:
                assert (victim, code) == ("command", -signal.SIGKILL), where
        assert numbers(load(results)) == whole
        kinds = {path.suffix for path in results.rglob("*") if path.is_file()}
        assert kinds <= {".json", ".npy", ".md", ".csv", ".tex"}, kinds
        print(f"sweep {sweep} is whole", flush=True)
