"""The shipped data, every loader, and what a loader refuses."""

import hashlib
import importlib.util
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.datasets import load_digits

from nmfbench import config, datasets, evaluate, load_dataset
from nmfbench.datasets.base import Dataset, Loader
from nmfbench.datasets.files import DATA_DIR
from nmfbench.datasets.mfeat import MultiFeature
from nmfbench.datasets.scaling import SCALINGS, scale_sparse
from nmfbench.datasets.sources import SHIPPED, SOURCES
from nmfbench.datasets.synthetic import Synthetic
from nmfbench.errors import ConfigError, DataError

NAMES = config.options("dataset")
OWN = {"file": {"path": "x.npy"}, "graph": {"path": "x.csv"}, "views": {"files": ["x.npy"]}, "images": {"path": "x"}}
OWN |= {"cnn": {"folder": "x"}}
BLOCK_SHA256 = "2e4844a9f4fa4397058f69d6208047170f2e9d399cda18b55c1e8d28f0a83431"


@pytest.fixture(autouse=True)
def shipped_data_alone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test sees the shipped data, unless it asks for the real data that the environment names."""
    if "data_dir" not in request.fixturenames:
        monkeypatch.delenv("NMFBENCH_DATA", raising=False)


@pytest.mark.parametrize("name", NAMES)
def test_yaml_lists_exactly_the_fields_of_its_class_and_describes_itself(name: str) -> None:
    node = config.defaults("dataset", name)
    node |= OWN.get(name, {})
    loader = config.build(node, Loader, "dataset")
    assert {*node} - {"_target_"} == {f.name for f in fields(loader)}
    assert len(config.describe("dataset", name)) > 10


def test_shipped_faces_are_the_true_pixels() -> None:
    pixels = load_dataset("orl", scaling="none").X.T.astype(np.uint8)
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == BLOCK_SHA256


def test_every_shipped_file_has_its_checksum() -> None:
    lines = (DATA_DIR / "SHA256SUMS").read_text().splitlines()
    assert len(lines) == 400 + 6 + 1
    for line in lines:
        digest, _, path = line.partition("  ")
        assert hashlib.sha256((DATA_DIR / path).read_bytes()).hexdigest() == digest, path


def test_readme_says_where_each_set_is_put_and_got_from() -> None:
    text = (DATA_DIR / "README.md").read_text(encoding="utf-8")
    for name, source in SOURCES.items():
        if source.how != SHIPPED:
            absent = [part for part in (f"`{name}`", *source.files, source.page) if part and part not in text]
            assert not absent, name


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
    theirs = load_digits()
    assert np.array_equal(load_dataset("digits", scaling="none").X, theirs.data.T)
    assert np.array_equal(data.y, theirs.target)


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


def test_imagenet_like_is_rectified_seeded_and_its_classes_are_found_less_well_the_wider_they_are() -> None:
    size = {"n_features": 60, "n_samples": 240, "n_classes": 12}
    data = load_dataset("imagenet_like", **size)
    assert data.X.shape == (60, 240) and data.X.min() == 0 and 0.4 < (data.X == 0).mean() < 0.6
    assert np.bincount(data.y).tolist() == [20] * 12 and data.n_clusters == (500, 750, 1000, 1500)
    assert load_dataset("imagenet_like", **size).sha256 == data.sha256
    assert load_dataset("imagenet_like", **size, seed=1).sha256 != data.sha256
    scores = []
    for spread in (0.0, 1.4, 6.0):
        drawn = load_dataset("imagenet_like", **size, spread=spread)
        scores.append(evaluate(drawn.X, drawn.y, 12)[12]["nmi"])
    assert scores[0] == pytest.approx(1) and 1 > scores[1] > scores[2] + 0.2
    for wrong in ({"n_features": 0}, {"dimensions": 0}, {"spread": -1.0}, {"seed": -1}, {"n_classes": 241}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            load_dataset("imagenet_like", **{**size, **wrong})


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_samples": 0},
        {"n_samples": 2.5},
        {"n_features": "many"},
        {"n_classes": -1},
        {"n_classes": 999},
        {"noise": -0.1},
        {"overlap": float("nan")},
        {"noise": float("inf")},
        {"seed": -1},
        {"seed": 0.5},
    ],
)
def test_synthetic_refuses_what_cannot_be(parameters: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(parameters))):
        load_dataset("synthetic", **parameters)
    with pytest.raises(ConfigError, match=next(iter(parameters))):
        Synthetic(**parameters)


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


# Any real matrix: zero and constant features, both signs, subnormals, and up to the largest float64.
ANY = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=5),
    elements=st.floats(allow_nan=False, allow_infinity=False),
)


@pytest.mark.parametrize("scaling", SCALINGS)
@settings(max_examples=60, deadline=None, derandomize=True)
@example(X=np.array([[-1.5e308, 1.5e308], [1e-200, 2e-200], [5e-324, 0], [7, 7]]))
@given(X=ANY)
def test_scaling_keeps_any_finite_matrix_finite(scaling: str, X: np.ndarray) -> None:
    scaled = SCALINGS[scaling][0](X)
    assert scaled.shape == X.shape and np.isfinite(scaled).all()
    if scaling != "none":
        assert np.abs(scaled).max() <= 1 + 1e-12


@settings(max_examples=60, deadline=None, derandomize=True)
@given(X=ANY)
def test_unit_norm_is_one_for_every_sample_but_zero(X: np.ndarray) -> None:
    norms = np.linalg.norm(SCALINGS["unit_norm"][0](X), axis=0)
    np.testing.assert_allclose(norms, (X != 0).any(axis=0), rtol=1e-12)


def test_lee_seung_brings_each_sample_to_mean_and_sd_a_quarter_before_it_clips() -> None:
    X = np.random.default_rng(0).uniform(3, 4, (50, 3)) * [1, 10, 0] + [0, 100, 5]
    scaled = SCALINGS["lee_seung"][0](X)
    standard = (X[:, :2] - X[:, :2].mean(0)) / X[:, :2].std(0)
    np.testing.assert_allclose(scaled[:, :2], np.clip(0.25 + 0.25 * standard, 0, 1), rtol=1e-12)
    assert scaled.min() == 0 and set(scaled[:, 2]) == {0.25}


@pytest.mark.parametrize("scaling", ["max", "column_max", "unit_norm"])
@settings(max_examples=60, deadline=None, derandomize=True)
@example(X=np.array([[-1.5e308, 1.5e308], [1e-200, 2e-200], [5e-324, 0], [7, 7]]))
@given(X=ANY)
def test_scaling_of_any_sparse_matrix_is_that_of_dense_and_keeps_its_order(scaling: str, X: np.ndarray) -> None:
    scaled = scale_sparse(scipy.sparse.csc_array(X), scaling)
    np.testing.assert_allclose(scaled.toarray(), SCALINGS[scaling][0](X), rtol=1e-12)
    assert scaled.has_canonical_format  # the checksum goes by the order of entries


@pytest.mark.parametrize("scaling", ["log", None, 3, ["max", 3], {"max": 1}])
def test_unknown_scaling_is_refused(scaling) -> None:
    with pytest.raises(ConfigError, match=r"scaling must be one of none, max, .* got ('log'|None|3|{'max': 1})$"):
        load_dataset("digits", scaling=scaling)


@pytest.mark.parametrize("n_clusters", [3, [], [0], [2.5], [True], "3"])
def test_cluster_counts_must_be_positive_integers(n_clusters) -> None:
    with pytest.raises(ConfigError, match="n_clusters must be a list of positive integers"):
        Synthetic(n_clusters=n_clusters)
    with pytest.raises(ConfigError, match="n_clusters"):
        load_dataset("synthetic", n_clusters=n_clusters)


def test_checksum_names_values_and_labels_but_not_how_labels_are_numbered() -> None:
    X, y = np.arange(6.0).reshape(2, 3), np.array([5, 7, 5])
    same = Dataset("a", X, y).sha256
    assert same == Dataset("b", X.astype(np.float32), np.array([0, 1, 0])).sha256
    assert same != Dataset("a", X + 1e-9, y).sha256 != Dataset("a", X, np.array([5, 7, 7])).sha256
    assert same != Dataset("a", X.reshape(3, 2), y[:2]).sha256


def test_unknown_dataset_proposes_the_nearest() -> None:
    with pytest.raises(ConfigError, match="no dataset is called 'orll'; did you mean orl"):
        load_dataset("orll")
