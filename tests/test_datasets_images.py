"""AR, folders of images, and image features that stay on disk."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nmfbench import load_dataset
from nmfbench.errors import ConfigError, DataError, DataMissing


def bitmap(seed: int, size: tuple[int, int] = (120, 165)) -> Image.Image:
    tone = np.random.default_rng(seed).integers(0, 256, (1, 1, 3), dtype=np.uint8)
    return Image.fromarray(np.broadcast_to(tone, (size[1], size[0], 3)).copy())


@pytest.fixture(scope="module")
def ar_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """26 bitmaps of each of 100 people, in both styles of names."""
    folder = tmp_path_factory.mktemp("data") / "ar"
    folder.mkdir()
    for person in range(1, 51):
        for k in range(1, 27):
            bitmap(person * 100 + k).save(folder / f"M-{person:03d}-{k:02d}.bmp")
            bitmap(10**6 + person * 100 + k).save(folder / f"w-{person}-{k}.bmp")
    return folder


def test_ar_bitmaps_of_both_styles_are_59400_by_2600(ar_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NMFBENCH_DATA", str(ar_folder.parent))
    data = load_dataset("ar", scaling="none")
    assert data.name == "ar" and data.X.shape == (59400, 2600) and data.shape == (165, 120, 3)
    assert np.bincount(data.y).tolist() == [26] * 100
    for sample, seed in {0: 101, 25: 126, 26: 201, 1300: 10**6 + 101, 2599: 10**6 + 5026}.items():
        tone = np.asarray(bitmap(seed, (1, 1))).ravel()
        assert np.array_equal(data.X[:3, sample], tone), "sorted by person, men first, then by picture"


def test_ar_reads_a_zip_resized_and_grey_and_names_who_is_incomplete(ar_folder: Path, own_folder: Path) -> None:
    (own_folder / "ar").mkdir()
    names = sorted(path.name for path in ar_folder.iterdir())
    with zipfile.ZipFile(own_folder / "ar/faces.zip", "w") as archive:
        for name in names:  # a path that would lead out of a folder: members are read, never unpacked
            archive.write(ar_folder / name, f"../../{name}")
    data = load_dataset("ar", size=[11, 8], grey=True)
    assert data.X.shape == (88, 2600) and data.shape == (11, 8) and "grey, 11 × 8" in data.preprocessing[0]
    assert [path.name for path in own_folder.rglob("*.bmp")] == []
    with zipfile.ZipFile(own_folder / "ar/faces.zip", "w") as archive:
        for name in names:
            if name != "w-50-26.bmp":
                archive.write(ar_folder / name, name)
    with pytest.raises(DataError, match=r"2,600 bitmaps .* it holds 2,599, without W-050-26$"):
        load_dataset("ar")


def test_ar_refuses_a_picture_twice_in_place_of_another_and_a_person_beyond_50(own_folder: Path) -> None:
    folder = own_folder / "ar"
    folder.mkdir()
    names = {f"{sex}-{p:03d}-{k:02d}.bmp" for sex in "MW" for p in range(1, 51) for k in range(1, 27)}
    for put, message in {
        "m-1-1.bmp": "without W-001-01, with more than one M-001-01$",
        "M-051-01.bmp": "without W-001-01, with an unknown M-051-01$",
    }.items():
        with zipfile.ZipFile(folder / "faces.zip", "w") as archive:
            for name in (names - {"W-001-01.bmp"}) | {put}:
                archive.writestr(name, b"")
        with pytest.raises(DataError, match=message):
            load_dataset("ar")


def test_ar_refuses_a_zip_with_a_password(ar_folder: Path, own_folder: Path) -> None:
    path = own_folder / "ar/faces.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        for file in ar_folder.iterdir():
            archive.writestr(file.name, b"")
    content = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):  # in each entry of the directory and of the archive
        start = -1
        while (start := content.find(mark, start + 1)) >= 0:
            content[start + flags] |= 1
    path.write_bytes(content)
    with pytest.raises(
        DataError, match=r"M-001-01\.bmp in .*faces\.zip cannot be read: .*password.*; unpack it by hand"
    ):
        load_dataset("ar")


def test_reduced_ar_says_so_and_is_not_resized(data_dir: str) -> None:
    data = load_dataset("ar")
    assert data.name == "ar_reduced" and "the reduced set" in data.preprocessing[0]
    with pytest.raises(ConfigError, match=r"size=\[8, 8\] resizes bitmaps"):
        load_dataset("ar", size=[8, 8])


def test_ar_refuses_a_bitmap_of_another_size_or_none_at_all(ar_folder: Path, own_folder: Path) -> None:
    shutil.copytree(ar_folder, own_folder / "ar")
    bitmap(0, (768, 576)).save(own_folder / "ar/M-003-04.bmp")
    with pytest.raises(DataError, match=r"M-003-04\.bmp is 768 × 576 pixels, expected 120 × 165"):
        load_dataset("ar")
    (own_folder / "ar/M-003-04.bmp").write_bytes(b"BM no picture")
    with pytest.raises(DataError, match=r"M-003-04\.bmp cannot be read as an image"):
        load_dataset("ar")


def test_missing_bitmaps_are_told_alike_in_the_tables_of_every_machine(own_folder: Path) -> None:
    def missing() -> DataMissing:
        with pytest.raises(DataMissing) as caught:
            load_dataset("ar", reduced=False)
        return caught.value

    nothing = missing()
    (own_folder / "ar").mkdir()
    without_bitmaps = missing()
    assert str(nothing) != str(without_bitmaps) and "the reduced set is no stand-in" in str(without_bitmaps)
    assert nothing.anywhere == without_bitmaps.anywhere and str(own_folder) not in nothing.anywhere


def test_folder_for_every_image_is_an_identifier_and_no_class(tmp_path: Path) -> None:
    for person in range(5):
        (tmp_path / f"person{person}").mkdir()
        bitmap(person, (3, 4)).save(tmp_path / f"person{person}" / "1.png")
    with pytest.raises(DataError, match="5 classes among 5 samples: this looks like an identifier"):
        load_dataset("images", path=tmp_path)
    for person in range(5):
        bitmap(person, (3, 4)).save(tmp_path / f"person{person}" / "2.png")
    assert load_dataset("images", path=tmp_path).n_classes == 5


def test_images_are_a_folder_a_class_in_natural_order(tmp_path: Path) -> None:
    for folder, file, tone in (("b10", "1.png", 40), ("b2", "10.png", 30), ("b2", "9.png", 20)):
        (tmp_path / folder).mkdir(exist_ok=True)
        Image.fromarray(np.full((4, 3), tone, np.uint8)).save(tmp_path / folder / file)
    (tmp_path / "b2/notes.txt").write_text("no image")
    data = load_dataset("images", path=str(tmp_path), scaling="none")
    assert data.X.shape == (12, 3) and data.shape == (4, 3)
    assert data.X[0].tolist() == [20, 30, 40] and data.y.tolist() == [0, 0, 1]
    assert load_dataset("images", path=str(tmp_path), size=[2, 2], grey=False).shape == (2, 2, 3)
    Image.fromarray(np.zeros((5, 3), np.uint8)).save(tmp_path / "b2/11.png")
    with pytest.raises(DataError, match=r"11\.png is 5 × 3 pixels, the first image 4 × 3; resize"):
        load_dataset("images", path=str(tmp_path))


def test_images_refuse_what_is_no_picture_too_large_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataMissing, match="no folder"):
        load_dataset("images", path=str(tmp_path / "none"))
    with pytest.raises(DataError, match="no sub-folders with images"):
        load_dataset("images", path=str(tmp_path))
    (tmp_path / "a").mkdir()
    (tmp_path / "a/1.png").write_bytes(b"\x89PNG but no more")
    with pytest.raises(DataError, match=r"1\.png cannot be read"):
        load_dataset("images", path=str(tmp_path))
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / "a/1.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(DataError, match=r"1\.png is larger than any picture should be"):
        load_dataset("images", path=str(tmp_path))


def test_images_are_upright_and_not_clipped(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    lying, orientation = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(4, 3)), Image.Exif()
    orientation[0x0112] = 6  # the camera was turned: a quarter clockwise
    lying.save(tmp_path / "a/1.png", exif=orientation)
    data = load_dataset("images", path=str(tmp_path), scaling="none")
    assert data.shape == (3, 4)
    assert data.X[:, 0].reshape(3, 4).tolist() == np.rot90(np.asarray(lying), -1).tolist()
    for name, kind in {"2.png": np.uint16, "2.tif": np.float32}.items():
        Image.fromarray(np.full((3, 4), 300, kind)).save(tmp_path / "a" / name)
        with pytest.raises(DataError, match=rf"a/{name} has more than 8 bits a pixel"):
            load_dataset("images", path=str(tmp_path))
        (tmp_path / "a" / name).unlink()


def test_name_of_images_is_a_plain_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ".faces/² people"
    folder.mkdir(parents=True)
    Image.fromarray(np.zeros((4, 3), np.uint8)).save(folder / "².png")
    monkeypatch.chdir(folder)
    assert load_dataset("images", path="..").name == "faces"  # records lie in a folder of that name


def features(folder: Path, n: int) -> None:
    """Features of n samples in 10 classes, written without holding them in memory."""
    (folder / "imagenet_cnn").mkdir()
    X = np.lib.format.open_memmap(folder / "imagenet_cnn/features.npy", "w+", np.float32, (n, 2048))
    rng = np.random.default_rng(0)
    for start in range(0, n, 1000):
        X[start : start + 1000] = rng.random(X[start : start + 1000].shape, dtype=np.float32)
    np.save(folder / "imagenet_cnn/labels.npy", np.arange(n) % 10)


def test_features_are_mapped_scaled_copies_are_not(own_folder: Path) -> None:
    features(own_folder, 300)
    mapped, scaled = load_dataset("imagenet_cnn"), load_dataset("imagenet_cnn", scaling="max")
    assert isinstance(mapped.X, np.memmap) and not isinstance(scaled.X, np.memmap)
    assert mapped.X.shape == (2048, 300) and mapped.n_classes == 10
    np.testing.assert_allclose(scaled.X, np.asarray(mapped.X, float) / mapped.X.max())
    copy = own_folder / "copy.npy"
    np.save(copy, np.asarray(mapped.X.T))
    np.save(own_folder / "labels.npy", mapped.y)
    same = load_dataset("file", path=str(copy), y=str(own_folder / "labels.npy"), scaling="none")
    assert same.sha256 == mapped.sha256


def test_features_in_an_npz_are_mapped_unless_they_are_compressed(own_folder: Path) -> None:
    features(own_folder, 300)
    expected = load_dataset("imagenet_cnn")
    arrays = {"labels": expected.y, "features": np.asarray(expected.X.T)}
    path = own_folder / "imagenet_cnn/features.npz"
    (own_folder / "imagenet_cnn/features.npy").unlink()
    np.savez(path, **arrays)
    mapped = load_dataset("imagenet_cnn")
    assert isinstance(mapped.X, np.memmap) and mapped.sha256 == expected.sha256
    np.savez_compressed(path, **arrays)
    with pytest.raises(DataError, match=r"features\.npz .*compressed and cannot be mapped; save it with numpy\.savez"):
        load_dataset("imagenet_cnn")
    np.savez(path, features=np.array([[None]]), labels=expected.y)
    with pytest.raises(DataError, match="pickles"):
        load_dataset("imagenet_cnn")


def test_features_with_a_bad_entry_or_of_another_shape_are_refused(own_folder: Path) -> None:
    features(own_folder, 5000)
    X = np.lib.format.open_memmap(own_folder / "imagenet_cnn/features.npy", "r+")
    X[4500, 7] = np.nan
    X.flush()
    with pytest.raises(DataError, match="1 NaN or infinite entries, the first at feature 7, sample 4500"):
        load_dataset("imagenet_cnn")
    path = own_folder / "imagenet_cnn/features.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"features\.npy or its labels cannot be read"):
        load_dataset("imagenet_cnn")
    np.save(own_folder / "imagenet_cnn/features.npy", np.ones((4, 7)))
    with pytest.raises(DataError, match=r"2048 features, it has shape \(4, 7\)"):
        load_dataset("imagenet_cnn")


MEASURE = """
from nmfbench import Stopping, WNNF, fit, load_dataset
def anonymous():
    return next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("RssAnon"))
before = anonymous()
data = load_dataset("imagenet_cnn")
data.sha256
print(data.X.shape, anonymous() - before)
(result,) = fit(WNNF(rank=4), data.X, stopping=Stopping(max_iter=1))
print(result.status, result.iterations)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="RssAnon is Linux's")
def test_large_features_load_without_their_size_in_memory_and_wnnf_runs_an_epoch(tmp_path: Path) -> None:
    features(tmp_path, 50_000)
    environment = {"NMFBENCH_DATA": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", MEASURE], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded, fitted = done.stdout.splitlines()
    assert loaded.startswith("(2048, 50000)") and float(loaded.split()[-1]) < 100
    assert fitted == "max_iter 1"
