"""Topics and whole factors: coherence by brute force, merges of a planted hierarchy, what stands below a table."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
import torch
from scipy.sparse import csc_array, csr_array, diags_array

from nmfbench import load_dataset
from nmfbench.cli import main
from nmfbench.datasets.base import Dataset
from nmfbench.errors import ConfigError, DataError
from nmfbench.evaluators.base import Fitted
from nmfbench.evaluators.topics import Topics, coherence, merges, top_words
from nmfbench.fitting import fit
from nmfbench.numerics.factorization import Chain, Hierarchy, Product
from nmfbench.numerics.nonsmooth import NonSmooth
from nmfbench.reports.figures import dnsnmf
from nmfbench.running.measuring import arrays
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.dnsnmf import DeepNonSmoothNMF
from nmfbench.solvers.nsnmf import NonSmoothNMF


def test_coherence_is_the_mean_normalised_mutual_information_of_the_pairs_of_each_topic() -> None:
    X = np.random.default_rng(0).poisson(0.7, (6, 40)).astype(float)
    X[5] = X[0] == 0  # a pair that never meets
    tops = np.array([[0, 3], [1, 4], [5, 2]])
    pairs = []
    for topic in tops.T:
        for i, j in combinations(topic, 2):
            p, q, both = np.mean(X[i] > 0), np.mean(X[j] > 0), np.mean((X[i] > 0) & (X[j] > 0))
            pairs.append(-1.0 if both == 0 else np.log(both / (p * q)) / -np.log(both))
    assert -1.0 in pairs
    assert coherence(X, tops) == pytest.approx(np.mean(pairs)) == pytest.approx(coherence(csr_array(X), tops))


def test_words_that_are_in_every_document_go_together() -> None:
    assert coherence(np.ones((2, 5)), np.array([[0], [1]])) == 1


def planted() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """W1 (8, 4) of disjoint words, W2 (8, 2) and H2 (2, 4): topics 1 and 3 make the first, the others the second."""
    W1 = np.kron(np.eye(4), np.array([[2.0], [1.0]]))
    return W1, W1 @ np.array([[1.0, 0], [0, 1], [1, 0], [0, 1]]), np.array([[0.9, 0.1, 0.8, 0], [0.1, 0.9, 0.2, 1]])


def hierarchy_of_bases() -> Fitted:
    W1, W2, H2 = map(torch.from_numpy, planted())
    return arrays(Hierarchy((W1, W2), (torch.ones(4, 3).double(), H2), torch.ones(2)))


def chain_of_codes() -> Fitted:
    W1, _, H2 = map(torch.from_numpy, planted())
    return arrays(Chain((W1, H2.T), (torch.ones(4, 3), torch.ones(2, 3))))


@pytest.mark.parametrize("make", [hierarchy_of_bases, chain_of_codes])
def test_merges_of_a_hierarchy_of_bases_and_of_one_of_codes(make) -> None:
    fitted = make()
    (merged,) = merges(fitted, 0.25)
    assert [below.tolist() for below in merged] == [[0, 2], [1, 3]]
    assert fitted.bases[1].shape == (8, 2)


def smooth_matrix(theta: float, r: int) -> np.ndarray:
    return (1 - theta) * np.eye(r) + theta / r


@pytest.mark.parametrize("solver", [NonSmoothNMF(rank=4, theta=0.5), DeepNonSmoothNMF(ranks=[6, 4], theta=[0.5, 0.5])])
def test_topics_of_non_smooth_methods_make_the_solvers_own_product(solver, X: np.ndarray) -> None:
    (result,) = fit(solver, X, stopping=Stopping(max_iter=20), dtype="float64")
    fitted = arrays(result.factorization)
    for W, H in zip(fitted.bases, fitted.codes, strict=True):
        np.testing.assert_allclose(W @ H, result.factorization.reconstruct().numpy(), rtol=1e-10)
    left, expected = np.eye(len(X)), []
    for name, Z in fitted.factors.items():
        if name != "H":
            left = left @ Z @ smooth_matrix(0.5, Z.shape[1])
            expected.append(top_words(left, 5))
    shown = Topics(words=5).exhibits(fitted, Dataset("d", X))
    words = [[", ".join(f"#{i + 1}" for i in topic) for topic in tops.T] for tops in expected]
    assert [[row[-1] for row in exhibit.rows] for exhibit in shown] == words


def test_topic_of_a_smoothed_layer_has_the_words_of_its_neighbours_too() -> None:
    Z = torch.tensor([[1.0, 0], [0.5, 0], [0.4, 0.9]])
    fitted = arrays(NonSmooth((Z,), torch.ones(2, 4), (0.9,)))
    (topics,) = Topics(words=2).exhibits(fitted, Dataset("d", np.ones((3, 4))))
    assert [row[-1] for row in topics.rows] == ["#3, #1", "#3, #1"], "without S the first would be #1, #2"


def test_features_of_the_dnsnmf_figures_leave_out_the_last_smoothing_alone() -> None:
    draw = torch.Generator().manual_seed(0)
    Z1, Z2, Z3, H = (torch.rand(shape, generator=draw).double() for shape in ((7, 5), (5, 4), (4, 3), (3, 6)))
    S1, S2 = smooth_matrix(0.3, 5), smooth_matrix(0.9, 4)
    smoothed = dnsnmf.features(arrays(NonSmooth((Z1, Z2, Z3), H, (0.3, 0.9, 0.5))))
    plain = dnsnmf.features(arrays(Chain((Z1, Z2, Z3), (Z2 @ Z3 @ H, Z3 @ H, H))))
    Z1, Z2, Z3 = (Z.numpy() for Z in (Z1, Z2, Z3))
    for features, expected in (
        (smoothed, (Z1, Z1 @ S1 @ Z2, Z1 @ S1 @ Z2 @ S2 @ Z3)),
        (plain, (Z1, Z1 @ Z2, Z1 @ Z2 @ Z3)),
    ):
        for feature, product in zip(features, expected, strict=True):
            np.testing.assert_allclose(feature, product)


def test_exhibits_name_the_top_words_and_the_topics_that_merge() -> None:
    fitted = hierarchy_of_bases()
    data = Dataset("d", np.ones((8, 3)), feature_names=tuple("abcdefgh"))
    first, second = Topics(words=2).exhibits(fitted, data)
    assert first.columns == ["topic", "NPMI", "top words"]
    assert [row[-1] for row in first.rows] == ["a, b", "c, d", "e, f", "g, h"]
    assert second.title == "topics of layer 2" and second.columns == ["topic", "merges", "NPMI", "top words"]
    assert second.rows == [["1", "1, 3", "1.00", "a, e"], ["2", "2, 4", "1.00", "c, g"]]
    rows = Topics(words=2).evaluate(fitted, data, 0, None)
    assert [(row["layer"], row["metric"]) for row in rows] == [
        (layer, metric) for layer in (1, 2) for metric in ("coherence", "diversity")
    ]
    product = arrays(Product(torch.from_numpy(planted()[0]), torch.ones(4, 3)))
    assert Topics(words=2).exhibits(product, Dataset("d", data.X))[0].rows[0][-1] == "#1, #2"


def test_ties_among_words_go_to_the_first() -> None:
    assert top_words(np.array([[1.0], [2], [2], [0]]), 3)[:, 0].tolist() == [1, 2, 0]


@pytest.mark.parametrize(("changes", "message"), [({"words": 1}, "words must be"), ({"merge": 0.0}, "merge must lie")])
def test_parameters_out_of_range_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Topics(**changes)


def test_names_of_words_follow_the_rows_that_are_kept(data_dir: str, tmp_path: Path, monkeypatch) -> None:
    assert len(load_dataset("news20").feature_names) == 37693
    # The topics that choose the words are found faster in every twentieth document.
    corpus = scipy.io.loadmat(Path(data_dir) / "tdt2/TDT2.mat")
    few = diags_array((np.arange(9394) % 20 == 0).astype(float)) @ csr_array(corpus["fea"])
    (tmp_path / "tdt2").mkdir()
    scipy.io.savemat(tmp_path / "tdt2/TDT2.mat", {"fea": csc_array(few), "gnd": corpus["gnd"]})
    monkeypatch.setenv("NMFBENCH_DATA", str(tmp_path))
    data, whole = (load_dataset("tdt2", top_words=n, scaling="none") for n in (2, 0))
    assert 20 <= len(data.feature_names) == data.X.shape[0] < 41
    rows = [int(name.removeprefix("#")) - 1 for name in data.feature_names]
    assert (whole.X[rows] != data.X).nnz == 0 and data.X.nnz > 0


def test_list_of_words_of_another_length_is_refused(data_dir: str, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "tdt2").mkdir()
    (tmp_path / "tdt2/TDT2.mat").symlink_to(Path(data_dir).resolve() / "tdt2/TDT2.mat")
    (tmp_path / "tdt2/vocabulary.txt").write_text("one\ntwo\n")
    monkeypatch.setenv("NMFBENCH_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"vocabulary.txt must have 36,771 words, one a line; it has 2"):
        load_dataset("tdt2")


def test_showcase_finds_the_printed_hierarchy_and_a_better_clustering(tmp_path: Path, capsys) -> None:
    arguments = ["run", "experiment=showcase", f"results_dir='{tmp_path}'", "threads=1", "seeds=100"]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    values = {line.rsplit(None, 1)[0].strip(): line.split()[-1] for line in out.splitlines() if " 6" in line[20:]}
    assert values["ours"] == "61.261" and values["its clusters of users, each with its best basis"] == "62.785"
    printed, ours = (out.split(f": {title}\n")[1].strip().split("\n\n")[0] for title in ("W2 as printed", "W2"))
    numbers = [np.array([line.split()[1:] for line in text.splitlines()[2:]], float) for text in (printed, ours)]
    np.testing.assert_allclose(numbers[0][:, [0, 2]], numbers[1][:, [0, 2]], atol=0.8)
    for kind in ("md", "tex"):
        assert "W1 as printed" in (tmp_path / f"tables/showcase-seeds=100.{kind}").read_text()
    table = pd.read_csv(tmp_path / "tables/showcase-seeds=100.csv", comment="#")
    assert set(table["metric"]) >= {"objective", "error", "stability"}


def test_printed_topics_stand_beside_those_of_ours_that_share_most_words() -> None:
    fitted = hierarchy_of_bases()  # layer 2: topic 1 has the words a and e, topic 2 c and g
    printed = np.array([["Second", "2, 4", "g", "x"], ["First", "", "e", "a"]])
    data = Dataset("d", np.ones((8, 3)), feature_names=tuple("abcdefgh"), truth={"topics2": printed})
    shown = Topics(words=2).exhibits(fitted, data)
    assert [exhibit.title for exhibit in shown[:2]] == ["topics of layer 1", "topics of layer 2"]
    assert shown[2].title == "printed topics of layer 2 beside ours: 3 of 4 words in common"
    assert shown[2].columns == ["printed topic", "merges", "printed words", "our topic", "in common", "our words"]
    assert shown[2].rows == [["Second", "2, 4", "g, x", "2", "1", "c, g"], ["First", "–", "e, a", "1", "2", "a, e"]]
    for other in (
        replace(data, feature_names=None),  # the words are unknown
        replace(data, truth={"topics2": np.vstack([printed, printed])}),  # another number of topics
        replace(data, truth={}),
    ):
        assert len(Topics(words=2).exhibits(fitted, other)) == 2


def test_topics_that_the_deep_kl_paper_prints_are_carried_with_tdt2(data_dir: str) -> None:
    truth = load_dataset("tdt2").truth
    assert truth["topics2"].shape == (10, 12) and truth["topics3"].shape == (5, 12)
    assert truth["topics2"][9, [0, 2, 11]].tolist() == ["Iraq war", "iraq", "security"]
    assert truth["topics3"][1, :4].tolist() == ["Military conflicts", "1, 6, 10", "iraq", "united"]


def test_words_of_news20_are_cut_to_the_top_words_of_its_topics(data_dir: str) -> None:
    few, whole = (load_dataset("news20", top_words=n, scaling="none") for n in (3, 0))
    assert 20 <= len(few.feature_names) <= 60 and len(set(few.feature_names)) == len(few.feature_names)
    rows = [whole.feature_names.index(word) for word in few.feature_names]
    np.testing.assert_array_equal(few.X.toarray(), whole.X[rows].toarray())
    assert f"the {len(rows)} top words of a rank-20 NMF, 3 a topic" in few.preprocessing
    with pytest.raises(ConfigError, match="top_words must be nonnegative, got -1"):
        load_dataset("news20", top_words=-1)
