"""Commands in processes of their own, a solver that sleeps in the middle of a fit, and what is left of both."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from troubled import SYNTHETIC

from nmfbench.records import digest

ROOT = Path(__file__).resolve().parents[1]

SLEEPER = """
import os, signal, sys, time
from dataclasses import dataclass
from typing import ClassVar
import torch
from nmfbench.numerics.factorization import Product
from nmfbench.solvers.base import Solver, Stopping

@dataclass(frozen=True, kw_only=True)
class Sleeper(Solver):
    stopping: ClassVar[Stopping] = Stopping(max_iter=6, tol=1e-9, check_every=1)
    rank: int = 2
    sleeps: float = 0.0
    quick: int = -1
    stubborn: bool = False

    def iterates(self, problem, rng):
        W = rng.uniform("W", (problem.X.shape[0], self.rank), problem.X)
        H = rng.uniform("H", (self.rank, problem.X.shape[1]), problem.X)
        slow = torch.tensor([seed != self.quick for seed in rng.seeds])[:, None, None]
        for i in range(6):
            yield Product(W, H)
            if i == 3 and self.sleeps and "NMFBENCH_TEST_FAST" not in os.environ:
                if self.stubborn:
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a mask would leave it to the threads of BLAS
                with open("asleep", "w") as file:
                    file.write(str(os.getpid()))
                print("asleep", file=sys.stderr, flush=True)
                time.sleep(60)
            H = torch.where(slow, 0.9 * H, H)

    def objective(self, problem, factorization):
        return factorization.codes[0].sum((-2, -1))
"""

SWEEP = ["run", "-m", "--config-dir", "theirs", "solver=sleeper", "solver.sleeps=0.0,1.0"]
SWEEP += [*SYNTHETIC, "seeds=2", "threads=1", "evaluator.n_init=1", "results_dir=results"]


def start(folder: Path, *words: str, ignores: int | None = None) -> subprocess.Popen[str]:
    """Start a command, by default the sweep over two jobs, the second of which sleeps; it has a session of its own."""
    theirs = folder / "theirs"
    if not theirs.exists():
        (theirs / "solver").mkdir(parents=True)
        (theirs / "sleeper.py").write_text(SLEEPER)
        yaml = "_target_: sleeper.Sleeper\nrank: 2\nsleeps: 0.0\nquick: -1\nstubborn: false\n"
        (theirs / "solver" / "sleeper.yaml").write_text(yaml)

    def dispositions() -> None:
        # A shell's background job ignores Ctrl-C, and one under nohup SIGHUP; so would what the tests start there.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        if ignores:
            signal.signal(ignores, signal.SIG_IGN)

    return subprocess.Popen(
        [sys.executable, "-m", "nmfbench", *(words if words[:1] in (("data",), ("run",)) else [*SWEEP, *words])],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(theirs), str(ROOT)])},
        text=True,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=dispositions,
    )


def until_asleep(process: subprocess.Popen[str]) -> None:
    """Wait until its job sleeps."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        if "asleep" in line:  # another process may have written into the same line
            return
        lines.append(line)
    pytest.fail(f"the sweep ended without its second job: {''.join(lines)}")


def until(is_so: Callable[[], bool], seconds: float) -> bool:
    """Wait until it is so; whether that happened in time."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def numbers(records: list[dict[str, Any]]) -> dict[tuple[str, int], tuple[Any, ...]]:
    """What must not depend on interruptions, by configuration and seed."""
    return {
        (digest(record["config"]), record["seed"]): (
            *(record[key] for key in ("status", "iterations", "objective", "metrics", "exhibits", "declared")),
            [look[:2] for look in record["history"]],
            list(record),
        )
        for record in records
    }


def left(process: subprocess.Popen[str]) -> list[int]:
    """The processes of its session that still run, itself and orphans among them."""
    running = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it has ended meanwhile
            continue
        if int(session) == process.pid and state != "Z":
            running.append(int(path.parent.name))
    return running
