"""Killed, interrupted and dying processes: what is kept, and what the next call runs."""

import os
import signal
import socket
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from processes import SWEEP, numbers, start, until_asleep
from troubled import SHORT, SYNTHETIC, records, run

from nmfbench import records as nmfbench_records
from nmfbench.cli import main
from nmfbench.records import Store
from nmfbench.running import measuring


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


def test_interrupted_sweep_keeps_finished_records_and_shows_their_table(tmp_path, configs, capsys) -> None:
    sweep = ["-m", *configs, *SYNTHETIC, "solver.interrupted=-1,0", "seeds=2", "evaluator.n_init=1"]
    assert run(tmp_path, *sweep) == 130
    printed = capsys.readouterr()
    assert "interrupted: 2 runs to go; the same command goes on" in printed.err
    assert "troubled" in printed.out and "2 max_iter" in printed.out
    assert len(records(tmp_path)) == 2


@pytest.mark.parametrize(("owner", "name"), [(measuring, "score"), (Store, "save")])
def test_interrupt_between_fit_and_record_loses_no_fit(owner, name, tmp_path, capsys, monkeypatch) -> None:
    call = [*SYNTHETIC, "solver=mu", "seeds=3", *SHORT]
    assert run(tmp_path / "whole", *call) == 0
    function, calls = getattr(owner, name), []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return function(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, interrupted)
        assert run(tmp_path, *call) == 130
    assert "interrupted: 2 runs to go" in capsys.readouterr().err
    assert len(list(tmp_path.glob("results/runs/*/*/*.unscored.npz"))) == 1
    fit, fitted = measuring.fit, []
    monkeypatch.setattr(measuring, "fit", lambda *a, **k: fitted.append(k["seeds"]) or fit(*a, **k))
    assert run(tmp_path, *call) == 0
    assert fitted == [[2]] and not list(tmp_path.glob("results/runs/*/*/*.npz"))
    assert numbers(records(tmp_path)) == numbers(records(tmp_path / "whole"))


def test_restart_that_an_interrupt_kept_is_not_taken_by_a_refit(tmp_path, monkeypatch) -> None:
    call = [*SYNTHETIC, "solver=mu", "seeds=2", *SHORT]

    def interrupted(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(measuring, "score", interrupted)
        assert run(tmp_path, *call, "refit=true") == 130
        assert not list(tmp_path.rglob("*.npz"))
        assert run(tmp_path, *call) == 130
    fit, fitted = measuring.fit, []
    monkeypatch.setattr(measuring, "fit", lambda *a, **k: fitted.append(k["seeds"]) or fit(*a, **k))
    assert run(tmp_path, *call, "refit=true") == 0
    assert fitted == [[0], [1]] and not list(tmp_path.rglob("*.npz"))


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
    nmfbench_records.write_text(path, "newer")
    assert list(path.parent.iterdir()) == [path], "the next write deletes what the dead process left"
    stray.write_text("new")
    Store(tmp_path).ensure_writable()
    assert not stray.exists(), "and so does the next run"


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


def test_two_processes_on_the_same_runs_both_finish_with_one_valid_record_each(tmp_path) -> None:
    words = ["run", *SYNTHETIC, "solver=mu", "seeds=3", *SHORT, "results_dir=results"]
    pair = [start(tmp_path, *words) for _ in range(2)]
    for process in pair:
        _, output = process.communicate(timeout=120)
        assert process.returncode == 0, output
    assert sorted(record["seed"] for record in records(tmp_path)) == [0, 1, 2]
    assert not list((tmp_path / "results").rglob(".*.tmp"))
