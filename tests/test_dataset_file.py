"""A user's own file as a dataset: every kind that is read, and what is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse
from files import ROWS, write

from nmfbench import load_dataset
from nmfbench.datasets.file import File
from nmfbench.datasets.formats import SUFFIXES, SVMLIGHT, TEXT
from nmfbench.errors import ConfigError, DataError, DataMissing


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_file_of_every_kind_gives_the_same_dataset(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"my data{suffix}"
    keys = write(path)
    data = load_dataset("file", path=str(path), scaling="none", dense=True, **keys)
    assert data.name == "my data"
    np.testing.assert_allclose(data.X, ROWS.T, rtol=1e-12)
    assert data.y.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_truncated_or_empty_file_is_refused_by_name(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"broken{suffix}"
    keys = write(path)
    whole = path.read_bytes()
    # Half a table in text still is a table, but for its last row.
    for content in (b"", whole[: len(whole) // 2] if suffix not in (*TEXT, *SVMLIGHT) else whole[:-9] + b'"'):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"broken\."):
            load_dataset("file", path=str(path), **keys)


def test_samples_in_columns(tmp_path: Path) -> None:
    keys = write(tmp_path / "t.npz", ROWS.T)
    assert load_dataset("file", path=str(tmp_path / "t.npz"), samples="columns", **keys).X.shape == (7, 11)
    with pytest.raises(DataError, match=r'7 samples but 11 labels; with samples="columns" they would fit'):
        load_dataset("file", path=str(tmp_path / "t.npz"), **keys)


def test_labels_are_optional_and_may_be_words(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", X=ROWS, who=np.array(["ann", "bob"] * 5 + ["ann"]))
    assert load_dataset("file", path=str(tmp_path / "w.npz")).y is None
    assert load_dataset("file", path=str(tmp_path / "w.npz"), y="who").y.tolist() == [0, 1] * 5 + [0]


REFUSED = {
    "nan": (
        {"X": np.array([[1.0, np.nan], [np.inf, 2.0]])},
        {},
        r"2 NaN or infinite entries, the first at feature 0, sample 1",
    ),
    "misspelt key": (
        {"X": np.eye(3), "labels": np.ones(3)},
        {"y": "lables"},
        "no array 'lables' .*did you mean labels; it holds: X 3 × 3, labels 3",
    ),
    "no X": ({"a": np.eye(3), "b": np.eye(2)}, {}, "which array is X.* a 3 × 3, b 2 × 2"),
    "a vector": ({"X": np.ones(5)}, {"x": "X"}, r"must be a matrix, got shape \(5,\)"),
    "complex": ({"X": np.eye(3) * 1j}, {}, "real numbers, got dtype complex128"),
    "words": ({"X": np.array([["a", "b"], ["c", "d"]])}, {}, "real numbers, got dtype <U1"),
    "objects": ({"X": np.array([[1, None], [2, 3]], dtype=object)}, {}, "pickles and run code"),
    "empty": ({"X": np.ones((0, 4))}, {"x": "X"}, "at least one feature and one sample"),
    "short labels": ({"X": np.eye(3), "y": np.ones(2)}, {"y": "y"}, "3 samples but 2 labels"),
    "missing labels": (
        {"X": np.eye(3), "y": np.array([1, np.nan, 2])},
        {"y": "y"},
        "1 labels are missing, the first that of sample 1",
    ),
    "a matrix as labels": (
        {"X": np.eye(3), "y": np.ones((3, 3))},
        {"x": "X", "y": "y"},
        r"labels y must be a vector, got shape \(3, 3\)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_file_is_refused_with_what_and_where(case: str, tmp_path: Path) -> None:
    arrays, keys, message = REFUSED[case]
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DataError, match=message):
        load_dataset("file", path=str(tmp_path / "bad.npz"), **keys)


def test_sparse_file_stays_sparse_unless_dense_is_asked_for(tmp_path: Path) -> None:
    table = scipy.sparse.random(30, 20, 0.2, random_state=0)
    scipy.io.savemat(tmp_path / "s.mat", {"fea": table.tocsc()})
    formats = ["csr", "csc", "coo", "dia", "bsr"]
    for kind in formats:
        scipy.sparse.save_npz(tmp_path / f"{kind}.npz", table.asformat(kind))
    for name in ("s.mat", *(f"{kind}.npz" for kind in formats)):
        sparse, dense = (load_dataset("file", path=str(tmp_path / name), dense=dense) for dense in (False, True))
        assert scipy.sparse.issparse(sparse.X) and not scipy.sparse.issparse(dense.X)
        assert sparse.X.shape == (20, 30)
        np.testing.assert_allclose(sparse.X.toarray(), dense.X, rtol=1e-15)


@pytest.mark.parametrize("scaling", ["none", "max", "column_max", "unit_norm", ["column_max", "unit_norm"]])
def test_scaling_of_sparse_data_is_that_of_dense(scaling, tmp_path: Path) -> None:
    table = scipy.sparse.random(30, 20, 0.1, random_state=0, format="csr")
    scipy.sparse.save_npz(tmp_path / "s.npz", table)
    sparse, dense = (
        load_dataset("file", path=str(tmp_path / "s.npz"), dense=dense, scaling=scaling) for dense in (False, True)
    )
    np.testing.assert_allclose(sparse.X.toarray(), dense.X, rtol=1e-12)
    assert sparse.sha256 == load_dataset("file", path=str(tmp_path / "s.npz"), scaling=scaling).sha256


@pytest.mark.parametrize("scaling", ["min_max", "lee_seung"])
def test_scaling_that_fills_zeros_is_refused_for_sparse_data(scaling: str, tmp_path: Path) -> None:
    scipy.sparse.save_npz(tmp_path / "s.npz", scipy.sparse.eye(5, format="csr"))
    with pytest.raises(ConfigError, match=f"{scaling} moves the zeros"):
        load_dataset("file", path=str(tmp_path / "s.npz"), scaling=scaling)


def test_bad_entry_of_sparse_data_is_located(tmp_path: Path) -> None:
    table = np.zeros((5, 4))
    table[3, 1], table[3, 2], table[4, 0], table[0, 0] = np.nan, np.inf, np.nan, 1
    scipy.sparse.save_npz(tmp_path / "s.npz", scipy.sparse.csr_array(table))
    with pytest.raises(DataError, match="3 NaN or infinite entries, the first at feature 1, sample 3"):
        load_dataset("file", path=str(tmp_path / "s.npz"))


def test_the_only_matrix_is_x_though_a_vector_bears_a_usual_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", features=np.ones((4, 3)), data=np.arange(4))
    assert load_dataset("file", path=str(tmp_path / "m.npz")).X.shape == (3, 4)


def test_matrix_with_a_usual_name_is_x_beside_others_but_a_lone_row_is_not_guessed(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", fea=np.ones((4, 3)), onehot=np.eye(4))
    assert load_dataset("file", path=str(tmp_path / "m.npz")).X.shape == (3, 4)
    np.savez(tmp_path / "m.npz", X=np.ones((1, 3)))
    assert load_dataset("file", path=str(tmp_path / "m.npz")).X.shape == (3, 1)
    np.savez(tmp_path / "m.npz", X=np.ones((1, 3)), onehot=np.eye(4))
    with pytest.raises(DataError, match=r"which array is X\? .* X 1 × 3, onehot 4 × 4"):
        load_dataset("file", path=str(tmp_path / "m.npz"))


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16, np.float32])
def test_numbers_of_every_kind_become_float64(dtype, tmp_path: Path) -> None:
    stored = np.array([[0, 1, 1], [1, 0, 1]], dtype=dtype)
    np.save(tmp_path / "x.npy", stored)
    X = load_dataset("file", path=str(tmp_path / "x.npy"), scaling="none").X
    assert X.dtype == np.float64 and np.array_equal(X, stored.T.astype(float))


@pytest.mark.skipif(np.finfo(np.longdouble).max <= np.finfo(float).max, reason="long double is float64 here")
def test_number_beyond_float64_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[1, 2], [np.longdouble("1e400"), 3]]))
    with pytest.raises(DataError, match="1 NaN or infinite entries, the first at feature 0, sample 1"):
        load_dataset("file", path=str(tmp_path / "x.npy"))


def test_negative_entries_are_left_to_the_solver(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", -np.eye(3))
    assert load_dataset("file", path=str(tmp_path / "x.npy")).X.min() == -1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"junk", r"labels\.npy cannot be read"),
        (np.zeros((2, 5)), r"labels  must be a vector, got shape \(2, 5\)"),
        (None, r"there is no file .*labels\.npy"),
    ],
)
def test_bad_file_of_labels_is_named_and_not_the_data(content, message: str, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((10, 3)))
    if isinstance(content, bytes):
        (tmp_path / "labels.npy").write_bytes(content)
    elif content is not None:
        np.save(tmp_path / "labels.npy", content)
    with pytest.raises(DataError, match=message):
        load_dataset("file", path=str(tmp_path / "x.npy"), y=str(tmp_path / "labels.npy"))


def test_other_archive_under_the_name_npy_is_no_pickle(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", X=np.eye(3))
    path = (tmp_path / "x.npz").rename(tmp_path / "x.npy")
    with pytest.raises(DataError, match=r"x\.npy cannot be read as \.npy"):
        load_dataset("file", path=str(path))


def test_shape_must_be_that_of_a_sample(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((4, 6)))
    path = str(tmp_path / "x.npy")
    assert load_dataset("file", path=path, shape=[2, 3]).shape == (2, 3)
    with pytest.raises(ConfigError, match="25 pixels, but X has 6 features"):
        load_dataset("file", path=path, shape=[5, 5])
    for shape in ([-2, -3], []):
        with pytest.raises(ConfigError, match="shape must be a list of positive integers"):
            load_dataset("file", path=path, shape=shape)


def test_tilde_in_a_path_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    np.save(tmp_path / "x.npy", np.eye(3))
    np.save(tmp_path / "y.npy", np.arange(3))
    assert load_dataset("file", path="~/x.npy", y="~/y.npy").n_classes == 3


def test_column_of_words_in_a_table_is_named(tmp_path: Path) -> None:
    write(tmp_path / "t.csv")
    pd.read_csv(tmp_path / "t.csv").assign(city="Bonn").to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match="column 'city' holds words, such as 'Bonn'"):
        load_dataset("file", path=str(tmp_path / "t.csv"), y="kind")
    with pytest.raises(DataError, match=r"no column 'knd' for y; did you mean kind"):
        load_dataset("file", path=str(tmp_path / "t.csv"), y="knd")


def test_missing_file_and_unknown_kind_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=str(tmp_path / "none.npz")):
        load_dataset("file", path=str(tmp_path / "none.npz"))
    with pytest.raises(ConfigError, match=r"must end in \.npz"):
        load_dataset("file", path="data.docx")
    with pytest.raises(ConfigError, match=r"path must be given"):
        load_dataset("file")
    with pytest.raises(ConfigError, match="samples must be rows, columns or pixels"):
        File(path="a.npz", samples="lines")


def test_yale_loads_from_its_mat_file(data_dir: str) -> None:
    data = load_dataset("file", path=f"{data_dir}/yale/Yale_32x32.mat", x="fea", y="gnd")
    assert data.X.shape == (1024, 165) and np.bincount(data.y).tolist() == [11] * 15


def test_csv_without_header_is_refused(tmp_path: Path) -> None:
    for first_row, message in {"0.5,0.25": "has no header", "7,7": "has no header"}.items():
        (tmp_path / "t.csv").write_text(f"{first_row}\n1,2\n3,4\n")
        with pytest.raises(DataError, match=message):
            load_dataset("file", path=str(tmp_path / "t.csv"))
    (tmp_path / "t.csv").write_text("0,1\n1,2\n3,4\n")
    assert load_dataset("file", path=str(tmp_path / "t.csv")).X.shape == (2, 2)


def test_parquet_without_its_extra_says_what_to_install(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    monkeypatch.setattr("pandas.read_parquet", lambda path: (_ for _ in ()).throw(ImportError("pyarrow")))
    with pytest.raises(ConfigError, match=r"pip install 'nmfbench\[parquet\]'"):
        load_dataset("file", path=str(tmp_path / "x.parquet"))
