"""Time to the answer: python benchmarks/reach.py [--quick] [--seconds 20] [--starts 2] [--sets orl …] [--methods …].

Every method here minimises ½‖X − WH‖² over W, H ≥ 0, in float32 and from the same starts: `mu`, `hals` and their
accelerated forms, `anls`, and what a user would take instead. For each set and start, the best known objective is the
lowest that any method has reached, one of them in a fit of three times the seconds; starts are kept apart, because
their minima differ by more than the 0.1 % to be reached. Time is that of the steps alone, on the clock and on the CPU,
without looks at the objective; a method that has not come within 0.1 % after those seconds has not reached it.

The methods, and what counts as their time, stand in peers.py. Writes reach.csv, reach.md, reach.png and reach.pdf into
results/bench. --quick: four methods from one start for 3 seconds each on ORL and multi-feature.
"""

import contextlib
import itertools
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import nmfbench  # noqa: F401  Imported before torch to stop OpenMP's threads from spinning.

# isort: split
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from measured import machine, options, refuse_if_busy
from peers import DENSE_ONLY, METHODS, Factors
from threadpoolctl import threadpool_limits

from nmfbench import Problem, load_dataset
from nmfbench.datasets.synthetic import Synthetic
from nmfbench.numerics import losses
from nmfbench.numerics.problem import place
from nmfbench.reports import plots

SETS = {"orl": 40, "mfeat": 20, "cbcl": 40, "tdt2": 30, "synthetic": 40}
"""The sets and their ranks; TDT2 is sparse and has 30 topics, the synthetic one is 2,048 × 20,000."""
GAPS = (0.1, 0.01, 0.001)
OURS, THEIRS = "hals", "scikit-learn cd"
LONG = "hals extrapolated"
"""The method of the long fit."""
FAMILIES = ("mu", "hals", "anls", "scikit-learn", "nn_fac", "torchnmf")
DASHES = {"mu": ":", "inner": "--", "scikit-learn mu": ":", "nn_fac mu": ":", "ssnmf": "--"}


def style(method: str) -> dict[str, Any]:
    """A colour for each family, the last one for both that have a single method; dashes for its forms."""
    family, form = method.split()[0], method.split()[-1]
    dashes = ":" if method == "hals" else DASHES.get(method, DASHES.get(form, "-"))
    return {"color": plots.COLOURS[FAMILIES.index(family) if family in FAMILIES else -1], "linestyle": dashes}


@dataclass
class Fit:
    """A method on one set from one start.

    Parameters
    ----------
    steps: the method's `Steps`, which go on where they were left.
    looks: (seconds on the clock, seconds on the CPU, objective), the start first.
    """

    steps: Iterator[Factors]
    looks: list[tuple[float, float, float]]

    @property
    def lowest(self) -> float:
        return min((objective for *_, objective in self.looks), default=np.inf)

    def go(self, problem: Problem, seconds: float, target: float) -> None:
        """Step until the seconds are over or the target is reached; look whenever 3 % more time has passed."""
        wall, cpu, last = self.looks[-1] if self.looks else (0.0, 0.0, np.inf)
        while wall < seconds and last > target:
            start = time.perf_counter(), time.process_time()
            state = next(self.steps)
            if self.looks:  # a start takes no time, it is the same for all
                wall, cpu = wall + time.perf_counter() - start[0], cpu + time.process_time() - start[1]
            if not self.looks or wall > 1.03 * self.looks[-1][0] or wall > seconds:
                W, H = (torch.as_tensor(factor)[None] for factor in state)
                last = losses.half_square(problem, W, H).item()
                self.looks.append((wall, cpu, last))

    def reached(self, target: float, seconds: float, clock: int = 0) -> float:
        """Seconds until the target, on the straight line between two looks, its axis logarithmic; ∞: not in time."""
        for before, after in itertools.pairwise(self.looks):
            if after[2] <= target and before[0] <= seconds:
                share = np.log(before[2] / target) / np.log(before[2] / after[2])
                return float(before[clock] + share * (after[clock] - before[clock]))
        return np.inf


def load(name: str) -> Problem:
    """The set divided by its largest entry, in float32."""
    if name == "synthetic":
        X = Synthetic(n_features=2048, n_samples=20_000, n_classes=40, seed=0).read().X
    else:
        X = load_dataset(name).X
    return place(X / X.max())


def race(problem: Problem, rank: int, start: int, seconds: float, methods: list[str]) -> dict[str, Fit]:
    """These methods from one start, until each is within 0.1 % of the lowest objective of any, or its time is over."""
    fits = {}
    for name in methods:
        if isinstance(problem.X, torch.Tensor) or name not in DENSE_ONLY:
            with contextlib.suppress(ImportError):  # a peer that is not installed
                fits[name] = Fit(METHODS[name]()(problem, rank, start), [])
    fits[LONG].go(problem, 3 * seconds, 0)
    best = np.inf
    while best > (best := min(fit.lowest for fit in fits.values())):  # one that goes lower sets the others a new target
        for fit in fits.values():
            fit.go(problem, seconds, best * (1 + GAPS[-1]))
    return fits


def rows(name: str, rank: int, start: int, seconds: float, fits: dict[str, Fit]) -> Iterator[dict[str, Any]]:
    best = min(fit.lowest for fit in fits.values())
    for method, fit in fits.items():
        row: dict[str, Any] = {"set": name, "rank": rank, "start": start, "method": method}
        for gap, clock in itertools.product(GAPS, (0, 1)):
            row[f"{('seconds', 'cpu')[clock]}_{gap:.1%}"] = fit.reached(best * (1 + gap), seconds, clock)
        within = [look for look in fit.looks if look[0] <= seconds or look is fit.looks[1]]
        yield row | {"seconds": within[-1][0], "above_best": min(o for *_, o in within) / best - 1, "best": best}


def markdown(table: pd.DataFrame, lines: list[str]) -> str:
    """Seconds to each gap by method and set, and those of `OURS` over those of `THEIRS`."""

    def cell(times: pd.Series) -> str:
        reached = times[np.isfinite(times)]
        part = f" ({len(reached)} of {len(times)})" if len(reached) < len(times) else ""
        return f"{reached.median():.2f}{part}" if len(reached) else "–"

    def ratio(name: str, column: str) -> str:
        by = table[table["set"] == name].pivot(index="start", columns="method", values=column)
        ratios = (by[OURS] / by[THEIRS]).replace([0, np.inf], np.nan)
        return "–" if ratios.isna().all() else f"{ratios.median():.2f}"

    text, names = [], table["set"].unique()
    for gap in reversed(GAPS):
        cells = table.pivot_table(f"seconds_{gap:.1%}", "method", "set", cell, sort=False).reindex(columns=names)
        text += [f"## Seconds to within {gap:.1%} of the best known objective", "", cells.fillna("").to_markdown(), ""]
    text += [f"## `{OURS}` over {THEIRS}: seconds (CPU)", "", f"| to | {' | '.join(names)} |"]
    text += ["| --- " * (len(names) + 1) + "|"]
    for gap in GAPS:
        cells = [f"{ratio(name, f'seconds_{gap:.1%}')} ({ratio(name, f'cpu_{gap:.1%}')})" for name in names]
        text.append(f"| {gap:.1%} | {' | '.join(cells)} |")
    best = table.groupby("set", sort=False)["best"].agg(lambda values: values.max() / values.min() - 1)
    apart = ", ".join(f"{spread:.2%} ({name})" for name, spread in best.items())
    text += ["", *(f"- {line}" for line in lines), f"- best known objectives of the starts lie apart by {apart}", ""]
    return "\n".join(text)


@plots.styled
def figure(table: pd.DataFrame, first: dict[str, Fit], lines: list[str]) -> Figure:
    """Dolan & Moré's (2002) performance profile of the seconds to 0.1 %, and the objectives of the first race."""
    page = Figure(figsize=(10, 4.6), layout="constrained")
    profile, curves = page.subplots(1, 2)
    times = table.pivot(index=["set", "start"], columns="method", values=f"seconds_{GAPS[-1]:.1%}")
    ratios = times.div(times.min(axis=1), axis=0)[np.isfinite(times.min(axis=1))]
    end = 1.2 * max(2.0, float(ratios.replace(np.inf, np.nan).max().max()))
    for method in [method for method in METHODS if method in ratios]:
        steps = np.sort(ratios[method][np.isfinite(ratios[method])])
        share = np.array([0, *range(1, len(steps) + 1), len(steps)]) / max(1, len(ratios))
        profile.plot([1, *steps, end], share, drawstyle="steps-post", label=method, **style(method))
    best = min(fit.lowest for fit in first.values())
    for method, fit in first.items():
        seconds, _, objective = np.array(fit.looks[1:]).T
        shown = objective > best * 1.0001
        curves.plot(seconds[shown], objective[shown] / best - 1, label=method, **style(method))
    profile.set(xscale="log", xlabel="seconds to 0.1 % / those of the fastest method", xlim=(1, end), ylim=(0, 1.02))
    profile.set_ylabel("share of sets × starts")
    curves.axhline(GAPS[-1], color="0.4", linewidth=1, linestyle="--")
    curves.set(xscale="log", yscale="log", xlabel="seconds", ylabel="objective / best known − 1")
    curves.set_title("{set}, rank {rank}, start {start}".format(**table.iloc[0]))
    profile.set_title(f"performance profile of {len(ratios)} (in {len(times) - len(ratios)} more, none in time)")
    page.legend(*(profile if len(ratios) else curves).get_legend_handles_labels(), loc="outside right upper")
    page.suptitle("Time to the minimum of ½‖X − WH‖²")
    page.supxlabel(lines[0], fontsize=8, color="0.3")
    return page


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--starts", type=int, default=2)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS, help="besides those compared")
    given = parser.parse_args()
    share = refuse_if_busy(given)
    if given.quick:
        given.seconds, given.starts, given.sets, given.methods = 3.0, 1, ["orl", "mfeat"], ["hals inner"]
    methods = [method for method in METHODS if method in {*given.methods, OURS, THEIRS, LONG}]
    torch.set_num_threads(given.threads)
    lines, table, first = [*machine(given.threads), share], [], {}
    lines.append(f"{given.seconds:g} seconds a fit at most; numbers are medians over starts, of those that reached it")
    warnings.filterwarnings("ignore")  # peers warn that they have not converged
    with threadpool_limits(given.threads):
        for name in given.sets:
            problem = load(name)
            for start in range(given.starts):
                fits = race(problem, SETS[name], start, given.seconds, methods)
                first = first or fits
                for row in rows(name, SETS[name], start, given.seconds, fits):
                    table.append(row)
                    print(*(f"{v:.4g}" if isinstance(v, float) else v for v in row.values()), flush=True)
    data = pd.DataFrame(table)
    given.folder.mkdir(parents=True, exist_ok=True)
    head = "".join(f"# {line}\n" for line in lines)
    (given.folder / "reach.csv").write_text(head + data.to_csv(index=False, float_format="%.5g"), encoding="utf-8")
    text = markdown(data, lines)
    (given.folder / "reach.md").write_text(text, encoding="utf-8")
    print(text)
    drawn = figure(data, first, lines)
    for kind in ("png", "pdf"):
        (given.folder / f"reach.{kind}").write_bytes(plots.file(drawn, kind))


if __name__ == "__main__":
    main()
