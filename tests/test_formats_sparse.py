"""Sparse matrices in text: Matrix Market, folders of 10x Genomics and svmlight."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from nmfbench.datasets.formats import apart, limits, sparse
from nmfbench.errors import DataError

X = np.array([[0, 2, 0, 1.5], [0, 0, 0, 0], [3, 0, 4, 0]])
REAL = "%%MatrixMarket matrix coordinate real general\n% a comment\n"


def written(path: Path, text: str) -> Path:
    """Write a text, gzipped if the name ends in .gz."""
    content = text.encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["a.mtx", "a.mtx.gz", "a.txt"])
def test_matrix_market_is_what_scipy_wrote(name: str, tmp_path: Path) -> None:
    scipy.io.mmwrite(tmp_path / "plain.mtx", scipy.sparse.coo_array(X))
    read = sparse.read_mtx(written(tmp_path / name, (tmp_path / "plain.mtx").read_text()))
    assert [*read.arrays] == [""] and read.arrays[""].format == "csc" and read.sentences == ()
    np.testing.assert_array_equal(read.arrays[""].toarray(), X)


FORMS = {
    "pattern": ("coordinate pattern general\n2 3 2\n1 3\n2 1\n", [[0, 0, 1], [1, 0, 0]]),
    "integer": ("coordinate integer general\n2 2 1\n2 1 7\n", [[0, 0], [7, 0]]),
    "symmetric": ("coordinate real symmetric\n2 2 2\n1 1 5\n2 1 .5\n", [[5, 0.5], [0.5, 0]]),
    "skew": ("coordinate real skew-symmetric\n2 2 1\n2 1 3\n", [[0, -3], [3, 0]]),
    "complex": ("coordinate complex general\n2 2 1\n2 1 3 -1\n", [[0, 0], [3 - 1j, 0]]),
    "array": ("array real general\n2 2\n1\n2\n3\n4e1\n", [[1, 3], [2, 40]]),
    "symmetric array": ("array real symmetric\n2 2\n1\n2\n3\n", [[1, 2], [2, 3]]),
    "twice": ("coordinate real general\n2 2 2\n1 1 2\n1 1 3\n", [[5, 0], [0, 0]]),
    "empty": ("coordinate real general\n2 2 0\n", [[0, 0], [0, 0]]),
}


@pytest.mark.parametrize("case", FORMS)
def test_every_form_of_matrix_market_is_read(case: str, tmp_path: Path) -> None:
    text, expected = FORMS[case]
    found = sparse.read_mtx(written(tmp_path / "a.mtx", f"%%MatrixMarket matrix {text}"))
    read = found.arrays[""]
    assert scipy.sparse.issparse(read) != ("array" in case)
    np.testing.assert_array_equal(read.toarray() if scipy.sparse.issparse(read) else read, expected)
    assert found.sentences == (("a.mtx is a pattern: each entry is 1",) if case == "pattern" else ())


BAD_MATRICES = {
    "empty": ("", "does not start as a Matrix Market file does"),
    "no banner": ("3 3 1\n1 1 2\n", "does not start as a Matrix Market file does"),
    "unknown field": ("%%MatrixMarket matrix coordinate words general\n1 1 0\n", "does not start as"),
    "no sizes": ("%%MatrixMarket matrix coordinate real general\n", "its sizes cannot be read"),
    "two sizes": (REAL + "3 3\n1 1 2\n", "its sizes cannot be read from '3 3'"),
    "negative size": (REAL + "3 -3 1\n1 1 2\n", "its sizes cannot be read"),
    "not square": ("%%MatrixMarket matrix coordinate real symmetric\n2 3 0\n", "says symmetric, but has 2 × 3"),
    "wide": (REAL + "3 900000000000 1\n1 1 2\n", "3 × 900000000000 declares"),
    "many entries": (REAL + "3 3 2000000\n1 1 2\n", "declares 2,000,000 entries, its size allows"),
    "many numbers": ("%%MatrixMarket matrix array real general\n3000 3000\n1\n", "declares 9,000,000 entries"),
    "terabytes": ("%%MatrixMarket matrix array real general\n900000000 900000000\n1\n", "GiB"),
    "too few": (REAL + "3 3 3\n1 1 2\n2 2 5\n", "Truncated file"),
    "too many": (REAL + "3 3 1\n1 1 2\n2 2 5\n", "Too many lines"),
    "row beyond": (REAL + "3 3 1\n4 1 2\n", "Line 4: Row index out of bounds"),
    "row 0": (REAL + "3 3 1\n0 1 2\n", "Line 4: Row index out of bounds"),
    "word": (REAL + "3 3 1\n1 1 x\n", r"(Line|line) 4\b"),
    "word in array": ("%%MatrixMarket matrix array real general\n2 2\n1\n2\n3.5\0.1\n4\n", r"(Line|line) 5\b"),
    "cut line": (REAL + "3 3 2\n1 1 2\n2\n", r"(Line|line) 5\b"),
}


@pytest.mark.parametrize("name", ["bad.mtx", "bad.mtx.gz"])
@pytest.mark.parametrize("case", BAD_MATRICES)
def test_damaged_matrix_market_is_refused_with_the_reason(case: str, name: str, tmp_path: Path) -> None:
    text, message = BAD_MATRICES[case]
    if "allows" in message and name.endswith(".gz"):
        pytest.skip("so many entries might be in a gzipped file")
    with pytest.raises(DataError, match=rf"(?s)(bad\.mtx.*|^a sparse matrix of ){message}"):
        sparse.read_mtx(written(tmp_path / name, text))


def test_gzipped_file_that_is_cut_is_refused_by_name(tmp_path: Path) -> None:
    whole = gzip.compress((REAL + "3 3 1\n1 1 2\n").encode())
    for reader in (sparse.read_mtx, sparse.read_svmlight):
        for content in (whole[:-12], whole[:20] + b"\xff\xff" + whole[22:], whole[:5]):
            (tmp_path / "bad.gz").write_bytes(content)
            with pytest.raises(DataError, match=r"bad\.gz (cannot be read|does not start|is damaged)"):
                reader(tmp_path / "bad.gz")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of 10x Genomics, version 3: 3 genes, 4 cells."""
    scipy.io.mmwrite(tmp_path / "plain.mtx", scipy.sparse.coo_array(X))
    written(tmp_path / "matrix.mtx.gz", (tmp_path / "plain.mtx").read_text())
    written(tmp_path / "barcodes.tsv.gz", "AA-1\nAC-1\nAG-1\nAT-1\n")
    rows = ("ENSG1\tCD3\tGene Expression", "ENSG2\tCD4\tGene Expression", "ENSG3\tCD8\tAntibody Capture")
    written(tmp_path / "features.tsv.gz", "\n".join(rows) + "\n")
    return tmp_path


def test_10x_folder_has_features_in_rows_and_their_names(folder: Path) -> None:
    found = sparse.read_10x(folder)
    np.testing.assert_array_equal(found.arrays[""].toarray(), X)
    assert found.samples == "columns" and found.feature_names == ("CD3", "CD4", "CD8")
    assert "the features are of several kinds: Antibody Capture, Gene Expression" in found.sentences


def test_10x_folder_of_version_2_is_read(folder: Path) -> None:
    (folder / "plain.mtx").rename(folder / "matrix.mtx")
    (folder / "matrix.mtx.gz").write_bytes(b"not this one")
    (folder / "features.tsv.gz").unlink()
    written(folder / "genes.tsv", "ENSG1\nENSG2\nENSG3")
    assert sparse.read_10x(folder).feature_names == ("ENSG1", "ENSG2", "ENSG3")


def test_10x_folder_whose_files_disagree_is_refused_by_file(folder: Path) -> None:
    whole = (folder / "barcodes.tsv.gz").read_bytes()
    written(folder / "barcodes.tsv.gz", "AA-1\nAC-1\n")
    with pytest.raises(DataError, match=r"barcodes\.tsv\.gz has 2 lines, but .*matrix\.mtx\.gz has 4 columns"):
        sparse.read_10x(folder)
    (folder / "barcodes.tsv.gz").write_bytes(whole[:-9])
    with pytest.raises(DataError, match=r"barcodes\.tsv\.gz cannot be read"):
        sparse.read_10x(folder)
    (folder / "barcodes.tsv.gz").write_bytes(whole)
    written(folder / "plain.mtx", (folder / "plain.mtx").read_text().replace("\n3 4 ", "\n4 4 "))
    (folder / "plain.mtx").rename(folder / "matrix.mtx")
    with pytest.raises(DataError, match=r"features\.tsv\.gz has 3 lines, but .*matrix\.mtx has 4 rows"):
        sparse.read_10x(folder)
    (folder / "matrix.mtx").unlink()
    (folder / "features.tsv.gz").write_bytes(gzip.compress(b"a\nb\n\xff\n"))
    with pytest.raises(DataError, match=r"features\.tsv\.gz, line 3: this is not UTF-8"):
        sparse.read_10x(folder)
    (folder / "features.tsv.gz").unlink()
    with pytest.raises(DataError, match=r"has no features\.tsv or genes\.tsv, nor that with \.gz"):
        sparse.read_10x(folder)


def test_transposed_10x_matrix_is_recognised(folder: Path) -> None:
    scipy.io.mmwrite(folder / "matrix.mtx", scipy.sparse.coo_array(X.T))
    with pytest.raises(DataError, match="the matrix seems to be transposed"):
        sparse.read_10x(folder)


@pytest.mark.parametrize("name", ["a.svm", "a.svm.gz", "a.txt"])
def test_svmlight_gives_the_matrix_and_its_labels(name: str, tmp_path: Path) -> None:
    text = "# made by hand\n+1 1:2 3:4.5\n-1 qid:3 2:1e1 # a comment: 1:2\n\n2\n"
    found = sparse.read_svmlight(written(tmp_path / name, text))
    assert found.y == "y" and found.arrays["y"].tolist() == [1, -1, 2] and found.arrays["y"].dtype == np.int64
    assert found.arrays[""].toarray().tolist() == [[2, 0, 4.5], [0, 10, 0], [0, 0, 0]]


def test_labels_of_svmlight_that_are_not_whole_stay_so(tmp_path: Path) -> None:
    found = sparse.read_svmlight(written(tmp_path / "a.svm", "0.5 1:2\n1 1:3\n"))
    assert found.arrays["y"].tolist() == [0.5, 1]


BAD_SAMPLES = {
    "empty": ("", "holds no samples"),
    "comment": ("# nothing\n", "holds no samples"),
    "word": ("1 1:2\n\n2 1:x\n", r"line 3, '2 1:x', is not one label and index:value"),
    "labels": ("1 1:2\n1,2 1:3\n", r"line 2, '1,2 1:3', is not one label"),
    "word as label": ("spam 1:2\n", r"line 1, 'spam 1:2', is not one label"),
    "falling": ("1 3:2 1:1\n", "should be sorted and unique"),
    "negative": ("1 -3:2\n", r"line 1, '1 -3:2'"),
    "bytes": ("1 1:2\n\0\x01\n", "line 2"),
}


@pytest.mark.parametrize("case", BAD_SAMPLES)
def test_damaged_svmlight_is_refused_with_its_line(case: str, tmp_path: Path) -> None:
    text, message = BAD_SAMPLES[case]
    with pytest.raises(DataError, match=rf"bad\.svm.*{message}"):
        sparse.read_svmlight(written(tmp_path / "bad.svm", text))


def test_svmlight_that_declares_too_many_features_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.svm", "1 2000000000:1\n")
    monkeypatch.setattr(limits, "largest", lambda: 10**9)
    with pytest.raises(DataError, match=r"a sparse matrix of 1 × 2000000000 declares 14\.9 GiB"):
        sparse.parse_svmlight(path)


HEADS = {
    b"1 1:2 3:4.5\n-1 2:5\n": True,
    b"# a comment\n+1 qid:3 1:2 # more\n\n0\n": True,
    b"1,3 1:2\n2 2:1\n": True,
    b"1 12:30\n2 12:3": True,
    b"1 1:2\n2 3:4 cut her": True,
    b"a,b\n1,2\n": False,
    b"1 2 3\n4 5 6\n": False,
    b"12:30 3\n12:31 4\n": False,
    b"1 1:2\nspam\n": False,
    b"5\n6\n": False,
    b"": False,
    b"\x89HDF\r\n\x1a\n": False,
}


@pytest.mark.parametrize("head", HEADS)
def test_svmlight_is_recognised_by_its_first_lines(head: bytes) -> None:
    assert sparse.looks_like_svmlight(head) == HEADS[head]


def test_crash_without_a_bad_line_is_said_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(kind: str, path: Path) -> None:
        raise apart.ReaderEnded(f"{path} is damaged: reading it ended the reading process (signal SIGSEGV)")

    monkeypatch.setattr(apart, "read", ended)
    with pytest.raises(DataError, match=r"signal SIGSEGV"):
        sparse.read_mtx(written(tmp_path / "a.mtx", REAL + "3 3 1\n1 1 2\n"))
    with pytest.raises(DataError, match=r"a\.mtx: line 5, '1 1 2\.\.', is no entry of a matrix"):
        sparse.read_mtx(written(tmp_path / "a.mtx", REAL + "3 3 2\n1 1 2\n1 1 2..\n"))
