"""The datasets of the papers: what is read, what is refused, and that a large one stays on disk."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.optimize
import scipy.sparse
from PIL import Image

from nmfbench import load_dataset
from nmfbench.errors import ConfigError, DataError, DataMissing


def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NMFBENCH_DATA", str(tmp_path))
    return tmp_path


TDT2_CATEGORIES = [1844, 1828, 1222, 811, 441, 407, 272, 238, 226, 167, 160, 145, 141, 140, 131, 123, 123, 120, 104, 98]
TDT2_CATEGORIES += [76, 74, 72, 71, 66, 65, 63, 58, 56, 52]
# What each real set must be: X's shape, the count of each class, range before scaling.
REAL = {
    "yale": ((1024, 165), [11] * 15, (0, 255)),
    "orl32": ((1024, 400), [10] * 40, (2, 235)),
    "jaffe": ((1024, 213), [23, 22, 22, 20, 21, 21, 20, 21, 21, 22], (0, 254)),
    "ar": ((2200, 1400), [14] * 100, (6, 255)),
    "cbcl": ((361, 2429), None, (1 / 256, 1)),
    "office10": ((1024, 1410), [133, 124, 137, 139, 137, 154, 164, 142, 129, 151], (0, 21.482)),
    "tdt2": ((36771, 9394), TDT2_CATEGORIES, (0, 52)),
    "news20": ((37693, 200), [21, 19, 21, 19, 20, 20, 19, 20, 20, 21], (0, 0.866)),
    "samson": ((156, 9025), None, (0, 1)),
    "moffett": ((159, 2500), None, (0, 0.8)),
    "tumor": ((519, 143), None, (0, 120.131)),
    "hierarchy": ((87, 90), [10, 10, 5, 7, 5, 20, 10, 9, 14], (0, 4.15)),
}


@pytest.mark.parametrize("name", REAL)
def test_real_set_has_its_shape_its_classes_and_its_range(name: str, data_dir: str) -> None:
    shape, counts, (low, high) = REAL[name]
    data = load_dataset(name, scaling="none")
    assert data.X.shape == shape
    assert (data.X.min(), data.X.max()) == pytest.approx((low, high), rel=1e-3, abs=1e-4)
    assert counts == (None if data.y is None else np.unique(data.y, return_counts=True)[1].tolist())


# Faces were looked at as pictures: upright, hair on top. Pinned by the means of 4 × 4 blocks of the first one.
THUMBNAILS = {
    "yale": [[83, 144, 137, 75], [131, 153, 112, 108], [150, 148, 101, 109], [196, 145, 130, 84]],
    "jaffe": [[128, 98, 92, 143], [89, 77, 105, 99], [84, 108, 156, 130], [81, 73, 112, 132]],
    "orl32": [[157, 187, 183, 159], [174, 167, 169, 163], [175, 186, 183, 171], [126, 182, 169, 132]],
    "cbcl": [[150, 139, 119, 154], [147, 138, 145, 142], [118, 112, 137, 107], [134, 147, 145, 158]],
    "ar": [[102, 158, 177, 103], [100, 121, 132, 107], [149, 132, 153, 163], [180, 117, 127, 156]],
}


@pytest.mark.parametrize("name", THUMBNAILS)
def test_faces_are_upright(name: str, data_dir: str) -> None:
    data = load_dataset(name)
    height, width = data.shape
    face = 255 * data.X[:, 0].reshape(height, width)[: height // 4 * 4, : width // 4 * 4]
    blocks = face.reshape(4, height // 4, 4, width // 4).mean((1, 3)).round().astype(int)
    assert blocks.tolist() == THUMBNAILS[name]


def test_images_of_cbcl_in_rows_are_the_same_transposed(data_dir: str) -> None:
    rows, columns = load_dataset("cbcl", images="rows"), load_dataset("cbcl")
    np.testing.assert_array_equal(rows.X, columns.X.T)
    assert rows.shape is None and rows.sha256 != columns.sha256
    with pytest.raises(ConfigError, match="images must be columns or rows, got 'both'"):
        load_dataset("cbcl", images="both")


FILES = {
    "yale": "yale/Yale_32x32.mat",
    "orl32": "orl/ORL_32x32.mat",
    "jaffe": "jaffe/JAFFE_32x32.mat",
    "cbcl": "cbcl/CBCL.mat",
    "office10": "cnn_features/office10_googlenet1024_amazon.mat",
    "tdt2": "tdt2/TDT2.mat",
    "news20": "neural_nmf/20News_subsampled.mat",
    "samson": "hyperspectral/samson_1.mat",
    "moffett": "hyperspectral/Moffet.mat",
    "tumor": "hyperspectral/Tumor.mat",
    "hierarchy": "neural_nmf/synthetic_noise.mat",
    "urban": "urban/Urban.mat",
    "ar": "ar/AR_55_40.mat",
}


@pytest.mark.parametrize("name", FILES)
def test_missing_wrong_and_truncated_files_are_refused_by_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = own_folder(tmp_path, monkeypatch)
    with pytest.raises(DataMissing, match=rf"{name} is not here .*nmfbench data fetch {name}"):
        load_dataset(name)
    path = folder / FILES[name]
    path.parent.mkdir(parents=True)
    scipy.io.savemat(path, {"something": np.eye(7)})
    with pytest.raises(DataError, match=rf"{path.name} must hold .* it holds something \(7, 7\)"):
        load_dataset(name)
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(DataError, match=rf"{path.name} (cannot be read as \.mat|must hold)"):
        load_dataset(name)


def test_array_of_words_in_place_of_labels_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = own_folder(tmp_path, monkeypatch) / FILES["jaffe"]
    path.parent.mkdir()
    names = np.array([["who"]] * 213, dtype=object)
    scipy.io.savemat(path, {"X": np.ones((1024, 213)), "Y": names})
    with pytest.raises(DataError, match=r"JAFFE_32x32\.mat must hold numbers as Y, it holds dtype object"):
        load_dataset("jaffe")


def test_urban_has_a_band_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = own_folder(tmp_path, monkeypatch) / FILES["urban"]
    path.parent.mkdir()
    bands = np.arange(162, dtype=np.uint16)[:, None]
    scipy.io.savemat(path, {"Y": np.broadcast_to(bands, (162, 307 * 307)), "nRow": 307, "nCol": 307})
    data = load_dataset("urban", scaling="none")
    assert data.X.shape == (162, 94249) and data.X[:, -1].tolist() == list(range(162))
    assert data.truth["grid"].tolist() == [307, 307]


def test_drawn_classes_are_as_many_as_asked_and_depend_on_the_draw_alone(data_dir: str) -> None:
    a, b, c = (load_dataset("yale", classes=3, draw=draw) for draw in (0, 0, 1))
    assert a.X.shape == (1024, 33) and a.n_classes == 3
    assert a.sha256 == b.sha256 != c.sha256
    draws = {tuple(np.unique(load_dataset("orl32", classes=2, draw=draw).y)) for draw in range(20)}
    assert len(draws) > 15
    with pytest.raises(ConfigError, match=r"classes must lie in 1 … 15, got 16"):
        load_dataset("yale", classes=16)
    with pytest.raises(ConfigError, match="draw must be nonnegative"):
        load_dataset("yale", draw=-1)


def test_office10_stacks_its_domains(data_dir: str) -> None:
    sizes = {
        domain: load_dataset("office10", domain=domain).n_samples for domain in ("amazon", "webcam", "dslr", "all")
    }
    assert sizes == {"amazon": 958, "webcam": 295, "dslr": 157, "all": 1410}
    with pytest.raises(ConfigError, match="domain must be one of"):
        load_dataset("office10", domain="caltech")


def test_words_are_sparse_until_dense_is_asked_for(data_dir: str) -> None:
    assert scipy.sparse.issparse(load_dataset("news20").X)
    assert isinstance(load_dataset("news20", dense=True).X, np.ndarray)
    assert load_dataset("news20", level="super").n_classes == 6


def test_vocabulary_is_cut_to_the_top_words_of_its_topics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = own_folder(tmp_path, monkeypatch) / FILES["tdt2"]
    path.parent.mkdir()
    # 20 topics of 5 words each, in 10 documents each; 200 other words are rare, and stand in documents of every topic.
    rng = np.random.default_rng(0)
    planted, others = np.split(rng.choice(36771, 300, replace=False), [100])
    counts = np.zeros((200, 300))
    counts[:, :100] = np.kron(np.eye(20), np.full((10, 5), 6))
    counts[:, :100] *= rng.integers(1, 4, (200, 100))
    counts[:, 100:] = rng.uniform(size=(200, 200)) < 0.02
    entries = scipy.sparse.coo_array(counts)
    words = np.concatenate([planted, others])[entries.col]
    fea = scipy.sparse.csc_array((entries.data, (47 * entries.row, words)), shape=(9394, 36771))
    scipy.io.savemat(path, {"fea": fea, "gnd": (np.arange(9394) % 30 + 1)[:, None]})
    data = load_dataset("tdt2", top_words=5, scaling="none")
    kept = [int(name.removeprefix("#")) - 1 for name in data.feature_names]
    assert scipy.sparse.issparse(data.X) and data.X.shape == (len(kept), 9394)
    assert 20 <= len(kept) <= 100 and set(kept) <= set(planted) and kept == sorted(kept)
    assert (fea.T.tocsr()[kept] != data.X).nnz == 0, "the rows are those of the words that are named"
    assert f"the {len(kept)} top words of a rank-20 NMF, 5 a topic" in data.preprocessing[0]


def test_samson_carries_its_truth_and_it_fits(data_dir: str) -> None:
    data = load_dataset("samson", scaling="none")
    M, A = data.truth["M"], data.truth["A"]
    assert M.shape == (156, 3) and A.shape == (3, 9025)
    np.testing.assert_allclose(A.sum(0), 1, atol=1e-6)
    # Materials and pixels stand in the same order in all three: abundances fitted to the spectra are the true ones once
    # they sum to one in each pixel, whose brightness A leaves out.
    fitted = np.array([scipy.optimize.nnls(M, pixel)[0] for pixel in data.X.T]).T
    assert np.linalg.norm(data.X - M @ fitted) / np.linalg.norm(data.X) == pytest.approx(0.033, abs=0.001)
    assert (np.diag(np.corrcoef(fitted / fitted.sum(0), A)[:3, 3:]) > 0.99).all()


@pytest.mark.parametrize("generate", [False, True])
def test_levels_of_the_hierarchy_are_nested(generate: bool, request: pytest.FixtureRequest) -> None:
    if not generate:
        request.getfixturevalue("data_dir")
    labels = {level: load_dataset("hierarchy", level=level, generate=generate).y for level in (9, 4, 2)}
    assert {level: len(np.unique(y)) for level, y in labels.items()} == {9: 9, 4: 4, 2: 2}
    for fine, coarse in ((9, 4), (4, 2)):
        assert all(len(np.unique(labels[coarse][labels[fine] == k])) == 1 for k in np.unique(labels[fine]))


def test_generated_hierarchy_is_seeded() -> None:
    a, b, c = (load_dataset("hierarchy", generate=True, seed=seed) for seed in (0, 0, 1))
    assert a.X.shape == (87, 90) and (a.X >= 0).all() and a.sha256 == b.sha256 != c.sha256


def test_ratings_are_those_printed() -> None:
    data = load_dataset("ratings")
    assert data.X.shape == (9, 15) and data.y is None
    assert data.X[0].tolist() == [7, 8, 10, 8, 9, 4, 1, 2, 3, 2, 4, 1, 3, 5, 2]


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


def test_ar_reads_a_zip_resized_and_grey_and_names_who_is_incomplete(
    ar_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = own_folder(tmp_path, monkeypatch)
    (folder / "ar").mkdir()
    names = sorted(path.name for path in ar_folder.iterdir())
    with zipfile.ZipFile(folder / "ar/faces.zip", "w") as archive:
        for name in names:  # a path that would lead out of a folder: members are read, never unpacked
            archive.write(ar_folder / name, f"../../{name}")
    data = load_dataset("ar", size=[11, 8], grey=True)
    assert data.X.shape == (88, 2600) and data.shape == (11, 8) and "grey, 11 × 8" in data.preprocessing[0]
    assert [path.name for path in tmp_path.rglob("*.bmp")] == []
    with zipfile.ZipFile(folder / "ar/faces.zip", "w") as archive:
        for name in names:
            if name != "w-50-26.bmp":
                archive.write(ar_folder / name, name)
    with pytest.raises(DataError, match=r"2,600 bitmaps .* it holds 2,599, without W-050-26$"):
        load_dataset("ar")


def test_ar_refuses_a_picture_twice_in_place_of_another_and_a_person_beyond_50(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = own_folder(tmp_path, monkeypatch) / "ar"
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


def test_ar_refuses_a_zip_with_a_password(ar_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = own_folder(tmp_path, monkeypatch) / "ar/faces.zip"
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


def test_ar_refuses_a_bitmap_of_another_size_or_none_at_all(
    ar_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = own_folder(tmp_path, monkeypatch)
    shutil.copytree(ar_folder, folder / "ar")
    bitmap(0, (768, 576)).save(folder / "ar/M-003-04.bmp")
    with pytest.raises(DataError, match=r"M-003-04\.bmp is 768 × 576 pixels, expected 120 × 165"):
        load_dataset("ar")
    (folder / "ar/M-003-04.bmp").write_bytes(b"BM no picture")
    with pytest.raises(DataError, match=r"M-003-04\.bmp cannot be read as an image"):
        load_dataset("ar")


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


def test_features_are_mapped_scaled_copies_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features(own_folder(tmp_path, monkeypatch), 300)
    mapped, scaled = load_dataset("imagenet_cnn"), load_dataset("imagenet_cnn", scaling="max")
    assert isinstance(mapped.X, np.memmap) and not isinstance(scaled.X, np.memmap)
    assert mapped.X.shape == (2048, 300) and mapped.n_classes == 10
    np.testing.assert_allclose(scaled.X, np.asarray(mapped.X, float) / mapped.X.max())
    copy = tmp_path / "copy.npy"
    np.save(copy, np.asarray(mapped.X.T))
    np.save(tmp_path / "labels.npy", mapped.y)
    same = load_dataset("file", path=str(copy), y=str(tmp_path / "labels.npy"), scaling="none")
    assert same.sha256 == mapped.sha256


def test_features_in_an_npz_are_mapped_unless_they_are_compressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features(own_folder(tmp_path, monkeypatch), 300)
    expected = load_dataset("imagenet_cnn")
    arrays = {"labels": expected.y, "features": np.asarray(expected.X.T)}
    path = tmp_path / "imagenet_cnn/features.npz"
    (tmp_path / "imagenet_cnn/features.npy").unlink()
    np.savez(path, **arrays)
    mapped = load_dataset("imagenet_cnn")
    assert isinstance(mapped.X, np.memmap) and mapped.sha256 == expected.sha256
    np.savez_compressed(path, **arrays)
    with pytest.raises(DataError, match=r"features\.npz .*compressed and cannot be mapped; save it with numpy\.savez"):
        load_dataset("imagenet_cnn")
    np.savez(path, features=np.array([[None]]), labels=expected.y)
    with pytest.raises(DataError, match="pickles"):
        load_dataset("imagenet_cnn")


def test_features_with_a_bad_entry_or_of_another_shape_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = own_folder(tmp_path, monkeypatch)
    features(folder, 5000)
    X = np.lib.format.open_memmap(folder / "imagenet_cnn/features.npy", "r+")
    X[4500, 7] = np.nan
    X.flush()
    with pytest.raises(DataError, match="1 NaN or infinite entries, the first at feature 7, sample 4500"):
        load_dataset("imagenet_cnn")
    path = folder / "imagenet_cnn/features.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"features\.npy or its labels cannot be read"):
        load_dataset("imagenet_cnn")
    np.save(folder / "imagenet_cnn/features.npy", np.ones((4, 7)))
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
