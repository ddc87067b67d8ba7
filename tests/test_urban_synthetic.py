"""The mixture that stands in for Urban: its materials, its abundances, and that the truth is the best unmixing."""

import numpy as np
import pytest
from scipy.stats import beta, kstest

from nmfbench import load_dataset
from nmfbench.datasets import urban_synthetic
from nmfbench.errors import ConfigError
from nmfbench.evaluators.base import Fitted
from nmfbench.evaluators.unmixing import Unmixing, spectral_angles


def test_size_is_that_of_urban_by_default() -> None:
    kind = urban_synthetic.UrbanSynthetic()
    assert (kind.bands, kind.side**2) == (162, 94249)


def test_pixels_mix_six_smooth_spectra_in_two_families() -> None:
    data = load_dataset("urban_synthetic", side=40, noise=0.0, scaling="none")
    M, A = data.truth["M"], data.truth["A"]
    np.testing.assert_allclose(data.X, M @ A)
    np.testing.assert_allclose(A.sum(0), 1)
    np.testing.assert_allclose(M.max(0), 1)
    assert data.X.shape == (162, 1600) and data.scene.shape == (40, 40) and (M > 0).all()
    assert abs(np.diff(M, axis=0)).max() < 0.1, "smooth"
    names = [*map(str, data.truth["materials"])]
    angles = spectral_angles(M, M)
    within = [angles[i, j] for i in range(6) for j in range(i) if names[i][0] == names[j][0]]
    across = [angles[i, j] for i in range(6) for j in range(i) if names[i][0] != names[j][0]]
    assert len(within) == 6 and np.mean(within) < 0.7 * np.mean(across) and min(within) > 2


def test_abundances_are_dirichlet_and_alike_nearby() -> None:
    A = load_dataset("urban_synthetic", side=60, bands=2, seed=3).truth["A"]
    maps = A.reshape(6, 60, 60)
    near = np.mean([np.corrcoef(a[1:].ravel(), a[:-1].ravel())[0, 1] for a in maps])
    far = np.mean([np.corrcoef(a[30:].ravel(), a[:30].ravel())[0, 1] for a in maps])
    assert near > 0.5 and abs(far) < 0.2
    # Each abundance of a Dirichlet distribution has a beta distribution. Pixels of all seeds are far apart.
    drawn = [load_dataset("urban_synthetic", side=12, bands=2, seed=seed).truth["A"][:, ::71] for seed in range(60)]
    a = urban_synthetic.CONCENTRATION
    assert kstest(np.concatenate(drawn, axis=1)[0], beta(a, 5 * a).cdf).pvalue > 1e-3


def test_noise_is_of_its_size_never_negative_and_of_the_seed() -> None:
    clean, noisy, again, other = (
        load_dataset("urban_synthetic", side=20, bands=30, scaling="none", **settings)
        for settings in ({"noise": 0.0}, {"noise": 0.05}, {"noise": 0.05}, {"noise": 0.05, "seed": 1})
    )
    np.testing.assert_array_equal(noisy.X, again.X)
    assert noisy.X.min() >= 0 and noisy.sha256 != other.sha256
    inner = clean.X > 0.3  # where nothing is cut off at zero
    assert np.std((noisy.X - clean.X)[inner]) == pytest.approx(0.05, rel=0.05)


def test_true_factors_unmix_it_exactly() -> None:
    data = load_dataset("urban_synthetic", side=15, bands=20)
    fitted = Fitted([data.truth["A"][::-1]], {"W": data.truth["M"]}, [data.truth["M"][:, ::-1]])
    values = {row["metric"]: row["value"] for row in Unmixing().evaluate(fitted, data, 0, None)}
    assert values["spectral_angle"] == pytest.approx(0, abs=1e-5) and values["abundance_rmse"] == pytest.approx(
        0, abs=1e-12
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"side": 0}, "side must be an integer ≥ 1, got 0"),
        ({"bands": -3}, "bands must be an integer ≥ 1, got -3"),
        ({"seed": -1}, "seed must be an integer ≥ 0, got -1"),
        ({"noise": -0.1}, "noise must be nonnegative and finite, got -0.1"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_dataset("urban_synthetic", **settings)
