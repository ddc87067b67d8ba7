"""The arena on data of one's own: intervals, groups, and methods that lack a scaling."""

from dataclasses import replace

import numpy as np
import pytest
from test_arena import RULES, record

from nmfbench.arena import own, scores
from nmfbench.arena.protocol import Task
from nmfbench.evaluators.clustering import scores as agreement
from nmfbench.records import Record

TASKS = tuple(Task(dataset="mine", name=scaling, scaling=scaling) for scaling in ("max", "unit_norm"))
OWN = replace(RULES, name="own", tasks=TASKS, heldout_seeds=())


def clustered(solver: str, task: Task, y: np.ndarray, moved: float) -> list[Record]:
    """Records of clusters that are the classes, but for a share of the samples that is drawn anew."""
    made = []
    for seed in (0, 1, 100, 101):
        rng = np.random.default_rng(seed)
        clusters = np.where(rng.uniform(size=len(y)) < moved, rng.integers(y.max() + 1, size=len(y)), y)
        made.append(record(solver, task, seed, float(agreement(y, clusters)["nmi"] or 0), clusters.tolist()))
        for row in made[-1]["metrics"]:
            row |= {"classes": y.tolist()} if "classes" in row else {}
    return made


@pytest.mark.parametrize("moved", [0.5, 1.0])
def test_interval_holds_the_score_of_clusters_that_know_little(moved: float) -> None:
    y = np.arange(60) % 6
    found = scores.cells([made for task in TASKS for made in clustered("mu", task, y, moved)], OWN)
    table = own.board(scores.table(found, OWN), found, OWN).set_index("solver")
    low, mean, high = table.loc["mu", ["low", "mean", "high"]]
    assert low < mean < high


def test_method_that_lacks_a_scaling_stands_below_in_no_group() -> None:
    y = np.arange(60) % 3
    made = [one for task in TASKS for one in clustered("mu", task, y, 0.5)] + clustered("hals", TASKS[0], y, 0)
    found = scores.cells(made, OWN)
    table = own.board(scores.table(found, OWN), found, OWN)
    assert table["solver"].tolist() == ["mu", "hals"]
    assert table.loc[0, "group"] == 1 and np.isnan(table.loc[1, "group"])
    assert own.chart(table, "Methods on mine").numbers is table
