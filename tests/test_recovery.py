"""Planted factors and their recovery: the data is as described, the measures against loops, and a method finds them."""

from itertools import permutations

import numpy as np
import pytest
import torch

from nmfbench import load_dataset
from nmfbench.datasets.base import Dataset
from nmfbench.datasets.planted_deep import PlantedDeep
from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.evaluators.base import Fitted
from nmfbench.evaluators.recovery import Recovery
from nmfbench.numerics.factorization import Chain, Hierarchy, Product
from nmfbench.reports.figures import FIGURES, common
from nmfbench.running.measuring import arrays


def planted() -> Dataset:
    return load_dataset("planted_deep", noise=0.0, scaling="none", n_features=11, n_samples=40)


def measured(fitted: Fitted, data: Dataset) -> dict[tuple[int, str], float]:
    rows = Recovery().evaluate(fitted, data, 0, None)
    return {(row["layer"], row["metric"]): row["value"] for row in rows}


def hierarchy(W1: np.ndarray, H1: np.ndarray, W2: np.ndarray, H2: np.ndarray) -> Fitted:
    Ws, Hs = (tuple(map(torch.from_numpy, factors)) for factors in ((W1, W2), (H1, H2)))
    return arrays(Hierarchy(Ws, Hs, torch.ones(2)))


def test_planted_factors_are_mixtures_of_two_and_of_three_and_make_X() -> None:
    data = planted()
    W1, H1, W2, H2 = (data.truth[name] for name in ("W1", "H1", "W2", "H2"))
    np.testing.assert_allclose(data.X, W2 @ H2 @ H1)
    np.testing.assert_allclose(W1, W2 @ H2)
    assert (np.count_nonzero(H1, axis=0) == 3).all() and (np.count_nonzero(H2, axis=0) == 2).all()
    assert H1.max() <= 0.8 + 1e-12 and (H1.max(0) > 0.8 - 1e-12).any()
    assert sorted(map(tuple, H2.T)) == sorted(permutations((0.8, 1 - 0.8, 0.0)))
    np.testing.assert_allclose([H1.sum(0).min(), H1.sum(0).max()], 1)
    np.testing.assert_array_equal(data.y, (H2 @ H1).argmax(0))


def test_noise_has_the_norm_that_was_asked_for_and_X_is_not_negative() -> None:
    clean = planted()
    noisy = load_dataset("planted_deep", noise=0.02, scaling="none", n_features=11, n_samples=40)
    assert np.linalg.norm(noisy.X - clean.X) / np.linalg.norm(clean.X) == pytest.approx(0.02, rel=0.02)
    assert load_dataset("planted_deep", noise=2.0).X.min() == 0


def test_each_seed_draws_its_own_factors_unless_a_draw_is_given() -> None:
    loader = PlantedDeep()
    assert loader.for_seed(3).load().sha256 == loader.for_seed(3).load().sha256 == PlantedDeep(draw=3).load().sha256
    assert loader.for_seed(3).load().sha256 != loader.for_seed(4).load().sha256
    fixed = PlantedDeep(draw=3)
    assert fixed.for_seed(4) is fixed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"purity": 0.4}, r"purity must lie in \[0.5, 1\], got 0.4"),
        ({"noise": -0.1}, "noise must be nonnegative and finite, got -0.1"),
        ({"ranks": [6]}, r"ranks must be \[r_1, r_2\]"),
        ({"ranks": [2, 2]}, r"ranks must be \[r_1, r_2\]"),
        ({"n_samples": 0}, "n_samples must be a positive integer, got 0"),
        ({"draw": -1}, "draw must be nonnegative, got -1"),
    ],
)
def test_planted_set_that_cannot_be_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PlantedDeep(**changes)


def test_truth_is_recovered_in_any_order_and_scale_of_the_components() -> None:
    data, rng = planted(), np.random.default_rng(1)
    W1, H1, W2, H2 = (data.truth[name] for name in ("W1", "H1", "W2", "H2"))
    first, second, D1, D2 = rng.permutation(6), rng.permutation(3), rng.uniform(0.1, 9, 6), rng.uniform(0.1, 9, 3)
    mixed = hierarchy(
        (W1 * D1)[:, first],
        7 * (H1 / D1[:, None])[first],  # X in another unit
        (W2 * D2)[:, second],
        (H2 * D1 / D2[:, None])[second][:, first],
    )
    found = measured(mixed, data)
    for layer, rank in ((1, 6), (2, 3)):
        assert found[layer, "rank_found"] == rank
        for letter in "WH":
            assert found[layer, f"cosine_{letter}"] == pytest.approx(1)
            assert found[layer, f"error_{letter}"] == pytest.approx(0, abs=1e-7)


def test_measures_are_those_of_the_best_of_all_matchings() -> None:
    data, rng = planted(), np.random.default_rng(2)
    W, H, W2, H2 = (data.truth[name] for name in ("W1", "H1", "W2", "H2"))
    V, G, V2, G2 = (F + 0.5 * rng.uniform(size=F.shape) for F in (W, H, W2, H2))

    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / np.sqrt((a @ a) * (b @ b)))

    def best(W: np.ndarray, C: np.ndarray, V: np.ndarray, D: np.ndarray) -> tuple[int, ...]:
        def value(order: tuple[int, ...]) -> float:
            return sum(cosine(W[:, i], V[:, j]) * cosine(C[i], D[j]) for i, j in enumerate(order))

        return max(permutations(range(W.shape[1])), key=value)

    found = measured(hierarchy(V, G, V2, G2), data)
    lengths_below: list[float] = []
    below: tuple[int, ...] = tuple(range(H.shape[1]))
    C, D = np.eye(H.shape[1]), np.eye(H.shape[1])
    for layer, (true_W, true_H, W_l, H_l) in enumerate(((W, H, V, G), (W2, H2, V2, G2)), start=1):
        C, D = true_H @ C, H_l @ D
        order = best(true_W, C, W_l, D)
        assert found[layer, "cosine_W"] == pytest.approx(
            np.mean([cosine(true_W[:, i], W_l[:, j]) for i, j in enumerate(order)])
        )
        lengths = [W_l[:, j] @ true_W[:, i] / (W_l[:, j] @ W_l[:, j]) for i, j in enumerate(order)]
        moved = np.column_stack([length * W_l[:, j] for length, j in zip(lengths, order, strict=True)])
        assert found[layer, "error_W"] == pytest.approx(np.linalg.norm(true_W - moved) / np.linalg.norm(true_W))
        turned = np.array([H_l[j, list(below)] / length for length, j in zip(lengths, order, strict=True)])
        turned = turned * lengths_below if layer > 1 else turned
        assert found[layer, "cosine_H"] == pytest.approx(np.mean(list(map(cosine, true_H, turned))))
        free = (turned * true_H).sum() / (turned**2).sum()
        assert found[layer, "error_H"] == pytest.approx(np.linalg.norm(true_H - free * turned) / np.linalg.norm(true_H))
        below, lengths_below = order, lengths


def test_missing_component_counts_as_zero_and_a_dead_one_is_not_found() -> None:
    data = load_dataset("synthetic", n_features=9, n_samples=30, n_classes=3, noise=0.0, scaling="none")
    W, H = data.truth["W1"], data.truth["H1"]
    two = measured(arrays(Product(torch.from_numpy(W[:, 1:]), torch.from_numpy(H[1:]))), data)
    assert two[1, "cosine_W"] == two[1, "cosine_H"] == pytest.approx(2 / 3) and two[1, "rank_found"] == 2
    assert two[1, "error_W"] == pytest.approx(np.linalg.norm(W[:, 0]) / np.linalg.norm(W))
    more = arrays(Product(torch.from_numpy(np.c_[W, W[:, :1]]), torch.from_numpy(np.r_[H, 0 * H[:1]])))
    assert measured(more, data)[1, "rank_found"] == 3 and measured(more, data)[1, "cosine_W"] == pytest.approx(1)


def test_method_that_factors_its_codes_is_measured_by_bases_and_first_codes() -> None:
    data = planted()
    W1, H1, W2, H2 = (torch.from_numpy(data.truth[name]) for name in ("W1", "H1", "W2", "H2"))
    chain = measured(arrays(Chain((W1, torch.linalg.pinv(W1) @ W2), (H1, H2 @ H1))), data)
    assert (2, "cosine_H") not in chain and chain[2, "cosine_W"] == pytest.approx(1)
    assert chain[1, "cosine_H"] == pytest.approx(1)
    assert Recovery().evaluate(Fitted([data.X]), data, 0, None) == [], "raw has no bases"


def test_data_without_true_factors_is_refused_with_those_that_have_them() -> None:
    for data in (load_dataset("digits"), load_dataset("planted_deep", scaling="unit_norm")):
        with pytest.raises(NotApplicable, match=f"{data.name} has none: the sets planted_… and synthetic"):
            Recovery().check(data, None)
    for name in ("planted_deep", "synthetic"):
        Recovery().check(load_dataset(name), None)


def test_recovery_is_counted_by_method_loss_noise_and_layer() -> None:
    def finished(loss: str, alpha: list[float] | None, noise: float, seed: int, value: float) -> common.Run:
        config = {"solver": {"loss": loss, "alpha": alpha}, "dataset": {"noise": noise}}
        names = ("cosine_W", "cosine_H", "rank_found")
        metrics = [{"layer": l, "metric": name, "value": value * l} for l in (1, 2) for name in names]
        return common.Run({"solver": "lc_dmf", "seed": seed, "config": config, "metrics": metrics}, None, None)

    runs = [
        finished(loss, alpha, noise, seed, (1 + noise) * (2 if loss == "data" else 1) + seed)
        for loss in ("layers", "data")
        for alpha in (None, [1.0, 1.0])
        for noise in (0.1, 0.0)
        for seed in (5, 6)
    ]
    table = FIGURES["deep_loss"].numbers(runs).set_index(["method", "loss", "noise", "layer", "metric"])
    assert len(table) == 2 * 2 * 2 * 2 * 2 and (table["n"] == 2).all()
    assert table.loc[("LC-DMF", "data-centric", 0.1, 2, "cosine_W"), "mean"] == pytest.approx(2 * (2.2 + 5.5))
    figure = FIGURES["deep_loss"].draw(runs)
    assert [ax.get_title() for ax in figure.axes[:2]] == ["LC-DMF", "LC-DMF, min-vol α = [1.0, 1.0]"]
    curves = {c.get_label(): c.lines[0].get_ydata(orig=False) for c in figure.axes[0].containers}
    np.testing.assert_allclose(curves["layer-centric, layer 1"], [1 + 5.5, 1.1 + 5.5])
