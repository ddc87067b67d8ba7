"""Data that does not fit into memory is refused in words, before a copy of it is made."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmfbench.datasets import base
from nmfbench.datasets.file import File
from nmfbench.datasets.formats import limits
from nmfbench.errors import DataError
from nmfbench.numerics.problem import place


@dataclass(frozen=True, kw_only=True)
class Held(base.Loader):
    """Whatever the test holds."""

    give: Any = None

    def read(self) -> base.Dataset:
        return base.Dataset("mine", self.give())


def no_memory() -> np.ndarray:
    raise MemoryError


def mapped(tmp_path) -> np.ndarray:
    np.save(tmp_path / "X.npy", np.ones((30, 40), np.float32))
    return np.load(tmp_path / "X.npy", mmap_mode="r")


def test_X_whose_copy_exceeds_the_memory_is_refused_before_it_is_made(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(limits, "largest", lambda: 30 * 40 * 8 - 1)
    plain: Callable[[], np.ndarray] = lambda: np.ones((30, 40), np.uint8)  # noqa: E731
    for give in (plain, lambda: mapped(tmp_path)):
        with pytest.raises(DataError, match=r"mine: X of 30 features × 40 samples as float64.*this machine's memory"):
            Held(give=give).load()
    assert isinstance(Held(give=lambda: mapped(tmp_path), scaling="none").load().X, np.memmap)
    monkeypatch.setattr(limits, "largest", lambda: 30 * 40 * 8)
    assert Held(give=plain).load().X.dtype == np.float64


def test_memory_that_runs_out_says_how_large_X_is_and_what_the_machine_has(monkeypatch) -> None:
    with pytest.raises(DataError, match=r"Held: reading the data needs more memory.*this machine has [\d,.]+ GiB"):
        Held(give=no_memory).load()
    monkeypatch.setitem(base.SCALINGS, "max", (lambda X: no_memory(), ""))
    with pytest.raises(DataError, match=r"mine: X of 3 features × 2 samples as float64 \(0\.0 GiB\) needs more memory"):
        Held(give=lambda: np.ones((3, 2))).load()


@pytest.mark.parametrize("order", ["C", "F"])
def test_large_npy_is_mapped_and_reaches_the_solver_without_a_copy(order: str, tmp_path, monkeypatch) -> None:
    X = np.random.default_rng(0).uniform(0.1, 1, (40, 30)).astype(np.float32)
    np.save(tmp_path / "X.npy", np.asarray(X, order=order))
    read = File(path=str(tmp_path / "X.npy"), scaling="none").load()
    monkeypatch.setattr(limits, "largest", lambda: 4 * X.nbytes - 1)
    kept = File(path=str(tmp_path / "X.npy"), scaling="none").load()
    assert isinstance(kept.X, np.memmap) and not isinstance(read.X, np.memmap)
    assert np.array_equal(kept.X, X.T) and kept.sha256 == read.sha256
    placed = place(kept.X).X
    assert placed.data_ptr() == kept.X.ctypes.data and placed.stride() == tuple(s // 4 for s in kept.X.strides)
    scaled = File(path=str(tmp_path / "X.npy")).load()
    assert scaled.X.max() == 1 and not isinstance(scaled.X, np.memmap)


@pytest.mark.parametrize("name", ["online_mu", "wnnf"])
def test_fit_of_a_mapped_X_takes_a_fraction_of_its_memory(name: str, tmp_path) -> None:
    m, n = 500, 60_000
    samples = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, (n, m))
    samples[:] = np.random.default_rng(0).random((n, 1), dtype=np.float32)
    samples.flush()
    script = Path(__file__).parents[1] / "benchmarks" / "scale.py"
    arguments = json.dumps([name, 4, m, n, str(tmp_path / "X.npy")])
    ran = subprocess.run([sys.executable, script, "--child", arguments], capture_output=True, text=True, check=True)
    _, _, mib = json.loads(ran.stdout)
    assert mib * 2**20 < 0.8 * samples.nbytes  # batches are as large as those for gigabytes
