"""`nmfbench data import`: a guess at a user's file that becomes a dataset of its own."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse
import yaml
from pictures import images_in
from shell import nmfbench

from nmfbench import config, load_dataset
from nmfbench.datasets import guess
from nmfbench.errors import ConfigError, DataError

pytestmark = pytest.mark.usefixtures("user")


@pytest.fixture
def rows() -> np.ndarray:
    """11 samples in rows, 7 features."""
    return np.random.default_rng(0).uniform(size=(11, 7))


LABELS = np.array([2, 4, 9, 2, 4, 9, 2, 4, 9, 2, 4])


def write(path: Path, rows: np.ndarray) -> None:
    match path.suffix:
        case ".npz":
            np.savez(path, fea=rows, gnd=LABELS, mean=rows.mean(0))
        case ".npy":
            np.save(path, rows)
            np.save(path.with_name("labels.npy"), LABELS)
        case ".mat":
            scipy.io.savemat(path, {"DATA": rows.T, "labels": LABELS[:, None]})
        case _:
            frame = pd.DataFrame(rows, columns=[f"f{i}" for i in range(7)]).assign(species=LABELS.astype(str) + "x")
            frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path)


@pytest.mark.parametrize("suffix", guess.READERS)
def test_imported_file_of_every_kind_works_by_its_name(suffix: str, rows, tmp_path: Path, capsys) -> None:
    path = tmp_path / f"${{My}} #Data{suffix}"
    write(path, rows)
    assert nmfbench("data", "import", path) == 0
    output = capsys.readouterr().out
    assert "11 samples × 7 features, 3 classes" in output and "never negative" in output
    data = load_dataset("my_data", scaling="none")
    np.testing.assert_allclose(data.X, rows.T)
    assert data.name == "my_data" and data.y.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1]
    assert "11 samples, 7 features, 3 classes" in config.describe("dataset", "my_data")


def test_imported_dataset_runs_alone_and_in_a_sweep(rows, tmp_path: Path, capsys) -> None:
    write(tmp_path / "mine.npz", rows)
    nmfbench("data", "import", tmp_path / "mine.npz")
    short = ["solver=pca", "rank=2", "seeds=1", f"results_dir='{tmp_path}/results'", "threads=1"]
    assert nmfbench("run", "dataset=mine", *short) == 0
    assert nmfbench("run", "-m", "dataset=mine,digits", *short) == 0
    assert {path.name for path in (tmp_path / "results/runs").iterdir()} == {"mine", "digits"}
    assert nmfbench("list", "datasets", "--plain") == 0
    assert "mine" in capsys.readouterr().out.splitlines()


def test_guess_explains_itself_and_lists_every_key(tmp_path: Path) -> None:
    write(tmp_path / "d.mat", np.arange(11 * 64.0).reshape(11, 64) - 9)
    seen = guess.look_at(tmp_path / "d.mat")
    assert seen.lines == [
        "X: array DATA, 64 × 11, float64, -9 to 694; 1.28% of it negative: only some solvers take that",
        "labels: labels, 11 entries, 3 classes, 3 to 4 each",
        "samples: in columns, because labels has 11 entries",
        "images: square, 8 × 8? Then set shape in the YAML",
        "so: 11 samples × 64 features, 3 classes",
    ]
    written = guess.save(seen, "d").read_text()
    assert yaml.safe_load(written).keys() == config.defaults("dataset", "file").keys()
    assert "shape: null   # [8, 8] when samples are images" in written


def test_what_is_said_is_not_guessed(rows, tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", a=rows, b=rows[:3], one=LABELS, two=LABELS % 2)
    with pytest.raises(DataError, match=r"Add --x NAME; it holds: a: 11 × 7"):
        guess.look_at(tmp_path / "d.npz")
    seen = guess.look_at(tmp_path / "d.npz", x="a", y="two")
    assert (seen.node["x"], seen.node["y"], seen.node["samples"]) == ("a", "two", "rows")
    assert "one, two would fit; --y NAME says which" in "\n".join(guess.look_at(tmp_path / "d.npz", x="a").lines)
    with pytest.raises(DataError, match="7 samples but 11 labels"):
        guess.look_at(tmp_path / "d.npz", x="a", y="two", samples="columns")


@pytest.mark.parametrize("name", ["orl", "file"])
def test_import_never_shadows_a_dataset_of_nmfbench(name: str, rows, tmp_path: Path, capsys) -> None:
    write(tmp_path / f"{name}.npz", rows)
    assert nmfbench("data", "import", tmp_path / f"{name}.npz") == 2
    assert "is a dataset of nmfbench" in capsys.readouterr().err and config.options("dataset").count(name) == 1


def test_import_replaces_an_earlier_one_only_by_force(rows, tmp_path: Path, capsys) -> None:
    write(tmp_path / "d.npz", rows)
    assert nmfbench("data", "import", tmp_path / "d.npz") == 0
    np.save(tmp_path / "e.npy", rows[:5])
    assert nmfbench("data", "import", tmp_path / "e.npy", "--name", "d") == 2
    assert load_dataset("d").n_samples == 11
    assert nmfbench("data", "import", tmp_path / "e.npy", "--name", "d", "--force") == 0
    assert load_dataset("d").n_samples == 5


@pytest.mark.parametrize("name", ["../evil", "a b", "null", "2024", ""])
def test_name_that_an_override_cannot_hold_is_refused(name: str, rows, tmp_path: Path) -> None:
    write(tmp_path / "d.npz", rows)
    seen = guess.look_at(tmp_path / "d.npz")
    with pytest.raises(ConfigError, match="--name"):
        guess.save(seen, name)
    guess.save(seen, guess.slug(name))


BAD = {
    "truncated": (b"PK\x03\x04 not whole", "d.npz", DataError, "cannot be read as .npz"),
    "a pickle": (np.array([{}], dtype=object), "d.npy", DataError, "cannot be read as .npy"),
    "nan": (np.full((3, 4), np.nan), "d.npy", DataError, "12 NaN"),
    "a vector": (np.ones(5), "d.npy", DataError, "which array is X"),
    "unknown kind": (b"x", "d.xlsx", ConfigError, "must end in"),
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


def test_sparse_matrix_is_refused_by_name(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "s.mat", {"fea": scipy.sparse.eye(30, format="csc")})
    with pytest.raises(DataError, match="fea is sparse, 30 × 30"):
        guess.look_at(tmp_path / "s.mat")


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
