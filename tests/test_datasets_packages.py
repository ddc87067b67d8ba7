"""Datasets that lie in packages: stand-ins in their formats, and the real ones where they are installed."""

import dataclasses
import gzip
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn.datasets
from shell import nmfbench
from web import sha256

from nmfbench import load_dataset
from nmfbench.datasets import sources
from nmfbench.datasets.sources import IN_PACKAGE, SOURCES
from nmfbench.errors import ConfigError, DataError, DataMissing

PACKAGED = [name for name, source in SOURCES.items() if source.how == IN_PACKAGE]


def put(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, *contents: bytes) -> None:
    """Write the files of a set into the data folder, and take their checksums for the tested ones."""
    paths = list(SOURCES[name].files)
    for path, content in zip(paths, contents, strict=True):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    known = dict(zip(paths, map(sha256, contents), strict=True))
    monkeypatch.setitem(SOURCES, name, dataclasses.replace(SOURCES[name], files=known))


def npy(array: np.ndarray, folder: Path) -> bytes:
    np.save(folder / "array.npy", array)
    return (folder / "array.npy").read_bytes()


def idx(array: np.ndarray) -> bytes:
    """MNIST's format."""
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes())


def tsv(rows: list[list[object]]) -> bytes:
    return gzip.compress("\n".join("\t".join(map(str, row)) for row in rows).encode())


def test_fashion_mnist_reads_pixels_row_by_row_and_keeps_the_first_of_each_class(own_folder: Path, monkeypatch) -> None:
    images, y = np.arange(6 * 2 * 3, dtype=np.uint8).reshape(6, 2, 3), np.array([1, 0, 1, 1, 0, 0], np.uint8)
    put("fashion_mnist", own_folder, monkeypatch, idx(images), idx(y), idx(images[:1] + 7), idx(y[:1]))
    data = load_dataset("fashion_mnist", scaling="none")
    assert data.shape == (2, 3) and data.y.tolist() == y.tolist()
    np.testing.assert_array_equal(data.X.T.reshape(6, 2, 3), images)
    few = load_dataset("fashion_mnist", scaling="none", each=2)
    assert few.y.tolist() == [1, 0, 1, 0]
    np.testing.assert_array_equal(few.X, data.X[:, [0, 1, 2, 4]])
    train = load_dataset("fashion_mnist", scaling="none", part="train")
    np.testing.assert_array_equal(train.X[:, 0], np.arange(6) + 7)
    with pytest.raises(ConfigError, match="part must be test or train"):
        load_dataset("fashion_mnist", part="both")


def test_indian_pines_keeps_the_pixels_whose_cover_is_known(own_folder: Path, monkeypatch) -> None:
    cube, cover = np.arange(2 * 3 * 4).reshape(2, 3, 4), np.array([[0, 2, 1], [1, 0, 0]])
    put("indian_pines", own_folder, monkeypatch, npy(cube, own_folder), npy(cover, own_folder))
    data = load_dataset("indian_pines", scaling="none")
    np.testing.assert_array_equal(data.X, np.stack([cube[0, 1], cube[0, 2], cube[1, 0]], axis=1))
    assert data.y.tolist() == [1, 0, 0]


def test_reuters_counts_words_of_documents(own_folder: Path, monkeypatch) -> None:
    put("reuters", own_folder, monkeypatch, b"2 0:3 2:1\n0\n1 1:5\n", b"ship\nport\npope\n")
    for dense in (False, True):
        data = load_dataset("reuters", scaling="none", dense=dense)
        np.testing.assert_array_equal(data.X if dense else data.X.toarray(), [[3, 0, 0], [0, 0, 5], [1, 0, 0]])
    assert data.feature_names == ("ship", "port", "pope") and data.y is None


def test_leukemia_takes_its_classes_from_the_names_of_the_patients(own_folder: Path, monkeypatch) -> None:
    names = ["ALL_R11_B-cell", "AML_13", "ALL_7_T-cell", "ALL_8_B-cell"]
    put("leukemia", own_folder, monkeypatch, tsv([["Name", *names], ["M1_at", 1, 2, 3, 4], ["M2_at", 5, 6, 7, 8]]))
    data = load_dataset("leukemia", scaling="none")
    np.testing.assert_array_equal(data.X, [[1, 2, 3, 4], [5, 6, 7, 8]])
    assert data.y.tolist() == [1, 0, 2, 1] and data.feature_names == ("M1_at", "M2_at")


def test_swimmer_stands_upright(own_folder: Path, monkeypatch) -> None:
    drawing = np.arange(1024).reshape(32, 32)
    rows = [["", "c1"], *([f"px{i}", pixel] for i, pixel in enumerate(drawing.T.ravel()))]
    put("swimmer", own_folder, monkeypatch, tsv(rows))
    data = load_dataset("swimmer", scaling="none")
    np.testing.assert_array_equal(data.X[:, 0].reshape(data.shape), drawing)


def test_signatures_are_samples(own_folder: Path, monkeypatch) -> None:
    put("cosmic", own_folder, monkeypatch, gzip.decompress(tsv([["Type", "SBS1", "SBS2"], ["A[C>A]A", 0.9, 5.8e-07]])))
    data = load_dataset("cosmic", scaling="none")
    np.testing.assert_array_equal(data.X, [[0.9, 5.8e-07]])
    assert data.feature_names == ("A[C>A]A",)


def test_blood_cells_are_read_from_the_old_layout_of_h5ad(own_folder: Path, monkeypatch) -> None:
    h5py = pytest.importorskip("h5py")
    counts = np.array([[0, 2.5, 0], [1, 0, 0], [0, 0, 4], [0, 1, 1]])
    with h5py.File(own_folder / "cells.h5ad", "w") as file:
        obs = np.array([(b"c1", 1), (b"c2", 0), (b"c3", 1), (b"c4", 0)], [("index", "S2"), ("bulk_labels", "i1")])
        file["obs"], file["obsm"] = obs, np.zeros(4, [("X_pca", "f4", 2)])
        file["var"] = file["raw.var"] = np.array([(b"g1",), (b"g2",), (b"g3",)], [("index", "S2")])
        file["uns/bulk_labels_categories"] = np.array([b"NK", b"T"])
        file["X"] = counts - 1
        raw, sparse = file.create_group("raw.X"), scipy.sparse.csr_array(counts)
        raw.attrs["h5sparse_format"], raw.attrs["h5sparse_shape"] = "csr", counts.shape
        for key in ("data", "indices", "indptr"):
            raw[key] = getattr(sparse, key)
    put("pbmc68k", own_folder, monkeypatch, (own_folder / "cells.h5ad").read_bytes())
    for dense in (False, True):
        data = load_dataset("pbmc68k", scaling="none", dense=dense)
        np.testing.assert_array_equal(data.X if dense else data.X.toarray(), counts.T)
    assert data.y.tolist() == [1, 0, 1, 0] and data.feature_names == ("g1", "g2", "g3")


def test_satellite_is_a_data_frame_of_r(own_folder: Path, monkeypatch) -> None:
    frame = pd.DataFrame({"x.1": [92.0, 84], "x.2": [115.0, 102], "classes": pd.Categorical(["grey", "red"])})
    put("satellite", own_folder, monkeypatch, b"a data frame")
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "rdata", None)
        with pytest.raises(DataMissing, match=r"Satellite\.rda needs rdata: pip install 'nmfbench\[data\]'"):
            load_dataset("satellite")
    # rdata reads what only R writes, so the real file tests it, below.
    monkeypatch.setitem(sys.modules, "rdata", SimpleNamespace(read_rda=lambda path: {"Satellite": frame.copy()}))
    data = load_dataset("satellite", scaling="none")
    np.testing.assert_array_equal(data.X, [[92, 84], [115, 102]])
    assert data.y.tolist() == [0, 1] and data.feature_names == ("x.1", "x.2")


@pytest.mark.parametrize(
    ("table", "shape", "counts", "first"),
    [
        ("iris", (4, 150), [50, 50, 50], [5.1, 3.5, 1.4, 0.2]),
        ("wine", (13, 178), [59, 71, 48], [14.23, 1.71, 2.43]),
        ("breast_cancer", (30, 569), [212, 357], [17.99, 10.38]),
    ],
)
def test_tables_of_scikit_learn_are_as_it_loads_them(table: str, shape, counts: list[int], first: list[float]) -> None:
    data, theirs = load_dataset(f"uci_{table}", scaling="none"), getattr(sklearn.datasets, f"load_{table}")()
    np.testing.assert_array_equal(data.X.T, theirs.data)
    np.testing.assert_array_equal(data.y, theirs.target)
    assert data.X.shape == shape and np.bincount(data.y).tolist() == counts
    assert data.X[: len(first), 0].tolist() == first


# Shape, the count of each class, range before scaling.
REAL = {
    "fashion_mnist": ((784, 10_000), [1000] * 10, (0, 255)),
    "indian_pines": (
        (200, 10_249),
        [46, 1428, 830, 237, 483, 730, 28, 478, 20, 972, 2455, 593, 205, 1265, 386, 93],
        (985, 9604),
    ),
    "satellite": ((36, 6435), [1533, 703, 1358, 626, 707, 1508], (27, 157)),
    "pbmc68k": ((765, 700), [129, 95, 13, 68, 8, 19, 31, 54, 43, 240], (0, 6.489)),
    "leukemia": ((5000, 38), [11, 19, 8], (20, 61228)),
    "swimmer": ((1024, 256), None, (1, 39)),
    "cosmic": ((96, 86), None, (0, 0.7128)),
    "reuters": ((4258, 395), None, (0, 40)),
}


@pytest.mark.parametrize("name", REAL)
def test_real_set_has_its_shape_its_classes_and_its_range(name: str) -> None:
    try:
        data = load_dataset(name, scaling="none")
    except DataMissing as error:
        pytest.skip(str(error))
    shape, counts, (low, high) = REAL[name]
    assert data.X.shape == shape
    assert (data.X.min(), data.X.max()) == pytest.approx((low, high), rel=1e-3, abs=1e-9)
    assert counts == (None if data.y is None else np.bincount(data.y).tolist())
    if name == "reuters":
        assert data.X.sum() == 84_010  # words in all, as the documentation of lda says
    if name == "cosmic":
        np.testing.assert_allclose(data.X.sum(0), 1)


# Where the files are looked for, and what is refused.


def test_installed_package_is_read_without_running_its_code(
    own_folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch
) -> None:
    site = tmp_path_factory.mktemp("site")
    put("reuters", site, monkeypatch, b"1 0:1\n1 1:2\n", b"a b")
    (site / "packages/lda/__init__.py").write_text("raise RuntimeError('ran')")
    monkeypatch.syspath_prepend(site / "packages")
    data = load_dataset("reuters", scaling="none")
    np.testing.assert_array_equal(data.X.toarray(), np.diag([1, 2]))
    # The note has no path of this machine, so that a card holds wherever the package is installed.
    assert list(data.files) == list(SOURCES["reuters"].files) and None not in data.files.values()


def test_file_of_another_release_is_refused_with_the_command_that_brings_the_right_one(
    own_folder: Path, monkeypatch
) -> None:
    put("reuters", own_folder, monkeypatch, b"1 0:1\n", b"a")
    (own_folder / next(iter(SOURCES["reuters"].files))).write_bytes(b"1 0:2\n")
    with pytest.raises(DataError, match=r"not the file that nmfbench was tested with .*this brings it: pip install"):
        load_dataset("reuters")


@pytest.mark.parametrize("name", PACKAGED)
def test_missing_package_is_told_with_the_command_that_brings_it(name: str, user: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("nmfbench.datasets.files.where_installed", lambda path: [])
    command = sources.command(SOURCES[name])
    assert "{" not in command and command.startswith(("pip install", "apt"))
    with pytest.raises(DataMissing) as error:
        load_dataset(name)
    assert command in str(error.value)
    assert nmfbench("data", "list", name) == 3
    assert f"in a package    this brings it: {command}" in capsys.readouterr().out
    assert nmfbench("data", "fetch", name) == 3
    assert command in capsys.readouterr().out
