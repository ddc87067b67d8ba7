"""What a Python caller may hand over, and in which words the rest is refused: never an error from inside."""

import datetime
import io
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from contract import SOLVERS, build, matrix, problem_of

import nmfbench
from nmfbench import HALS, DeepMU, MultiplicativeNMF, Stopping, evaluate, fit, load_dataset
from nmfbench.errors import ConfigError, DataError, NotApplicable

SHORT = Stopping(max_iter=2)
Y = np.arange(29) % 3


def objectives(X: Any, solver: Any = None, **settings: Any) -> list[float | None]:
    return [r.objective for r in fit(solver or HALS(rank=2), X, **({"stopping": SHORT} | settings))]


def strided(X: np.ndarray) -> np.ndarray:
    wide = np.zeros((2 * X.shape[0], 3 * X.shape[1]))
    wide[::2, ::3] = X
    return wide[::2, ::3]


def read_only(X: np.ndarray) -> np.ndarray:
    X.flags.writeable = False
    return X


MATRICES: dict[str, Callable[[np.ndarray], Any]] = {
    "big-endian": lambda X: X.astype(">f8"),
    "masked, nothing masked": np.ma.array,
    "long double": lambda X: X.astype(np.longdouble),
    "lists of lists": lambda X: X.tolist(),
    "np.matrix": lambda X: np.asmatrix(X),
    "a tensor": torch.from_numpy,
    "a tensor with a gradient": lambda X: torch.from_numpy(X).requires_grad_(),
    "read-only": read_only,
    "a step between entries": strided,
    "column by column": np.asfortranarray,
    "turned around twice": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
}


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("kind", MATRICES)
def test_every_real_matrix_is_taken_for_what_it_is(kind: str) -> None:
    X = MATRICES[kind](matrix())
    assert objectives(X) == objectives(matrix())
    assert evaluate(X, Y, 3, n_init=1) == evaluate(matrix(), Y, 3, n_init=1)


@pytest.mark.parametrize("kind", ["array", "matrix"])
@pytest.mark.parametrize("form", ["bsr", "coo", "csc", "csr", "dia", "dok", "lil"])
def test_every_sparse_form_gives_the_same_fit(form: str, kind: str) -> None:
    X = np.where(matrix() > 0.5, matrix(), 0)
    expected = objectives(scipy.sparse.csr_array(X), MultiplicativeNMF(rank=2))
    for dtype in (np.float64, np.longdouble):
        sparse = getattr(scipy.sparse, f"{form}_{kind}")(X.astype(dtype))
        assert objectives(sparse, MultiplicativeNMF(rank=2)) == pytest.approx(expected, rel=1e-12)
        assert evaluate(sparse, Y, 3, n_init=1) == evaluate(X, Y, 3, n_init=1)


@pytest.mark.parametrize(
    "kind", ["bool", "uint8", "int16", "uint16", "uint32", "uint64", "int64", "float16", "float32"]
)
def test_numbers_of_every_width_are_taken(kind: str) -> None:
    X = (9 * matrix()).astype(kind)
    assert objectives(X) == objectives(X.astype(float))


def test_numpys_numbers_count_as_pythons() -> None:
    X = matrix()
    seeds = objectives(X, seeds=[0, 1, 2])
    for given in (3, np.int64(3), np.array(3), np.arange(3), (0, 1, 2), range(3), [np.int32(0), 1, np.uint8(2)]):
        assert objectives(X, seeds=given) == seeds
    assert objectives(X, HALS(rank=np.int64(2))) == objectives(X)
    assert DeepMU(ranks=np.array([4, 2])) == DeepMU(ranks=(np.int64(4), 2)) == DeepMU(ranks=[4, 2])
    assert MultiplicativeNMF(rank=2, beta=np.float64(1)) == MultiplicativeNMF(rank=2, beta=1)
    stopping = Stopping(max_iter=np.int64(2), tol=np.float32(0.5), check_every=np.array(1))
    assert stopping == Stopping(max_iter=2, tol=0.5, check_every=1) and type(stopping.max_iter) is int
    table = evaluate(X, Y, [2, 3], n_init=1)
    for counts in ([2, np.int64(3)], (2, 3), range(2, 4), np.array([2, 3])):
        assert evaluate(X, Y, counts, n_init=np.int64(1), seed=np.int64(0)) == table
    assert evaluate(X, Y, np.int64(3), n_init=1) == {3: table[3]}
    synthetic = {"n_samples": np.int64(20), "n_features": 8, "n_classes": np.int8(2)}
    assert load_dataset("synthetic", **synthetic).X.shape == (8, 20)


LABELS: dict[str, Any] = {
    "texts": np.array(["a", "b", "c"])[Y],
    "integers": Y + 7,
    "whole floats": Y.astype(float),
    "categories": pd.Categorical(np.array(["a", "b", "c"])[Y]),
    "a series": pd.Series(Y),
    "a list": Y.tolist(),
    "a tensor": torch.from_numpy(Y),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_every_kind_give_the_same_scores(kind: str) -> None:
    assert evaluate(matrix(), LABELS[kind], n_init=1) == evaluate(matrix(), Y, n_init=1)


def test_labels_of_two_truth_values_are_two_classes() -> None:
    assert evaluate(matrix(), Y == 0, n_init=1) == evaluate(matrix(), (Y == 0).astype(int), n_init=1)


WRONG_X: dict[str, Any] = {
    "None": None,
    "a string": "X.csv",
    "a number": 3.0,
    "strings": np.full((3, 4), "1"),
    "objects": np.full((3, 4), None),
    "complex numbers": np.ones((3, 4), complex),
    "complex tensor": torch.ones(3, 4, dtype=torch.complex64),
    "dates": np.full((3, 4), np.datetime64("2020-01-01")),
    "rows of different lengths": [[1, 2], [3]],
    "a vector": np.ones(4),
    "a series": pd.Series([1.0, 2.0]),
    "three axes": np.ones((2, 3, 4)),
    "no sample": np.ones((4, 0)),
    "nothing": [],
    "a table with words": pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}),
    "a dataset": load_dataset("synthetic", n_samples=20, n_features=8, n_classes=2),
    "a sparse tensor": torch.ones(3, 4).to_sparse(),
    "a sparse matrix of complex numbers": scipy.sparse.csr_array(np.ones((3, 4), complex)),
    "a date": datetime.date(2020, 1, 1),
}


@pytest.mark.parametrize("kind", WRONG_X)
def test_what_is_no_real_matrix_is_refused_by_name(kind: str) -> None:
    with pytest.raises(ConfigError, match=r"^X "):
        fit(HALS(rank=2), WRONG_X[kind])
    with pytest.raises(ConfigError, match=r"^codes "):
        evaluate(WRONG_X[kind], Y)


def test_masked_entries_are_refused_with_the_place_of_the_first() -> None:
    X = np.ma.array(matrix(), mask=matrix() > 0.98)
    row, sample = np.argwhere(X.mask)[0]
    for call in (lambda: fit(HALS(rank=2), X), lambda: evaluate(X, Y)):
        with pytest.raises(DataError, match=f"{X.mask.sum()} masked entries, the first at .* {row}, sample {sample} "):
            call()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seeds": None}, "seeds must be a list"),
        ({"seeds": True}, "seeds must be a list"),
        ({"seeds": "3"}, "seeds must be a list"),
        ({"seeds": 1.5}, "seeds must be a list"),
        ({"seeds": [True, False]}, "seeds must be an integer"),
        ({"seeds": [0.0]}, "seeds must be an integer"),
        ({"seeds": np.ones((2, 2), int)}, "seeds must be an integer"),
        ({"seeds": 0}, "seeds must be distinct"),
        ({"seeds": [-1]}, "seeds must be distinct, at least 0"),
        ({"seeds": np.array([], int)}, "seeds must be distinct"),
        ({"stopping": {"max_iter": 3}}, "stopping must be a Stopping"),
        ({"dtype": np.float32}, "dtype must be one of float32, float64"),
        ({"dtype": ["float32"]}, "dtype must be one of"),
        ({"device": None}, "device must be cpu, cuda"),
        ({"solver": HALS}, r"solver must be a solver with its settings, e\.g\. HALS"),
        ({"solver": "hals"}, "solver must be a solver"),
    ],
)
def test_wrong_settings_of_a_fit_are_refused_by_name(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        fit(**({"solver": HALS(rank=2), "X": matrix()} | settings))


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (HALS, {"rank": True}, "rank must be an integer, got True"),
        (HALS, {"rank": 2.5}, "rank must be an integer, got 2.5"),
        (HALS, {"rank": "2"}, "rank must be an integer, got '2'"),
        (HALS, {"rank": None}, "rank must be an integer, got None"),
        (HALS, {"rank": np.array([2, 3])}, "rank must be an integer"),
        (HALS, {"rank": 2, "init": 3}, "init must be a string, got 3"),
        (MultiplicativeNMF, {"rank": 2, "lam": "1"}, "lam must be a number, got '1'"),
        (MultiplicativeNMF, {"rank": 2, "lam": np.nan}, "lam must be a number, got nan"),
        (DeepMU, {"ranks": 4}, "ranks must be a list"),
        (DeepMU, {"ranks": [4, None]}, "ranks must be an integer, got None"),
        (Stopping, {"max_iter": 1.5}, "max_iter must be an integer"),
        (Stopping, {"tol": None}, "tol must be a number, got None"),
        (Stopping, {"max_seconds": "1"}, "max_seconds must be a number"),
    ],
)
def test_wrong_settings_of_a_solver_are_refused_by_name(make: Any, settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(**settings)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((matrix(), Y[:5]), "codes are of 29 samples, but y has 5 labels$"),
        ((matrix().T, Y), r"codes are of 13 samples, but y has 29 labels; .* give codes\.T"),
        ((matrix(), Y, True), "n_clusters must be a list"),
        ((matrix(), Y, "3"), "n_clusters must be a list"),
        ((matrix(), Y, 2.0), "n_clusters must be a list"),
        ((matrix(), Y, [2, None]), "n_clusters must be an integer"),
        ((matrix(), Y, 0), "n_clusters must be positive integers"),
        ((matrix(), Y, []), "n_clusters must be positive integers"),
        ((matrix(), Y, 30), "n_clusters has 30, but there are 29 samples"),
    ],
)
def test_wrong_arguments_of_evaluate_are_refused_by_name(arguments: tuple, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        evaluate(*arguments)
    for settings in ({"seed": -1}, {"seed": None}, {"n_init": 0}, {"n_init": 1.5}):
        with pytest.raises(ConfigError, match=next(iter(settings))):
            evaluate(matrix(), Y, **settings)


@pytest.mark.parametrize("labels", [None, [], np.ones((29, 2)), "y"])
def test_labels_that_are_no_vector_are_refused(labels: Any) -> None:
    with pytest.raises(DataError, match="y: labels must be a vector"):
        evaluate(matrix(), labels)


@pytest.mark.parametrize("missing", [np.nan, None, pd.NA, ""])
def test_missing_label_is_refused_with_its_place(missing: Any) -> None:
    labels = np.array([*"ab" * 14, "a"], dtype=object)
    labels[4] = missing
    with pytest.raises(DataError, match="y: 1 labels are missing, the first that of sample 4"):
        evaluate(matrix(), labels)


def test_codes_that_are_not_finite_are_refused_with_their_place() -> None:
    H = matrix()
    H[3, 5] = np.nan
    with pytest.raises(DataError, match="1 NaN or infinite entries, the first at component 3, sample 5"):
        evaluate(H, Y)


@pytest.mark.parametrize("name", [None, 3, ["orl"]])
def test_name_of_a_dataset_must_be_a_string(name: Any) -> None:
    with pytest.raises(ConfigError, match="name must be a string"):
        load_dataset(name)


def test_hints_of_a_fit_name_what_helps_in_python() -> None:
    with pytest.raises(NotApplicable) as negative:
        fit(HALS(rank=2), -matrix())
    assert "min_max" in str(negative.value) and "dataset." not in str(negative.value)
    with pytest.raises(NotApplicable, match=r"X\.toarray\(\) in Python"):
        fit(build("pca"), scipy.sparse.csr_array(matrix()))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SOLVERS)
def test_no_fit_changes_the_callers_array(name: str, dtype: str) -> None:
    X = matrix().astype(dtype)
    before = X.tobytes()
    problem = problem_of(X, dtype)  # on the memory of X
    fit(build(name, pretrain=2), problem, seeds=2, stopping=Stopping(max_iter=3, tol=1e-5, check_every=1))
    assert X.tobytes() == before


def test_neither_sparse_arrays_nor_codes_nor_labels_are_changed() -> None:
    rows, columns, values = [1, 0, 1, 1], [2, 1, 2, 0], [0.5, 0.25, 0.5, 1.0]  # a duplicate, and out of order
    indptr, indices = np.array([0, 1, 4]), np.array([1, 2, 2, 0])
    csr = scipy.sparse.csr_array((np.array(values)[[1, 0, 2, 3]], indices, indptr), shape=(2, 3))
    coo = scipy.sparse.coo_array((values, (rows, columns)), shape=(2, 3))
    for X in (csr, csr.T, coo):
        parts = [X.row, X.col, X.data] if X.format == "coo" else [X.indptr, X.indices, X.data]
        before = [part.tobytes() for part in parts]
        fit(HALS(rank=1), X, stopping=SHORT)
        assert [part.tobytes() for part in parts] == before
        after = [X.row, X.col, X.data] if X.format == "coo" else [X.indptr, X.indices, X.data]
        assert all(a is b for a, b in zip(parts, after, strict=True)) or [p.tobytes() for p in after] == before
    H, y = matrix(), Y.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluate(H, y, [2, 3], n_init=2)
    assert H.tobytes() == matrix().tobytes() and y.tobytes() == Y.tobytes()


@pytest.mark.parametrize(
    ("running", "cores", "busy"),
    [
        ((1, 1, 1), 2, False),
        ((2, 1, 3), 2, False),
        ((2, 2, 3), 2, True),
        ((4, 4, 4), 64, False),
        ((40, 40, 40), 64, True),
    ],
)
def test_threads_spin_only_where_half_of_the_cores_are_idle(
    running: tuple[int, ...], cores: int, busy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = iter(f"0.50 0.40 0.30 {number}/80 1234" for number in running)
    monkeypatch.setattr("builtins.open", lambda path: io.StringIO(next(lines)))
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert nmfbench._is_busy() is busy


def test_what_a_user_tells_openmp_stays() -> None:
    code = "import nmfbench, os; print(os.environ['OMP_WAIT_POLICY'])"
    told = os.environ | {"OMP_WAIT_POLICY": "ACTIVE", "PYTHONPATH": str(Path(nmfbench.__file__).parents[1])}
    assert subprocess.run([sys.executable, "-c", code], env=told, capture_output=True, text=True).stdout == "ACTIVE\n"
