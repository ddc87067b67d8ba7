"""Solvers as scikit-learn transformers, and codes for new samples."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from contract import SOLVERS, build, problem_of
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import check_estimator

from nmfbench import HALS, DeepMU, MultiplicativeNMF, NMFTransformer, Stopping, fit, load_dataset
from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.solvers.base import Solver

DIGITS = load_dataset("digits").X[:, :100]


def gives_codes(solver: Solver) -> bool:
    return bool(solver.encodes) or type(solver).encode is not Solver.encode


ENCODING = [name for name in SOLVERS if gives_codes(build(name))]


@pytest.mark.parametrize("name", [*ENCODING, "deep_mu without penalty"])
def test_encoding_the_training_data_changes_no_cluster(name: str) -> None:
    solver = DeepMU(rank=4, lam=0.0) if name.startswith("deep_mu") else build(name)
    stopping = Stopping(max_iter=40 if name == "anls" else 1500, tol=1e-8)
    (result,) = fit(solver, DIGITS, seeds=[0], dtype="float64", stopping=stopping)
    codes, own = solver.encode(result.factorization, torch.from_numpy(DIGITS)), result.factorization.codes[-1]
    # A sample between two components may fall to either while the fit still moves in its third digit.
    top = own.topk(min(2, len(own)), 0).values
    clear = (top[0] > 1.05 * top[-1]) if len(top) > 1 else torch.ones(own.shape[1], dtype=torch.bool)
    assert clear.double().mean() > 0.5 or name == "raw"  # whose components are pixels, many of them white alike
    assert (codes.argmax(0) == own.argmax(0))[clear].all()


@pytest.mark.parametrize("name", [name for name in SOLVERS if name not in ENCODING])
def test_method_without_codes_for_new_samples_says_so(name: str, X: np.ndarray) -> None:
    (result,) = fit(build(name), problem_of(X), seeds=[0], stopping=Stopping(max_iter=2))
    with pytest.raises(NotApplicable, match="gives no codes to new samples"):
        build(name).encode(result.factorization, torch.from_numpy(X))


def test_estimator_keeps_all_of_scikit_learns_promises() -> None:
    checks = check_estimator(NMFTransformer("hals", n_components=2, max_iter=100), on_skip=None, on_fail=None)
    assert [(c["check_name"], c["exception"]) for c in checks if c["status"] == "failed"] == []
    # SCIPY_ARRAY_API is not set, and only numpy arrays are taken.
    assert {c["check_name"] for c in checks if c["status"] == "skipped"} <= {"check_array_api_input"}
    assert len(checks) > 40


def test_fit_is_that_of_the_solver_with_samples_in_rows(X: np.ndarray) -> None:
    transformer = NMFTransformer(HALS(rank=3), max_iter=50, random_state=4).fit(X.T)
    (result,) = fit(HALS(rank=3), X, seeds=[4], dtype="float64", stopping=Stopping(max_iter=50, tol=1e-5))
    np.testing.assert_array_equal(transformer.components_, result.factorization.W.T)
    residual = X - (result.factorization.W @ result.factorization.H).numpy()
    assert transformer.reconstruction_err_ == pytest.approx(np.linalg.norm(residual))
    assert transformer.n_iter_ == result.iterations
    codes = transformer.transform(X.T)
    assert np.linalg.norm(X.T - transformer.inverse_transform(codes)) <= transformer.reconstruction_err_ * (1 + 1e-9)


def test_inverse_transform_adds_the_mean_where_there_is_one() -> None:
    X = load_iris().data
    transformer = NMFTransformer("pca", n_components=4)
    np.testing.assert_allclose(transformer.inverse_transform(transformer.fit_transform(X)), X)


def test_pipeline_grid_search_and_pandas() -> None:
    X, y = load_iris(return_X_y=True, as_frame=True)
    pipeline = make_pipeline(MinMaxScaler(), NMFTransformer("mu"), LogisticRegression())
    search = GridSearchCV(pipeline, {"nmftransformer__n_components": [1, 3]}, cv=3).fit(X, y)
    assert search.best_params_ == {"nmftransformer__n_components": 3} and search.best_score_ > 0.8
    frame = NMFTransformer("hals", n_components=2, max_iter=20).set_output(transform="pandas").fit_transform(X)
    assert isinstance(frame, pd.DataFrame) and list(frame) == ["nmftransformer0", "nmftransformer1"]


@pytest.mark.parametrize("name", ["hals", "mu"])
def test_sparse_samples_give_the_same_as_dense_ones(name: str) -> None:
    X = scipy.sparse.random_array((60, 30), density=0.2, rng=1, format="csr")
    sparse, dense = (NMFTransformer(name, n_components=3, max_iter=20).fit(given) for given in (X, X.toarray()))
    np.testing.assert_allclose(sparse.components_, dense.components_, rtol=1e-8)
    assert sparse.reconstruction_err_ == pytest.approx(dense.reconstruction_err_)
    np.testing.assert_allclose(sparse.transform(X), dense.transform(X.toarray()), atol=1e-9)
    with pytest.raises(TypeError, match="dense data is required"):
        NMFTransformer("dnsnmf", n_components=3).fit(X)


def test_clone_and_pickle(X: np.ndarray) -> None:
    transformer = NMFTransformer("dnsnmf", n_components=3, params={"pretrain": 5}, max_iter=5).fit(X.T)
    restored = pickle.loads(pickle.dumps(transformer))
    np.testing.assert_array_equal(restored.transform(X.T), transformer.transform(X.T))
    assert clone(transformer).params == {"pretrain": 5}


def test_method_without_codes_for_new_samples_still_transforms_its_own(X: np.ndarray) -> None:
    transformer = NMFTransformer(MultiplicativeNMF(rank=3, beta=1.0), max_iter=5)
    assert transformer.fit_transform(X.T).shape == (X.shape[1], 3)
    with pytest.raises(
        NotApplicable, match=r"MultiplicativeNMF with these settings gives no codes.*encode new samples: .*hals"
    ):
        transformer.transform(X.T)


def test_settings_that_contradict_each_other_are_refused(X: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="this one has its settings"):
        NMFTransformer(HALS(rank=3), n_components=2).fit(X.T)
    with pytest.raises(ConfigError, match="no solver is called 'halz'; did you mean hals"):
        NMFTransformer("halz").fit(X.T)
    with pytest.raises(ConfigError, match="unknown key solver"):
        NMFTransformer("hals", params={"lam": 1}).fit(X.T)
    for given, message in (
        ({"n_components": "auto"}, "n_components must be an integer ≥ 1, got 'auto'"),
        ({"random_state": None}, "random_state must be an integer ≥ 0, got None"),
        ({"max_iter": -1}, "max_iter must be at least 0, got -1"),
    ):
        with pytest.raises(ConfigError, match=message):
            NMFTransformer("hals", **{"n_components": 2} | given).fit(X.T)
