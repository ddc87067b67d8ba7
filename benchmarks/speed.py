"""Measure every solver against its floor and against other libraries: python benchmarks/speed.py [--quick] [--anyway].

On ORL's faces (10,304 × 400, rank 40) and multi-feature (585 × 2,000, rank 20), in float32, with two threads and with
one. Both sides of a row run in turn, from the same start and for the same number of iterations; those that minimise the
same thing must end at the same objective. The table is written to results/bench/speed.csv and .md; `--quick` takes
multi-feature with one thread and three repeats, and writes quick.csv and .md.
"""

import argparse
import contextlib
import importlib.util
import io
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import nmfbench

# isort: split
import floors
import numpy as np
import paired
import torch
from measured import Table, options
from peers import as_numpy, autograd, nn_fac, scikit_learn, ssnmf, torchnmf
from threadpoolctl import threadpool_limits

from nmfbench.numerics import leaky
from nmfbench.numerics.factorization import Product
from nmfbench.numerics.problem import place
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Solver

Step = Callable[[], object]
SAME = 1e-3
"""Relative difference of two objectives up to which two programs did the same."""


@dataclass
class Bench:
    """One data set at one number of threads.

    Parameters
    ----------
    name: data set.
    X: (m, n).
    shape: image shape of a sample; None: samples are not images.
    rank: of a shallow method; deep ones have [2·rank, rank].
    threads: of every library.
    iterations: of a fit.
    repeats: pairs of each row.
    table: where the rows go.
    """

    name: str
    X: np.ndarray
    shape: tuple[int, ...] | None
    rank: int
    threads: int
    iterations: int
    repeats: int
    table: Table

    def __post_init__(self) -> None:
        self.problem = place(self.X, shape=self.shape)

    def fit(self, solver: Solver) -> nmfbench.FitResult:
        """A whole fit of that many iterations, checks of X and looks at the objective included."""
        problem = place(self.X, shape=self.shape)
        return nmfbench.fit(solver, problem, stopping=nmfbench.Stopping(max_iter=self.iterations))[0]

    def pair(
        self,
        what: str,
        ours: Callable[[], object],
        other: str,
        theirs: Callable[[], object],
        per: int,
        most: float | None,
    ) -> None:
        """A row: the time of ``per`` iterations of ours over theirs, at most so much."""
        pair = paired.pair(ours, theirs, self.repeats, self.threads)
        low, high = pair.spread
        ms = 1000 * statistics.median(pair.ours) / per
        self.add(what, other, pair.ratio, most, f"{low:.2f}–{high:.2f}", f"{pair.ratio_cpu:.2f}", ms)

    def add(self, what: str, over: str, value: float, most: float | None, *others: object) -> None:
        """A row of the table, with a tick where the value is at most that."""
        tick = "" if most is None else "✓" if value <= most else "✗"
        limit = "" if most is None else f"{most:g}"
        more = [*others, "", "", ""][:3]
        self.table.row(self.name, self.threads, what, over, f"{value:.2f}", limit, tick, *more)

    def floor(self, solver: Solver, step: Step, most: float, note: str = "") -> None:
        """A row: one step over its floor."""
        iterates = solver.iterates(self.problem, Streams([0]))
        with torch.no_grad():
            while next(iterates) is None:
                pass
            n = max(1, min(10, self.iterations // 5))

            def ours() -> None:
                for _ in range(n):
                    next(iterates)

            def theirs() -> None:
                for _ in range(n):
                    step()

            self.pair(f"{label(solver)}: step{note}", ours, "floor", theirs, n, most)


def label(solver: Solver) -> str:
    """The name of a solver in configs/, which is that of its module."""
    return type(solver).__module__.rpartition(".")[2]


def shallow(bench: Bench) -> None:
    """Whole fits of the shallow methods against their floors and other libraries."""
    X, r, n = bench.problem.X, bench.rank, bench.iterations
    data = as_numpy(bench.problem)
    solvers = {
        "mu": nmfbench.MultiplicativeNMF(rank=r),
        "mu β=1": nmfbench.MultiplicativeNMF(rank=r, beta=1),
        "hals": nmfbench.HALS(rank=r),
    }
    step = floors.mu(X, r)
    bench.pair(
        "mu: fit", lambda: bench.fit(solvers["mu"]), "floor", lambda: [step() for _ in range(n)] and None, n, 1.15
    )
    peers = [
        ("mu", "scikit-learn mu", lambda: scikit_learn("mu"), 0.95),
        ("mu β=1", "scikit-learn mu, KL", lambda: scikit_learn("mu", 1), 0.7),
        ("hals", "scikit-learn cd", lambda: scikit_learn("cd"), 0.7),
        ("mu", "torchnmf", torchnmf, 1.0),
        ("mu β=1", "torchnmf, KL", lambda: torchnmf(1), 1.0),
        ("mu", "ssnmf", ssnmf, 1.0),
        ("mu", "nn_fac mu", lambda: nn_fac("mu"), 1.0),
    ]
    for name, peer, made, most in peers:
        try:
            piece = made()
        except ImportError:
            continue
        solver = solvers[name]
        start = next(iter(solver.iterates(bench.problem, Streams([0]))))
        W, H = start.bases[0][0].numpy().copy(), start.codes[0][0].numpy().copy()
        ended = Product(*(torch.from_numpy(np.float32(F))[None] for F in piece(data, W, H, n)))
        theirs, ours = solver.objective(bench.problem, ended).item(), bench.fit(solver).objective or 0.0
        bench.pair(
            f"{name}: fit" + ("" if abs(theirs - ours) <= SAME * ours else f" (ends at {ours / theirs:.3f} of theirs)"),
            lambda solver=solver: bench.fit(solver),
            peer,
            lambda piece=piece, W=W, H=H: piece(data, W, H, n),
            n,
            most,
        )


def weak(bench: Bench) -> None:
    """Whole fits of WNNF against its floors, and against torch's autograd."""
    X, r = bench.problem.X, bench.rank
    n = max(10, bench.iterations // 2)
    short = replace(bench, iterations=n)
    for size, most in ((None, 1.15), (64, 1.3)):
        solver, step = nmfbench.WNNF(rank=r, batch_size=size), floors.wnnf(X, [r], size)
        words = "all samples" if size is None else f"batches of {size}"
        short.pair(
            f"wnnf, {words}: fit",
            lambda solver=solver: short.fit(solver),
            "floor",
            lambda step=step: [step() for _ in range(n)] and None,
            n,
            most,
        )
    solver = nmfbench.WNNF(rank=r, batch_size=None, reading="decoupled", lam=0.1, lr=0.001)
    bound = leaky.bound(r)
    theirs, draw = autograd(eta=0.1, decay=0.1, lr=0.001), np.random.default_rng(0)
    W, H = (draw.uniform(-bound, bound, shape).astype(np.float32) for shape in ((len(X), r), (r, X.shape[1])))
    short.pair(
        "wnnf, all samples: fit",
        lambda: short.fit(solver),
        "torch autograd, fused AdamW",
        lambda: theirs(bench.X, W, H, n),
        n,
        0.6,
    )


def deep(bench: Bench) -> None:
    """Steps of the other methods against their floors."""
    X, r = bench.problem.X, bench.rank
    ranks = [2 * r, r]
    bench.floor(nmfbench.GNMF(rank=r), floors.gnmf(X, r), 1.3)
    bench.floor(nmfbench.MultilayerKL(ranks=ranks), floors.hierarchy(X, ranks), 1.3)
    bench.floor(nmfbench.DeepKL(ranks=ranks, pretrain=1), floors.hierarchy(X, ranks, 4), 1.3)
    bench.floor(nmfbench.UnfoldedNMF(rank=r), floors.unfolded(X, r), 1.3)
    bench.floor(nmfbench.DeepWNNF(ranks=ranks), floors.wnnf(X, ranks, 64), 1.3)
    if bench.shape:
        bench.floor(nmfbench.DeconvWNNF(rank=r), floors.deconv(X, bench.shape[:2], r), 1.3)
    bench.floor(nmfbench.DeepNonSmoothNMF(ranks=ranks, pretrain=1), floors.dnsnmf(X, ranks), 1.3)
    bench.floor(nmfbench.DeepSemiNMF(ranks=ranks, pretrain=1), floors.deep_semi(X, ranks), 1.3)
    bench.floor(nmfbench.DeepMU(ranks=[r // 2, r]), floors.deep_mu(X, [r // 2, r]), 1.3)
    bench.floor(nmfbench.LayerCentricDMF(ranks=ranks, pretrain=1), floors.lc_dmf(X, ranks), 1.6)
    bench.floor(nmfbench.MinVolDeepKL(ranks=ranks, pretrain=1), floors.deep_kl_minvol(X, ranks), 1.6)


def added(bench: Bench) -> None:
    """What fit adds to the steps: checks of X, looks at the objective, history; ten steps are one look apart."""
    r, ranks = bench.rank, [2 * bench.rank, bench.rank]
    solvers: list[Solver] = [
        nmfbench.MultiplicativeNMF(rank=r),
        nmfbench.MultiplicativeNMF(rank=r, beta=1),
        nmfbench.HALS(rank=r),
        nmfbench.WNNF(rank=r),
        nmfbench.GNMF(rank=r),
        nmfbench.MultilayerKL(ranks=ranks),
        nmfbench.DeepKL(ranks=ranks, pretrain=1),
        nmfbench.DeepNonSmoothNMF(ranks=ranks, pretrain=1),
        nmfbench.DeepMU(ranks=[r // 2, r]),
    ]
    for solver in solvers if bench.threads == 1 else ():
        shares = []
        for _ in range(bench.repeats):
            start = time.perf_counter()
            result = bench.fit(solver)
            shares.append(1 - result.seconds / (time.perf_counter() - start))
        name = label(solver) + (" β=1" if getattr(solver, "beta", 2) == 1 and label(solver) == "mu" else "")
        bench.add(f"{name}: what fit adds", "the whole fit", statistics.median(shares), 0.1)


def restarts(bench: Bench) -> None:
    """Ten restarts by one call of fit over ten calls."""
    stopping = nmfbench.Stopping(max_iter=bench.iterations)
    for solver in (nmfbench.MultiplicativeNMF(rank=10), nmfbench.HALS(rank=10)):
        for together in (None, True):
            bench.pair(
                f"{label(solver)}: ten restarts" + (", together=True" if together else ""),
                lambda s=solver, t=together: nmfbench.fit(s, bench.X, seeds=10, stopping=stopping, together=t),
                "ten fits",
                lambda s=solver: [nmfbench.fit(s, bench.X, seeds=[i], stopping=stopping) for i in range(10)],
                bench.iterations,
                None if together else 1.0,
            )


def neural(table: Table, repeats: int) -> None:
    """An epoch of Neural NMF over one of its authors' package, at 400 × 100 with ranks 9 and 4."""
    if not importlib.util.find_spec("NeuralNMF"):
        return
    from NeuralNMF import Neural_NMF, train

    X = np.random.default_rng(0).random((400, 9)) @ np.random.default_rng(1).random((9, 100))
    bench = Bench("400×100", X, None, 4, 1, 10, repeats, table)
    problem, net, data = place(X, "float64"), Neural_NMF([400, 9, 4]), torch.from_numpy(X)
    iterates = nmfbench.NeuralNMF(ranks=[9, 4]).iterates(problem, Streams([0]))

    def ours() -> None:
        with torch.no_grad():
            for _ in range(3):
                next(iterates)

    def theirs() -> None:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            train(net, data, epoch=3, lr=0.01, verbose=False)

    bench.pair("neural: epoch, float64", ours, "NeuralNMF", theirs, 3, 0.05)


def main(given: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    threadpool_limits(1)
    repeats, names = (3, ["mfeat"]) if given.quick else (5, ["orl", "mfeat"])
    columns = ["data", "threads", "what", "over", "ratio", "at most", "", "quartiles", "cpu", "ms"]
    given.threads = "as in the table"
    table = Table(given, "quick" if given.quick else "speed", *columns)
    for name in names:
        dataset, rank = nmfbench.load_dataset(name), {"orl": 40, "mfeat": 20}[name]
        X = np.ascontiguousarray(dataset.X, dtype=np.float32)
        iterations = 30 if name == "orl" else 100
        for threads in [1] if given.quick else [2, 1]:
            bench = Bench(name, X, dataset.shape, rank, threads, iterations, repeats, table)
            for part in (shallow, weak, deep, added):
                part(bench)
        if name == "mfeat":
            restarts(bench)
    neural(table, repeats)
    missed = sum(row[6] == "✗" for row in table.rows)
    table.close(
        "Ratio: median wall time over that of the other, run in turn; quartiles: of the ratio, pair by pair; cpu: the "
        "ratio of processor times; ms: an iteration of ours. What fit adds is a share of the whole fit.",
        "Floor: the matrix products and unavoidable passes of one iteration, done alone (benchmarks/floors.py).",
        f"{missed} of {len(table.rows)} rows are above their target.",
    )


if __name__ == "__main__":
    main(options(__doc__).parse_args())
