"""Measure the overhead of each launcher: python benchmarks/launchers.py [jobs [seconds]].

Each job (1,000 of them, one seed each) sleeps for a while (0.05 s). They run in one process, in two processes, and
under dask with two workers. The overhead is the wall time from the first task to the last, per job and worker, minus
the sleep. Starting the command and its workers is not part of it.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

SOLVER = """
import time
from dataclasses import dataclass
from typing import ClassVar
from nmfbench.numerics.factorization import Product
from nmfbench.solvers.base import Solver, Stopping

@dataclass(frozen=True, kw_only=True)
class Pausing(Solver):
    stopping: ClassVar[Stopping] = Stopping(max_iter=0)
    rank: int = 2
    step: int = 0
    pause: float = 0.05

    def iterates(self, problem, rng):
        time.sleep(self.pause)
        X = problem.X
        yield Product(rng.uniform("W", (len(X), self.rank), X), rng.uniform("H", (self.rank, X.shape[1]), X))

    def objective(self, problem, factorization):
        return factorization.codes[0].sum((-2, -1))
"""

TIMED = """
import sys, time
from nmfbench.cli import main
from nmfbench.running import launching
launch = launching._run
def timed(waiting, engine, progress):
    begin = time.perf_counter()
    yield from launch(waiting, engine, progress)
    print(f"between the first and the last: {time.perf_counter() - begin:.3f}", file=sys.stderr)
launching._run = timed
if __name__ == "__main__":  # and not in its workers
    sys.exit(main(sys.argv[1:]))
"""


def main(jobs: int = 1000, seconds: float = 0.05) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "solver").mkdir()
        (folder / "pausing.py").write_text(SOLVER)
        (folder / "solver/pausing.yaml").write_text(f"_target_: pausing.Pausing\nrank: 2\nstep: 0\npause: {seconds}\n")
        (folder / "timed.py").write_text(TIMED)
        print(f"{jobs} jobs of {seconds} s\nlauncher          seconds   overhead per job, ms")
        for words, workers in ((["jobs=1"], 1), (["jobs=2"], 2), (["jobs=2", "launcher=dask"], 2)):
            call = ["run", "-m", "--config-dir", name, "solver=pausing", f"solver.step=range({jobs})", "seeds=1"]
            call += ["dataset=synthetic", "dataset.n_samples=20", "dataset.n_features=8", "dataset.n_classes=2"]
            call += ["evaluator=factors", f"results_dir={folder / '-'.join(words)}", *words]
            done = subprocess.run(
                [sys.executable, str(folder / "timed.py"), *call],
                env=os.environ | {"PYTHONPATH": os.pathsep.join([name, str(Path(__file__).parents[1])])},
                capture_output=True,
                text=True,
                check=True,
            )
            wall = sum(float(line.split()[-1]) for line in done.stderr.splitlines() if line.startswith("between"))
            overhead = 1000 * (wall * workers / jobs - seconds)
            print(f"{' '.join(words):<24}{wall:>8.2f} {overhead:>14.1f}", flush=True)


if __name__ == "__main__":
    main(*(kind(word) for kind, word in zip((int, float), sys.argv[1:], strict=False)))
