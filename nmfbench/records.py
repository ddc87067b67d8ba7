"""Records: one JSON file per (config, seed), named by its content; and the codes beside it. Knows files, not maths."""

import hashlib
import json
import os
import platform
import re
import socket
import subprocess
import time
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nmfbench.config import CONFIG_DIR
from nmfbench.errors import ConfigError
from nmfbench.evaluators.base import Fitted

SCHEMA = 1
REQUIRED = {
    "schema": int,
    "config": dict,
    "dataset": str,
    "solver": str,
    "seed": int,
    "status": str,
    "metrics": list,
    "history": list,
    "iterations": int,
    "data": dict,
    "seconds": (int, float),
    "environment": dict,
}
Record = dict[str, Any]


@dataclass(frozen=True)
class Unreadable:
    """A file among the records that does not count, and why."""

    path: Path
    reason: str


def digest(config: dict[str, Any]) -> str:
    """16 hexadecimal digits of the sha256 of the config's canonical JSON."""
    return hashlib.sha256(json.dumps(config, sort_keys=True, allow_nan=False).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Store:
    """The records under one results folder."""

    root: Path

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    def ensure_writable(self) -> None:
        """Make the folders; raise ConfigError now rather than after an hour's computation."""
        try:
            for folder in (self.runs, self.root / "tables"):
                folder.mkdir(parents=True, exist_ok=True)
                probe = folder / _temporary("probe")
                probe.write_text("")
                probe.unlink()
        except OSError as error:
            raise ConfigError(f"results_dir={self.root} cannot be written to: {error.strerror or error}") from error
        for path in self.runs.rglob(".*.tmp"):
            if _is_stray(path):
                path.unlink(missing_ok=True)

    def path(self, config: dict[str, Any], seed: int) -> Path:
        """Where the record of that config (see `app.Job`) and seed lies."""
        folder = self.runs / config["dataset"]["name"] / config["solver"]["name"]
        return folder / f"{digest(config | {'seed': seed})}.json"

    def codes_path(self, config: dict[str, Any], seed: int) -> Path:
        """Where its codes lie: named without the evaluator, so that every evaluator finds them."""
        fitted = {key: value for key, value in config.items() if key != "evaluator"}
        return self.path(config, seed).with_name(f"{digest(fitted | {'seed': seed})}.npz")

    def save(self, record: Record) -> Path:
        path = self.path(record["config"], record["seed"])
        text = json.dumps(record, indent=1, allow_nan=False)
        _write(path, lambda file: file.write(text.encode()))
        return path

    def finished(self, config: dict[str, Any], seed: int) -> Record | None:
        """The record if it is there, valid and not of a failed run."""
        path = self.path(config, seed)
        found = read(path) if path.exists() else None
        return found if isinstance(found, dict) and found["status"] != "failed" else None

    def save_codes(self, config: dict[str, Any], seed: int, fitted: Fitted, fit: dict[str, Any]) -> None:
        """Keep all that evaluators look at, and the summary of the fit."""
        arrays = {f"layer_{i}": H for i, H in enumerate(fitted.codes, start=1)}
        arrays |= {f"basis_{i}": W for i, W in enumerate(fitted.bases, start=1)}
        arrays |= {f"link_{i}": link for i, link in enumerate(fitted.links, start=1)}
        arrays |= {f"factor_{name}": factor for name, factor in fitted.factors.items()}
        arrays["layering"] = np.array(fitted.layering)
        if fitted.label_scores is not None:
            arrays["label_scores"] = fitted.label_scores
        _write(
            self.codes_path(config, seed),
            lambda file: np.savez_compressed(file, fit=np.array(json.dumps(fit)), **arrays),  # type: ignore[arg-type]
        )

    def load_codes(self, config: dict[str, Any], seed: int) -> tuple[Fitted, dict[str, Any]] | None:
        """The arrays and the summary of the fit; None where there are none, or the file is damaged.

        Older versions kept no bases. Those of one product WH are W; other old files `lack_bases`.
        """
        path = self.codes_path(config, seed)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
                fit = json.loads(str(saved["fit"]))
                fitted = Fitted(
                    codes=_numbered(saved, "layer"),
                    factors={n.removeprefix("factor_"): saved[n] for n in saved.files if n.startswith("factor_")},
                    bases=_numbered(saved, "basis"),
                    links=_numbered(saved, "link"),
                    layering=str(saved["layering"]) if "layering" in saved.files else "product",
                    label_scores=saved["label_scores"] if "label_scores" in saved.files else None,
                )
                W, H = fitted.factors.get("W"), fitted.factors.get("H")
                if fitted.lacks_bases and W is not None and H is not None and W.shape[1] == len(H):
                    fitted = replace(fitted, bases=[W])
                return fitted, fit
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
            return None  # absent, or cut short: the fit is run again

    def load(self) -> tuple[list[Record], list[Unreadable]]:
        """Every record, in the order of its path; and the files that are none."""
        found = [read(path) for path in sorted(self.runs.glob("*/*/*.json"))]
        return [f for f in found if isinstance(f, dict)], [f for f in found if isinstance(f, Unreadable)]


def read(path: Path) -> Record | Unreadable:
    """The record in that file, or why there is none."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return Unreadable(path, "empty file" if path.exists() and not path.stat().st_size else f"not JSON: {error}")
    if not isinstance(record, dict):
        return Unreadable(path, "not a record of nmfbench")
    if record.get("schema") != SCHEMA and isinstance(record.get("schema"), int):
        return Unreadable(path, f"schema {record['schema']}, this version reads {SCHEMA}")
    wrong = [key for key, kind in REQUIRED.items() if not isinstance(record.get(key), kind)]  # type: ignore[arg-type]
    if not wrong and not all(isinstance(record["config"].get(key), dict) for key in ("solver", "dataset", "evaluator")):
        wrong = ["config"]
    if not wrong and not all(isinstance(row, dict) and {"metric", "value"} <= {*row} for row in record["metrics"]):
        wrong = ["metrics"]
    if wrong:
        return Unreadable(path, f"not a record of nmfbench: {', '.join(wrong)} missing or of the wrong type")
    return record


def environment(threads: int, device: str) -> dict[str, Any]:
    """Where and with what a run was made."""
    import sklearn
    import torch

    from nmfbench import __version__

    return {
        "nmfbench": __version__,
        **_git(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
        "system": platform.platform(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name(device) if device.startswith("cuda") else None,
        "device": device,
        "threads": threads,
        "kmeans_threads": 1,
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _numbered(saved: Any, name: str) -> list[np.ndarray]:
    """The arrays name_1, name_2, … of an .npz."""
    count = sum(file.startswith(f"{name}_") for file in saved.files)
    return [saved[f"{name}_{i}"] for i in range(1, count + 1)]


def write_text(path: Path, text: str) -> None:
    """The whole new text or the old one, never a part."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """The whole new content or the old one, never a part."""
    _write(path, lambda file: file.write(content))


def _write(path: Path, write: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(_temporary(path.stem))
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _temporary(stem: str) -> str:
    return f".{stem}.{os.getpid()}@{socket.gethostname()}.tmp"


def _is_stray(path: Path) -> bool:
    """A temporary file whose process is gone. Those of other machines are left alone: they may be at work."""
    owner = re.search(r"\.(\d+)@(.+)\.tmp$", path.name)
    if owner is None or owner[2] != socket.gethostname():
        return False
    try:
        os.kill(int(owner[1]), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _git() -> dict[str, Any]:
    """Commit of the checkout the package runs from, and whether it has uncommitted changes."""

    def git(*arguments: str) -> str | None:
        try:
            command = ["git", "-C", str(CONFIG_DIR.parent), *arguments]
            return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            return None

    if not (CONFIG_DIR.parent / ".git").exists():
        return {"commit": None, "dirty": None}
    status = git("status", "--porcelain", "--untracked-files=no")
    return {"commit": git("rev-parse", "HEAD"), "dirty": None if status is None else bool(status)}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
