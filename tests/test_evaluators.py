"""Measures of the codes: against scikit-learn, by brute force, and blind to the labels."""

from itertools import permutations

import numpy as np
import pytest
import torch

from nmfbench.datasets.base import Dataset
from nmfbench.errors import NotApplicable
from nmfbench.evaluators.base import Fitted
from nmfbench.evaluators.labels import Labels
from nmfbench.evaluators.layers import Layers
from nmfbench.evaluators.measures import factor_measures, hoyer, matched_cosine
from nmfbench.evaluators.unmixing import Unmixing, spectral_angles
from nmfbench.numerics.factorization import Chain, Hierarchy, Product, Stack
from nmfbench.running.measuring import arrays


@pytest.mark.parametrize(
    ("vector", "sparsity"),
    [
        ([1, 1, 1, 1], 0),
        ([0, 0, -3, 0], 1),
        ([0, 0, 0, 0], 0),
        ([7], 0),
        ([3, 4], (np.sqrt(2) - 7 / 5) / (np.sqrt(2) - 1)),
    ],
)
def test_hoyer_sparsity_of_known_vectors(vector: list, sparsity: float) -> None:
    column = np.array(vector, dtype=float)[:, None]
    assert hoyer(column, axis=0) == pytest.approx(sparsity, abs=1e-12)
    assert hoyer(column.T, axis=1) == pytest.approx(sparsity, abs=1e-12)
    assert hoyer(5e3 * column, axis=0) == pytest.approx(sparsity, abs=1e-12)


def test_hoyer_sparsity_is_the_mean_over_components() -> None:
    assert hoyer(np.array([[1.0, 1], [1, 0]]), axis=0) == pytest.approx(0.5)


def test_negativity_and_sparsity_are_measured_along_the_components() -> None:
    W, H = np.array([[1.0, 0], [1, 2]]), np.array([[1.0, -3, 0], [0, 0, 0]])
    found = {row["metric"]: row["value"] for row in factor_measures({"W": W, "H": H})}
    assert found["min_H"] == -3 and found["min_W"] == 0
    assert found["negative_fraction_H"] == pytest.approx(1 / 6) and found["negative_mass_H"] == 0.75
    assert found["sparsity_W"] == pytest.approx(0.5) and found["sparsity_H"] == pytest.approx(hoyer(H[:1], 1) / 2)
    assert str(found["negative_mass_W"]) == "0.0", "not the -0.0 that a table would show as -0"
    assert factor_measures({}) == []


def test_matched_cosine_sees_neither_order_nor_scale_of_the_columns() -> None:
    W = np.random.default_rng(2).uniform(size=(9, 4))
    assert matched_cosine(W, W[:, [2, 0, 3, 1]] * [1, 1e30, 1e-30, 5]) == pytest.approx(1)
    assert matched_cosine(W, np.random.default_rng(3).uniform(size=(9, 4))) < 0.99


def test_matched_cosine_is_the_best_over_all_matchings() -> None:
    W, V = np.random.default_rng(4).normal(size=(2, 7, 4))
    cosines = (W / np.linalg.norm(W, axis=0)).T @ (V / np.linalg.norm(V, axis=0))
    best = max(np.mean([cosines[i, j] for i, j in enumerate(order)]) for order in permutations(range(4)))
    assert matched_cosine(W, V) == pytest.approx(best)


def test_matched_cosine_of_a_zero_column_is_zero() -> None:
    assert matched_cosine(np.zeros((5, 1)), np.ones((5, 1))) == 0


def materials() -> tuple[Dataset, np.ndarray, np.ndarray]:
    """Ten pixels of three materials in seven bands; the true spectra (maximum 1) and abundances (sums 1)."""
    draw = np.random.default_rng(5)
    M, A = draw.uniform(size=(7, 3)), draw.uniform(size=(3, 10))
    M, A = M / M.max(0), A / A.sum(0)
    return Dataset("scene", M @ A, None, truth={"M": M, "A": A}), M, A


def values(rows: list[dict]) -> dict[str, float]:
    return {row["metric"]: row["value"] for row in rows}


def test_unmixing_of_the_truth_is_perfect_in_any_order_and_scale() -> None:
    dataset, M, A = materials()
    order, scale = [2, 0, 1], np.array([3.0, 0.1, 7.0])
    W = np.column_stack([M[:, order] * scale, np.ones(7)])
    H = np.vstack([A[order] / scale[:, None], np.zeros(10)])
    found = values(Unmixing().evaluate(arrays(Product(torch.from_numpy(W), torch.from_numpy(H))), dataset, 0, None))
    assert found["spectral_angle"] == pytest.approx(0, abs=1e-5) and found["abundance_rmse"] == pytest.approx(
        0, abs=1e-9
    )


def test_unmixing_takes_the_bases_of_the_layer_whose_codes_it_takes() -> None:
    """X = W₂W₁A with W₂W₁ = M: the first layer is the truth, and W₂ has more columns than there are materials."""
    dataset, M, A = materials()
    W1 = np.array([[1.0, 0.5, 0], [0, 1, 2], [2, 0, 1], [1, 1, 1]])
    stack = Stack((torch.from_numpy(W1), torch.from_numpy(M @ np.linalg.pinv(W1))), torch.from_numpy(A))
    found = values(Unmixing().evaluate(arrays(stack), dataset, 0, None))
    assert found["spectral_angle"] == pytest.approx(0, abs=1e-5)
    assert found["abundance_rmse"] == pytest.approx(0, abs=1e-9)


def test_spectral_angles_are_in_degrees_and_a_zero_column_is_at_a_right_angle() -> None:
    angles = spectral_angles(np.array([[1.0], [0]]), np.array([[1.0, 0, 1, 0], [0, 5, 1, 0]]))
    np.testing.assert_allclose(angles, [[0, 90, 45, 90]])


def test_unmixing_says_what_a_dataset_without_truth_lacks() -> None:
    with pytest.raises(NotApplicable, match="scene has none"):
        Unmixing().check(Dataset("scene", np.ones((2, 2)), None), None)
    assert Unmixing().evaluate(Fitted([np.ones((2, 10))]), materials()[0], 0, None) == [], "raw has no bases"


def test_classification_counts_all_samples_and_those_not_seen() -> None:
    y = np.array([0, 1, 1, 0])
    scores_of_classes = np.array([[0.9, 0.2, 0.8, 0.1], [0.1, 0.8, 0.2, 0.9]])  # right, right, wrong, wrong
    dataset, seen = Dataset("mine", np.ones((2, 4)), y), np.array([True, False, True, False])
    fitted = Fitted([np.ones((3, 4)), np.ones((2, 4))], label_scores=scores_of_classes)
    found = Labels().evaluate(fitted, dataset, 0, seen)
    assert values(found) == {"classification": 0.5, "classification_unseen": 0.5}
    assert {row["layer"] for row in found} == {2}
    assert (
        values(Labels().evaluate(fitted, dataset, 0, np.array([True, True, False, False])))["classification_unseen"]
        == 0
    )
    assert Labels().evaluate(Fitted([np.ones((3, 4))]), dataset, 0, None) == []


def test_layers_takes_errors_where_the_rows_of_every_h_sum_to_one() -> None:
    rng = np.random.default_rng(3)
    X, W1, H1 = rng.uniform(0.1, 1, (6, 8)), rng.uniform(0.1, 1, (6, 4)), rng.uniform(0.1, 1, (4, 8))
    W2, H2 = rng.uniform(0.1, 1, (6, 2)), rng.uniform(0.1, 1, (2, 4))

    def errors(D: np.ndarray) -> list[float]:
        Ws, Hs = (tuple(map(torch.from_numpy, factors)) for factors in ((W1 / D, W2), (D[:, None] * H1, H2 / D)))
        rows = Layers().evaluate(arrays(Hierarchy(Ws, Hs, torch.ones(2))), Dataset("d", X), 0, None)
        return [row["value"] for row in rows if row["metric"] == "layer_error"]

    D = H1.sum(1)
    expected = [kl(X, W1 @ H1), kl(W1 * D, W2 * (H2 * D).sum(1) @ ((H2 * D) / (H2 * D).sum(1)[:, None]))]
    assert errors(np.ones(4)) == pytest.approx(expected)
    assert errors(np.array([0.1, 1, 7, 3])) == pytest.approx(expected), "the scale of the factors has no part in it"


def kl(X: np.ndarray, V: np.ndarray) -> float:
    return float((X * np.log(X / V) - X + V).sum())


def test_layers_of_a_method_that_does_not_factor_its_bases_have_their_sparsity_alone() -> None:
    H = torch.tensor([[1.0, 0, 0, 0], [1, 1, 1, 1]])
    for kind in (Chain((torch.ones(3, 2), torch.eye(2)), (H, H)), Stack((torch.eye(2), torch.ones(3, 2)), H)):
        rows = Layers().evaluate(arrays(kind), Dataset("d", np.ones((3, 4))), 0, None)
        assert [(row["metric"], row["layer"]) for row in rows] == [("code_sparsity", 1), ("code_sparsity", 2)]
        assert rows[0]["value"] == pytest.approx(0.5)


def test_each_layer_is_scored_against_the_level_of_as_many_topics_on_the_samples_not_seen() -> None:
    four, two = np.repeat(np.arange(4), 5), np.repeat(np.arange(2), 10)
    one_hot = [
        np.eye(k)[level].T + 0.01 * np.random.default_rng(0).uniform(size=(k, 20)) for k, level in ((4, four), (2, two))
    ]
    dataset = Dataset("levels", np.ones((3, 20)), two, truth={"level 4": four, "level 2": two})
    rows = Labels().evaluate(Fitted([*one_hot, np.ones((3, 20))]), dataset, 0, None)
    assert [(row["layer"], row["n_clusters"], row["metric"]) for row in rows] == [(1, 4, "topics"), (2, 2, "topics")]
    assert [row["value"] for row in rows] == pytest.approx([1, 1])
    seen = np.arange(20) % 2 == 0
    wrong = one_hot[0].copy()
    wrong[:, seen] = wrong[:, seen][:, np.random.default_rng(1).permutation(10)]
    (row,) = Labels().evaluate(Fitted([wrong]), dataset, 0, seen)
    assert row["value"] == pytest.approx(1), "what was seen is not scored"
    assert Labels().evaluate(Fitted([wrong]), dataset, 0, None)[0]["value"] < 0.9
