"""Faults in the course of a sweep, through the command line: what the others see of them, and what a record says."""

import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from troubled import SHORT, SYNTHETIC, records, run

from nmfbench.cli import main
from nmfbench.fitting import fit
from nmfbench.running import cards, environment, executing, launching, measuring
from nmfbench.running.composing import requests
from nmfbench.running.planning import plan


@pytest.mark.parametrize("jobs", [1, 2])
def test_one_raising_run_of_a_hundred_leaves_ninety_nine_records(jobs, tmp_path, configs, capsys) -> None:
    values = [3, *range(101, 101 + (19 if jobs == 1 else 3))]
    call = ["-m", *configs, *SYNTHETIC, f"solver.raises={','.join(map(str, values))}", "seeds=5", *SHORT]
    assert run(tmp_path, *call, f"jobs={jobs}") == 1
    printed = capsys.readouterr()
    failed = [record for record in records(tmp_path) if record["status"] == "failed"]
    assert len(records(tmp_path)) == 5 * len(values) and len(failed) == 1
    assert (failed[0]["seed"], failed[0]["config"]["solver"]["raises"]) == (3, 3)
    lines = [line for line in printed.err.splitlines() if line.startswith("failed: ")]
    assert len(lines) == 1 and "raises=3" in lines[0] and "seed 3: ArithmeticError" in lines[0]
    assert "Traceback" not in printed.err


def test_all_failures_of_a_sweep_are_listed_at_its_end(tmp_path, configs, capsys) -> None:
    call = ["-m", *configs, *SYNTHETIC, "solver.raises=0,1,2", "seeds=2", *SHORT]
    assert run(tmp_path, *call) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("failed: ")]
    assert [line.partition("seed ")[2][0] for line in lines] == ["0", "1"]


def test_memory_of_the_device_that_runs_out_fails_one_run_with_the_reason(tmp_path, capsys, monkeypatch) -> None:
    def fits(solver, problem, **settings):
        if solver.rank == 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return fit(solver, problem, **settings)

    monkeypatch.setattr(measuring, "fit", fits)
    assert run(tmp_path, "-m", *SYNTHETIC, "solver=mu", "rank=2,3,4", "seeds=1", *SHORT) == 1
    by_rank = {record["rank"]: record for record in records(tmp_path)}
    assert [by_rank[rank]["status"] for rank in (2, 3, 4)] == ["max_iter", "failed", "max_iter"]
    assert "out of memory" in by_rank[3]["error"] and "20.00 GiB" in by_rank[3]["error"]
    assert "seed 0: OutOfMemoryError: CUDA out of memory" in capsys.readouterr().err


def test_clock_that_jumps_moves_neither_times_nor_names(tmp_path, monkeypatch) -> None:
    call = [*SYNTHETIC, "solver=mu", "rank=2", "seeds=2", *SHORT]
    assert run(tmp_path / "plain", *call) == 0
    jumps = itertools.cycle([2e9, 1.0, 4e9])
    monkeypatch.setattr(time, "time", lambda: next(jumps))
    assert run(tmp_path / "jumps", *call) == 0
    plain, jumped = (
        sorted(path.name for path in (tmp_path / name).rglob("runs/*/*/*.json")) for name in ("plain", "jumps")
    )
    assert plain == jumped and len(plain) == 2
    for record in records(tmp_path / "jumps"):
        times = [record["seconds"], record["evaluation_seconds"], *(seconds for *_, seconds in record["history"])]
        assert all(0 <= seconds < 60 for seconds in times)


def test_threads_do_not_depend_on_how_many_jobs_run_at_once(tmp_path, monkeypatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(executing.torch, "set_num_threads", seen.append)
    for words in ([], ["threads=3"]):
        call = ["run", f"results_dir={tmp_path / 'results'}", *SYNTHETIC, "solver=mu", "rank=2", "seeds=1", *SHORT[1:]]
        assert main([*call, "refit=true", *words]) == 0
        (record,) = records(tmp_path)
        assert record["environment"]["threads"] == seen[-1] == (3 if words else 1)


def test_threads_are_those_of_libraries_too_that_are_imported_later() -> None:
    script = (
        "from nmfbench.running import executing; executing.pin(1); import sklearn.neighbors, scipy.linalg; "
        "import threadpoolctl as t; print(*[(x['user_api'], x['num_threads']) for x in t.threadpool_info()])"
    )
    environment = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.stdout.count("blas") >= 2 and done.stdout.count("openmp") >= 2
    assert done.stdout.count(", 1)") == done.stdout.count("("), done.stdout


@pytest.mark.parametrize(
    ("cores", "memory", "words", "expected"),
    [
        (8, 64, [], 8),
        (8, 64, ["threads=4"], 2),
        (8, 64, ["jobs=3"], 3),
        (8, 2, [], 3),
        (1, 64, [], 1),
        (64, 64, [], 10),
        (8, 64, ["stopping.max_iter=1"], 1),
    ],
)
def test_processes_are_as_many_as_cores_memory_and_seeds_allow(
    cores, memory, words, expected, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(environment, "cores", lambda: cores)
    monkeypatch.setattr(launching.os, "sysconf", {"SC_PHYS_PAGES": memory * 2**20, "SC_PAGE_SIZE": 2**10}.__getitem__)
    call = ["dataset=digits", "solver=mu", "rank=40", "seeds=10", "stopping.max_iter=10000", f"results_dir={tmp_path}"]
    (request,) = requests([word for word in call if word.partition("=")[0] not in str(words)] + words)
    assert launching.workers(plan(request).jobs) == expected


def test_more_threads_than_cores_are_said_and_recorded(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(environment, "cores", lambda: 1)
    call = ["run", f"results_dir={tmp_path / 'results'}", *SYNTHETIC, "solver=mu", "rank=2", "seeds=1", *SHORT]
    assert main([*call, "threads=2", "jobs=1"]) == 0
    assert "jobs=1 × threads=2 is more than the 1 cores" in capsys.readouterr().err
    (record,) = records(tmp_path)
    assert (record["environment"]["threads"], record["environment"]["cores"]) == (2, 1)


def table_of(path: Path, X: np.ndarray, y: object = None) -> list[str]:
    table = pd.DataFrame(X).add_prefix("f")
    (table if y is None else table.assign(label=y)).to_csv(path, index=False)
    return ["dataset=file", f"dataset.path='{path}'", *([] if y is None else ["dataset.y=label"])]


def test_results_are_shown_without_their_data_and_only_runs_need_it(tmp_path, capsys) -> None:
    X = np.random.default_rng(0).uniform(size=(12, 5))
    call = [*table_of(tmp_path / "mine.csv", X, ["a", "b"] * 6), "solver=mu", "seeds=2", *SHORT]
    assert run(tmp_path, *call) == 0
    (tmp_path / "mine.csv").unlink()
    cards.load.cache_clear()  # as in a new process
    capsys.readouterr()
    folder = ["--results", str(tmp_path / "results")]
    for words in (["table"], ["status"], ["show", "dataset=mine"]):
        assert main([*words, *folder]) == 0
        assert "mu" in capsys.readouterr().out
    assert run(tmp_path, *call) == 0, "nothing is left to run"
    assert "nothing to run" in capsys.readouterr().err
    assert run(tmp_path, *call, "rank=4") == 3
    assert "mine.csv" in capsys.readouterr().err


def test_entries_that_vanish_in_the_dtype_are_refused_before_the_fit(tmp_path, capsys) -> None:
    X = np.random.default_rng(0).uniform(0.1, 1, (12, 5)) * 1e-50
    call = [*table_of(tmp_path / "tiny.csv", X, ["a", "b"] * 6), "dataset.scaling=none", "solver=mu", "seeds=1", *SHORT]
    assert run(tmp_path, *call) == 3
    error = capsys.readouterr().err
    assert "60 entries of X vanish in float32, the first at feature 0, sample 0" in error and 'dtype="float64"' in error
    assert not records(tmp_path)
    assert run(tmp_path, *call, "dataset.scaling=max") == 0, "scaled, it is as any other"


def test_objective_that_vanishes_has_a_dash_and_a_reason(tmp_path, capsys) -> None:
    X = np.random.default_rng(0).uniform(0.1, 1, (12, 5)) * 1e-25
    call = [*table_of(tmp_path / "tiny.csv", X, ["a", "b"] * 6), "dataset.scaling=none", "solver=mu", "seeds=1", *SHORT]
    assert run(tmp_path, *call) == 0
    printed = capsys.readouterr().out
    assert "1 diverged" in printed and "–" in printed and "0.0000" not in printed
    (record,) = records(tmp_path)
    assert record["status"] == "diverged" and "objective vanishes in float32" in record["error"]


def test_folder_for_every_image_is_refused_before_the_fit(tmp_path, capsys) -> None:
    for i in range(5):
        (tmp_path / "faces" / f"person{i}").mkdir(parents=True)
        Image.fromarray(np.full((4, 3), i, np.uint8)).save(tmp_path / "faces" / f"person{i}" / "1.png")
    assert run(tmp_path, "dataset=images", f"dataset.path='{tmp_path / 'faces'}'", "solver=mu", *SHORT) == 3
    assert "5 classes among 5 samples" in capsys.readouterr().err


def test_objective_that_rose_is_named_below_the_table(tmp_path, configs, capsys, monkeypatch) -> None:
    def rising(*arguments, on_end, **settings):
        def end(result):
            if result.seed == 0:
                result.rises.append((2, 0.5))
            on_end(result)

        return fit(*arguments, on_end=end, **settings)

    monkeypatch.setattr(measuring, "fit", rising)
    assert run(tmp_path, *SYNTHETIC, "solver=mu", "seeds=2", *SHORT) == 0
    assert "The objective rose, though the method is monotone: mu (seed 0)." in capsys.readouterr().out
    assert [record["rises"] for record in sorted(records(tmp_path), key=lambda r: r["seed"])] == [[[2, 0.5]], []]


def test_reordered_and_parallel_sweeps_have_the_same_metrics(tmp_path) -> None:
    def metrics(name: str, *words: str) -> list:
        assert run(tmp_path / name, "-m", *SYNTHETIC, *words, "solver=mu", *SHORT) == 0
        by_run = {(r["rank"], r["seed"]): r["metrics"] for r in records(tmp_path / name)}
        return sorted(by_run.items())

    serial = metrics("serial", "rank=2,3", "seeds=[0,1]")
    assert metrics("reordered", "rank=3,2", "seeds=[1,0]") == serial
    assert metrics("parallel", "rank=2,3", "seeds=[0,1]", "jobs=2") == serial
