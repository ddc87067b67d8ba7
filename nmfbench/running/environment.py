"""The program, versions and machine that a run is made with."""

import os
import platform
import subprocess
import time
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nmfbench import __version__
from nmfbench.config import CONFIG_DIR


def of_run(threads: int, device: str) -> dict[str, Any]:
    """The program, versions and machine that a run was made with."""
    return {
        "nmfbench": __version__,
        **_program(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "scikit-learn": version("scikit-learn"),  # its import takes a second, and a fit needs none of it
        "system": platform.platform(),
        "cpu": _cpu(),
        "cores": cores(),
        "gpu": torch.cuda.get_device_name(device) if device.startswith("cuda") else None,
        "device": device,
        "float32_products": torch.get_float32_matmul_precision(),
        "threads": threads,
        "openmp_waits": os.environ.get("OMP_WAIT_POLICY", "spinning").lower(),
        "kmeans_threads": 1,
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def cores() -> int:
    """The cores that this process may use: a scheduler may have given it a part of the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def git_state(root: Path) -> dict[str, Any]:
    """Commit of the checkout in that folder, and whether its code or configs differ from the commit.

    Results, notes and a user's data do not count: they change no number.
    """

    def git(*arguments: str) -> str | None:
        try:
            command = ["git", "-C", str(root), *arguments]
            return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            return None

    if not (root / ".git").exists():
        return {"commit": None, "dirty": None}
    status = git("status", "--porcelain", "--", "nmfbench", "configs", "pyproject.toml", "constraints.txt")
    return {"commit": git("rev-parse", "HEAD"), "dirty": None if status is None else bool(status)}


@cache  # git takes as long as a small fit
def _program() -> dict[str, Any]:
    return git_state(CONFIG_DIR.parent)


@cache
def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
