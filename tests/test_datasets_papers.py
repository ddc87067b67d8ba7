"""The datasets of the papers: what is read, what is refused, and that a large one stays on disk."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.optimize
import scipy.sparse
from sklearn.metrics import normalized_mutual_info_score

from nmfbench import load_dataset
from nmfbench.datasets.scaling import proposed
from nmfbench.errors import ConfigError, DataError, DataMissing

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


@pytest.mark.parametrize("name", REAL)
def test_pixels_spectra_and_words_share_a_unit_so_one_division_is_proposed(name: str, data_dir: str) -> None:
    assert proposed(load_dataset(name, scaling="none").X).scaling == "max"


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
def test_missing_wrong_and_truncated_files_are_refused_by_name(name: str, own_folder: Path) -> None:
    with pytest.raises(DataMissing, match=rf"{name} is not here .*nmfbench data fetch {name}"):
        load_dataset(name)
    path = own_folder / FILES[name]
    path.parent.mkdir(parents=True)
    scipy.io.savemat(path, {"something": np.eye(7)})
    with pytest.raises(DataError, match=rf"{path.name} must hold .* it holds something \(7, 7\)"):
        load_dataset(name)
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(DataError, match=rf"{path.name} (cannot be read as \.mat|must hold)"):
        load_dataset(name)


def test_array_of_words_in_place_of_labels_is_refused(own_folder: Path) -> None:
    path = own_folder / FILES["jaffe"]
    path.parent.mkdir()
    names = np.array([["who"]] * 213, dtype=object)
    scipy.io.savemat(path, {"X": np.ones((1024, 213)), "Y": names})
    with pytest.raises(DataError, match=r"JAFFE_32x32\.mat must hold numbers as Y, it holds dtype <U3"):
        load_dataset("jaffe")


def test_urban_has_a_band_a_row(own_folder: Path) -> None:
    path = own_folder / FILES["urban"]
    path.parent.mkdir()
    bands = np.arange(162, dtype=np.uint16)[:, None]
    scipy.io.savemat(path, {"Y": np.broadcast_to(bands, (162, 307 * 307)), "nRow": 307, "nCol": 307})
    data = load_dataset("urban", scaling="none")
    assert data.X.shape == (162, 94249) and data.X[:, -1].tolist() == list(range(162))
    assert data.scene.shape == (307, 307) and data.scene[1, 0] == 1


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


def test_vocabulary_is_cut_to_the_top_words_of_its_topics(own_folder: Path) -> None:
    path = own_folder / FILES["tdt2"]
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
    truth = load_dataset("hierarchy", generate=generate).truth
    assert all(normalized_mutual_info_score(labels[k], truth[f"level {k}"]) == pytest.approx(1) for k in labels)
    for fine, coarse in ((9, 4), (4, 2)):
        assert all(len(np.unique(labels[coarse][labels[fine] == k])) == 1 for k in np.unique(labels[fine]))


def test_generated_hierarchy_is_seeded() -> None:
    a, b, c = (load_dataset("hierarchy", generate=True, seed=seed) for seed in (0, 0, 1))
    assert a.X.shape == (87, 90) and (a.X >= 0).all() and a.sha256 == b.sha256 != c.sha256


def test_ratings_are_those_printed() -> None:
    data = load_dataset("ratings")
    assert data.X.shape == (9, 15) and data.y is None
    assert data.X[0].tolist() == [7, 8, 10, 8, 9, 4, 1, 2, 3, 2, 4, 1, 3, 5, 2]
