"""Fixtures that more than one test file needs."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

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
