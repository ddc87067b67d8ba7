"""Bi-cross-validation: the fit is given neither rows nor columns of the held-out block, and scores are plain ones."""

import math
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from contract import build
from scipy.optimize import nnls
from shell import load, run

from nmfbench.datasets.base import Dataset
from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.evaluators import Fitted
from nmfbench.evaluators.bicross import Bicross
from nmfbench.evaluators.information import Information
from nmfbench.running import measuring
from nmfbench.running.jobs import observed_entries
from nmfbench.solvers.base import Stopping

GENERATOR = np.random.default_rng(3)
DATA = Dataset("made", GENERATOR.uniform(size=(13, 29)), y=np.arange(29) % 3, shape=(1, 13))


def parts(hidden: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows and columns that the fit is not given."""
    rows, columns = hidden.all(1), hidden.all(0)
    np.testing.assert_array_equal(hidden, rows[:, None] | columns)
    return rows, columns


@pytest.mark.parametrize("folds", [2, 3])
def test_seeds_hold_out_each_entry_once(folds: int) -> None:
    blocks = [parts(Bicross(folds=folds).hidden(DATA, seed)) for seed in range(folds**2)]
    counts = sum(np.outer(rows, columns).astype(int) for rows, columns in blocks)
    assert (counts == 1).all()
    again = parts(Bicross(folds=folds).hidden(DATA, folds**2))
    assert not any(np.array_equal(again[1], columns) for _, columns in blocks)


def test_fit_is_that_of_the_remaining_block() -> None:
    hidden = Bicross().hidden(DATA, 1)
    rows, columns = parts(hidden)
    stopping = Stopping(max_iter=5)
    of_part = Dataset("part", DATA.X[np.ix_(~rows, ~columns)])
    observed = observed_entries(DATA, Bicross(), 1)
    (part,) = measuring.fitted(build("hals"), of_part, seeds=[1], stopping=stopping)
    (whole,) = measuring.fitted(build("hals"), DATA, seeds=[1], stopping=stopping, observed=observed)
    for letter, factor in part.fitted.factors.items():
        np.testing.assert_array_equal(factor, whole.fitted.factors[letter])


def test_labels_of_the_remaining_samples_reach_the_fit() -> None:
    hidden = Bicross().hidden(DATA, 0)
    _, columns = parts(hidden)
    labelled = np.arange(29) % 2 == 0
    seen, labelled_seen = measuring.given(DATA, labelled, ~hidden)
    problem = measuring.problem_of(seen, "float64", "cpu", labelled_seen)
    np.testing.assert_array_equal(problem.labels.numpy(), DATA.y[~columns])
    np.testing.assert_array_equal(problem.labelled.numpy(), labelled[~columns])
    assert problem.shape is None and problem.observed is None


@pytest.mark.parametrize("signed", [False, True])
def test_scores_are_those_of_least_squares_one_by_one(signed: bool) -> None:
    """Only the factor that has negative entries is continued with a sign."""
    rows, columns = parts(Bicross().hidden(DATA, 2))
    m, n = (~rows).sum(), (~columns).sum()
    W, H = GENERATOR.uniform(-1 if signed else 0, 1, (m, 3)), GENERATOR.uniform(size=(3, n))
    scored = Bicross().evaluate(Fitted(codes=[H], factors={"W": W}, bases=[W]), DATA, 2, None)
    X = DATA.X
    squares = []
    for i in np.flatnonzero(rows):
        w = nnls(H.T, X[i, ~columns])[0] if not signed else np.linalg.lstsq(H.T, X[i, ~columns])[0]
        for j in np.flatnonzero(columns):
            h = nnls(W, X[~rows, j])[0]
            squares.append((X[i, j] - w @ h) ** 2)
    assert scored[0]["value"] == pytest.approx(math.sqrt(np.mean(squares)), rel=1e-6)


def test_factors_of_an_exact_product_predict_the_block() -> None:
    W, H = GENERATOR.uniform(size=(13, 3)), GENERATOR.uniform(size=(3, 29))
    data = Dataset("made", W @ H)
    rows, columns = parts(Bicross().hidden(data, 3))
    fitted = Fitted(codes=[H[:, ~columns]], factors={"W": W[~rows]}, bases=[W[~rows]])
    assert Bicross().evaluate(fitted, data, 3, None)[0]["value"] < 1e-8


def test_what_cannot_be_divided_is_refused() -> None:
    with pytest.raises(ConfigError, match="folds must be at least 2"):
        Bicross(folds=1)
    with pytest.raises(NotApplicable, match=r"dataset\.dense=true"):
        Bicross().hidden(Dataset("made", scipy.sparse.csc_array(DATA.X)), 0)
    with pytest.raises(NotApplicable, match="13 × 29"):
        Bicross(folds=14).hidden(DATA, 0)
    with pytest.raises(NotApplicable, match="views"):
        Bicross().hidden(Dataset("made", DATA.X, views={"a": 6, "b": 7}), 0)
    with pytest.raises(NotApplicable, match="missing"):
        Bicross().hidden(Dataset("made", DATA.X, observed=DATA.X > 0.1), 0)


def test_run_has_no_stability_because_seeds_see_other_features(tmp_path: Path) -> None:
    words = ["dataset=synthetic", "dataset.n_samples=20", "dataset.n_features=8", "dataset.n_classes=2"]
    words += ["stopping.max_iter=5", "seeds=2", f"results_dir={tmp_path}"]
    run("solver=hals", "evaluator=bicross", *words)
    for record in load(tmp_path):
        assert {"bicross_rmse", "bicross_ratio", "error"} <= {row["metric"] for row in record["metrics"]}
        assert "stability" not in {row["metric"] for row in record["metrics"]}


def test_bic_is_that_of_the_formula_for_dense_sparse_and_missing() -> None:
    X = np.where(DATA.X > 0.4, DATA.X, 0)
    W, H = GENERATOR.uniform(size=(13, 2)), GENERATOR.uniform(size=(2, 29))
    fitted = Fitted(codes=[H], factors={"W": W}, bases=[W])
    residual = (X - W @ H) ** 2
    N = X.size
    bic = N * math.log(residual.sum() / N) + 2 * (13 + 29) * math.log(N)
    for of in (X, scipy.sparse.csc_array(X)):
        (row,) = Information().evaluate(fitted, Dataset("made", of), 0, None)
        assert row["value"] == pytest.approx(bic)
    observed = GENERATOR.random(X.shape) > 0.2
    (row,) = Information().evaluate(fitted, Dataset("made", np.where(observed, X, np.nan), observed=observed), 0, None)
    N = int(observed.sum())
    assert row["value"] == pytest.approx(N * math.log(residual[observed].sum() / N) + 2 * 42 * math.log(N))
    (row,) = Information().evaluate(fitted, Dataset("exact", W @ H), 0, None)
    assert math.isfinite(row["value"])
