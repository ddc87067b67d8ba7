"""Labels of any kind become classes, and what is no class is refused with its place and a cure."""

import numpy as np
import pandas as pd
import pytest

from nmfbench.datasets.labels import classes, from_one_hot, numbered
from nmfbench.errors import DataError

KINDS = {
    "integers by value": ([10, 9, 10, 9, -1, -1], [2, 1, 2, 1, 0, 0]),
    "whole floats by value": ([10.0, 9.0, 10.0, 9.0], [1, 0, 1, 0]),
    "bools": ([True, False, True, False], [1, 0, 1, 0]),
    "texts by letter": (["b", "a", "b", "a"], [1, 0, 1, 0]),
    "texts of numbers by letter": (["10", "9", "10", "9"], [0, 1, 0, 1]),
    "leading zeros": (["01", "1", "01", "1"], [0, 1, 0, 1]),
    "blanks at the ends": ([" a", "a ", "b", "b\t"], [0, 0, 1, 1]),
    "the texts NA and None": (["NA", "None", "NA", "None"], [0, 1, 0, 1]),
    "bytes": (np.array([b"b", b"a", b"b", b"a"]), [1, 0, 1, 0]),
    "numbers and texts by text": (np.array([2, "10", 2, "10"], dtype=object), [1, 0, 1, 0]),
    "numbers among objects": (np.array([10, 9, 10, 9], dtype=object), [1, 0, 1, 0]),
    "categories of pandas": (pd.Categorical(["b", "a", "b", "a"]), [1, 0, 1, 0]),
    "a series of pandas": (pd.Series(["b", "a", "b", "a"]), [1, 0, 1, 0]),
    "big-endian": (np.array([5, 3, 5, 3], dtype=">i4"), [1, 0, 1, 0]),
    "a masked array without a mask": (np.ma.array([5, 3, 5, 3]), [1, 0, 1, 0]),
    "versions are words": (["1.0.2", "1.5", "1.5", "1.0.2"], [0, 1, 1, 0]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_every_kind_are_numbered_in_order(kind: str) -> None:
    labels, expected = KINDS[kind]
    found = classes(labels, "y")
    assert found.tolist() == expected and found.dtype == np.int64


@pytest.mark.parametrize(
    "labels",
    [
        [1.0, 2.0, np.nan, 1.0, np.nan],
        ["a", "b", None, "a", None],
        ["a", "b", "", "a", "  "],
        np.array(["a", "b", np.nan, "a", np.nan], dtype=object),
        pd.array([1, 2, pd.NA, 1, pd.NA], dtype="Int64"),
        np.array(["2020-01-01", "2020-01-02", "NaT", "2020-01-01", "NaT"], dtype="datetime64[D]"),
        np.ma.array([1, 2, 3, 1, 3], mask=[0, 0, 1, 0, 1]),
        pd.Categorical(["a", "b", None, "a", None]),
    ],
)
def test_missing_labels_are_refused_with_the_place_of_the_first(labels) -> None:
    with pytest.raises(DataError, match=r"mine.csv: 2 labels are missing, the first that of sample 2 \(counted from 0"):
        classes(labels, "mine.csv")


@pytest.mark.parametrize("labels", [[1.0, 1.37, 2.0, 1.0], ["1", "1.37", "2", "1"], [1, 1.37, 2, 1]])
def test_real_numbers_are_no_classes(labels) -> None:
    with pytest.raises(DataError, match=r"y: labels hold real numbers such as 1\.37.*leave the labels out"):
        classes(labels, "y")


def test_infinite_labels_are_no_classes() -> None:
    with pytest.raises(DataError, match="real numbers such as inf"):
        classes([1.0, np.inf, 1.0, 1.0], "y")


def test_identifier_is_no_class() -> None:
    with pytest.raises(DataError, match="y: 60 classes among 60 samples: this looks like an identifier"):
        classes(np.arange(60), "y")
    with pytest.raises(DataError, match="3 classes among 5 samples"):
        classes([0, 1, 2, 0, 1], "y")
    assert classes([0, 1, 0, 1], "y").max() == 1, "half as many classes as samples"
    assert classes([0, 1, 2], "y").tolist() == [0, 1, 2], "too few samples to tell"
    assert numbered([0, 1, 2, 3], "y").tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("labels", [np.zeros((3, 2)), [], 5, np.zeros((0,)), None])
def test_labels_that_are_no_vector_are_refused_with_their_shape(labels) -> None:
    with pytest.raises(DataError, match=r"must be a vector.*got shape"):
        classes(labels, "y")


def test_complex_labels_are_refused() -> None:
    with pytest.raises(DataError, match="whole numbers or words, got dtype complex128"):
        classes(np.ones(4, complex), "y")


def test_one_hot_matrix_of_samples_in_rows_or_columns_gives_its_classes() -> None:
    one_hot = np.eye(3)[[2, 0, 1, 1]]
    for matrix in (one_hot, one_hot.T, one_hot.astype(bool), (5 * one_hot).astype(np.uint8)):
        assert from_one_hot(matrix, 4).tolist() == [2, 0, 1, 1]


@pytest.mark.parametrize(
    "array", [np.ones((4, 3)), np.eye(4)[:, :3], np.arange(12.0).reshape(4, 3), np.ones((4, 1)), np.ones(4), np.eye(5)]
)
def test_what_is_not_one_hot_is_left_alone(array) -> None:
    assert from_one_hot(array, 4) is None
