"""Shared by the tests of methods that see labels: problems with some labels, and how well the others are found."""

from dataclasses import replace

import numpy as np
import torch

from nmfbench import fit, load_dataset
from nmfbench.datasets.base import labelled_mask
from nmfbench.numerics.problem import Problem, place
from nmfbench.solvers.base import Solver, Stopping


def with_labels(X: np.ndarray) -> Problem:
    """X (m, 29) as a problem with 5 classes, of whose labels 12 may be seen."""
    samples = np.arange(29)
    return replace(
        place(X, "float64"), labels=torch.from_numpy(samples % 5), labelled=torch.from_numpy(samples % 8 < 3)
    )


def share_found(solver: Solver, max_iter: int) -> float:
    """The share of the hidden labels of planted topics that the method finds where it sees two fifths of them all."""
    data = load_dataset("hierarchy", generate=True, level=4)
    seen = labelled_mask(data.y, 0.4)
    problem = replace(place(data.X, "float64"), labels=torch.as_tensor(data.y), labelled=torch.as_tensor(seen))
    results = fit(solver, problem, seeds=range(5), stopping=Stopping(max_iter=max_iter))
    found = [result.factorization.label_scores.argmax(0).numpy()[~seen] == data.y[~seen] for result in results]
    return float(np.mean(found))
