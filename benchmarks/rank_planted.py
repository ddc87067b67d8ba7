"""How often each criterion of `nmfbench rank` finds the planted rank: python benchmarks/rank_planted.py FOLDER [PROBLEMS].

FOLDER keeps the runs, so that an interrupted call goes on where it was. Writes results/rank/planted.csv, a row for each
problem, and planted.md and summary.csv, how often each criterion is exact, within one, and confidently wrong.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nmfbench.commands import rank
from nmfbench.progress import say

PROBLEMS = 64
KINDS = {"signatures": (0.1, 0.3), "spectra": (0.03, 0.1), "parts": (0.1, 0.3), "cells": (0.3, 0.6)}
"""Kind of problem → relative norm of the noise, low and high."""
COMMON = ["solver=hals", "seeds=5", "stopping.max_iter=100", "jobs=1", "threads=1"]


@dataclass(frozen=True)
class Problem:
    """A planted problem.

    Parameters
    ----------
    number: its number, which is also the draw of the data.
    kind: the planted dataset.
    truth: the number of components that were planted.
    noise, imbalance, correlation: settings of the dataset.
    form: the form of the parts; empty for other kinds.
    first, last: the ranks that are tried.
    """

    number: int
    kind: str
    truth: int
    noise: float
    imbalance: float
    correlation: float
    form: str
    first: int
    last: int

    @property
    def words(self) -> list[str]:
        """Its data and ranks as words of `nmfbench rank`."""
        settings = {"components": self.truth, "draw": self.number} | {
            key: getattr(self, key) for key in ("noise", "imbalance", "correlation")
        }
        settings |= {"kind": self.form} if self.form else {}
        words = [f"dataset.{key}={value}" for key, value in settings.items()]
        return [f"dataset=planted_{self.kind}", *words, f"ranks={self.first}:{self.last}"]


def problems(count: int) -> Iterator[Problem]:
    """The first problems: kinds in turn, settings drawn at random; the truth has no fixed place among the ranks."""
    for number in range(count):
        generator = np.random.default_rng([16, number])
        kind = list(KINDS)[number % len(KINDS)]
        truth = int(generator.integers(3, 13))
        yield Problem(
            number=number,
            kind=kind,
            truth=truth,
            noise=float(generator.choice(KINDS[kind])),
            imbalance=float(generator.choice([1.0, 4.0])),
            correlation=float(generator.choice([0.0, 0.5])),
            form=str(generator.choice(["bars", "limbs", "blobs"])) if kind == "parts" else "",
            first=max(2, truth - int(generator.integers(1, 5))),
            last=truth + int(generator.integers(2, 5)),
        )


def main(folder: Path, count: int) -> None:
    for problem in problems(count):
        say(f"problem {problem.number}: {' '.join(problem.words)}")
        plans = rank.planned([*problem.words, *COMMON, f"results_dir={folder}"])
        if stop := rank.complete(plans):
            raise stop


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else PROBLEMS)
