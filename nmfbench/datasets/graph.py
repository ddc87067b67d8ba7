"""A user's own graph, from a list of its edges or its adjacency matrix."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import csc_array, csr_array, diags_array, issparse

from nmfbench.datasets import base, labels
from nmfbench.datasets.file import File
from nmfbench.datasets.formats import TEXT, stem
from nmfbench.datasets.formats.held import Table
from nmfbench.errors import ConfigError, DataError, DataMissing


@dataclass(frozen=True, kw_only=True)
class Graph(base.Loader):
    """The adjacency matrix X (n, n) ≥ 0 of an undirected graph of n nodes, sparse unless ``dense``.

    A list of edges is a table of two columns, or three with weights. The ends of an edge are numbers or words, and it
    may be listed in one direction or both. Nodes are ordered by number or by letter. Any other file, and a table of as
    many rows as columns, must hold a symmetric matrix.

    Parameters
    ----------
    path: path of the file: of any kind that `File` reads.
    x: name of the adjacency matrix in a file of arrays; null: as for `File`.
    y: labels of the nodes; null: there are none. Of a list of edges: a table of two columns, node and label, which may
        also name nodes without edges. Of a matrix: as for `File`.
    header: whether the first row of a table, of edges as of labels, names its columns.
    name: the name that tables give the dataset; null: the file's name without its ending.
    dense: whether X is made dense, for solvers that need it so.
    """

    location: ClassVar[tuple[str, ...]] = ("path", "x", "y", "header", "name")
    own: ClassVar[bool] = True

    path: str = ""
    x: str | None = None
    y: str | None = None
    header: bool = False
    name: str | None = None
    dense: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not set(self._scalings()) <= {"none", "max"}:
            raise ConfigError(f"scaling of a graph must be none or max, which keep it symmetric, got {self.scaling}")
        self._file()

    def _file(self) -> File:
        """The same file as a table or matrix. Raises ConfigError for settings that it cannot have."""
        is_text = bool(self.path) and Path(self.path).suffix.lower() in (*TEXT, ".gz", ".xlsx")
        header = self.header if is_text else None
        return File(path=self.path, x=self.x, y=self.y, header=header, name=self.name, dense=self.dense)

    def read(self) -> base.Dataset:
        held = replace(self._file(), y=None).held()
        if isinstance(held, Table) and len(held.columns) in (2, 3) and not _is_square(held):
            data = self._of_edges(held)
        else:
            data = self._file().dataset(held)
        return replace(data, X=self._checked(data.X), shape=None, feature_names=None, sample="node")

    def scaled(self, raw: base.Dataset) -> base.Dataset:
        return replace(super().scaled(raw), proposed=None)  # the scalings that it may propose are not for graphs

    def _of_edges(self, table: Table) -> base.Dataset:
        """The graph of a table of edges. Raises DataError for two weights of one edge, and nodes without a label."""
        path = Path(self.path)
        start, end, *rest = table.columns.values()
        weights = rest[0] if rest else np.ones(len(start))
        known, words = (np.array([]), None) if self.y is None else _labels(Path(self.y).expanduser(), self.header)
        if weights.dtype.kind == "U":
            raise DataError(f"{path}: the third column holds weights, which are numbers, got {str(weights[0])!r}")
        if len({start.dtype.kind, end.dtype.kind} | ({known.dtype.kind} if self.y else set())) > 1:
            raise DataError(f"{path}: nodes are numbers in one column and words in another; give all of them one kind")
        nodes, number = np.unique(np.concatenate([start, end, known.astype(start.dtype)]), return_inverse=True)
        i, j = number[: len(start)], number[len(start) : 2 * len(start)]
        undirected = np.minimum(i, j) * len(nodes) + np.maximum(i, j)
        _, first, which = np.unique(undirected, return_index=True, return_inverse=True)
        if len(differing := np.flatnonzero(weights != weights[first][which])):
            at = differing[0]
            raise DataError(
                f"{path}: the edge {start[at]} – {end[at]} is listed with the weights {weights[first][which][at]:g} "
                f"and {weights[at]:g}; an undirected edge has one"
            )
        A = csr_array((weights[first], (i[first], j[first])), shape=(len(nodes), len(nodes)))
        y = None
        if words is not None:
            if len(unlabelled := np.setdiff1d(nodes, known)):
                raise DataError(f"{self.y}: node {unlabelled[0]} has no label, and {len(unlabelled) - 1} others")
            y = labels.classes(words[np.argsort(known)], str(self.y))
        sentence = f"{len(first)} edges of {len(nodes)} nodes{', weighted' if rest else ''}"
        X = csc_array(A + A.T - diags_array(A.diagonal()))  # a loop counts once
        return base.Dataset(
            self.name or stem(path), X.toarray() if self.dense else X, y, preprocessing=(*table.sentences, sentence)
        )

    def _checked(self, X: Any) -> Any:
        """X, or DataError if it is no adjacency matrix of an undirected graph with weights ≥ 0."""
        if X.shape[0] != X.shape[1]:
            raise DataError(
                f"{self.path} is neither a table of 2 or 3 columns, ends of edges and their weights, nor a square "
                f"matrix: {X.shape[1]} × {X.shape[0]}"
            )
        asymmetric = abs(X - X.T)
        if asymmetric.max() > 0:
            i, j = (int(at[0]) for at in asymmetric.nonzero())
            raise DataError(
                f"{self.path}: the graph is directed: entry ({i}, {j}) is {X[j, i]:g}, entry ({j}, {i}) is {X[i, j]:g} "
                "(counted from 0); make it undirected first, for example A + Aᵀ"
            )
        if X.min() < 0:
            raise DataError(f"{self.path}: weights of edges must be nonnegative, the smallest is {X.min():g}")
        return X if issparse(X) or self.dense else csc_array(X)


def _is_square(table: Table) -> bool:
    return all(len(column) == len(table.columns) and column.dtype.kind != "U" for column in table.columns.values())


def _labels(path: Path, header: bool) -> tuple[np.ndarray, np.ndarray]:
    """The nodes and their labels in a table of two columns. Raises DataError if a node is named twice."""
    if not path.exists():
        raise DataMissing(f"there is no file {path.absolute()}; correct dataset.y")
    held = File(path=str(path), header=header).held()
    if not isinstance(held, Table) or len(held.columns) != 2:
        raise DataError(f"{path} must be a table of two columns, node and label")
    nodes, words = held.columns.values()
    if len(np.unique(nodes)) < len(nodes):
        raise DataError(f"{path} names a node twice; each has one label")
    return nodes, words
