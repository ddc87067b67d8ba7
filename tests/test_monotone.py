"""Methods that claim a falling objective keep it on real faces: float64, 300 iterations after a short pre-training."""

import pytest
from contract import SOLVERS, build

from nmfbench import fit, load_dataset
from nmfbench.solvers.base import Stopping

MONOTONE = [name for name in SOLVERS if build(name).monotone]


@pytest.mark.parametrize("dataset", ["orl_28x23", pytest.param("cbcl", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", MONOTONE)
def test_objective_never_rises_on_real_faces(name: str, dataset: str, request: pytest.FixtureRequest) -> None:
    if dataset != "orl_28x23":  # which ships
        request.getfixturevalue("data_dir")
    X = load_dataset(dataset).X[::3]
    X = X[:, :: X.shape[1] // 90]
    stopping = Stopping(max_iter=300, check_every=1)
    for result in fit(build(name, rank=8), X, seeds=[0, 1], stopping=stopping, dtype="float64"):
        assert len(result.history) > 5 and not result.rises
        assert result.history[-1][1] < result.history[0][1]
