"""HDF5: .h5 of any layout, 10x Genomics' .h5 and AnnData's .h5ad."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from nmfbench.datasets.formats import apart, hdf, limits
from nmfbench.errors import DataError

h5py = pytest.importorskip("h5py")

X = np.array([[0, 2, 0, 1.5], [0, 0, 0, 0], [3, 0, 4, 0]])


def put(group: Any, matrix: Any, **attributes: Any) -> None:
    """Write the parts of a csr or csc matrix into a group."""
    group["data"], group["indices"], group["indptr"] = matrix.data, matrix.indices, matrix.indptr
    group.attrs.update(attributes)


def test_datasets_are_found_by_their_paths(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["group/deep/X"] = X.astype(">f4")
        file.create_dataset("packed", data=X, chunks=(2, 2), compression="gzip")
        file["words"], file["bytes"] = ["ann", "böb "], np.array([b"x", b"yy"])
        file["yes"], file["one"], file["Z"] = X > 1, 5, X + 1j
    read = apart.read("h5", tmp_path / "a.h5").arrays
    assert {*read} == {"group/deep/X", "packed", "words", "bytes", "yes", "one", "Z"}
    np.testing.assert_array_equal(read["group/deep/X"], X)
    assert read["group/deep/X"].dtype == np.float32 and read["group/deep/X"].dtype.isnative
    np.testing.assert_array_equal(read["packed"], X)
    np.testing.assert_array_equal(read["Z"], X + 1j)
    assert read["words"].tolist() == ["ann", "böb"] and read["bytes"].tolist() == ["x", "yy"]
    assert read["yes"].dtype == bool and read["one"].shape == () and int(read["one"]) == 5


def test_parts_that_cannot_be_read_are_named_beside_the_others(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["X"] = X
        file["table"] = np.zeros(3, [("a", "f8"), ("b", "i4")])
        file["nothing"] = h5py.Empty("f8")
        file["reference"] = np.array([file["X"].ref], dtype=h5py.ref_dtype)
        file["loop"] = file["/"]
        file["raw"] = np.zeros(3, "V8")
    found = apart.read("h5", tmp_path / "a.h5")
    assert [*found.arrays] == ["X"]
    assert {*found.unreadable} == {"table", "nothing", "reference", "loop", "raw"}
    assert "table of records" in found.unreadable["table"] and "contains itself" in found.unreadable["loop"]


def test_no_other_file_is_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["S"] = X + 100
    (tmp_path / "secret.bin").write_bytes(X.tobytes())
    layout = h5py.VirtualLayout(shape=(3, 4), dtype="f8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "S", shape=(3, 4))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["X"] = X
        file["external link"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/S")
        file["soft link"] = h5py.SoftLink("/external link")
        file["inside"] = h5py.SoftLink("/X")
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("external", shape=X.shape, dtype="f8", external=[(str(tmp_path / "secret.bin"), 0, 96)])
    found = apart.read("h5", tmp_path / "a.h5")
    assert [*found.arrays] == ["X"]
    np.testing.assert_array_equal(found.arrays["X"], X)
    assert "links are not followed" in found.unreadable["external link"]
    assert "links are not followed" in found.unreadable["soft link"] and "inside" in found.unreadable
    assert "lies in other files" in found.unreadable["virtual"]
    assert "lies in other files" in found.unreadable["external"]


def test_dataset_that_declares_terabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["X"] = X
        file.create_dataset("huge", shape=(10**6, 10**6), dtype="f8", chunks=(100, 100))
    assert (tmp_path / "a.h5").stat().st_size < 10_000
    found = apart.read("h5", tmp_path / "a.h5")
    assert [*found.arrays] == ["X"] and "declares 7,450.6 GiB" in found.unreadable["huge"]


def test_datasets_may_be_too_large_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"], file["b"] = np.zeros(100), np.zeros(100)
    monkeypatch.setattr(limits, "largest", lambda: 1000)
    found = hdf.read(tmp_path / "a.h5")
    assert [*found.arrays] == ["a"] and [*found.unreadable] == ["b"]


@pytest.mark.parametrize("version", [2, 3])
def test_10x_matrix_has_features_in_rows_and_their_names(version: int, tmp_path: Path) -> None:
    square = X[:, :3]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("matrix" if version == 3 else "GRCh38")
        put(group, scipy.sparse.csc_array(square))
        group["shape"], group["barcodes"] = np.array([3, 3], np.int32), np.array([b"AA-1", b"AC-1", b"AG-1"])
        group["features/name" if version == 3 else "gene_names"] = np.array([b"CD3", b"CD4", b"CD8"])
    found = apart.read("h5", tmp_path / "a.h5")
    (name,) = found.arrays
    assert name == ("matrix" if version == 3 else "GRCh38")
    np.testing.assert_array_equal(found.arrays[name].toarray(), square)
    assert found.samples == "columns" and found.feature_names == ("CD3", "CD4", "CD8")


def test_orientation_of_a_sparse_group_is_said_or_follows_from_its_pointers(tmp_path: Path) -> None:
    square = X[:, :3]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for kind in ("csr", "csc"):
            array = getattr(scipy.sparse, f"{kind}_array")
            put(file.create_group(f"said {kind}"), array(square), h5sparse_format=kind, h5sparse_shape=square.shape)
            put(file.create_group(f"counted {kind}"), array(X), shape=X.shape)
        put(file.create_group("unclear"), scipy.sparse.csr_array(square), shape=square.shape)
    found = apart.read("h5", tmp_path / "a.h5")
    for name, array in found.arrays.items():
        assert array.format == name[-3:]
        np.testing.assert_array_equal(array.toarray(), square if "said" in name else X)
    assert len(found.arrays) == 4 and "do not say whether rows or columns" in found.unreadable["unclear"]


def test_10x_file_with_too_few_names_of_genes_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        put(file.create_group("matrix"), scipy.sparse.csc_array(X))
        file["matrix/shape"], file["matrix/barcodes"] = [3, 4], np.array([b"b"] * 4)
        file["matrix/features/name"] = np.array([b"CD3", b"CD4"])
    with pytest.raises(DataError, match=r"a\.h5 is damaged: 3 features but 2 names of features"):
        apart.read("h5", tmp_path / "a.h5")


@pytest.mark.parametrize("kind", ["h5", "h5ad", "mat"])
def test_damaged_file_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"broken.{kind}"
    with h5py.File(path, "w") as file:
        file["X"] = X
    whole = path.read_bytes()
    for content in (whole[:100], whole[:8] + b"\xff" * 400):
        path.write_bytes(content)
        with pytest.raises(DataError, match=rf"broken\.{kind} cannot be read as HDF5: .*; get or write the file again"):
            apart.read(kind, path)


def h5ad(path: Path) -> Path:
    """An .h5ad with 3 cells and 4 genes, as AnnData writes it since 0.8."""
    with h5py.File(path, "w") as file:
        put(file.create_group("X"), scipy.sparse.csr_array(X), **{"encoding-type": "csr_matrix", "shape": X.shape})
        file["layers/dense"] = X * 2
        put(
            file.create_group("layers/counts"),
            scipy.sparse.csc_array(X),
            **{"encoding-type": "csc_matrix", "shape": X.shape},
        )
        file["raw/X"], file["obsm/X_pca"] = np.hstack([X, X]), X[:, :2]
        obs, var = file.create_group("obs"), file.create_group("var")
        obs.attrs["_index"], var.attrs["_index"] = "cell", "_index"
        obs["cell"], var["_index"] = ["AA", "AC", "AG"], ["CD3", "CD4", "CD8", "CD9"]
        obs["cell_type/codes"], obs["cell_type/categories"] = np.array([1, -1, 0], np.int8), ["B", "T"]
        obs["cluster/codes"], obs["cluster/categories"] = np.array([1, -1, 0], np.int8), [10, 20]
        obs["batch"], obs["score"], obs["X"] = ["u", "v", "u"], [1.5, 2, 3], [7, 8, 9]
        obs["age/values"], obs["age/mask"] = np.array([4, 5, 6]), np.array([False, True, False])
        obs["wrong/codes"], obs["wrong/categories"] = np.array([0, 2, 0], np.int8), ["B", "T"]
    return path


def test_h5ad_gives_its_matrices_and_the_columns_of_obs(tmp_path: Path) -> None:
    found = apart.read("h5ad", h5ad(tmp_path / "a.h5ad"))
    read = found.arrays
    assert {*read} == {
        *("X", "layers/dense", "layers/counts", "raw/X", "obsm/X_pca"),
        *("cell_type", "cluster", "batch", "score", "obs/X", "age"),
    }
    assert read["X"].format == "csr" and read["layers/counts"].format == "csc"
    np.testing.assert_array_equal(read["X"].toarray(), X)
    np.testing.assert_array_equal(read["layers/counts"].toarray(), X)
    np.testing.assert_array_equal(read["layers/dense"], X * 2)
    np.testing.assert_array_equal(read["raw/X"], np.hstack([X, X]))
    assert found.samples == "rows" and found.feature_names == ("CD3", "CD4", "CD8", "CD9")
    assert read["cell_type"].tolist() == ["T", "", "B"] and read["batch"].tolist() == ["u", "v", "u"]
    np.testing.assert_array_equal(read["cluster"], [20, np.nan, 10])
    np.testing.assert_array_equal(read["age"], [4, np.nan, 6])
    assert read["obs/X"].tolist() == [7, 8, 9]
    assert found.sentences == ("cell_type: 1 values are missing or empty",)
    assert found.unreadable == {"wrong": "it is damaged: codes must lie in -1 … 1"}


def test_old_h5ad_is_read(tmp_path: Path) -> None:
    obs = np.array([(b"AA", 1, 0.5), (b"AC", 0, 1.5), (b"AG", 1, 2.5)], [("index", "S2"), ("kind", "i1"), ("n", "f8")])
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        matrix = file.create_group("X")
        put(matrix, scipy.sparse.csr_array(X), h5sparse_format="csr", h5sparse_shape=X.shape)
        file["obs"], file["var"] = obs, np.array([(b"g1",), (b"g2",), (b"g3",), (b"g4",)], [("index", "S2")])
        file["uns/kind_categories"] = ["B", "T"]
    found = apart.read("h5ad", tmp_path / "a.h5ad")
    np.testing.assert_array_equal(found.arrays["X"].toarray(), X)
    assert found.arrays["kind"].tolist() == ["T", "B", "T"] and found.arrays["n"].tolist() == [0.5, 1.5, 2.5]
    assert found.feature_names == ("g1", "g2", "g3", "g4")


def test_categories_of_version_07_are_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        file["X"] = X
        file["obs/_index"], file["var/_index"] = ["AA", "AC", "AG"], ["a", "b", "c", "d"]
        file["obs/kind"], file["obs/__categories/kind"] = np.array([1, -1, 0], np.int8), ["B", "T"]
    assert apart.read("h5ad", tmp_path / "a.h5ad").arrays["kind"].tolist() == ["T", "", "B"]


@pytest.mark.parametrize("name", ["X", "layers/dense", "obs/batch"])
def test_h5ad_that_contradicts_itself_is_refused(name: str, tmp_path: Path) -> None:
    with h5py.File(h5ad(tmp_path / "a.h5ad"), "r+") as file:
        del file[name]
        file[name] = ["u", "v"] if name == "obs/batch" else X[:2]
    with pytest.raises(
        DataError, match=rf"a\.h5ad is damaged: obs has 3 samples, but .*{name.split('/')[-1]} has shape"
    ):
        apart.read("h5ad", tmp_path / "a.h5ad")


def test_h5ad_whose_features_are_not_those_of_var_is_refused(tmp_path: Path) -> None:
    with h5py.File(h5ad(tmp_path / "a.h5ad"), "r+") as file:
        file["X"].attrs["shape"] = (3, 40)
    with pytest.raises(DataError, match=r"a\.h5ad is damaged: var has 4 features, but X has shape \(3, 40\)"):
        apart.read("h5ad", tmp_path / "a.h5ad")


def test_h5ad_without_obs_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        file["X"] = X
        file["obs"] = h5py.ExternalLink("other.h5", "/obs")
    with pytest.raises(DataError, match="it has no obs and var"):
        apart.read("h5ad", tmp_path / "a.h5ad")
    with h5py.File(tmp_path / "a.h5ad", "r+") as file:
        file["var/_index"] = ["a"]
    with pytest.raises(DataError, match="links are not followed"):
        apart.read("h5ad", tmp_path / "a.h5ad")
