"""The evaluator of the arena: its scores, what needs no label, and the clusters that it keeps."""

import numpy as np

from nmfbench.datasets.base import Dataset
from nmfbench.evaluators.arena import Arena, purity
from nmfbench.evaluators.base import Fitted


def test_clusters_and_classes_stand_in_the_record_and_give_its_scores() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 10)
    H = np.eye(3)[:, y] + rng.uniform(0, 0.4, (3, 30))
    data = Dataset("three", rng.uniform(size=(7, 30)), y)
    rows = Arena().evaluate(Fitted([H]), data, 0, None)
    values = {row["metric"]: row["value"] for row in rows}
    (kept,) = [row for row in rows if "clusters" in row]
    assert kept["classes"] == y.tolist()
    assert values["purity"] == purity(y, np.asarray(kept["clusters"])) == values["accuracy"] == 1
    assert values["silhouette_codes"] > 0.5 > values["silhouette"]


def test_another_label_changes_nothing_that_chooses_a_trial() -> None:
    rng = np.random.default_rng(0)
    y, X, codes = np.repeat([0, 1, 2], 10), rng.uniform(size=(7, 30)), [rng.uniform(size=(k, 30)) for k in (5, 3)]
    changed = np.where(np.arange(30) == 4, 2, y)
    rows = [Arena().evaluate(Fitted(codes), Dataset("three", X, labels), 0, None) for labels in (y, changed)]
    chosen = [
        [(row["value"], row.get("clusters")) for row in of_labels if row["metric"].startswith("silhouette")]
        for of_labels in rows
    ]
    assert chosen[0] == chosen[1]
    assert rows[0] != rows[1]
    assert [row["layer"] for row in rows[0] if "clusters" in row] == [2]  # the last layer's are all that is read


def test_codes_of_all_layers_together_are_scored_beside_each_layer() -> None:
    rng = np.random.default_rng(0)
    y, noise = np.repeat([0, 1, 2], 10), rng.uniform(size=(3, 30))
    rows = Arena().evaluate(Fitted([np.eye(3)[:, y] * 100, noise]), Dataset("three", noise, y), 0, None)
    nmi = {row["layer"]: row["value"] for row in rows if row["metric"] in ("nmi", "nmi_stacked")}
    assert nmi[None] > 0.9 > nmi[2]


def test_purity_is_the_share_of_the_commonest_class_of_each_cluster() -> None:
    assert purity(np.array([0, 0, 1, 1, 1]), np.array([0, 0, 0, 1, 1])) == 4 / 5


def test_unlabelled_data_has_as_many_clusters_as_components() -> None:
    rng = np.random.default_rng(0)
    rows = Arena().evaluate(Fitted([rng.uniform(size=(4, 30))]), Dataset("x", rng.uniform(size=(7, 30))), 0, None)
    assert {row["metric"] for row in rows} == {"silhouette", "silhouette_codes"}
    assert {row["n_clusters"] for row in rows} == {4}


def test_clusters_of_large_data_are_those_of_the_same_samples_for_every_seed() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    data = Dataset("two", rng.uniform(size=(5, 40)), y)
    rows = [Arena(silhouette_samples=12).evaluate(Fitted([np.eye(2)[:, y]]), data, seed, None) for seed in (0, 1)]
    kept = [row for of_seed in rows for row in of_seed if "clusters" in row]
    assert [len(row["clusters"]) for row in kept] == [12, 12]
    assert kept[0]["classes"] == kept[1]["classes"]
