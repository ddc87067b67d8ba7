"""`nmfbench data import`: a guess at a user's file that becomes a dataset of its own."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse
import yaml
from files import LABELS, ROWS, write
from pictures import images_in
from shell import nmfbench

from nmfbench import config, load_dataset
from nmfbench.datasets import guess
from nmfbench.datasets.formats import SUFFIXES
from nmfbench.errors import ConfigError, DataError

pytestmark = pytest.mark.usefixtures("user")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_imported_file_of_every_kind_works_by_its_name(suffix: str, tmp_path: Path, capsys) -> None:
    path = tmp_path / f"${{My}} #Data{suffix}"
    write(path)
    assert nmfbench("data", "import", path) == 0
    output = capsys.readouterr().out
    assert "11 samples × 7 features, 3 classes" in output and "never negative" in output
    data = load_dataset("my_data", scaling="none", dense=True)
    np.testing.assert_allclose(data.X, ROWS.T)
    assert data.name == "my_data" and data.y.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1]
    assert "11 samples, 7 features, 3 classes" in config.describe("dataset", "my_data")


def test_imported_dataset_runs_alone_and_in_a_sweep(tmp_path: Path, capsys) -> None:
    write(tmp_path / "mine.npz")
    nmfbench("data", "import", tmp_path / "mine.npz")
    short = ["solver=pca", "rank=2", "seeds=1", f"results_dir='{tmp_path}/results'", "threads=1"]
    assert nmfbench("run", "dataset=mine", *short) == 0
    assert nmfbench("run", "-m", "dataset=mine,digits", *short) == 0
    assert {path.name for path in (tmp_path / "results/runs").iterdir()} == {"mine", "digits"}
    assert nmfbench("list", "datasets", "--plain") == 0
    assert "mine" in capsys.readouterr().out.splitlines()


def test_guess_explains_itself_and_lists_every_key(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "d.mat", {"DATA": np.arange(11 * 64.0).reshape(11, 64).T - 9, "labels": LABELS})
    seen = guess.look_at(tmp_path / "d.mat")
    assert seen.lines == [
        "file: array DATA, 64 × 11, float64; samples in columns",
        "X: -9 to 694; 1.28% of it negative: only archetypal, autoencoder, convex, deep_archetypal, deep_semi, "
        "multiview, pca, raw, semi, snpa, spa, wnnf, wnnf_deconv, wnnf_deep take that; with --scaling min_max all do",
        "labels: labels",
        "samples: in columns, because there are 11 labels",
        "images: square, 8 × 8? Then set shape in the YAML",
        "scaling: max, because the features reach similar values, 662 in the median and 694 at most",
        "so: 11 samples × 64 features, 3 classes, 3 to 4 each",
    ]
    written = guess.save(seen, tmp_path / "d.mat")[0].read_text()
    assert yaml.safe_load(written).keys() == config.defaults("dataset", "file").keys()
    assert "shape: null   # [8, 8] when samples are images" in written


def test_what_is_said_is_not_guessed(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", a=ROWS, b=ROWS[:3], one=LABELS, two=LABELS % 2)
    with pytest.raises(DataError, match=r"Give dataset.x; it holds: a 11 × 7"):
        guess.look_at(tmp_path / "d.npz")
    seen = guess.look_at(tmp_path / "d.npz", x="a", y="two")
    assert (seen.node["x"], seen.node["y"], seen.node["samples"]) == ("a", "two", "rows")
    assert "one, two would fit; --y NAME says which" in "\n".join(guess.look_at(tmp_path / "d.npz", x="a").lines)
    with pytest.raises(DataError, match="7 samples but 11 labels"):
        guess.look_at(tmp_path / "d.npz", x="a", y="two", samples="columns")


@pytest.mark.parametrize("name", ["orl", "file"])
def test_import_never_shadows_a_dataset_of_nmfbench(name: str, tmp_path: Path, capsys) -> None:
    write(tmp_path / f"{name}.npz")
    assert nmfbench("data", "import", tmp_path / f"{name}.npz") == 2
    assert "is a dataset of nmfbench" in capsys.readouterr().err and config.options("dataset").count(name) == 1


def test_import_replaces_an_earlier_one_only_by_force(tmp_path: Path, capsys) -> None:
    write(tmp_path / "d.npz")
    assert nmfbench("data", "import", tmp_path / "d.npz") == 0
    np.save(tmp_path / "e.npy", ROWS[:5])
    assert nmfbench("data", "import", tmp_path / "e.npy", "--name", "d") == 2
    assert load_dataset("d").n_samples == 11
    assert nmfbench("data", "import", tmp_path / "e.npy", "--name", "d", "--force") == 0
    assert load_dataset("d").n_samples == 5


@pytest.mark.parametrize("name", ["../evil", "a b", "null", "2024", ""])
def test_name_that_an_override_cannot_hold_is_refused(name: str, tmp_path: Path) -> None:
    write(tmp_path / "d.npz")
    seen = guess.look_at(tmp_path / "d.npz")
    with pytest.raises(ConfigError, match="--name"):
        guess.save(seen, tmp_path / "d.npz", name)
    guess.save(seen, tmp_path / "d.npz", guess.slug(name))


BAD = {
    "truncated": (b"PK\x03\x04 not whole", "d.npz", DataError, "cannot be read as .npz"),
    "a pickle": (np.array([{}], dtype=object), "d.npy", DataError, "cannot be read as .npy"),
    "nan": (np.full((3, 4), np.nan), "d.npy", DataError, "12 NaN"),
    "a vector": (np.ones(5), "d.npy", DataError, "must be a matrix"),
    "unknown kind": (b"x", "d.docx", ConfigError, "must end in"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_file_is_refused_and_no_yaml_is_written(case: str, tmp_path: Path, capsys) -> None:
    content, name, kind, says = BAD[case]
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    else:
        np.save(tmp_path / name, content)
    assert nmfbench("data", "import", tmp_path / name) == (2 if kind is ConfigError else 3)
    assert says in capsys.readouterr().err and not config.user_dir().exists()


def test_sparse_matrix_stays_sparse_and_takes_its_labels_from_another_file(tmp_path: Path, capsys, monkeypatch) -> None:
    table = scipy.sparse.random(30, 20, 0.2, random_state=0, format="csr")
    scipy.sparse.save_npz(tmp_path / "counts.npz", table)
    np.save(tmp_path / "classes.npy", np.arange(30) % 3)
    monkeypatch.chdir(tmp_path)
    assert nmfbench("data", "import", "counts.npz", "--y", "classes.npy") == 0
    monkeypatch.chdir("/")
    assert "sparse, 20.00% of it not zero" in capsys.readouterr().out
    data = load_dataset("counts", scaling="none")
    assert scipy.sparse.issparse(data.X) and data.y.tolist() == [i % 3 for i in range(30)]
    assert (data.X.toarray() == table.toarray().T).all()


def test_folder_of_images_becomes_a_dataset_of_images(tmp_path: Path, capsys) -> None:
    images_in(tmp_path / "Zoo")
    assert nmfbench("data", "import", tmp_path / "Zoo") == 0
    node = config.defaults("dataset", "zoo")
    assert node["_target_"] == "nmfbench.datasets.images.Images"
    assert (node["path"], node["size"], node["grey"]) == (str(tmp_path / "Zoo"), [9, 7], True)
    output = capsys.readouterr().out
    assert "12 images, 3 of them 9 × 7 pixels" in output and "3 sub-folders, 4 each" in output
    assert "63 features" in output


def test_folder_with_an_unreadable_image_or_none_is_refused(tmp_path: Path) -> None:
    (images_in(tmp_path / "Zoo") / "cat/cat1.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"cat1\.png"):
        guess.look_at(tmp_path / "Zoo")
    with pytest.raises(DataError, match="no sub-folders with images"):
        guess.look_at(tmp_path / "Zoo/cat")


def test_views_of_the_same_samples_are_joined(tmp_path: Path) -> None:
    cells = np.empty(2, dtype=object)
    cells[0], cells[1] = ROWS, ROWS[:, :3] * 2
    scipy.io.savemat(tmp_path / "parts.mat", {"X": cells, "Y": LABELS})
    with pytest.raises(DataError, match=r"which array is X\? .* X\.1 11 × 7, X\.2 11 × 3"):
        guess.look_at(tmp_path / "parts.mat")
    assert nmfbench("data", "import", tmp_path / "parts.mat", "--x", "X.1", "--x", "X.2") == 0
    data = load_dataset("parts", scaling="none")
    assert np.array_equal(data.X.T, np.hstack([ROWS, ROWS[:, :3] * 2])) and data.n_classes == 3
    assert nmfbench("data", "import", tmp_path / "parts.mat", "--x", "X.2", "--name", "second") == 0
    assert load_dataset("second").X.shape == (3, 11)


def test_stack_of_images_keeps_their_shape_and_a_cube_takes_its_map_of_labels(tmp_path: Path) -> None:
    images = np.arange(10 * 4 * 5).reshape(10, 4, 5)
    np.savez(tmp_path / "stack.npz", x_train=images, y_train=np.arange(10) % 3)
    scipy.io.savemat(tmp_path / "matlab.mat", {"faces": images.transpose(1, 2, 0), "gnd": np.arange(10) % 3})
    for name in ("stack.npz", "matlab.mat"):
        assert nmfbench("data", "import", tmp_path / name) == 0
        data = load_dataset(name.partition(".")[0], scaling="none")
        assert data.shape == (4, 5) and np.array_equal(data.X, images.reshape(10, 20).T) and data.n_classes == 3
    cube, ground = np.random.default_rng(0).uniform(size=(6, 7, 3)), np.arange(42).reshape(6, 7) % 4
    scipy.io.savemat(tmp_path / "scene.mat", {"scene": cube})
    scipy.io.savemat(tmp_path / "scene_gt.mat", {"scene_gt": ground})
    assert nmfbench("data", "import", tmp_path / "scene.mat", "--y", tmp_path / "scene_gt.mat") == 0
    data = load_dataset("scene", scaling="none")
    assert np.array_equal(data.X, cube.reshape(42, 3).T) and np.array_equal(data.y, ground.ravel())
    assert np.array_equal(data.X[1][data.scene], cube[:, :, 1])
    assert np.array_equal(
        load_dataset("file", path=str(tmp_path / "scene.mat"), samples="pixels", scaling="none").X, data.X
    )


def test_one_hot_labels_are_classes_and_an_unreadable_array_does_no_harm(tmp_path: Path, capsys) -> None:
    one_hot = (LABELS[:, None] == np.unique(LABELS)).astype(float)
    np.savez(tmp_path / "d.npz", X=ROWS, y=one_hot, notes=np.array([{"by": "me"}], dtype=object))
    assert nmfbench("data", "import", tmp_path / "d.npz", "--y", "y") == 0
    output = capsys.readouterr().out
    assert "one-hot labels" in output and "notes cannot be read" in output
    assert load_dataset("d").y.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1]
    assert nmfbench("data", "import", tmp_path / "d.npz", "--x", "notes") == 3
    assert "notes cannot be read" in capsys.readouterr().err
