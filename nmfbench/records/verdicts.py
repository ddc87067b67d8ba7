"""Store the outcome of verifying a pack in a small JSON file, so that tables can mark rows verified or reported."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import orjson

from nmfbench.errors import ConfigError
from nmfbench.records import Record, packs, write_bytes
from nmfbench.records.cleaning import cleaned

OUTCOMES = ("verified", "differs", "not verified")
SCHEMA = 1

Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class Verdict:
    """The outcome of verifying one method on one dataset of a pack.

    Parameters
    ----------
    solver: its name.
    version: the version of nmfbench's own solver, as text.
    source: the checksum of the code of a method from outside nmfbench; empty: nmfbench's own.
    dataset: the name of the data.
    outcome: one of `OUTCOMES`.
    records: how many finished records the pack has.
    checked: how many of them were fitted again and compared.
    reason: the largest differences, or why nothing could be compared; empty if verified.
    """

    solver: str
    version: str
    source: str
    dataset: str
    outcome: str
    records: int
    checked: int
    reason: str = ""

    @property
    def key(self) -> Key:
        """The method and the data, as `key_of` names them."""
        return self.solver, self.version, self.source, self.dataset


def key_of(record: Record) -> Key:
    """Return the method of a record, with its version and checksum, and its data."""
    solver = record["config"]["solver"]
    return record["solver"], str(solver.get("version", "")), str(solver.get("source", "")), record["dataset"]


def write(pack: Path, verdicts: Sequence[Verdict], made: dict[str, Any], elsewhere: Path) -> Path:
    """Write the verdicts beside the pack, or into the folder ``elsewhere`` if that fails, and return the file.

    Earlier verdicts on other methods of the same pack stay. ``made``: date, program and machine of the verification.
    Raises ConfigError if neither folder can be written to.
    """
    checksum = packs.checksum(pack)
    for folder in (pack.parent, elsewhere):
        path = folder / _name(pack)
        merged = {verdict.key: verdict for verdict in (*_read(path, checksum), *verdicts)}
        content = {
            "format": "nmfbench verification",
            "schema": SCHEMA,
            "pack": checksum,
            "made": made,
            "verdicts": [cleaned(asdict(merged[key])) for key in sorted(merged)],
        }
        try:
            write_bytes(path, orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
        except OSError as error:
            reason = error
        else:
            return path
    raise ConfigError(f"{path} cannot be written: {reason.strerror or reason}")


def read(pack: Path, elsewhere: Path | None = None) -> list[Verdict]:
    """Return the verdicts on a pack in its present state, from the file beside it or in ``elsewhere``.

    Without such a file there are none. It proves nothing by itself, because whoever shares a pack can write one: trust
    your own, and those of the repository. Raises DataError if the pack cannot be read.
    """
    checksum = packs.checksum(pack)
    folders = [pack.parent, *([elsewhere] if elsewhere else [])]
    return next((verdicts for folder in folders if (verdicts := _read(folder / _name(pack), checksum))), [])


def standing(record: Record, verdicts: Sequence[Verdict]) -> str:
    """Return the mark of a pack's record: verified, differs, or reported where nothing was compared."""
    outcome = next((verdict.outcome for verdict in verdicts if verdict.key == key_of(record)), "")
    return outcome if outcome in ("verified", "differs") else "reported"


def _name(pack: Path) -> str:
    return f"{pack.name.removesuffix(packs.SUFFIX)}.verified.json"


def _read(path: Path, checksum: str) -> list[Verdict]:
    """Return the verdicts in that file; none unless it is about the pack with this checksum."""
    try:
        content = orjson.loads(path.read_bytes())
        if (content["format"], content["schema"], content["pack"]) != ("nmfbench verification", SCHEMA, checksum):
            return []
        kinds = {field.name: field.type for field in fields(Verdict)}
        verdicts = [Verdict(**node) for node in content["verdicts"]]
    except (OSError, ValueError, TypeError, LookupError):
        return []
    well_typed = all(type(getattr(v, name)) is kind for v in verdicts for name, kind in kinds.items())
    return verdicts if well_typed and all(v.outcome in OUTCOMES for v in verdicts) else []
