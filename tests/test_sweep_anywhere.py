"""A sweep of 200 runs has the same numbers in whatever order, and under whatever launcher, it is made."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import ROOT, numbers
from shell import load
from test_launchers import cluster
from troubled import SYNTHETIC

pytestmark = pytest.mark.slow

DOOMED = """
import os, signal
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from nmfbench.numerics.factorization import Product
from nmfbench.solvers.base import Solver, Stopping

@dataclass(frozen=True, kw_only=True)
class Doomed(Solver):
    stopping: ClassVar[Stopping] = Stopping(max_iter=20, check_every=5)
    rank: int = 2
    step: int = 0
    marker: str = ""

    def iterates(self, problem, rng):
        X = problem.X
        W, H = rng.uniform("W", (len(X), self.rank), X), rng.uniform("H", (self.rank, X.shape[1]), X)
        if (self.step, rng.seeds) == (7, (3,)):
            raise ArithmeticError("no luck with this seed")
        if (self.step, rng.seeds) == (11, (2,)) and not Path(self.marker).exists():
            Path(self.marker).write_text("killed once")
            os.kill(os.getpid(), signal.SIGKILL)
        while True:
            yield Product(W, H)
            H = H * (W.mT @ X) / (W.mT @ W @ H)
            W = W * (X @ H.mT) / (W @ (H @ H.mT))

    def objective(self, problem, factorization):
        return (problem.X - factorization.reconstruct()).square().sum((-2, -1)) / 2
"""


def test_two_hundred_runs_one_raising_and_one_worker_killed_are_the_same_everywhere(tmp_path: Path) -> None:
    theirs, marker = tmp_path / "theirs", tmp_path / "marker"
    (theirs / "solver").mkdir(parents=True)
    (theirs / "doomed.py").write_text(DOOMED)
    (theirs / "solver/doomed.yaml").write_text(f"_target_: doomed.Doomed\nrank: 2\nstep: 0\nmarker: {marker}\n")

    def sweep(name: str, steps: list[int], *words: str, kills: bool) -> tuple[int, str]:
        marker.unlink(missing_ok=True)
        if not kills:
            marker.touch()
        call = ["run", "-m", "--config-dir", str(theirs), "solver=doomed", f"solver.step={','.join(map(str, steps))}"]
        call += [*SYNTHETIC, "seeds=5", "threads=1", "evaluator.n_init=1", f"results_dir={tmp_path / name}", *words]
        done = subprocess.run(
            [sys.executable, "-m", "nmfbench", *call],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(theirs), str(ROOT)])},
            text=True,
            capture_output=True,
            timeout=300,
        )
        assert marker.exists() and ("trying again" in done.stderr) == kills, done.stderr
        return done.returncode, done.stderr

    everything = list(range(40))
    outcomes = {
        "serial": sweep("serial", everything, "jobs=1", kills=False),
        "reordered": sweep("reordered", everything[::-1], "jobs=1", kills=False),
        "processes": sweep("processes", everything, "jobs=2", kills=True),
        "dask": sweep("dask", everything, "jobs=2", "launcher=dask", kills=True),
    }
    with cluster(tmp_path / "elsewhere", allowed_failures=0) as (address, _):
        words = ["launcher=dask", f"launcher.scheduler={address}"]
        outcomes["elsewhere"] = sweep("elsewhere", everything, *words, kills=True)
    undisturbed = numbers(load(tmp_path / "serial"))
    for name, (code, output) in outcomes.items():
        assert code == 1, output
        made = load(tmp_path / name)
        failed = [record for record in made if record["status"] == "failed"]
        assert len(made) == 200 and len(failed) == 1, name
        assert output.count("failed: doomed") == 1 and "seed 3: ArithmeticError: no luck with this seed" in output
        assert numbers(made) == undisturbed, name
