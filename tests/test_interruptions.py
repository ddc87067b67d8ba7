"""Killed, interrupted and dying processes: what is kept, and what the next call runs."""

import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
from troubled import SHORT, SYNTHETIC, records, run

from nmfbench import records as nmfbench_records
from nmfbench.cli import main
from nmfbench.records import Store

ROOT = Path(__file__).resolve().parents[1]


SLEEPER = """
import os, sys, time
from dataclasses import dataclass
from typing import ClassVar
from nmfbench.numerics.factorization import Product
from nmfbench.solvers.base import Solver, Stopping

@dataclass(frozen=True, kw_only=True)
class Sleeper(Solver):
    stopping: ClassVar[Stopping] = Stopping(max_iter=2, check_every=1)
    rank: int = 2
    sleeps: float = 0.0

    def iterates(self, problem, rng):
        W = rng.uniform("W", (problem.X.shape[0], self.rank), problem.X)
        H = rng.uniform("H", (self.rank, problem.X.shape[1]), problem.X)
        yield Product(W, H)
        if self.sleeps and "NMFBENCH_TEST_FAST" not in os.environ:
            print("asleep", file=sys.stderr, flush=True)
            time.sleep(60)
        yield Product(W, H)

    def objective(self, problem, factorization):
        return (problem.X - factorization.reconstruct()).square().sum((-2, -1))
"""


SWEEP = ["run", "-m", "--config-dir", "theirs", "solver=sleeper", "solver.sleeps=0.0,1.0"]
SWEEP += [*SYNTHETIC, "seeds=2", "threads=1", "evaluator.n_init=1", "results_dir=results"]


def start(tmp_path: Path) -> subprocess.Popen[str]:
    """Start a sweep over two jobs; the second one sleeps."""
    folder = tmp_path / "theirs"
    (folder / "solver").mkdir(parents=True)
    (folder / "sleeper.py").write_text(SLEEPER)
    (folder / "solver" / "sleeper.yaml").write_text("_target_: sleeper.Sleeper\nrank: 2\nsleeps: 0.0\n")
    command = [sys.executable, "-m", "nmfbench", *SWEEP]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    # A shell's background job ignores Ctrl-C, and so would what the tests start there.
    return subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        text=True,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def until_asleep(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if line.strip() == "asleep":
            return
    pytest.fail("the sweep ended without its second job")


def sleeps(tmp_path: Path) -> list[float]:
    return [record["config"]["solver"]["sleeps"] for record in records(tmp_path)]


def test_killed_sweep_keeps_what_is_finished_and_the_next_call_runs_the_rest(tmp_path, monkeypatch, capsys) -> None:
    with start(tmp_path) as process:
        until_asleep(process)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert sleeps(tmp_path) == [0.0, 0.0]
    # The same command, in this process, with a second job that does not sleep.
    monkeypatch.setenv("NMFBENCH_TEST_FAST", "1")
    monkeypatch.syspath_prepend(tmp_path / "theirs")
    monkeypatch.chdir(tmp_path)
    assert main(SWEEP) == 0
    output = capsys.readouterr().err
    assert "already done: 2, to run: 2" in output and "[2/2]" not in output
    assert sorted(sleeps(tmp_path)) == [0.0, 0.0, 1.0, 1.0]


def test_ctrl_c_ends_a_real_sweep_within_seconds_with_130(tmp_path) -> None:
    with start(tmp_path) as process:
        until_asleep(process)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, output = process.communicate()
    assert process.returncode == 130 and time.monotonic() - begin < 10
    assert "interrupted: 2 runs to go" in output and "Traceback" not in output
    assert sleeps(tmp_path) == [0.0, 0.0]


def test_interrupted_sweep_keeps_finished_records_and_shows_their_table(tmp_path, configs, capsys) -> None:
    sweep = ["-m", *configs, *SYNTHETIC, "solver.interrupted=-1,0", "seeds=2", "evaluator.n_init=1"]
    assert run(tmp_path, *sweep) == 130
    printed = capsys.readouterr()
    assert "interrupted: 2 runs to go; the same command goes on" in printed.err
    assert "troubled" in printed.out and "2 max_iter" in printed.out
    assert len(records(tmp_path)) == 2


def test_process_that_dies_in_mid_write_leaves_the_old_file_whole(tmp_path) -> None:
    path = tmp_path / "runs" / "a.json"
    path.parent.mkdir()
    path.write_text("old")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads: this one only writes a file
        process = os.fork()
    if process == 0:
        try:
            nmfbench_records.os.replace = lambda *_: os._exit(9)
            nmfbench_records.write_text(path, "new")
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 9
    assert path.read_text() == "old"
    (stray,) = path.parent.glob(".*.tmp")
    Store(tmp_path).ensure_writable()
    assert not stray.exists(), "the temporary file of a dead process is cleaned"


def test_only_temporary_files_of_dead_processes_of_this_machine_are_cleaned(tmp_path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    host = socket.gethostname()
    assert run(tmp_path, *SYNTHETIC, "solver=raw", "seeds=1", *SHORT) == 0
    (folder,) = (tmp_path / "results" / "runs").glob("*/*")
    names = {
        f".a.{dead.pid}@{host}.tmp": False,
        f".b.{os.getpid()}@{host}.tmp": True,
        f".c.{dead.pid}@{host}.elsewhere.tmp": True,
        ".d.tmp": True,
    }
    for name in names:
        (folder / name).write_text("{")
    assert main(["table", "--results", str(tmp_path / "results")]) == 0
    assert len(records(tmp_path)) == 1
    assert run(tmp_path, *SYNTHETIC, "solver=raw", "seeds=1", *SHORT) == 0
    assert {name: (folder / name).exists() for name in names} == names


def test_failed_write_leaves_no_file_and_counts_as_failed(tmp_path, capsys, monkeypatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("nmfbench.records.os.replace", full)
        store = Store(tmp_path / "results")
        with pytest.raises(OSError, match="No space"):
            nmfbench_records.write_text(store.runs / "a.json", "text")
        assert not list(store.runs.iterdir())
        patch.setattr("nmfbench.app.write_text", lambda *a: None)
        assert run(tmp_path, *SYNTHETIC, "solver=raw", "seeds=1", *SHORT) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert not records(tmp_path)
    assert run(tmp_path, *SYNTHETIC, "solver=raw", "seeds=1", *SHORT) == 0
