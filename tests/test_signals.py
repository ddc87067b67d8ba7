"""Signals end a command in good order, and no process outlives the one that started it."""

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from processes import left, numbers, start, until, until_asleep
from shell import load
from troubled import records

from nmfbench import endings
from nmfbench.cli import main
from nmfbench.running import launching, measuring
from nmfbench.running.launchers import workers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
QUIET = ("Traceback", "leaked", "out of memory", "Error")


def files(folder: Path, pattern: str) -> list[Path]:
    return list((folder / "results").rglob(pattern))


@pytest.mark.parametrize(
    ("number", "jobs"),
    # Workers ignore SIGHUP as they ignore SIGINT.
    [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGHUP, 1), (signal.SIGINT, 2), (signal.SIGTERM, 2)],
)
def test_signal_ends_a_sweep_in_order_with_128_and_its_number(number: int, jobs: int, tmp_path: Path) -> None:
    with start(tmp_path, f"jobs={jobs}") as process:
        until_asleep(process)
        assert until(lambda: len(files(tmp_path, "*/*/*.json")) == 2, 30)
        begin = time.monotonic()
        os.killpg(process.pid, number)  # as a terminal and a scheduler do
        table, output = process.communicate()
    assert process.returncode == 128 + number and time.monotonic() - begin < 10
    assert "interrupted: 2 runs to go; the same command goes on from here" in output and "sleeper" in table
    assert not [word for word in QUIET if word in output], output
    assert until(lambda: not left(process), 5)
    assert len(records(tmp_path)) == 2 and not files(tmp_path, "*.tmp")


def test_signal_that_was_ignored_at_the_start_stays_ignored(tmp_path: Path) -> None:
    with start(tmp_path, ignores=signal.SIGHUP) as process:
        until_asleep(process)
        process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert process.returncode == 128 + signal.SIGTERM


def test_workers_end_with_a_killed_parent_in_the_middle_of_a_fit(tmp_path: Path) -> None:
    with start(tmp_path, "jobs=2") as process:
        until_asleep(process)
        assert len(left(process)) >= 3
        process.kill()
        assert until(lambda: not left(process), 5), left(process)
        _, output = process.communicate()
    assert not [word for word in QUIET if word in output], output


@pytest.mark.parametrize("launcher", ["processes", "dask"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_worker_that_dies_is_replaced_and_a_seed_that_kills_three_has_failed(
    number: int, launcher: str, tmp_path: Path
) -> None:
    # Seed 0 ends at once, seed 1 sleeps until its worker is killed.
    with start(tmp_path, "jobs=2", "solver.quick=0", f"launcher={launcher}") as process:
        for _ in range(launching.DEATHS):
            until_asleep(process)
            os.kill(int((tmp_path / "asleep").read_text()), number)
        _, output = process.communicate()
    assert process.returncode == 1, output
    by_run = {(record["config"]["solver"]["sleeps"], record["seed"]): record["status"] for record in records(tmp_path)}
    assert by_run.pop((1.0, 1)) == "failed" and len(by_run) == 3 and "failed" not in by_run.values()
    assert "failed: sleeper on synthetic" in output and "seed 1: Died: a worker was" in output
    assert until(lambda: not left(process), 5)


@pytest.mark.parametrize("twice", [False, True])
def test_worker_that_hears_no_signal_is_killed_at_once_by_a_second_one(twice: bool, tmp_path: Path) -> None:
    with start(tmp_path, "jobs=2", "solver.stubborn=true") as process:
        until_asleep(process)
        begin = time.monotonic()
        process.terminate()
        process.terminate()  # the same request: it comes too soon for a second one
        if twice:
            time.sleep(endings.AGAIN + 0.2)
            assert process.poll() is None
            process.terminate()
        process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert time.monotonic() - begin < (4 if twice else 10)
    assert until(lambda: not left(process), 5)


@pytest.mark.parametrize("jobs", [1, 2])
def test_restart_that_had_ended_has_its_record(jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with start(tmp_path, "solver.quick=0", f"jobs={jobs}", "seeds=3", "solver.sleeps=0.0,1.0") as process:
        until_asleep(process)
        assert until(lambda: len(files(tmp_path, "*/*/*.json")) == 4, 30)
        process.terminate()
        process.communicate()
    monkeypatch.setenv("NMFBENCH_TEST_FAST", "1")
    monkeypatch.syspath_prepend(tmp_path / "theirs")
    monkeypatch.chdir(tmp_path)
    fit, fitted = measuring.fit, []
    monkeypatch.setattr(measuring, "fit", lambda *a, **k: fitted.append(k["seeds"]) or fit(*a, **k))
    again = [word for word in [*process.args[3:], "jobs=1"] if word != f"jobs={jobs}"]  # type: ignore[union-attr]
    assert main(again) == 0
    assert fitted == [[1], [2]]
    assert not files(tmp_path, "*.npz")
    assert main([*again, "results_dir=undisturbed"]) == 0
    whole = numbers(load(tmp_path / "undisturbed"))
    assert numbers(records(tmp_path)) == whole and len(whole) == 6


def test_worker_that_has_no_more_calls_ends_quietly_whatever_signal_comes(capfd: pytest.CaptureFixture[str]) -> None:
    with workers.Workers(atexit.register) as started:
        started.call(signal.raise_signal, signal.SIGTERM)
        assert started.wait()[0] == (signal.raise_signal, signal.SIGTERM)
    assert capfd.readouterr().err == ""


# In this process


def test_handlers_are_those_of_before_when_a_command_returns(capsys: pytest.CaptureFixture[str]) -> None:
    before = [signal.getsignal(number) for number in endings.SIGNALS]
    assert main(["list", "solvers"]) == 0
    assert [signal.getsignal(number) for number in endings.SIGNALS] == before


def test_command_in_another_thread_installs_no_handler(capsys: pytest.CaptureFixture[str]) -> None:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(main(["list", "solvers"])))
    thread.start()
    thread.join()
    assert codes == [0]


@pytest.mark.parametrize("number", endings.SIGNALS)
def test_interrupted_command_says_so_with_its_code(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("nmfbench.datasets.look", lambda name: os.kill(os.getpid(), number))
    # A process that pytest starts in the background may ignore SIGINT.
    former = signal.signal(number, signal.SIG_DFL)
    try:
        assert main(["data", "list", "digits"]) == 128 + number
    finally:
        signal.signal(number, former)
    assert capsys.readouterr().err == "nmfbench: interrupted\n"


def test_interrupt_that_a_library_turns_into_an_error_is_an_interrupt() -> None:
    with pytest.raises(endings.Stopped), endings.stoppable():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            raise ImportError("half a library") from None


def test_swallowed_interrupt_is_raised_at_the_next_check() -> None:
    with endings.stoppable():
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        assert endings.asked()
        with pytest.raises(endings.Stopped):
            endings.check()
    endings.check()


def test_held_signal_comes_at_the_end_of_the_block() -> None:
    reached = False
    with pytest.raises(endings.Stopped), endings.stoppable(), endings.held():
        os.kill(os.getpid(), signal.SIGTERM)
        reached = True
    assert reached
