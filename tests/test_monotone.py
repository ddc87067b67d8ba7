"""Methods that claim a falling objective keep it on real faces: float64, 300 iterations."""

import pytest

from nmfbench import config, fit, load_dataset
from nmfbench.solvers.base import Solver, Stopping

RANK = 8


def build(name: str) -> Solver:
    node = config.defaults("solver", name)
    return config.build({k: RANK if v == "${rank}" else v for k, v in node.items()}, Solver, f"solver {name}")


MONOTONE = [name for name in config.options("solver") if build(name).monotone]


@pytest.mark.parametrize("dataset", ["orl_28x23", "cbcl"])
@pytest.mark.parametrize("name", MONOTONE)
def test_objective_never_rises_on_real_faces(name: str, dataset: str, request: pytest.FixtureRequest) -> None:
    if dataset != "orl_28x23":  # which ships
        request.getfixturevalue("data_dir")
    X = load_dataset(dataset).X[::3]
    X = X[:, :: X.shape[1] // 90]
    solver, stopping = build(name), Stopping(max_iter=300, check_every=1)
    for result in fit(solver, X, seeds=[0, 1], stopping=stopping, dtype="float64"):
        assert len(result.history) > 5 and not result.rises
        assert result.history[-1][1] < result.history[0][1]
