"""Measures of the codes: against scikit-learn, by brute force, and blind to the labels."""

from itertools import permutations

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from threadpoolctl import threadpool_limits

from nmfbench import evaluate
from nmfbench.datasets.base import Dataset
from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.evaluators import clustering
from nmfbench.evaluators.base import Fitted
from nmfbench.evaluators.clustering import Clustering, scores
from nmfbench.evaluators.labels import Labels
from nmfbench.evaluators.layers import Layers
from nmfbench.evaluators.measures import factor_measures, hoyer, matched_cosine
from nmfbench.evaluators.unmixing import Unmixing, spectral_angles
from nmfbench.numerics import rng as rng_module
from nmfbench.numerics.factorization import Chain, Hierarchy, Product, Stack
from nmfbench.running.measuring import arrays

rng = np.random.default_rng(0)
CASES = {
    "equal": (np.array([0, 0, 1, 1, 2, 2]), np.array([2, 2, 0, 0, 1, 1])),
    "more clusters": (rng.integers(0, 3, 40), rng.integers(0, 5, 40)),
    "fewer clusters": (rng.integers(0, 4, 40), rng.integers(0, 2, 40)),
    "one cluster": (rng.integers(0, 3, 20), np.zeros(20, int)),
    "unbalanced": (np.repeat([0, 1, 2], [1, 5, 30]), rng.integers(0, 3, 36)),
}


def blobs(r: int = 4, n: int = 60, k: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping clusters: codes (r, n) and labels."""
    draw = np.random.default_rng(1)
    y = np.arange(n) % k
    return draw.normal(size=(r, k))[:, y] + 0.9 * draw.normal(size=(r, n)), y


@pytest.mark.parametrize("case", CASES)
def test_nmi_under_each_normaliser_and_ari_are_scikit_learns(case: str) -> None:
    y, clusters = CASES[case]
    found = scores(y, clusters)
    for name in ("arithmetic", "geometric", "max", "min"):
        key = "nmi" if name == "arithmetic" else f"nmi_{name}"
        assert found[key] == normalized_mutual_info_score(y, clusters, average_method=name)
        assert np.isfinite(found[key])
    assert found["ari"] == adjusted_rand_score(y, clusters)


@pytest.mark.parametrize("case", CASES)
def test_accuracy_is_the_best_over_all_one_to_one_assignments(case: str) -> None:
    y, clusters = CASES[case]
    k = max(y.max(), clusters.max()) + 1
    by_force = max(np.mean(np.array(names)[clusters] == y) for names in permutations(range(k)))
    assert scores(y, clusters)["accuracy"] == pytest.approx(by_force, abs=1e-12)


@pytest.mark.parametrize("k", [1, 3])
def test_one_class_has_no_score_however_it_is_clustered(k: int) -> None:
    found = scores(np.zeros(20, int), rng.integers(0, k, 20))
    assert set(found) == {metric.name for metric in Clustering.metrics} and set(found.values()) == {None}
    for select in ("inertia", "mean", "best"):
        rows = Clustering(n_clusters=[k], n_init=2, select=select).cluster([blobs()[0]], np.zeros(60), seed=0)
        assert len(rows) == 6 and all(row["value"] is None for row in rows)


def test_names_of_the_clusters_do_not_matter() -> None:
    y, clusters = CASES["more clusters"]
    assert scores(y, clusters) == pytest.approx(scores(y, 7 * (4 - clusters)))


def test_chosen_start_is_that_of_the_least_inertia() -> None:
    H, y = blobs()
    for seed in range(5):
        rows = Clustering(n_clusters=[6], n_init=8).cluster([H], y, seed)
        seeds = [rng_module.integer(f"kmeans {i}", seed) for i in range(8)]
        fits = [KMeans(6, n_init=1, random_state=s).fit(H.T) for s in seeds]
        best = min(range(8), key=lambda i: fits[i].inertia_)
        (nmi,) = (row for row in rows if row["metric"] == "nmi")
        assert nmi["value"] == nmi["starts"][best]
        assert nmi["starts"] == [normalized_mutual_info_score(y, fit.labels_) for fit in fits]


def test_labels_never_choose_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    H, y = blobs()
    clusterings: list[np.ndarray] = []
    monkeypatch.setattr(clustering, "scores", lambda y, clusters: {"nmi": float(clusterings.append(clusters) or 0)})
    for labels in (y, np.roll(y, 7), np.zeros_like(y)):
        Clustering(n_clusters=[5], n_init=4).cluster([H], labels, seed=3)
    first, second, third = clusterings[:4], clusterings[4:8], clusterings[8:]
    assert all(map(np.array_equal, first, second)) and all(map(np.array_equal, first, third))


def test_chosen_start_stays_chosen_whatever_the_labels() -> None:
    H, y = blobs()
    chosen = set()
    for labels in (y, np.random.default_rng(2).permutation(y)):
        rows = Clustering(n_clusters=[6], n_init=8).cluster([H], labels, seed=0)
        (ari,) = (row for row in rows if row["metric"] == "ari")
        chosen.add(ari["starts"].index(ari["value"]))
    assert len(chosen) == 1


def test_mean_over_the_starts_is_their_mean() -> None:
    H, y = blobs()
    for row in Clustering(n_clusters=[6], n_init=5, select="mean").cluster([H], y, seed=0):
        assert row["value"] == pytest.approx(np.mean(row["starts"])) and len(row["starts"]) == 5


def test_every_layer_and_cluster_count_is_scored_in_order() -> None:
    H, y = blobs()
    rows = Clustering(n_clusters=[2, 5], n_init=1).cluster([H, H[:2]], y, seed=0)
    metrics = ["nmi", "nmi_geometric", "nmi_max", "nmi_min", "accuracy", "ari"]
    expected = [(layer, k, metric) for layer in (1, 2) for k in (2, 5) for metric in metrics]
    assert [(row["layer"], row["n_clusters"], row["metric"]) for row in rows] == expected


def test_without_labels_nothing_is_scored() -> None:
    H = blobs()[0]
    assert Clustering().evaluate(Fitted([H]), Dataset("mine", H, None), 0, None) == []


def test_fewer_coordinates_keep_the_distances_and_so_the_clusters() -> None:
    H, y = blobs(r=200, n=24)
    few = clustering._distances_kept(H.T)
    assert few.shape == (24, 24)

    def distances(points: np.ndarray) -> np.ndarray:
        return np.linalg.norm(points[:, None] - points[None], axis=-1)

    np.testing.assert_allclose(distances(few), distances(H.T), rtol=1e-10, atol=1e-10)
    rows = Clustering(n_clusters=[3], n_init=3).cluster([H], y, seed=0)
    seeds = [rng_module.integer(f"kmeans {i}", 0) for i in range(3)]
    plain = [adjusted_rand_score(y, KMeans(3, n_init=1, random_state=s).fit_predict(H.T)) for s in seeds]
    assert next(row["starts"] for row in rows if row["metric"] == "ari") == plain


def test_number_of_threads_leaves_every_bit_alone() -> None:
    H, y = blobs(r=12, n=900, k=9)
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(Clustering(n_clusters=[9, 13], n_init=3).cluster([H], y, seed=0))
    assert found[0] == found[1]


def test_evaluate_gives_a_dictionary_by_cluster_count() -> None:
    H, y = blobs()
    rows = Clustering(n_clusters=[2, 3], n_init=2).cluster([H], y, seed=4)
    table = evaluate(H, y, [2, 3], seed=4, n_init=2)
    assert table == {k: {r["metric"]: r["value"] for r in rows if r["n_clusters"] == k} for k in (2, 3)}
    assert evaluate(H, y, 2, seed=4, n_init=2) == {2: table[2]}
    assert list(evaluate(H, y, n_init=1)) == [3]


def test_fewer_distinct_codes_than_clusters_is_no_warning() -> None:
    assert evaluate(np.zeros((3, 10)), np.arange(10) % 2, 4, n_init=1)[4]["nmi"] == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_clusters": []}, "n_clusters must be positive"),
        ({"n_clusters": [0]}, "n_clusters must be positive"),
        ({"n_init": 0}, "n_init must be at least 1, got 0"),
        ({"max_iter": 0}, "max_iter must be at least 1, got 0"),
        ({"select": "nmi"}, "select must be inertia, mean or best, got 'nmi'"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Clustering(**settings)


def test_more_clusters_than_samples_are_refused_before_a_fit() -> None:
    dataset = Dataset("mine", np.ones((2, 5)), np.arange(5))
    Clustering(n_clusters=[5]).check(dataset, None)
    with pytest.raises(ConfigError, match="n_clusters has 6, but there are 5 samples"):
        Clustering(n_clusters=[2, 6]).check(dataset, None)
    with pytest.raises(ConfigError, match="n_clusters has 5, but there are 3 samples"):
        Clustering(n_clusters=[5]).check(dataset, np.array([True, True, False, False, False]))


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
