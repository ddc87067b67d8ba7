"""Topics and whole factors: coherence by brute force, merges of a planted hierarchy, what stands below a table."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
from scipy.sparse import csc_array, csr_array, diags_array

from nmfbench import load_dataset
from nmfbench.cli import main
from nmfbench.datasets.base import Dataset
from nmfbench.errors import ConfigError, DataError
from nmfbench.evaluators import Fitted
from nmfbench.evaluators.topics import Topics, bases, coherence, merges, top_words


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


def test_merges_of_a_hierarchy_of_bases_and_of_one_of_codes() -> None:
    W1, W2, H2 = planted()
    of_bases = Fitted([np.ones((4, 3)), np.ones((2, 3))], {"W1": W1, "W2": W2, "H1": np.ones((4, 3)), "H2": H2})
    of_codes = Fitted([np.ones((4, 3)), np.ones((2, 3))], {"W1": W1, "W2": H2.T, "H": np.ones((2, 3))})
    for fitted in (of_bases, of_codes):
        (found,) = merges(fitted, 0.25)
        assert [topics.tolist() for topics in found] == [[0, 2], [1, 3]]
        assert bases(fitted)[1].shape == (8, 2)
    np.testing.assert_allclose(bases(of_codes)[1], W1 @ H2.T)


def test_exhibits_name_the_top_words_and_the_topics_that_merge() -> None:
    W1, W2, H2 = planted()
    fitted = Fitted([np.ones((4, 3)), np.ones((2, 3))], {"W1": W1, "W2": W2, "H1": np.ones((4, 3)), "H2": H2})
    data = Dataset("d", np.ones((8, 3)), feature_names=tuple("abcdefgh"))
    first, second = Topics(words=2).exhibits(fitted, data)
    assert first.table["top words"].tolist() == ["a, b", "c, d", "e, f", "g, h"]
    assert second.title == "topics of layer 2" and second.table["merges"].tolist() == ["1, 3", "2, 4"]
    assert second.table["top words"].tolist() == ["a, e", "c, g"]
    rows = Topics(words=2).evaluate(fitted, data, 0, None)
    assert [(row["layer"], row["metric"]) for row in rows] == [
        (layer, metric) for layer in (1, 2) for metric in ("coherence", "diversity")
    ]
    unnamed = Topics(words=2).exhibits(Fitted([np.ones((4, 3))], {"W": W1, "H": np.ones((4, 3))}), Dataset("d", data.X))
    assert unnamed[0].table["top words"][0] == "#1, #2"


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
        assert "W1 as printed" in (tmp_path / f"tables/showcase.{kind}").read_text()
    table = pd.read_csv(tmp_path / "tables/showcase.csv", comment="#")
    assert set(table["metric"]) >= {"objective", "error", "stability"}
