"""K-means on the codes and its scores: against scikit-learn, by brute force, and blind to the labels."""

from itertools import permutations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from threadpoolctl import threadpool_limits

from nmfbench import evaluate
from nmfbench.datasets.base import Dataset
from nmfbench.errors import ConfigError
from nmfbench.evaluators import clustering
from nmfbench.evaluators.base import Fitted
from nmfbench.evaluators.clustering import Clustering, scores
from nmfbench.numerics import rng as rng_module

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


@pytest.mark.parametrize(("n_classes", "n_clusters"), [(40, 50), (2, 300), (90, 3)])
def test_scores_of_many_classes_and_clusters_are_scikit_learns(n_classes: int, n_clusters: int) -> None:
    draw = np.random.default_rng(6)
    y = draw.integers(0, n_classes, 900) * 3 - 7
    clusters = np.where(draw.uniform(size=900) < 0.7, 11 * y % n_clusters, draw.integers(0, n_clusters, 900))
    found = scores(y, clusters)
    expected = {"ari": adjusted_rand_score(y, clusters)}
    for key, name in {"nmi": "arithmetic", "nmi_geometric": "geometric", "nmi_max": "max", "nmi_min": "min"}.items():
        expected[key] = normalized_mutual_info_score(y, clusters, average_method=name)
    assert {key: found[key] for key in expected} == pytest.approx(expected, abs=1e-12, rel=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_accuracy_is_the_best_over_all_one_to_one_assignments(case: str) -> None:
    y, clusters = CASES[case]
    k = max(y.max(), clusters.max()) + 1
    by_force = max(np.mean(np.array(names)[clusters] == y) for names in permutations(range(k)))
    assert scores(y, clusters)["accuracy"] == pytest.approx(by_force, abs=1e-12)


def test_one_cluster_tells_nothing_whatever_the_sizes_of_the_classes() -> None:
    for n in range(3, 300):
        y = np.minimum(np.arange(n), np.random.default_rng(n).integers(1, n))
        assert scores(y, np.zeros(n, int))["nmi_min"] == 0


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


def test_libraries_are_looked_for_once_an_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    H, y = blobs()
    limits: list[int] = []
    monkeypatch.setattr(clustering, "threadpool_limits", lambda n: limits.append(n) or threadpool_limits(n))
    Clustering(n_clusters=[2, 5], n_init=3).cluster([H, H[:2]], y, seed=0)
    assert limits == [1]


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
