"""Records: one JSON file per (config, seed), named by its content, with the codes beside it. Knows files, not maths."""

import glob
import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from nmfbench.endings import is_stray, temporary_name
from nmfbench.errors import ConfigError
from nmfbench.records.reading import (
    REQUIRED,
    SCHEMA,
    Record,
    Unreadable,
    measured_alike,
    no_collection,
    read,
    shortened,
    without_stability,
)

if TYPE_CHECKING:  # numpy takes a moment, and most commands read JSON alone
    import numpy as np

    from nmfbench.evaluators.base import Fitted

__all__ = ["REQUIRED", "SCHEMA", "Record", "Store", "Unreadable", "digest", "read", "write_bytes", "write_text"]
_canonical = json.JSONEncoder(sort_keys=True, allow_nan=False).encode


def digest(config: Any) -> str:
    """16 hexadecimal digits of the sha256 of the config's canonical JSON."""
    return hashlib.sha256(_canonical(config).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Store:
    """The records under one results folder.

    Parameters
    ----------
    root: the folder; records are in its runs/, data cards in cards/, tables in tables/.
    """

    root: Path

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def tables(self) -> Path:
        return self.root / "tables"

    @property
    def cards(self) -> Path:
        return self.root / "cards"

    def ensure_writable(self) -> None:
        """Make the folders. Raises ConfigError before anything is computed for a folder that cannot be written to."""
        try:
            for folder in (self.runs, self.tables, self.cards):
                folder.mkdir(parents=True, exist_ok=True)
                probe = folder / temporary_name("probe")
                probe.write_text("")
                probe.unlink()
        except OSError as error:
            raise ConfigError(f"results_dir={self.root} cannot be written to: {error.strerror or error}") from error
        _clean(self.root.rglob(".*.tmp"))

    def path(self, config: dict[str, Any], seed: int) -> Path:
        """The file of the record of that config (see `running.jobs.Job.config`) and seed."""
        name = f"{digest(config | {'seed': seed})}.json"
        # One call instead of four slashes, because a sweep asks for tens of thousands of paths.
        return self.root.joinpath("runs", config["dataset"]["name"], config["solver"]["name"], name)

    def codes_path(self, config: dict[str, Any], seed: int) -> Path:
        """The file of its codes: named without the evaluator, so that every evaluator finds them."""
        fitted = {key: value for key, value in config.items() if key != "evaluator"}
        return self.path(config, seed).with_name(f"{digest(fitted | {'seed': seed})}.npz")

    def bases_path(self, config: dict[str, Any], seed: int) -> Path:
        """The file of its first factor, kept for the seed that the stability of the others refers to."""
        return self.codes_path(config, seed).with_suffix(".bases.npy")

    def unscored_path(self, config: dict[str, Any], seed: int) -> Path:
        """The file of the codes that an interrupt kept; it is there until a record is."""
        return self.codes_path(config, seed).with_suffix(".unscored.npz")

    def save(self, record: Record) -> Path:
        """Write the record under the name of its config and seed, whole or not at all."""
        path = self.path(record["config"], record["seed"])
        text = json.dumps(record, indent=1, allow_nan=False)
        _write(path, lambda file: file.write(text.encode()))
        return path

    def finished(self, config: dict[str, Any], seed: int) -> Record | None:
        """The record of this run; None if it is missing, unreadable or of a failed run."""
        path = self.path(config, seed)
        record = read(path) if path.exists() else None
        return record if isinstance(record, dict) and record["status"] != "failed" else None

    def save_codes(
        self, config: dict[str, Any], seed: int, fitted: "Fitted", fit: dict[str, Any], unscored: bool = False
    ) -> None:
        """Write the arrays that evaluators need, and the fit's own report. ``unscored``: they await a score."""
        import numpy as np

        arrays = {f"layer_{i}": H for i, H in enumerate(fitted.codes, start=1)}
        arrays |= {f"basis_{i}": W for i, W in enumerate(fitted.bases, start=1)}
        arrays |= {f"link_{i}": link for i, link in enumerate(fitted.links, start=1)}
        arrays |= {f"factor_{name}": factor for name, factor in fitted.factors.items()}
        arrays["layering"] = np.array(fitted.layering)
        if fitted.label_scores is not None:
            arrays["label_scores"] = fitted.label_scores
        path = self.unscored_path(config, seed) if unscored else self.codes_path(config, seed)
        save = np.savez if unscored else np.savez_compressed  # an interrupted process has little time
        _write(path, lambda file: save(file, fit=np.array(json.dumps(fit)), **arrays))  # type: ignore[arg-type]

    def load_codes(
        self, config: dict[str, Any], seed: int, unscored: bool = False
    ) -> "tuple[Fitted, dict[str, Any]] | None":
        """The arrays of a run and its fit's report; None if they are absent or damaged.

        Older versions kept no bases. For a single product WH they are W; other old files `lack_bases`.
        """
        import numpy as np

        from nmfbench.evaluators.base import Fitted

        def numbered(name: str) -> list[np.ndarray]:
            return [saved[f"{name}_{i}"] for i in range(1, len(saved.files) + 1) if f"{name}_{i}" in saved.files]

        path = self.unscored_path(config, seed) if unscored else self.codes_path(config, seed)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
                fit = json.loads(str(saved["fit"]))
                fitted = Fitted(
                    codes=numbered("layer"),
                    factors={n.removeprefix("factor_"): saved[n] for n in saved.files if n.startswith("factor_")},
                    bases=numbered("basis"),
                    links=numbered("link"),
                    layering=str(saved["layering"]) if "layering" in saved.files else "product",
                    label_scores=saved["label_scores"] if "label_scores" in saved.files else None,
                )
                if "layering" not in saved.files:  # a file of schema 1, see `_of_schema_2`
                    fit["metrics"] = without_stability(fit["metrics"])
                W, H = fitted.factors.get("W"), fitted.factors.get("H")
                if fitted.lacks_bases and W is not None and H is not None and W.shape[1] == len(H):
                    fitted = replace(fitted, bases=[W])
                return fitted, fit | measured_alike(fit)
        except _DAMAGED:
            return None  # the fit is run again

    def save_bases(self, config: dict[str, Any], seed: int, bases: "np.ndarray | None") -> None:
        """Keep the first factor (m, r) of a run; None writes nothing."""
        import numpy as np

        if bases is None:  # solver `raw` has no factors
            return
        _write(self.bases_path(config, seed), lambda file: np.save(file, bases))

    def load_bases(self, config: dict[str, Any], seed: int) -> "np.ndarray | None":
        """The kept first factor (m, r) of a run, or that beside its codes; None if it is absent or damaged."""
        import numpy as np

        try:
            bases: np.ndarray = np.load(self.bases_path(config, seed), allow_pickle=False)
            return bases
        except _DAMAGED:
            saved = self.load_codes(config, seed)
            return saved[0].first_factor if saved else None

    def load(self, whole: bool = True) -> tuple[list[Record], list[Unreadable]]:
        """Every record, in the order of paths, and the files that cannot be read as records.

        Without ``whole``, records lack their history and single k-means starts: half of a file, and in no table.
        """
        paths = sorted(self.runs.glob("*/*/*.json"), key=lambda path: path.parts)
        declared: list[Any] = []
        with no_collection():
            contents = [read(path) if whole else shortened(read(path), declared) for path in paths]
        return [c for c in contents if isinstance(c, dict)], [c for c in contents if isinstance(c, Unreadable)]

    def remove(self, records: list[Record]) -> None:
        """Delete these records, and the codes and bases that no other record refers to."""
        for record in records:
            self.path(record["config"], record["seed"]).unlink(missing_ok=True)
        kept = {self.codes_path(record["config"], record["seed"]) for record in self.load()[0]}
        for record in records:
            if self.codes_path(record["config"], record["seed"]) not in kept:
                self.codes_path(record["config"], record["seed"]).unlink(missing_ok=True)
                self.bases_path(record["config"], record["seed"]).unlink(missing_ok=True)
                self.unscored_path(record["config"], record["seed"]).unlink(missing_ok=True)


_DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


def write_text(path: Path, text: str) -> None:
    """Replace the file's text at once: it never holds a part."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Replace the file's content at once: it never holds a part."""
    _clean(path.parent.glob(f".{glob.escape(path.stem)}.*.tmp"))
    _write(path, lambda file: file.write(content))


def _write(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    # Nothing is cleaned here: `Store.ensure_writable` does it once, and a folder may hold thousands of records.
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(temporary_name(path.stem))
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _clean(temporaries: Iterable[Path]) -> None:
    """Delete those whose process was killed."""
    for path in temporaries:
        if is_stray(path):
            path.unlink(missing_ok=True)
