"""Claims: two processes share a sweep, and none of them does what the other does."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from processes import ROOT, numbers, until
from shell import load
from troubled import SYNTHETIC

from nmfbench import endings
from nmfbench.running import claims
from nmfbench.running.claims import claimed

LOGGED = """
import os, time
from dataclasses import dataclass
from typing import ClassVar
from nmfbench.numerics.factorization import Product
from nmfbench.solvers.base import Solver, Stopping

@dataclass(frozen=True, kw_only=True)
class Logged(Solver):
    stopping: ClassVar[Stopping] = Stopping(max_iter=3, check_every=1)
    rank: int = 2
    step: int = 0

    def iterates(self, problem, rng):
        log = os.open("log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(log, f"{os.getpid()} {self.step} {rng.seeds}\\n".encode())
        os.close(log)
        end = time.monotonic() + float(os.environ["NMFBENCH_TEST_PAUSE"])
        while time.monotonic() < end and not os.path.exists("go on"):
            time.sleep(0.02)
        W = rng.uniform("W", (len(problem.X), self.rank), problem.X)
        H = rng.uniform("H", (self.rank, problem.X.shape[1]), problem.X)
        for i in range(4):
            yield Product(W, H)
            H = 0.9 * H

    def objective(self, problem, factorization):
        return factorization.codes[0].sum((-2, -1))
"""
SWEEP = ["run", "-m", "--config-dir", "theirs", "solver=logged", "solver.step=0,1,2,3", "seeds=4", *SYNTHETIC]
SWEEP += ["threads=1", "evaluator.n_init=1"]


def start(folder: Path, *words: str, pause: float = 0.1) -> subprocess.Popen[str]:
    theirs = folder / "theirs"
    if not theirs.exists():
        (theirs / "solver").mkdir(parents=True)
        (theirs / "logged.py").write_text(LOGGED)
        (theirs / "solver/logged.yaml").write_text("_target_: logged.Logged\nrank: 2\nstep: 0\n")
    variables = {"PYTHONPATH": os.pathsep.join([str(theirs), str(ROOT)]), "NMFBENCH_TEST_PAUSE": str(pause)}
    return subprocess.Popen(
        [sys.executable, "-m", "nmfbench", *SWEEP, *words],
        cwd=folder,
        env=os.environ | variables,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def fits(folder: Path) -> Counter[str]:
    return Counter(line.partition(" ")[2] for line in (folder / "log").read_text().splitlines())


@pytest.mark.parametrize("jobs", [1, 2])
def test_two_calls_of_a_sweep_share_it_and_both_show_all_of_it(jobs: int, tmp_path: Path) -> None:
    pair = [start(tmp_path, f"jobs={jobs}", "results_dir=results") for _ in range(2)]
    for process in pair:
        table, output = process.communicate(timeout=120)
        assert process.returncode == 0, output
        assert table.count("4 max_iter") + table.count("4 converged") == 4, table
    assert len(fits(tmp_path)) == 16 and set(fits(tmp_path).values()) == {1}
    assert len({line.split()[0] for line in (tmp_path / "log").read_text().splitlines()}) == 2 * jobs
    alone = start(tmp_path, "jobs=1", "results_dir=alone", pause=0.0)
    alone.communicate(timeout=60)
    assert numbers(load(tmp_path / "results")) == numbers(load(tmp_path / "alone"))
    assert not list((tmp_path / "results").rglob("*.claim"))


def test_seed_whose_reference_another_process_is_making_waits_for_it(tmp_path: Path) -> None:
    """The second call fits seed 1 while the first one is at seed 0, and scores it only then."""
    slow = start(tmp_path, "solver.step=0", "seeds=1", "jobs=1", "results_dir=results", pause=60.0)
    assert until((tmp_path / "log").exists, 60)
    quick = start(tmp_path, "solver.step=0", "seeds=3", "jobs=2", "results_dir=results", pause=0.0)
    assert until(lambda: len(list(tmp_path.glob("results/runs/*/*/*.unscored.npz"))) == 2, 60)
    time.sleep(2)
    assert not list(tmp_path.glob("results/runs/*/*/*.json"))
    (tmp_path / "go on").touch()
    for process in (quick, slow):
        _, output = process.communicate(timeout=60)
        assert process.returncode == 0, output
    assert sum(fits(tmp_path).values()) == 3
    by_seed = {record["seed"]: {row["metric"] for row in record["metrics"]} for record in load(tmp_path / "results")}
    assert "stability" in by_seed[1] & by_seed[2] and "stability" not in by_seed[0]


def test_what_a_killed_process_had_claimed_is_taken_over(tmp_path: Path) -> None:
    first = start(tmp_path, "jobs=1", "results_dir=results", pause=60.0)
    assert until((tmp_path / "log").exists, 60)
    second = start(tmp_path, "jobs=1", "results_dir=results", pause=0.0)
    assert until(lambda: len(list(tmp_path.glob("results/runs/*/*/*.json"))) == 12, 60)  # all but the first of seed 0
    assert second.poll() is None
    first.send_signal(signal.SIGKILL)
    first.communicate()
    _, output = second.communicate(timeout=60)
    assert second.returncode == 0, output
    assert fits(tmp_path)["0 (0,)"] == 2 and sum(fits(tmp_path).values()) == 17
    assert len(load(tmp_path / "results")) == 16 and not list((tmp_path / "results").rglob("*.claim"))


def test_claim_is_given_once(tmp_path: Path) -> None:
    a, b = tmp_path / "runs/a.json", tmp_path / "runs/b.json"
    with claimed([a, b]) as mine:
        assert mine == [a, b]
        with claimed([b, tmp_path / "c.json"]) as others:
            assert others == [tmp_path / "c.json"]
    with claimed([a]) as mine:
        assert mine == [a]
    assert not list(tmp_path.rglob("*.claim"))


def test_waiting_for_a_claim_ends_when_it_is_given_up_and_by_a_signal(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(claims, "EVERY", 0.01)
    record, begun = tmp_path / "a.json", threading.Event()

    def hold() -> None:
        with claimed([record]):
            begun.set()
            time.sleep(0.3)

    holder = threading.Thread(target=hold)
    holder.start()
    begun.wait()
    with claimed([record], wait=True) as mine:
        assert mine == [record]
    holder.join()
    monkeypatch.setattr(endings, "_asked", (signal.SIGTERM, 0.0))
    with claimed([record]), pytest.raises(endings.Stopped), claimed([record], wait=True):
        pytest.fail("two claims of the same record")


def test_file_system_without_locks_gives_every_claim(tmp_path: Path, monkeypatch) -> None:
    def flock(file: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with claimed([tmp_path / "a.json"]) as one, claimed([tmp_path / "a.json"]) as other:
        assert one == other == [tmp_path / "a.json"]


def test_locks_that_killed_processes_left_are_deleted(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f".{name}.json.claim").touch()
    with claimed([tmp_path / "b.json"]):
        claims.clean(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [".b.json.claim"]
