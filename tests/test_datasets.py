"""The shipped data, every loader, and what a loader refuses."""

import hashlib
import importlib.util
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse

from nmfbench import config, datasets, load_dataset
from nmfbench.datasets.base import DATA_DIR, Dataset, Loader
from nmfbench.datasets.file import READERS, File
from nmfbench.datasets.mfeat import MultiFeature
from nmfbench.errors import ConfigError, DataError, DataMissing

NAMES = config.options("dataset")
BLOCK_SHA256 = "2e4844a9f4fa4397058f69d6208047170f2e9d399cda18b55c1e8d28f0a83431"


@pytest.fixture(autouse=True)
def shipped_data_alone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test sees the shipped data, unless it asks for the real data that the environment names."""
    if "data_dir" not in request.fixturenames:
        monkeypatch.delenv("NMFBENCH_DATA", raising=False)


@pytest.mark.parametrize("name", NAMES)
def test_yaml_lists_exactly_the_fields_of_its_class_and_describes_itself(name: str) -> None:
    node = config.defaults("dataset", name) | ({"path": "x.npy"} if name == "file" else {})
    loader = config.build(node, Loader, "dataset")
    assert {*node} - {"_target_"} == {f.name for f in fields(loader)}
    assert len(config.describe("dataset", name)) > 10


def test_shipped_faces_are_the_true_pixels() -> None:
    pixels = load_dataset("orl", scaling="none").X.T.astype(np.uint8)
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == BLOCK_SHA256


def test_every_shipped_file_has_its_checksum() -> None:
    lines = (DATA_DIR / "SHA256SUMS").read_text().splitlines()
    assert len(lines) == 400 + 6
    for line in lines:
        digest, _, path = line.partition("  ")
        assert hashlib.sha256((DATA_DIR / path).read_bytes()).hexdigest() == digest, path


def test_orl_has_forty_people_and_upright_faces() -> None:
    data = load_dataset("orl")
    assert data.X.shape == (10304, 400) and data.shape == (112, 92)
    assert np.bincount(data.y).tolist() == [10] * 40
    assert data.X.min() == 0 and data.X.max() == 1
    assert data.n_clusters == (20, 30, 40, 50)
    # Looked at as a picture: dark hair on top, the bright face below. Pinned by means over blocks of 16 × 16 pixels.
    face = load_dataset("orl", scaling="none").X[:, 0].reshape(112, 92)[:, :80]
    assert face.reshape(7, 16, 5, 16).mean((1, 3)).round().astype(int).tolist() == [
        [52, 88, 112, 105, 75],
        [76, 158, 178, 176, 130],
        [92, 161, 181, 164, 146],
        [149, 150, 162, 144, 152],
        [129, 180, 169, 167, 166],
        [55, 183, 154, 159, 138],
        [47, 162, 172, 156, 127],
    ]


def test_orl_reads_the_same_from_the_users_folder(data_dir: str) -> None:
    assert (Path(data_dir) / "orl/att_faces").exists()
    pixels = load_dataset("orl", scaling="none").X.T.astype(np.uint8)
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == BLOCK_SHA256


@pytest.mark.parametrize("damage", ["truncated", "missing", "converted"])
def test_damaged_face_is_refused_by_name(damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(DATA_DIR / "orl", tmp_path / "orl")
    path = tmp_path / "orl/att_faces/s7/3.pgm"
    whole = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(whole[:-1] if damage == "truncated" else whole.replace(b"\n", b"\r\n"))
    monkeypatch.setenv("NMFBENCH_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"s7/3\.pgm"):
        load_dataset("orl")
    assert datasets.look("orl")[0] == "damaged"


def test_repair_of_the_source_undoes_a_conversion_of_line_ends() -> None:
    spec = importlib.util.spec_from_file_location("build", Path(__file__).parents[1] / "datasets" / "build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    # A CR that stood before an LF is lost and must be told; one that stood alone comes back as LF, as in the wheel.
    pixels = bytearray(np.random.default_rng(0).integers(14, 256, build.PIXELS, dtype=np.uint8).tobytes())
    pixels[100], pixels[200:202] = 10, b"\r\n"
    whole = build.HEADER + bytes(pixels)
    converted = whole.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    assert build.repair(whole) == pixels
    assert build.repair(converted, lost_cr=200) == pixels
    with pytest.raises(ValueError, match="10303 pixels"):
        build.repair(converted)


def test_multi_feature_has_the_papers_585_columns() -> None:
    data = load_dataset("mfeat", scaling="none")
    assert data.X.shape == (585, 2000) and data.X.min() >= 0
    assert np.bincount(data.y).tolist() == [200] * 10
    assert data.X.max() == pytest.approx(17572, rel=1e-4)
    assert "views fou, fac, pix, zer, mor" in data.preprocessing[0]


def test_view_kar_is_selectable_and_half_negative() -> None:
    everything = load_dataset("mfeat", scaling="none", views=["fou", "fac", "kar", "pix", "zer", "mor"])
    assert everything.X.shape == (649, 2000)
    kar = load_dataset("mfeat", scaling="none", views=["kar"])
    assert kar.X.shape == (64, 2000) and (kar.X < 0).mean() == pytest.approx(0.49, abs=0.01)


def test_multi_feature_agrees_with_the_full_precision_file(data_dir: str) -> None:
    views = scipy.io.loadmat(Path(data_dir) / "mfeat/handwritten.mat")["X"].ravel()  # pix, fou, fac, zer, kar, mor
    ours = load_dataset("mfeat", scaling="none", views=["pix", "fou", "fac", "zer", "kar", "mor"]).X
    for view, theirs in zip(np.split(ours, np.cumsum([240, 76, 216, 47, 64])), views, strict=True):
        np.testing.assert_allclose(view, theirs.T, rtol=1e-4, atol=1e-4)


def test_unknown_view_proposes_the_nearest() -> None:
    with pytest.raises(ConfigError, match="no view is called 'foo'; did you mean fou"):
        MultiFeature(views=["foo"])


@pytest.mark.parametrize(
    "damage", [lambda t: t[: len(t) // 2], lambda t: t.replace("0", "x", 1), lambda t: t[::-1], lambda t: ""]
)
def test_damaged_view_is_refused_by_name(damage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(DATA_DIR / "mfeat", tmp_path / "mfeat")
    path = tmp_path / "mfeat/mfeat-mor.csv"
    head, _, body = path.read_text().partition("\n")
    path.write_text(f"{head}\n{damage(body)}" if damage("x") else "")
    monkeypatch.setenv("NMFBENCH_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"mfeat-mor\.csv"):
        load_dataset("mfeat")


def test_digits_are_scikit_learns() -> None:
    data = load_dataset("digits")
    assert data.X.shape == (64, 1797) and data.n_classes == 10 and data.shape == (8, 8)
    assert data.X.min() == 0 and data.X.max() == 1


def test_synthetic_clusters_are_seeded_and_as_large_as_asked() -> None:
    size = {"n_features": 17, "n_samples": 31, "n_classes": 4}
    a, b, c = (load_dataset("synthetic", **size, seed=seed) for seed in (0, 0, 1))
    assert a.X.shape == (17, 31) and (a.X >= 0).all()
    assert sorted(np.bincount(a.y)) == [7, 8, 8, 8]
    assert np.array_equal(a.X, b.X) and not np.array_equal(a.X, c.X)


def test_synthetic_clusters_are_found_again() -> None:
    from nmfbench import evaluate

    data = load_dataset("synthetic")
    assert evaluate(data.X, data.y, 5)[5]["nmi"] > 0.95


@pytest.mark.parametrize("parameters", [{"n_samples": 0}, {"n_classes": -1}, {"noise": -0.1}, {"n_classes": 999}])
def test_synthetic_refuses_what_cannot_be(parameters: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(parameters))):
        load_dataset("synthetic", **parameters)


@pytest.mark.parametrize(
    ("scaling", "check"),
    [
        ("none", lambda X, raw: np.array_equal(X, raw)),
        ("max", lambda X, raw: np.abs(X).max() == 1 and np.allclose(X * 16, raw)),
        ("column_max", lambda X, raw: set(X.max(1)) <= {0.0, 1.0} and (X.argmax(1) == raw.argmax(1)).all()),
        ("min_max", lambda X, raw: X.min() == 0 and set(X.max(1)) <= {0.0, 1.0}),
        ("unit_norm", lambda X, raw: np.allclose(np.linalg.norm(X, axis=0), 1)),
        (
            ["column_max", "unit_norm"],
            lambda X, raw: (
                np.allclose(np.linalg.norm(X, axis=0), 1) and not np.allclose(X, raw / np.linalg.norm(raw, axis=0))
            ),
        ),
    ],
)
def test_scaling_does_what_its_name_says_and_is_recorded(scaling, check) -> None:
    raw, data = load_dataset("digits", scaling="none"), load_dataset("digits", scaling=scaling)
    assert check(data.X, raw.X)
    assert len(data.preprocessing) == (len(scaling) if isinstance(scaling, list) else 1)


def test_unknown_scaling_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"scaling must be one of none, max, .* got 'log'"):
        load_dataset("digits", scaling="log")


def test_checksum_names_values_and_labels_but_not_how_labels_are_numbered() -> None:
    X, y = np.arange(6.0).reshape(2, 3), np.array([5, 7, 5])
    same = Dataset("a", X, y).sha256
    assert same == Dataset("b", X.astype(np.float32), np.array([0, 1, 0])).sha256
    assert same != Dataset("a", X + 1e-9, y).sha256 != Dataset("a", X, np.array([5, 7, 7])).sha256
    assert same != Dataset("a", X.reshape(3, 2), y[:2]).sha256


# A user's own file


@pytest.fixture
def table() -> tuple[np.ndarray, np.ndarray]:
    """11 samples in rows, 7 features, 3 classes."""
    rng = np.random.default_rng(0)
    return rng.uniform(size=(11, 7)), np.array([2, 4, 9, 2, 4, 9, 2, 4, 9, 2, 4])


def write(path: Path, rows: np.ndarray, labels: np.ndarray) -> dict[str, str]:
    """Write the file; the parameters that read it."""
    if path.suffix == ".npz":
        np.savez(path, features=rows, target=labels, other=labels)
        return {"y": "target"}
    if path.suffix == ".npy":
        np.save(path, rows)
        np.save(path.with_name("labels.npy"), labels)
        return {"y": str(path.with_name("labels.npy"))}
    if path.suffix == ".mat":
        scipy.io.savemat(path, {"fea": rows, "gnd": labels[:, None]})
        return {"x": "fea", "y": "gnd"}
    frame = pd.DataFrame(rows, columns=[f"f{i}" for i in range(rows.shape[1])]).assign(kind=labels.astype(str))
    frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path)
    return {"y": "kind"}


@pytest.mark.parametrize("suffix", READERS)
def test_file_of_every_kind_gives_the_same_dataset(suffix: str, table, tmp_path: Path) -> None:
    rows, labels = table
    path = tmp_path / f"my data{suffix}"
    keys = write(path, rows, labels)
    data = load_dataset("file", path=str(path), scaling="none", **keys)
    assert data.name == "my data"
    np.testing.assert_allclose(data.X, rows.T, rtol=1e-12)
    assert data.y.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1]


@pytest.mark.parametrize("suffix", READERS)
def test_truncated_or_empty_file_is_refused_by_name(suffix: str, table, tmp_path: Path) -> None:
    path = tmp_path / f"broken{suffix}"
    keys = write(path, *table)
    whole = path.read_bytes()
    # Half a CSV still is a table, but for its last row.
    for content in (b"", whole[: len(whole) // 2] if suffix != ".csv" else whole[:-9] + b'"'):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"broken\."):
            load_dataset("file", path=str(path), **keys)


def test_samples_in_columns(table, tmp_path: Path) -> None:
    rows, labels = table
    keys = write(tmp_path / "t.npz", rows.T, labels)
    assert load_dataset("file", path=str(tmp_path / "t.npz"), samples="columns", **keys).X.shape == (7, 11)
    with pytest.raises(DataError, match=r"7 samples but 11 labels; with dataset.samples=columns they would fit"):
        load_dataset("file", path=str(tmp_path / "t.npz"), **keys)


def test_labels_are_optional_and_may_be_words(table, tmp_path: Path) -> None:
    rows, _ = table
    np.savez(tmp_path / "w.npz", X=rows, who=np.array(["ann", "bob"] * 5 + ["ann"]))
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
        "no array 'lables' .* it holds: X 3 × 3, labels 3",
    ),
    "no X": ({"a": np.eye(3), "b": np.eye(2)}, {}, "which array is X.* a 3 × 3, b 2 × 2"),
    "a cube": ({"X": np.ones((2, 2, 2))}, {}, r"must be a matrix, got shape \(2, 2, 2\)"),
    "complex": ({"X": np.eye(3) * 1j}, {}, "real numbers, got dtype complex128"),
    "words": ({"X": np.array([["a", "b"], ["c", "d"]])}, {}, "real numbers, got dtype <U1"),
    "objects": ({"X": np.array([[1, None], [2, 3]], dtype=object)}, {}, "pickles, which run code"),
    "empty": ({"X": np.ones((0, 4))}, {"x": "X"}, "at least one feature and one sample"),
    "short labels": ({"X": np.eye(3), "y": np.ones(2)}, {"y": "y"}, "3 samples but 2 labels"),
    "missing labels": (
        {"X": np.eye(3), "y": np.array([1, np.nan, 2])},
        {"y": "y"},
        "1 labels are missing, the first at sample 1",
    ),
    "one-hot labels": (
        {"X": np.eye(3), "y": np.eye(3)},
        {"x": "X", "y": "y"},
        r"labels must be a vector, 'y' has shape \(3, 3\)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_file_is_refused_with_what_and_where(case: str, tmp_path: Path) -> None:
    arrays, keys, message = REFUSED[case]
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DataError, match=message):
        load_dataset("file", path=str(tmp_path / "bad.npz"), **keys)


def test_sparse_file_is_refused_with_its_dense_size(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "s.mat", {"fea": scipy.sparse.eye(1024, format="csc")})
    scipy.sparse.save_npz(tmp_path / "s.npz", scipy.sparse.eye(1024, format="csr"))
    for name in ("s.mat", "s.npz"):
        with pytest.raises(DataError, match=r"sparse.*8 MiB"):
            load_dataset("file", path=str(tmp_path / name))


def test_matlab_7_3_says_how_to_save_it_again(tmp_path: Path) -> None:
    (tmp_path / "new.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\0" * 400)
    with pytest.raises(DataError, match="-v7"):
        load_dataset("file", path=str(tmp_path / "new.mat"))


def test_column_of_words_in_a_table_is_named(table, tmp_path: Path) -> None:
    write(tmp_path / "t.csv", *table)
    pd.read_csv(tmp_path / "t.csv").assign(city="Bonn").to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match="column 'city' does not hold numbers"):
        load_dataset("file", path=str(tmp_path / "t.csv"), y="kind")
    with pytest.raises(DataError, match="no column 'knd'; did you mean kind"):
        load_dataset("file", path=str(tmp_path / "t.csv"), y="knd")


def test_missing_file_and_unknown_kind_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=str(tmp_path / "none.npz")):
        load_dataset("file", path=str(tmp_path / "none.npz"))
    with pytest.raises(ConfigError, match=r"must end in \.npz"):
        load_dataset("file", path="data.xlsx")
    with pytest.raises(ConfigError, match=r"dataset\.path must be given"):
        load_dataset("file")
    with pytest.raises(ConfigError, match="samples must be rows or columns"):
        File(path="a.npz", samples="lines")


def test_yale_loads_from_its_mat_file(data_dir: str) -> None:
    data = load_dataset("file", path=f"{data_dir}/yale/Yale_32x32.mat", x="fea", y="gnd")
    assert data.X.shape == (1024, 165) and np.bincount(data.y).tolist() == [11] * 15


def test_unknown_dataset_proposes_the_nearest() -> None:
    with pytest.raises(ConfigError, match="no dataset is called 'orll'; did you mean orl"):
        load_dataset("orll")
