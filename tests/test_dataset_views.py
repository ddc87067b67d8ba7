"""A user's own views, a file each: how they are read, joined and scaled, and what is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from nmfbench import load_dataset
from nmfbench.datasets.scaling import SCALINGS
from nmfbench.datasets.views import Views
from nmfbench.errors import ConfigError, DataError, DataMissing

RNG = np.random.default_rng(0)
A, B = RNG.uniform(size=(11, 3)), 1000 * RNG.uniform(size=(11, 5))
Y = np.arange(11) % 3


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Eleven samples in two files; the second, a table, has the labels too."""
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", A)
    pd.DataFrame(B, columns=[f"b{j}" for j in range(5)]).assign(kind=np.array(["x", "y", "z"])[Y]).to_csv(
        "b.csv", index=False
    )
    return ["a.npy", "b.csv"]


def test_views_are_stacked_in_their_order_with_the_labels_of_one(files: list[str]) -> None:
    data = load_dataset("views", files=files, y="kind", scaling="none")
    np.testing.assert_allclose(data.X, np.concatenate([A.T, B.T]))
    assert data.y.tolist() == Y.tolist() and data.name == "a+b"
    assert data.views == {"a.npy": 3, "b.csv": 5} and data.feature_names is None
    swapped = Views(files=files[::-1], y="kind", scaling="none", name="mine").load()
    np.testing.assert_allclose(swapped.X, np.concatenate([B.T, A.T]))
    assert swapped.name == "mine"


@pytest.mark.parametrize("scaling", ["max", "column_max", "min_max", "unit_norm", ["column_max", "unit_norm"]])
def test_each_view_is_scaled_by_itself(scaling: str | list[str], files: list[str]) -> None:
    data = load_dataset("views", files=files, y="kind", scaling=scaling)
    for view, X in ((data.X[:3], A.T), (data.X[3:], B.T)):
        for step in [scaling] if isinstance(scaling, str) else scaling:
            X = SCALINGS[step][0](X)
        np.testing.assert_allclose(view, X)
    assert data.preprocessing[-1] == "each view by itself"
    steps = ["by_view", *([scaling] if isinstance(scaling, str) else scaling)]
    np.testing.assert_array_equal(load_dataset("views", files=files, y="kind", scaling=steps).X, data.X)


def test_scaling_by_view_is_for_any_dataset_that_has_views_and_for_no_other() -> None:
    data = load_dataset("mfeat", views=["zer", "mor"], scaling=["by_view", "unit_norm"])
    np.testing.assert_allclose(np.linalg.norm(data.X[:47], axis=0), 1)
    np.testing.assert_allclose(np.linalg.norm(data.X[47:], axis=0), 1)
    assert data.preprocessing[-2:] == ("each sample divided by its Euclidean norm", "each view by itself")
    with pytest.raises(ConfigError, match="scaling=by_view is for datasets of several views, and digits is none"):
        load_dataset("digits", scaling=["by_view", "max"])


def test_labels_may_be_a_file_or_stand_in_several_files_and_are_no_feature(files: list[str]) -> None:
    Path("y.txt").write_text("\n".join("xyz"[y] for y in Y))
    of_file = load_dataset("views", files=["a.npy"], y="y.txt")
    assert of_file.y.tolist() == Y.tolist()
    np.savez("c.npz", X=A, kind=Y)
    data = load_dataset("views", files=[*files, "c.npz"], y="kind")
    assert data.y.tolist() == Y.tolist() and data.X.shape == (11, 11)
    assert load_dataset("views", files=["a.npy"]).y is None


def test_features_have_names_if_all_views_name_them(files: list[str]) -> None:
    pd.DataFrame(A, columns=["p", "q", "r"]).to_csv("a.csv", index=False)
    names = load_dataset("views", files=["a.csv", "b.csv"], y="kind").feature_names
    assert names == ("a.p", "a.q", "a.r", "b.b0", "b.b1", "b.b2", "b.b3", "b.b4")


def test_sparse_views_stay_sparse_together(files: list[str]) -> None:
    for name in ("s.npz", "t.npz"):
        scipy.sparse.save_npz(name, scipy.sparse.csr_array(A > 0.5, dtype=float))
    both = load_dataset("views", files=["s.npz", "t.npz"])
    assert scipy.sparse.issparse(both.X) and both.X.shape == (6, 11)
    mixed = load_dataset("views", files=["s.npz", "a.npy"], scaling="none")
    np.testing.assert_array_equal(mixed.X, np.concatenate([(A > 0.5).T, A.T]))


def test_checksum_tells_where_a_view_ends(files: list[str]) -> None:
    np.save("left.npy", A[:, :2])
    np.save("right.npy", np.concatenate([A[:, 2:], B], axis=1))
    np.save("b.npy", B)
    one, other = (
        load_dataset("views", files=paths, scaling="none") for paths in (["a.npy", "b.npy"], ["left.npy", "right.npy"])
    )
    np.testing.assert_array_equal(one.X, other.X)
    assert one.sha256 != other.sha256
    assert one.sha256 == load_dataset("views", files=["a.npy", "b.npy"], scaling="none").sha256


def test_changed_file_is_noticed(files: list[str]) -> None:
    noted = load_dataset("views", files=files, y="kind").files
    assert {Path(path).name for path in noted} == {"a.npy", "b.csv"}


def refused(kind: type[Exception], message: str, **parameters: object) -> None:
    with pytest.raises(kind, match=message):
        load_dataset("views", **parameters)


def test_what_does_not_fit_is_refused_with_the_name_of_the_file(files: list[str]) -> None:
    np.save("short.npy", A[:9])
    refused(DataError, r"short\.npy has 9 samples, a\.npy has 11; views must show", files=["a.npy", "short.npy"])
    np.savez("c.npz", X=A, kind=Y[::-1])
    refused(DataError, r"c\.npz has other labels than .* the first of sample 0", files=["b.csv", "c.npz"], y="kind")
    refused(
        DataError,
        r"y=klass is neither a file nor an array or column of a\.npy, c\.npz",
        files=["a.npy", "c.npz"],
        y="klass",
    )
    refused(DataError, r"b\.csv: column 'kind' holds words", files=files)
    refused(DataMissing, r"there is no file .*nowhere\.npy; correct files", files=["nowhere.npy"])
    broken = A.copy()
    broken[4, 1] = np.nan
    np.save("broken.npy", broken)
    refused(DataError, r"broken\.npy: X has 1 NaN .* feature 1, sample 4", files=["a.npy", "broken.npy"])
    refused(ConfigError, r'files must be given: files=\["a\.npy", "b\.csv"\]', files=[])
    refused(ConfigError, "files must name no file twice", files=["a.npy", "a.npy"])
    refused(ConfigError, r"a file must end in .* got 'a\.doc'", files=["a.doc"])
