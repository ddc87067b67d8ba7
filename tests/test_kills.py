"""A sweep that is killed and interrupted at random moments, and resumed until it is done, is the undisturbed sweep."""

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from processes import left, numbers, start, until
from shell import load

from nmfbench.records import digest

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


def by_run(records: list[dict[str, Any]]) -> dict[tuple[str, int], dict[str, Any]]:
    return {(digest(record["config"]), record["seed"]): record for record in records}


def values(record: dict[str, Any]) -> dict[str, float]:
    rows = [(row["metric"], row.get("layer"), row.get("n_clusters"), row["value"]) for row in record["metrics"]]
    return {f"{metric} {layer} {k}": value for metric, layer, k, value in rows}


def smaller_batches(records: list[dict[str, Any]], undisturbed: list[dict[str, Any]]) -> int:
    """The number of runs that were fitted again without seeds that had a record already; all have the same numbers.

    A restart in another batch equals that restart up to rounding, in the same batch to the last digit.
    """
    found, expected, n = by_run(records), by_run(undisturbed), 0
    assert found.keys() == expected.keys()
    for run, record in found.items():
        if record["batch"] == expected[run]["batch"]:
            assert numbers([record]) == numbers([expected[run]])
        else:
            assert (record["status"], record["iterations"]) == (expected[run]["status"], expected[run]["iterations"])
            assert values(record) == pytest.approx(values(expected[run]), rel=1e-9, abs=1e-12), run
            n += 1
    return n


def test_sweep_interrupted_at_random_moments_is_the_undisturbed_one(tmp_path: Path) -> None:
    moments = random.Random(int(os.environ.get("NMFBENCH_TEST_SEED", "0")))
    code, output = finish(command(tmp_path, 1, "undisturbed"))
    assert code == 0, output
    whole = load(tmp_path / "undisturbed")
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
            print(f"kills, terminations: {[*done.values()]}, records: {len(now)}, exit code {code}", flush=True)
            if code == 0:
                break
            if number == signal.SIGTERM:
                # Before and after the command itself, Python ends by the signal.
                assert code in (128 + number, -number) and time.monotonic() - begin < 15, where
                assert not list(results.rglob("*.tmp")), where
            else:
                assert code == -signal.SIGKILL, where
        n = smaller_batches(load(results), whole)
        assert {path.suffix for path in results.rglob("*") if path.is_file()} <= {
            ".json",
            ".npy",
            ".md",
            ".csv",
            ".tex",
        }
        print(f"sweep {sweep} is whole, {n} runs in a smaller batch", flush=True)
