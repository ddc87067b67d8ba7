"""Arrays in .npz and .npy: what is read, and what a damaged or hostile file gets."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from nmfbench.datasets.formats import arrays, limits, parts
from nmfbench.errors import DataError

DENSE = np.arange(12.0).reshape(3, 4)
SPARSE = scipy.sparse.csr_array(np.array([[0, 2, 0, 1], [0, 0, 0, 0], [3, 0, 4, 0]]))


def npy(descr: str = "'<f8'", shape: str = "(3, 4)", data: bytes = DENSE.tobytes()) -> bytes:
    """The bytes of an .npy with this header."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode() + b"\n"
    return b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + data


def packed(path: Path, members: dict[str, bytes | np.ndarray], compression: int = zipfile.ZIP_STORED) -> Path:
    """Write an .npz with these members."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            if isinstance(content, np.ndarray):
                file = io.BytesIO()
                np.save(file, content)
                content = file.getvalue()
            archive.writestr(f"{name}.npy", content)
    return path


def sparse_members(**replaced: Any) -> dict[str, np.ndarray]:
    """The members that scipy writes for SPARSE, some replaced."""
    members = {"format": np.array(b"csr"), "shape": np.array(SPARSE.shape), "data": SPARSE.data}
    members |= {"indices": SPARSE.indices, "indptr": SPARSE.indptr}
    return members | {name: np.asarray(value) for name, value in replaced.items()}


@pytest.mark.parametrize(
    "array",
    [
        DENSE,
        np.asfortranarray(DENSE),
        DENSE.astype(">f4"),
        DENSE[:0],
        np.array(5),
        np.arange(24, dtype=">i2").reshape(2, 3, 4),
        DENSE + 1j,
        DENSE > 3,
        DENSE.astype(np.float16),
        np.array(["ann", "böb"]),
        np.array(["x"], dtype=">U3"),
    ],
    ids=repr,
)
def test_npy_is_read_in_this_machines_byte_order(array: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    read = arrays.read_npy(tmp_path / "a.npy").arrays[""]
    assert read.dtype == array.dtype.newbyteorder("=") and read.dtype.isnative
    np.testing.assert_array_equal(read, array)


def test_bytes_become_texts(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[b"ann", "böb".encode()]]))
    assert arrays.read_npy(tmp_path / "a.npy").arrays[""].tolist() == [["ann", "böb"]]


REFUSED = {
    "empty": (b"", "does not start as an .npy does"),
    "other": (b"PK\3\4 something else", "does not start as an .npy does"),
    "terabytes": (npy(shape="(1000000, 1000000)"), "declares 8,000,000,000,000 bytes of data, but there are 96"),
    "too short": (npy(data=DENSE.tobytes()[:-1]), "declares 96 bytes of data, but there are 95"),
    "too long": (npy(data=DENSE.tobytes() + b"1"), "declares 96 bytes of data, but there are 97"),
    "negative": (npy(shape="(-3, -4)"), "its header cannot be read"),
    "long header": (b"\x93NUMPY\2\0\xff\xff\xff\xff" + b" " * 99, "its header declares 4,294,967,295 bytes"),
    "brackets": (npy(shape="(" * 9000), "its header cannot be read"),
    "no itemsize": (npy("'<U0'", "(99999999999,)", b""), "its header cannot be read"),
    "objects": (npy("'|O'"), "objects, which are pickles and run code"),
    "records": (npy("[('a', '<f8'), ('b', '<f8')]", "(6,)"), "an array of records"),
    "hidden records": (npy("'f8,f8'", "(6,)"), "its header cannot be read"),
    "dates": (npy("'<M8[s]'"), "it holds dates"),
    "raw": (npy("'|V8'"), "raw bytes of a type that numpy does not know"),
    "characters": (npy("'<U1'", "(1,)", b"\xff\xff\xff\xff"), "characters that do not exist"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_npy_that_cannot_be_read_is_refused_with_the_reason(case: str, tmp_path: Path) -> None:
    content, message = REFUSED[case]
    (tmp_path / "broken.npy").write_bytes(content)
    with pytest.raises(DataError, match=rf"broken\.npy cannot be read as \.npy: .*{message}"):
        arrays.read_npy(tmp_path / "broken.npy")


def test_members_that_cannot_be_read_are_named_beside_the_others(tmp_path: Path) -> None:
    damaged = npy(data=DENSE.tobytes()[:-1])
    path = packed(tmp_path / "a.npz", {"X": DENSE, "y": np.arange(3), "bad": damaged, "objects": npy("'|O'")})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("README", "text")
    found = arrays.read_npz(path)
    np.testing.assert_array_equal(found.arrays["X"], DENSE)
    assert found.arrays["y"].tolist() == [0, 1, 2] and [*found.arrays] == ["X", "y"]
    assert found.unreadable["bad"] == "it is damaged: it declares 96 bytes of data, but there are 95"
    assert "pickles" in found.unreadable["objects"] and found.unreadable["README"] == "it is not an array (.npy)"


def test_no_pickle_is_loaded(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return Path.touch, (str(tmp_path / "run"),)

    np.savez(tmp_path / "a.npz", X=DENSE, bomb=np.array([Bomb()], dtype=object))
    found = arrays.read_npz(tmp_path / "a.npz")
    assert [*found.arrays] == ["X"] and [*found.unreadable] == ["bomb"] and not (tmp_path / "run").exists()


def test_flipped_byte_in_a_member_is_noticed(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.npz", {"X": DENSE, "y": np.arange(3)})
    content = bytearray(path.read_bytes())
    content[content.index(DENSE.tobytes()) + 5] ^= 1
    path.write_bytes(content)
    found = arrays.read_npz(path)
    assert [*found.arrays] == ["y"] and "Bad CRC-32" in found.unreadable["X"]


def test_wrong_length_that_hides_other_arrays_is_noticed(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.npz", {"X": DENSE, "y": np.arange(3)})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 32] = 51  # the length of a comment, which swallows the second entry
    path.write_bytes(content)
    with pytest.raises(
        DataError, match=r"a\.npz cannot be read as \.npz: it declares 2 arrays, 1 of them can be found"
    ):
        arrays.read_npz(path)


def test_file_without_a_readable_array_is_refused_by_name(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.npz", {"X": npy("'|O'")})
    with pytest.raises(DataError, match=r"no array of .*a\.npz can be read: X: it holds objects"):
        arrays.read_npz(path)
    packed(path, {})
    with pytest.raises(DataError, match=r"a\.npz holds no array"):
        arrays.read_npz(path)
    path.write_bytes(packed(path, {"X": DENSE}).read_bytes()[:-30])
    with pytest.raises(DataError, match=r"a\.npz cannot be read as \.npz: .*; get or write the file again"):
        arrays.read_npz(path)
    with pytest.raises(DataError, match=r"missing\.npz cannot be opened: No such file"):
        arrays.read_npz(tmp_path / "missing.npz")


def test_what_a_member_or_all_members_unpack_to_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zeros = np.zeros(100_000)
    path = packed(tmp_path / "a.npz", {"y": np.arange(3), "X": zeros, "Z": zeros}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(limits, "largest", lambda: 1_000_000)
    found = arrays.read_npz(path)
    assert [*found.arrays] == ["y", "X"] and "more than half of this machine's memory" in found.unreadable["Z"]
    monkeypatch.setattr(limits, "largest", lambda: 700_000)
    assert [*arrays.read_npz(path).arrays] == ["y"]


def test_member_that_declares_terabytes_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.npz", {"y": np.arange(3), "X": npy(shape="(1000000, 1000000)")})
    content = path.read_bytes()
    # The sizes in the list of members say what the header says.
    at = content.rindex(b"PK\1\2")
    path.write_bytes(content[: at + 20] + b"\xfe\xff\xff\xff\xfe\xff\xff\xff" + content[at + 28 :])
    assert arrays.read_npz(path).unreadable.keys() == {"X"}


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "dia", "bsr"])
@pytest.mark.parametrize("compressed", [False, True])
def test_sparse_matrix_of_each_kind_is_what_scipy_wrote(kind: str, compressed: bool, tmp_path: Path) -> None:
    written = np.kron(SPARSE.toarray(), [[1, 2], [0, 3]])
    array = getattr(scipy.sparse, f"{kind}_array")(written)
    scipy.sparse.save_npz(tmp_path / "s.npz", array, compressed=compressed)
    found = arrays.read_npz(tmp_path / "s.npz")
    assert [*found.arrays] == [""] and found.arrays[""].format == ("csr" if kind == "csr" else "csc")
    np.testing.assert_array_equal(found.arrays[""].toarray(), written)


def test_labels_beside_a_sparse_matrix_are_kept(tmp_path: Path) -> None:
    found = arrays.read_npz(packed(tmp_path / "a.npz", sparse_members(y=[1, 2, 3], _is_array=True)))
    assert found.arrays["y"].tolist() == [1, 2, 3] and {*found.arrays} == {"X", "y"}
    np.testing.assert_array_equal(found.arrays["X"].toarray(), SPARSE.toarray())
    assert {*arrays.read_npz(packed(tmp_path / "a.npz", sparse_members(X=DENSE))).arrays} == {"", "X"}


def test_indices_may_be_unsorted_and_twice(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.npz", sparse_members(indices=[3, 1, 2, 2], data=np.full(4, 200, np.uint8)))
    read = arrays.read_npz(path).arrays[""]
    assert read.toarray().tolist() == [[0, 200, 0, 200], [0, 0, 0, 0], [0, 0, 400, 0]]


BAD_PARTS = {
    "beyond": ({"indices": [1, 3, 0, 4]}, "indices must lie in 0 … 3, but they reach from 0 to 4"),
    "negative": ({"indices": [1, 3, 0, -1]}, "indices must lie in 0 … 3, but they reach from -1 to 3"),
    "float": ({"indices": [1.0, 3, 0, 2]}, "indices must be a vector of integers, got float64"),
    "huge": ({"indices": np.array([1, 3, 0, 2**63], np.uint64)}, "indices holds 9223372036854775808"),
    "2-D": ({"indices": [[1, 3, 0, 2]]}, "indices must be a vector of integers"),
    "short indptr": ({"indptr": [0, 2, 4]}, "indptr has 3 numbers, but rows need 4"),
    "falling indptr": ({"indptr": [0, 4, 2, 4]}, "indptr must rise from 0 to at most 4"),
    "long indptr": ({"indptr": [0, 2, 2, 5]}, "indptr must rise from 0 to at most 4"),
    "negative indptr": ({"indptr": [-1, 2, 2, 4]}, "indptr must rise from 0"),
    "short data": ({"data": [1.0]}, "data has 1 numbers, but indices has 4"),
    "words": ({"data": ["a", "b", "c", "d"]}, "must be a vector of numbers"),
    "one size": ({"shape": [3]}, "the shape of a sparse matrix must be two sizes"),
    "negative size": ({"shape": [3, -4]}, "the shape of a sparse matrix must be two sizes"),
    "wide": ({"shape": [3, 2**62]}, "a sparse matrix of 3 × .* declares .* GiB"),
    "objects": ({"indices": np.zeros(0)}, "indices must be a vector of integers"),
}


@pytest.mark.parametrize("case", BAD_PARTS)
def test_sparse_matrix_whose_parts_do_not_fit_is_refused(case: str, tmp_path: Path) -> None:
    replaced, message = BAD_PARTS[case]
    path = packed(tmp_path / "s.npz", sparse_members(**replaced, y=[1, 2, 3]))
    with pytest.raises(DataError, match=rf"s\.npz: the sparse matrix cannot be read: .*{message}"):
        arrays.read_npz(path)


def test_small_file_cannot_ask_for_a_large_matrix_of_blocks_or_diagonals(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="declares"):
        parts.blocks(np.ones((1, 1, 1)), [0], [0, 1], [10**12, 10**12])
    with pytest.raises(DataError, match=r"blocks of shape \(1, 2, 2\) do not fill 3 × 4"):
        parts.blocks(np.ones((1, 2, 2)), [0], [0, 1], [3, 4])
    with pytest.raises(DataError, match="declares"):
        parts.diagonals(np.ones((1, 1)), [0], [10**12, 10**12])
    with pytest.raises(DataError, match="a diagonal lies outside of 3 × 4"):
        parts.diagonals(np.ones((1, 4)), [-(2**63)], [3, 4])
    with pytest.raises(DataError, match="row numbers must lie in 0 … 2"):
        parts.coordinates([1.0], [3], [0], [3, 4])


def test_one_long_text_among_many_is_refused_before_memory_is_taken() -> None:
    with pytest.raises(DataError, match="an array of texts declares"):
        parts.texts(["x" * 10**6, *["y"] * 10**6])
