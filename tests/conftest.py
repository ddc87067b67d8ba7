"""Fixtures that more than one test file needs."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

if TYPE_CHECKING:
    from web import Server

# Tables as wide as they are, whatever terminal the tests run in.
os.environ["COLUMNS"] = "300"
# A developer's own YAMLs are not what is tested.
os.environ["NMFBENCH_CONFIG"] = str(Path(__file__).parent / "no configs here")


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Two test runs side by side must not fight for cores, and equal thread counts give equal bits."""
    torch.set_num_threads(1)


@pytest.fixture
def X() -> np.ndarray:
    """The matrix of the contract; a test may change its copy."""
    from contract import matrix  # lists the solvers, which needs the environment as it is set above

    return matrix()


@pytest.fixture
def data_dir() -> str:
    """The folder of real data that the environment names."""
    folder = os.environ.get("NMFBENCH_DATA")
    if not folder:
        pytest.skip("NMFBENCH_DATA does not name a folder with the real data")
    return folder


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of data that the environment names; it is empty."""
    monkeypatch.setenv("NMFBENCH_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with folders of their own for data and configs, whose names hold what a shell or Hydra might trip over."""
    monkeypatch.setenv("NMFBENCH_DATA", str(tmp_path / "my data"))
    monkeypatch.setenv("NMFBENCH_CONFIG", str(tmp_path / "my, 'con=fig'"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=lambda seconds: None))
    return tmp_path


@pytest.fixture
def server() -> Iterator["Server"]:
    """A server of this machine that answers each path in its own way."""
    from web import Answer, Server

    with Server(("127.0.0.1", 0), Answer) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def configs(tmp_path: Path) -> list[str]:
    """The arguments that make `solver=troubled` known, from a folder of its own."""
    (tmp_path / "my configs" / "solver").mkdir(parents=True)
    yaml = "_target_: troubled.Troubled\nrank: 2\nraises: -1\ndiverges: -1\ninterrupted: -1\n"
    (tmp_path / "my configs" / "solver" / "troubled.yaml").write_text(yaml)
    return ["--config-dir", str(tmp_path / "my configs"), "solver=troubled"]
