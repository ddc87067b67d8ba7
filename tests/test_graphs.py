"""Graphs as datasets, shipped and a user's own, and the communities of their nodes."""

from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import scipy.io
import scipy.sparse
from scipy.sparse import issparse

from nmfbench import load_dataset
from nmfbench.datasets.base import Dataset
from nmfbench.errors import ConfigError, DataError, DataMissing, NotApplicable
from nmfbench.evaluators.base import Fitted
from nmfbench.evaluators.communities import Communities, modularity

EDGES = "ann,bob,2\nbob,cid,1\ncid,ann,0.5\neve,cid,3\n"
# ann, bob, cid, eve
MATRIX = np.array([[0, 2, 0.5, 0], [2, 0, 1, 0], [0.5, 1, 0, 3], [0, 0, 3, 0]])


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_karate_club_is_zacharys() -> None:
    club = load_dataset("karate")
    assert club.X.shape == (34, 34) and (club.X == club.X.T).all() and club.X.sum() == 2 * 78
    assert np.bincount(club.y).tolist() == [17, 17] and club.y[0] == 0 and club.y[33] == 1
    degrees = club.X.sum(0)
    assert degrees[0] == 16 and degrees[33] == 17 and degrees.min() == 1
    weighted = load_dataset("karate", weighted=True, scaling="none").X
    assert (weighted.max(), weighted[0, 1], weighted.sum()) == (7, 4, 2 * 231)
    assert ((weighted > 0) == (club.X > 0)).all()


def test_southern_women_are_those_of_davis() -> None:
    data = load_dataset("davis")
    assert data.X.shape == (14, 18) and data.X.sum() == 89 and set(np.unique(data.X)) == {0, 1}
    assert data.X.sum(0).tolist() == [8, 7, 8, 7, 4, 4, 4, 3, 4, 4, 4, 6, 7, 8, 5, 2, 2, 2]
    assert data.X.sum(1).tolist() == [3, 3, 6, 4, 8, 8, 10, 14, 12, 5, 4, 6, 3, 3]
    assert np.bincount(data.y).tolist() == [9, 9] and data.feature_names[0] == "E1"


@pytest.mark.parametrize("text", [EDGES, "from,to,weight\n" + EDGES, EDGES + "bob,ann,2\ncid,eve,3\n"])
def test_list_of_edges_in_one_direction_or_both_is_a_graph(text: str, tmp_path: Path) -> None:
    header = text.startswith("from")
    data = load_dataset("graph", path=written(tmp_path / "g.csv", text), scaling="none", header=header)
    assert issparse(data.X) and data.name == "g" and data.y is None
    np.testing.assert_array_equal(data.X.toarray(), MATRIX)
    dense = load_dataset("graph", path=str(tmp_path / "g.csv"), dense=True, header=header).X
    np.testing.assert_allclose(dense, MATRIX / 3)


def test_nodes_may_be_numbers_and_edges_unweighted(tmp_path: Path) -> None:
    path = written(tmp_path / "g.txt", "# friends\n10 2\n2 7\n10 7\n7 30\n")
    data = load_dataset("graph", path=path, dense=True)
    assert data.X.tolist() == [[0, 1, 1, 0], [1, 0, 1, 1], [1, 1, 0, 0], [0, 1, 0, 0]], "2, 7, 10, 30"
    looped = load_dataset("graph", path=written(tmp_path / "l.txt", "1 1\n1 2\n2 1\n"), dense=True)
    assert looped.X.tolist() == [[1, 1], [1, 0]], "a loop counts once"
    assert "4 edges of 4 nodes" in data.preprocessing[-2]


def test_labels_name_their_nodes_also_those_without_edges(tmp_path: Path) -> None:
    path, y = written(tmp_path / "g.csv", EDGES), written(tmp_path / "y.csv", "eve,b\nbob,a\ndan,b\nann,a\ncid,a\n")
    data = load_dataset("graph", path=path, y=y, scaling="none", dense=True)
    assert data.y.tolist() == [0, 0, 0, 1, 1] and not data.X[3].any()
    kept = [0, 1, 2, 4]
    np.testing.assert_array_equal(data.X[np.ix_(kept, kept)], MATRIX)


@pytest.mark.parametrize("kind", ["npy", "csv", "mtx", "npz"])
def test_adjacency_matrix_is_read_from_any_kind_of_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"g.{kind}"
    y: dict[str, str] = {}
    if kind == "npy":
        np.save(path, MATRIX)
    elif kind == "csv":
        np.savetxt(path, MATRIX, delimiter=",")
    elif kind == "mtx":
        scipy.io.mmwrite(path, scipy.sparse.coo_array(MATRIX))
    else:
        np.savez(path, A=MATRIX, club=[1, 1, 2, 2])
        y = {"x": "A", "y": "club"}
    data = load_dataset("graph", path=str(path), scaling="none", dense=True, **y)
    np.testing.assert_array_equal(data.X, MATRIX)
    assert (data.y is None) == (kind != "npz")


REFUSED = {
    "a,b,1\nb,a,2\n": "the edge b – a is listed with the weights 1 and 2",
    "a,b,x\nb,c,y\n": "third column holds weights, which are numbers, got 'x'",
    "a,1\nb,2\n": "nodes are numbers in one column and words in another",
    "a,b,-1\nb,c,2\n": "weights of edges must be nonnegative, the smallest is -1",
    "0,1,0,0\n1,0,1,0\n0,2,0,0\n0,0,0,0\n": r"the graph is directed: entry \(1, 2\) is 1, entry \(2, 1\) is 2",
    "1,2,3,4\n5,6,7,8\n": "neither a table of 2 or 3 columns, .* nor a square matrix: 2 × 4",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_undirected_graph_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=REFUSED[text]):
        load_dataset("graph", path=written(tmp_path / "g.csv", text))


def test_labels_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "g.csv", EDGES)
    for text, message in {
        "ann,a\nbob,a\n": "node cid has no label, and 1 others",
        "ann,a\nann,b\nbob,a\ncid,b\neve,b\n": "names a node twice",
        "ann,a,1\nbob,a,1\n": "must be a table of two columns, node and label",
    }.items():
        with pytest.raises(DataError, match=message):
            load_dataset("graph", path=path, y=written(tmp_path / "y.csv", text))


def test_labels_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"there is no file .*nowhere\.csv; correct y"):
        load_dataset("graph", path=written(tmp_path / "g.csv", EDGES), y=str(tmp_path / "nowhere.csv"))


def test_scaling_that_breaks_the_symmetry_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="scaling of a graph must be none or max"):
        load_dataset("graph", path=written(tmp_path / "g.csv", EDGES), scaling="unit_norm")


def measured(codes: np.ndarray, bases: np.ndarray, data: Dataset) -> dict[str, float]:
    rows = Communities().evaluate(Fitted([codes], bases=[bases]), data, 0, None)
    return {row["metric"]: row["value"] for row in rows}


@pytest.mark.parametrize("weighted", [False, True])
def test_modularity_is_that_of_networkx(weighted: bool) -> None:
    club = load_dataset("karate", weighted=weighted, scaling="none")
    for seed in range(5):
        community = np.random.default_rng(seed).integers(0, 4, 34)
        groups = [set(np.flatnonzero(community == c).tolist()) for c in range(4)]
        expected = nx.community.modularity(nx.from_numpy_array(club.X), groups)
        assert modularity(club.X, community) == pytest.approx(expected)
        assert modularity(scipy.sparse.csr_array(club.X), community) == pytest.approx(expected)


def test_community_is_the_largest_share_whatever_the_scale_of_the_codes() -> None:
    club = load_dataset("karate")
    H = np.stack([club.y == 0, club.y == 1]) + 0.1
    for scale in (1.0, 100.0):
        found = measured(H * [[scale], [1]], np.ones((34, 2)) / [scale, 1], club)
        assert found["nmi"] == pytest.approx(1) and found["accuracy"] == 1
        assert found["modularity"] == pytest.approx(modularity(club.X, club.y))
    swapped = H.copy()
    swapped[:, 5] = swapped[::-1, 5]
    assert measured(swapped, np.ones((34, 2)), club)["accuracy"] == pytest.approx(33 / 34)


def test_data_without_labels_or_without_a_graph_has_the_other_measure() -> None:
    club, women = load_dataset("karate"), load_dataset("davis")
    unlabelled = Dataset("mine", club.X)
    assert set(measured(np.eye(2, 34), np.ones((34, 2)), unlabelled)) == {"modularity"}
    assert "modularity" not in measured(np.eye(2, 18), np.ones((14, 2)), women)
    assert Communities().evaluate(Fitted([club.X]), club, 0, None) == [], "raw data has no components"
    Communities().check(unlabelled, None)
    with pytest.raises(NotApplicable, match="needs labels or the adjacency matrix of a graph, and mine has neither"):
        Communities().check(Dataset("mine", np.ones((3, 4))), None)
