"""Printed numbers stand beside what they were printed for, and beside nothing else."""

import pytest

from nmfbench.papers import printed


def config(dataset: dict, solver: dict, **more) -> dict:
    return {"dataset": dataset, "solver": solver, **more}


def toy(solver: dict, label_fraction: float = 0.0, **data) -> dict:
    return config({"name": "hierarchy", **data}, solver, label_fraction=label_fraction)


DEEP_KL = {"name": "deep_kl", "ranks": [80, 40, 20]}


@pytest.mark.parametrize(
    ("of", "layer", "n_clusters", "metric", "expected"),
    [
        (config({"name": "orl"}, {"name": "mu", "beta": 2.0, "lam": 0.0}), 1, 20, "nmi", 67.12),
        (config({"name": "orl"}, {"name": "mu", "beta": 1.0, "lam": 0.0}), 1, 20, "nmi", None),
        (config({"name": "orl"}, {"name": "mu", "beta": 2.0, "lam": 0.0}), 1, 20, "nmi_max", None),
        (config({"name": "yale", "classes": "2 to 10"}, {"name": "gnmf"}), 1, 10, "accuracy", 35.09),
        (config({"name": "yale", "classes": None}, {"name": "gnmf"}), 1, 10, "accuracy", None),
        (config({"name": "orl32", "classes": 2}, {"name": "dnsnmf", "ranks": [4, 2]}), 1, 2, "nmi_max", None),
        (config({"name": "orl32", "classes": 2}, {"name": "dnsnmf", "ranks": [4, 2]}), 2, 2, "nmi_max", 76.1),
        (config({"name": "cbcl", "images": "rows"}, DEEP_KL), 2, None, "error_ratio", 26.8),
        (config({"name": "cbcl", "images": "columns"}, DEEP_KL), 2, None, "error_ratio", None),
        (config({"name": "cbcl", "images": "rows"}, DEEP_KL | {"ranks": [8, 4, 2]}), 2, None, "error_ratio", None),
        (
            config({"name": "cbcl", "images": "rows"}, DEEP_KL | {"name": "multilayer_kl"}),
            3,
            None,
            "code_sparsity",
            22.1,
        ),
        (toy({"name": "neural", "ranks": [9, 4]}), None, None, "error", 0.31),
        (toy({"name": "neural", "ranks": [9, 4]}, 0.4), 2, None, "classification", 100.0),
        (toy({"name": "hierarchical", "ranks": [9, 4, 2]}, 1.0), 3, None, "classification", 100.0),
        (toy({"name": "deep_mu", "ranks": [2, 4, 9]}), None, None, "error", 0.838),
        (toy({"name": "neural", "ranks": [9, 4]}, 0.3), None, None, "error", None),
        (toy({"name": "neural", "ranks": [9, 5]}), None, None, "error", None),
        (toy({"name": "neural", "ranks": [9, 4]}, generate=True), None, None, "error", None),
    ],
)
def test_number_that_a_paper_prints_for_a_run(of, layer, n_clusters, metric, expected) -> None:
    assert printed(of, layer, n_clusters, metric) == (None if expected is None else pytest.approx(expected))
