"""A sweep that is killed and interrupted at random moments, and resumed until it is done, is the undisturbed sweep."""

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import left, numbers, start, until
from shell import load

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")]
KILLS = int(os.environ.get("NMFBENCH_TEST_KILLS", "12"))
TERMS = int(os.environ.get("NMFBENCH_TEST_TERMS", "6"))
SWEEP = ["solver=mu,wnnf", "rank=2,3,4,5,6,7", "dataset.n_samples=200", "dataset.n_features=40", "dataset.n_classes=4"]
SWEEP += ["seeds=3", "evaluator.n_init=5", "stopping.max_iter=3000", "dtype=float64"]
N_RECORDS = 2 * 6 * 3
# A call takes about two seconds to start and ten to fit and score it all.
LATEST = 9.0


def command(folder: Path, jobs: int, results: str) -> subprocess.Popen[str]:
    words = ["run", "-m", "dataset=synthetic", *SWEEP, "threads=1", f"jobs={jobs}", f"results_dir={results}"]
    return start(folder, *words)


def state(folder: Path) -> dict[Path, tuple[int, bytes]]:
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.glob("runs/*/*/*.json")}


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, output = process.communicate(timeout=120)
    return process.returncode, output


def test_sweep_interrupted_at_random_moments_is_the_undisturbed_one(tmp_path: Path) -> None:
    moments = random.Random(int(os.environ.get("NMFBENCH_TEST_SEED", "0")))
    code, output = finish(command(tmp_path, 1, "undisturbed"))
    assert code == 0, output
    whole = numbers(load(tmp_path / "undisturbed"))
    assert len(whole) == N_RECORDS
    todo = [signal.SIGKILL] * KILLS + [signal.SIGTERM] * TERMS
    moments.shuffle(todo)
    done = dict.fromkeys((signal.SIGKILL, signal.SIGTERM), 0)
    for sweep in itertools.count():
        if not todo:
            break
        results, before = tmp_path / f"sweep{sweep}", {}
        while True:
            process = command(tmp_path, moments.choice([1, 2]), results.name)
            number = todo.pop() if todo else None
            if number:
                try:
                    process.wait(moments.uniform(0.2, LATEST))
                    todo.append(number)  # it was faster
                except subprocess.TimeoutExpired:
                    begin = time.monotonic()
                    os.kill(process.pid, number)
                    done[number] += 1
            code, output = finish(process)
            where = f"sweep {sweep}, {number}, {done}: {output}"
            assert until(lambda process=process: not left(process), 10), where
            assert not [word for word in ("Traceback", "leaked", "out of memory") if word in output], where
            now = state(results)
            assert all(now.get(path) == seen for path, seen in before.items()), where
            before = now
            if code == 0:
                break
            if number == signal.SIGTERM:
                # Before and after the command itself, Python ends by the signal.
                assert code in (128 + number, -number) and time.monotonic() - begin < 15, where
                assert not list(results.rglob("*.tmp")), where
            else:
                assert code == -signal.SIGKILL, where
        assert numbers(load(results)) == whole
        assert {path.suffix for path in results.rglob("*") if path.is_file()} <= {
            ".json",
            ".npy",
            ".md",
            ".csv",
            ".tex",
        }
        print(f"sweep {sweep} is whole after {done}", flush=True)
