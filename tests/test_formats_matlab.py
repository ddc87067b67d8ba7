"""MATLAB's .mat of every version, and the process apart in which it is read."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from nmfbench.datasets.formats import apart
from nmfbench.errors import ConfigError, DataError

ROOT = Path(__file__).resolve().parents[1]
X = np.arange(12.0).reshape(3, 4)
SPARSE = scipy.sparse.csc_array(np.array([[0, 2, 0, 1], [0, 0, 0, 0], [3, 0, 4, 0.5]]))


def cells(*items: Any) -> np.ndarray:
    """A cell array, 1 × n."""
    array = np.empty((1, len(items)), dtype=object)
    array[0, :] = items
    return array


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A file with a matrix of 3 × 4."""
    scipy.io.savemat(tmp_path / "good.mat", {"X": X})
    return tmp_path / "good.mat"


@pytest.fixture
def crashing(tmp_path: Path) -> Path:
    """A file with one wrong byte, a type in a sparse matrix, on which scipy crashes."""
    scipy.io.savemat(tmp_path / "crashing.mat", {"S": SPARSE})
    content = bytearray((tmp_path / "crashing.mat").read_bytes())
    at = content.index(np.array([5, 20], "<i4").tobytes())  # the pointers of the columns: int32, 20 bytes
    content[at] = 0
    (tmp_path / "crashing.mat").write_bytes(content)
    return tmp_path / "crashing.mat"


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """A file whose reading never ends: a pipe without a writer."""
    os.mkfifo(tmp_path / "endless.mat")
    return tmp_path / "endless.mat"


@pytest.mark.parametrize("options", [{}, {"do_compression": True}, {"format": "4"}], ids=str)
def test_matrices_and_texts_are_what_was_saved(options: dict[str, Any], tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"X": X, "S": SPARSE, "t": ["ann ", "bo"], "Z": X[:2] + 1j}, **options)
    found = apart.read("mat", tmp_path / "a.mat")
    np.testing.assert_array_equal(found.arrays["X"], X)
    np.testing.assert_array_equal(found.arrays["Z"], X[:2] + 1j)
    assert found.arrays["S"].format == "csc"
    np.testing.assert_array_equal(found.arrays["S"].toarray(), SPARSE.toarray())
    assert found.arrays["t"].tolist() == ["ann", "bo"] and not found.unreadable


def test_structs_and_cells_are_dotted(tmp_path: Path) -> None:
    people = np.array([(X, "ann"), (X[:1], "bo")], dtype=[("X", object), ("name", object)])
    inner = {"data": {"X": X, "deep": {"y": np.array([1, 2, 3], np.uint8)}}, "people": people}
    scipy.io.savemat(tmp_path / "a.mat", inner | {"views": cells(X, X[:2], cells(X[:1], X[1:]))})
    read = apart.read("mat", tmp_path / "a.mat").arrays
    shapes = {"data.X": (3, 4), "data.deep.y": (1, 3), "people.1.X": (3, 4), "people.1.name": (1,)}
    shapes |= {"people.2.X": (1, 4), "people.2.name": (1,), "views.1": (3, 4), "views.2": (2, 4)}
    assert {key: value.shape for key, value in read.items()} == shapes | {"views.3.1": (1, 4), "views.3.2": (2, 4)}
    np.testing.assert_array_equal(read["views.3.2"], X[1:])
    assert read["data.deep.y"].dtype == np.uint8 and read["people.2.name"].tolist() == ["bo"]


def test_cell_array_of_words_is_one_array(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"y": cells("ann", "", "böb ").T, "mixed": cells("ann", X), "none": cells()})
    found = apart.read("mat", tmp_path / "a.mat")
    assert found.arrays["y"].tolist() == ["ann", "", "böb"]
    assert {*found.arrays} == {"y", "mixed.1", "mixed.2"} and found.unreadable == {"none": "it is an empty cell array"}


def test_nesting_has_an_end(tmp_path: Path) -> None:
    nested: Any = X
    for _ in range(30):
        nested = {"a": nested}
    scipy.io.savemat(tmp_path / "a.mat", {"X": X, "s": nested}, long_field_names=True)
    found = apart.read("mat", tmp_path / "a.mat")
    assert [*found.arrays] == ["X"] and "nested too deeply" in next(iter(found.unreadable.values()))


def test_sparse_matrix_with_wrong_indices_is_refused(tmp_path: Path) -> None:
    wrong = SPARSE.copy()
    wrong.indices[:] = [2, 0, 2, 0, 7]
    scipy.io.savemat(tmp_path / "a.mat", {"X": X, "S": wrong})
    found = apart.read("mat", tmp_path / "a.mat")
    assert [*found.arrays] == ["X"] and "indices must lie in 0 … 2" in found.unreadable["S"]


@pytest.mark.parametrize("content", [b"", b"MATLAB 5.0", b"\0" * 4000, b"X,y\n1,2\n" * 100], ids=len)
def test_what_is_no_mat_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "broken.mat").write_bytes(content)
    with pytest.raises(DataError, match=r"broken\.mat.*(cannot be read|holds no array|can be read)"):
        apart.read("mat", tmp_path / "broken.mat")


def test_wrong_length_that_hides_other_variables_is_noticed(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"X": X, "y": X[0]})
    content = bytearray((tmp_path / "a.mat").read_bytes())
    content[134] = 1  # the length of X, past the end
    (tmp_path / "a.mat").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.mat cannot be read as \.mat: a variable ends beyond the file"):
        apart.read("mat", tmp_path / "a.mat")


def mat73(path: Path) -> Path:
    """A file of MATLAB 7.3, as MATLAB lays it out: columns first, cells by reference."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:

        def put(name: str, value: Any, kind: str, **attributes: Any) -> Any:
            file[name] = value
            file[name].attrs.update({"MATLAB_class": np.bytes_(kind), **attributes})
            return file[name].ref

        codes = [np.array([[ord(letter)] for letter in word], np.uint16) for word in ("ann", "böb")]
        put("X", X.T, "double")
        put("t", codes[0], "char", MATLAB_int_decode=2)
        put("e", np.array([0, 4], np.uint64), "double", MATLAB_empty=np.uint8(1))
        put("when", np.arange(6, dtype=np.uint32), "datetime", MATLAB_object_decode=np.int32(3))
        pairs = np.zeros((4, 3), [("real", "f8"), ("imag", "f8")])
        pairs["real"], pairs["imag"] = X.T, 1
        put("Z", pairs, "double")
        words = [put(f"#refs#/w{i}", word, "char") for i, word in enumerate(codes)]
        words.append(put("#refs#/w2", np.array([0, 0], np.uint64), "char", MATLAB_empty=np.uint8(1)))
        put("y", np.array([words], dtype=h5py.ref_dtype), "cell")
        views = [put("#refs#/v0", X.T, "double"), put("#refs#/v1", X[:2].T, "double")]
        put("views", np.array([[view] for view in views], dtype=h5py.ref_dtype), "cell")
        struct = file.create_group("data")
        struct.attrs["MATLAB_class"] = np.bytes_("struct")
        struct["X"] = X.T
        file["S/data"], file["S/ir"], file["S/jc"] = (
            SPARSE.data,
            SPARSE.indices.astype("u8"),
            SPARSE.indptr.astype("u8"),
        )
        file["S"].attrs.update({"MATLAB_class": np.bytes_("double"), "MATLAB_sparse": np.uint64(3)})
        file["N/jc"] = np.zeros(5, np.uint64)
        file["N"].attrs.update({"MATLAB_class": np.bytes_("double"), "MATLAB_sparse": np.uint64(3)})
    return path


def test_version_73_is_read_as_the_others_are(tmp_path: Path) -> None:
    found = apart.read("mat", mat73(tmp_path / "a.mat"))
    read = found.arrays
    assert {*read} == {"X", "t", "e", "Z", "y", "views.1", "views.2", "data.X", "S", "N"}
    for name in ("X", "views.1", "data.X"):
        np.testing.assert_array_equal(read[name], X)
    np.testing.assert_array_equal(read["Z"], X + 1j)
    np.testing.assert_array_equal(read["views.2"], X[:2])
    np.testing.assert_array_equal(read["S"].toarray(), SPARSE.toarray())
    assert read["N"].shape == (3, 4) and read["N"].nnz == 0 and read["e"].shape == (0, 4)
    assert read["t"].tolist() == ["ann"] and read["y"].tolist() == ["ann", "böb", ""]
    assert "an object of class datetime of MATLAB; save plain arrays" in found.unreadable["when"]


def test_without_h5py_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = mat73(tmp_path / "a.mat")
    (tmp_path / "h5py.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    apart._stop()  # the next process sees that folder first
    try:
        with pytest.raises(ConfigError, match=r"a\.mat: \.mat needs h5py: pip install 'nmfbench\[formats\]'"):
            apart.read("mat", path)
    finally:
        apart._stop()


def test_file_that_crashes_scipy_is_refused_and_the_next_is_read(crashing: Path, saved: Path) -> None:
    for _ in range(2):
        ended = r"crashing\.mat is damaged: reading it ended the reading process \(signal SIG(SEGV|BUS|ABRT)\); get or"
        with pytest.raises(DataError, match=ended):
            apart.read("mat", crashing)
        np.testing.assert_array_equal(apart.read("mat", saved).arrays["X"], X)


def test_file_whose_reading_does_not_end_is_given_up(
    endless: Path, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "SECONDS", 1)
    with pytest.raises(DataError, match=r"endless\.mat: reading it was given up after 1 s"):
        apart.read("mat", endless)
    monkeypatch.undo()
    assert [*apart.read("mat", saved).arrays] == ["X"]


def test_process_that_ended_between_two_files_is_replaced(saved: Path) -> None:
    apart.read("mat", saved)
    first = apart._child.process
    first.kill()
    first.wait()
    assert [*apart.read("mat", saved).arrays] == ["X"] and apart._child.process.pid != first.pid


def test_files_that_are_read_at_once_are_not_mixed_up(tmp_path: Path) -> None:
    read: dict[int, Any] = {}

    def one(number: int) -> None:
        scipy.io.savemat(tmp_path / f"{number}.mat", {"X": np.full((2, number), number)})
        read[number] = apart.read("mat", tmp_path / f"{number}.mat").arrays["X"]

    threads = [threading.Thread(target=one, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((read[number] == np.full((2, number), number)).all() for number in range(1, 9))


def _pid_after_reading(path: Path) -> int:
    apart.read("mat", path)
    return apart._child.process.pid


@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_fork_has_a_process_of_its_own(saved: Path) -> None:
    mine = _pid_after_reading(saved)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(_pid_after_reading, (saved,)) != mine
    assert _pid_after_reading(saved) == mine


PARENT = """
import sys
from pathlib import Path
from nmfbench.datasets.formats import apart
apart.read("mat", Path(sys.argv[1]))
print(apart._child.process.pid, flush=True)
if sys.argv[2:]:
    apart.read("mat", Path(sys.argv[2]))
else:
    input()
"""


@pytest.mark.parametrize("reading", [False, True])
def test_process_does_not_outlive_a_killed_parent(reading: bool, saved: Path, endless: Path) -> None:
    if reading and sys.platform == "darwin":
        pytest.skip("macOS discards the signal that ends a reading process")
    command = [sys.executable, "-c", PARENT, str(saved), *([str(endless)] if reading else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as parent:
        pid = int(parent.stdout.readline())
        time.sleep(0.3)
        os.kill(pid, 0)
        parent.send_signal(signal.SIGKILL)
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] if os.path.isdir("/proc") else ""
            os.kill(pid, 0)
        except (ProcessLookupError, FileNotFoundError):
            return
        if state == "Z":  # ended; nobody waits for it in a container
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the reading process is still there")


def test_reading_process_imports_neither_torch_nor_the_package(saved: Path) -> None:
    apart.read("mat", saved)
    if not os.path.isdir("/proc"):
        pytest.skip("which libraries a process has loaded is read from /proc")
    assert "torch" not in Path(f"/proc/{apart._child.process.pid}/maps").read_text()
