"""Copy the records of other results folders into one, and compare the runs that both have."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nmfbench.errors import ConfigError
from nmfbench.progress import plural
from nmfbench.records import Record, Store, Unreadable, read, write_bytes
from nmfbench.running import agreement
from nmfbench.running.agreement import Difference


@dataclass(frozen=True)
class Disagreement:
    """Two finished records of one run that differ by more than rounding.

    Parameters
    ----------
    path: the file of the one that was there, which stays.
    kept: its content.
    other: the record of the same run in the other folder.
    differences: all of their differences, the largest first.
    """

    path: Path
    kept: Record
    other: Record
    differences: list[Difference]


@dataclass
class Merged:
    """The outcome of a merge.

    Parameters
    ----------
    copied: number of records copied, those that replaced a failed or unreadable one among them.
    kept: number of records that were there already.
    by_time: number of pairs that differ where a time limit ended one of them, which is no disagreement.
    rounding: the differences of pairs that agree within rounding, the largest of each pair.
    disagreements: the pairs that do not agree.
    unreadable: files that were not copied.
    """

    copied: int = 0
    kept: int = 0
    by_time: int = 0
    rounding: list[Difference] = field(default_factory=list)
    disagreements: list[Disagreement] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)


def check(sources: Sequence[Path], results: Path) -> None:
    """Raise ConfigError for a folder that holds no records, or that is the results folder itself."""
    for source in sources:
        if not source.is_dir():
            raise ConfigError(f"{source} is no folder; name a results folder, one with runs/ in it")
        if source.resolve() == results.resolve():
            raise ConfigError(f"{source} is the results folder itself; results_dir=DIR names another one to copy into")
        if not any((source / "runs").glob("*/*/*.json")):
            raise ConfigError(f"no records in {source / 'runs'}; name a results folder, one with runs/ in it")


def merge(source: Path, store: Store) -> Merged:
    """Copy the records of a results folder with their codes, bases and data cards; the source is not changed.

    A run that is in both is kept as it is in the store, but a finished record replaces one that failed or cannot be
    read. Raises ConfigError if the store cannot be written to.
    """
    merged = Merged()
    for path in sorted((source / "runs").glob("*/*/*.json")):
        # The file's place decides, not the names inside it: they might lead out of the store.
        _merge_run(path, store.root / path.relative_to(source), store, merged)
    for path in sorted((source / "cards").glob("*.json")):
        if not (store.cards / path.name).exists():
            _copy([(path, store.cards / path.name)], merged)
    return merged


def _merge_run(path: Path, place: Path, store: Store, merged: Merged) -> None:
    record = read(path)
    if isinstance(record, Unreadable):
        merged.unreadable.append(record)
        return
    existing = read(place) if place.exists() else None
    is_finished = isinstance(existing, dict) and existing["status"] != "failed"
    if isinstance(existing, dict) and (is_finished or record["status"] == "failed"):
        merged.kept += 1
        if is_finished and record["status"] != "failed":
            _compare(place, existing, record, merged)
        return
    codes, bases = (of(record["config"], record["seed"]) for of in (store.codes_path, store.bases_path))
    beside = [(path.with_name(name), place.with_name(name)) for name in (codes.name, bases.name)]
    missing = [(file, target) for file, target in beside if file.exists() and not target.exists()]
    if _copy([*missing, (path, place)], merged):  # the record last: it means that the whole run is on disk
        merged.copied += 1


def _copy(files: list[tuple[Path, Path]], merged: Merged) -> bool:
    """Copy these files, all or, if one cannot be read, none of them; whether they were copied."""
    try:
        contents = [(target, path.read_bytes()) for path, target in files]
    except OSError as error:
        merged.unreadable.append(Unreadable(Path(error.filename), error.strerror or str(error)))
        return False
    try:
        for target, content in contents:
            write_bytes(target, content)
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(
            f"{target} cannot be written: {reason}; what was copied stays, merge again to go on"
        ) from error
    return True


def _compare(place: Path, kept: Record, other: Record, merged: Merged) -> None:
    differences = agreement.differences(agreement.computed(kept), agreement.computed(other))
    if not differences:
        return
    if {kept["status"], other["status"]} & {*agreement.BY_TIME}:
        merged.by_time += 1
    elif differences[0].size > agreement.rounding(kept):
        merged.disagreements.append(Disagreement(place, kept, other, differences))
    else:
        merged.rounding.append(differences[0])


def report(source: Path, merged: Merged) -> list[str]:
    """Describe the outcome of a merge in lines. The last line sums it up."""
    lines = [f"not copied: {file.path}: {file.reason}" for file in merged.unreadable]
    for found in merged.disagreements:
        label = f"{found.kept['solver']} on {found.kept['dataset']}, seed {found.kept['seed']}"
        lines.append(f"disagree: {label} ({found.path.stem}); largest difference {found.differences[0].size:.1e}")
        lines += agreement.shown(found.differences)
        lines += [f"  {side}: {_made_with(record)}" for side, record in (("kept", found.kept), ("other", found.other))]
    if merged.rounding:
        largest = max(merged.rounding, key=lambda difference: difference.size)
        runs = plural(len(merged.rounding), "run")
        lines.append(
            f"{runs} within rounding of those already there; largest difference {largest.size:.1e} ({largest.name})"
        )
    if merged.by_time:
        lines.append(f"different, because a time limit ended the fit: {plural(merged.by_time, 'run')}")
    counts = f"{merged.copied} copied, {merged.kept} already there, {len(merged.disagreements)} disagreeing"
    return [*lines, f"{source}: {counts}, {len(merged.unreadable)} not readable"]


def _made_with(record: Record) -> str:
    """The machine, versions, threads and commit of a record."""
    made = record["environment"]
    versions = ", ".join(f"{name} {made.get(name)}" for name in ("torch", "numpy", "scikit-learn"))
    commit = f"commit {str(made.get('commit'))[:7]}{' with changes' if made.get('dirty') else ''}"
    return f"{made.get('gpu') or made.get('cpu')}, threads {made.get('threads')}, {versions}, {commit}"
