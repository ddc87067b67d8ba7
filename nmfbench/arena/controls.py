"""Reference rows for a ranking: random codes as the floor, and the labels themselves as the ceiling."""

from typing import Any

import numpy as np
import torch

from nmfbench.arena.protocol import Protocol
from nmfbench.arena.scores import SCORES, Cell, last_layer
from nmfbench.evaluators.arena import purity
from nmfbench.evaluators.clustering import Clustering, scores
from nmfbench.numerics.rng import Streams

CONTROLS = ("random", "labels")


def controls(cells: dict[tuple[str, str], Cell], protocol: Protocol) -> list[dict[str, Any]]:
    """Score the controls on each labelled task by the same k-means, in the columns of `scores.table`.

    random: codes drawn uniformly, as many as there are classes. labels: the classes, one-hot.
    """
    classes: dict[str, np.ndarray] = {}
    rows = []
    for cell in cells.values():
        for record in (record for trial in cell.ordered() for record in trial.arena.values()):
            if y := last_layer(record, "silhouette").get("classes"):
                classes.setdefault(cell.task.name, np.asarray(y))
    tasks = {task.name: task for task in protocol.tasks}
    for name, y in classes.items():
        k, n = y.max() + 1, len(y)
        for control in CONTROLS:
            measured = []
            for seed in protocol.scored_seeds:
                drawn = Streams([seed]).uniform("random codes", (k, n), torch.zeros(0, dtype=torch.float64))[0].numpy()
                codes = drawn if control == "random" else np.eye(k)[:, y]
                clusters = Clustering().labels(codes, k, seed)
                measured.append(scores(y, clusters) | {"purity": purity(y, clusters)})
            means = {key: 100 * float(np.mean([scored[key] for scored in measured])) for key in SCORES}
            rows += [
                tasks[name].identity | {"solver": control, "row": row, "setting": "", **means}
                for row in ("default", "tuned", "best")
            ]
    return rows
