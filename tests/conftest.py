"""Fixtures that more than one test file needs."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

# A developer's own YAMLs are not what is tested.
os.environ["NMFBENCH_CONFIG"] = str(Path(__file__).parent / "no configs here")


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Two test runs side by side must not fight for cores, and equal thread counts give equal bits."""
    torch.set_num_threads(1)


@pytest.fixture
def X() -> np.ndarray:
    """A non-negative (13 features, 29 samples) matrix: m ≠ n ≠ any rank here, so that a slip fails on its shape."""
    return np.random.default_rng(0).uniform(0.01, 1, (13, 29))


@pytest.fixture
def data_dir() -> str:
    """The folder of real data that the environment names."""
    folder = os.environ.get("NMFBENCH_DATA")
    if not folder:
        pytest.skip("NMFBENCH_DATA does not name a folder with the real data")
    return folder
