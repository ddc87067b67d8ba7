"""Fit a sample of a pack's records again, and give a verdict on each method and dataset."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nmfbench.config import defaults, trusted_dirs
from nmfbench.errors import ConfigError, DataError, DataMissing
from nmfbench.progress import plural, say
from nmfbench.records import Record, Store
from nmfbench.records.packs import Pack
from nmfbench.records.summaries import is_own_data
from nmfbench.records.verdicts import Key, Verdict, key_of
from nmfbench.running import verifying
from nmfbench.running.cards import Card, kept, load
from nmfbench.running.verifying import Run, Verified
from nmfbench.trust import check_class

ADAPTED = ("function", "module", "estimator")
SLOWER, AT_LEAST = 20, 60.0
"""A fit may take this many times its reported seconds, or this many seconds: a stranger chose its settings."""


@dataclass(frozen=True)
class Bench:
    """The results folder, data and code of this machine that a verification may use.

    Parameters
    ----------
    store: the results folder, whose data cards know where a user's own data is.
    cards: its data cards.
    trusted: the folders whose YAMLs may name classes from outside nmfbench, see `trust.check_class`.
    """

    store: Store
    cards: list[Card]
    trusted: list[Path]


def verify(
    pack: Pack,
    store: Store,
    share: float,
    chosen: Callable[[Record], bool],
    named: Path | None,
    report: Callable[[str], None],
) -> list[Verdict]:
    """Return a verdict on each method and dataset of a pack, from a share of its runs, at least one.

    Names of records are hashes, so the first ones are a random sample that is always the same. ``chosen`` tells which
    records count; ``named`` is the folder with the YAMLs of the command line's own files, see `running.named`. Nothing
    in the pack is run: code comes only from nmfbench, from ``named`` and from the trusted folders.
    """
    bench = Bench(store, kept(store), [*trusted_dirs(), *([named] if named else [])])
    groups: dict[Key, list[Record]] = defaultdict(list)
    for record in pack.records:
        if record["status"] != "failed" and chosen(record):
            groups[key_of(record)].append(record)
    if not groups:
        raise ConfigError("no finished record of the pack matches; nmfbench verify FILE without other words takes all")
    n_again = {key: math.ceil(share * len(group)) for key, group in groups.items()}
    seconds = sum(n_again[key] / len(g) * sum(record["seconds"] for record in g) for key, g in groups.items())
    say(f"{sum(n_again.values())} of {plural(len(pack.records), 'record')} are fitted again; they took {seconds:.1f} s")
    return [_verdict(key, groups[key], share, bench, report) for key in sorted(groups, key=lambda key: key[::-1])]


def _verdict(key: Key, records: list[Record], share: float, bench: Bench, report: Callable[[str], None]) -> Verdict:
    lines: list[str] = []
    verified, reason = Verified(lines.append), ""
    try:
        for run in verifying.sample_of([_run(record, bench) for record in records], share):
            limit = max(AT_LEAST, SLOWER * run.record["seconds"])
            stopping = replace(run.stopping, max_seconds=run.stopping.max_seconds or limit)
            verifying.fit_again(replace(run, stopping=stopping), _data(run.record, bench), bench.store, verified)
    except (ConfigError, DataError, MemoryError) as error:
        reason = str(error)
    checked = sum(verified.counts[outcome] for outcome in ("equal", "tolerated", "differ"))
    if verified.counts["differ"]:
        report("\n".join(lines))
        return Verdict(*key, "differs", len(records), checked, "\n".join(lines))
    if reason or not checked:
        reason = reason or "a time limit ends its fits, there or here"
        return Verdict(*key, "not verified", len(records), checked, reason)
    return Verdict(*key, "verified", len(records), checked)


def _run(record: Record, bench: Bench) -> Run:
    """Build the run of a record with the code of this machine. Raises ConfigError if the code is not here."""
    config, name = record["config"], record["solver"]
    solver = dict(config["solver"])
    here = _named_here(name, solver, bench.trusted)
    solver |= here
    estimator = str(solver.get("estimator", ""))
    if estimator.startswith("sklearn.") and not estimator.startswith("sklearn.decomposition.") and not here:
        raise ConfigError(f"{name} runs {estimator}; of scikit-learn a pack may name decompositions alone")
    if code := solver.get("source"):
        try:
            check_class(solver, "solver", name, bench.trusted)
        except ConfigError:
            raise ConfigError(
                f"the code of {name} ({code[:6]}) is not here: name its file, solver=FILE.py:{name}, or the folder of "
                "its YAML, NMFBENCH_CONFIG=DIR"
            ) from None
    record = record | {"config": config | {"solver": solver}}
    path = bench.store.path(record["config"], record["seed"])
    return verifying.run_of(path, record, bench.store, bench.trusted)


def _named_here(name: str, solver: dict[str, Any], trusted: Sequence[Path]) -> dict[str, Any]:
    """Look up the file of a method in a trusted YAML, because a pack holds the file's name without its folder."""
    try:
        declared = defaults("solver", name, trusted)
    except ConfigError:
        return {}
    return {key: declared[key] for key in ADAPTED if key in solver and key in declared}


def _data(record: Record, bench: Bench) -> Any:
    """Load this machine's copy of a record's data. Raises DataMissing, DataError or ConfigError."""
    node, name = record["config"]["dataset"], record["dataset"]
    known = next((card.node for card in bench.cards if card.sha256 == node.get("sha256")), None)
    if known is None and is_own_data(record):
        raise DataMissing(f"{name} is data of its author's own, and no data card in {bench.store.cards} knows it")
    if known is None:
        known = {key: value for key, value in node.items() if key not in ("name", "sha256")}
        check_class(known, "dataset", name)
    dataset = load(json.dumps(known))
    if dataset.sha256 != node.get("sha256"):
        raise DataError(f"{name} has another checksum here, {dataset.sha256[:12]}…")
    return dataset


def summary(verdicts: Sequence[Verdict], pack: Pack) -> list[str]:
    """Describe the outcome in a line for each method, with the totals in the last line."""
    by_method: dict[tuple[str, ...], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        by_method[verdict.key[:3]].append(verdict)
    lines = []
    for (solver, _, source), of_method in sorted(by_method.items()):
        method = f"{solver} (code {source[:6]})" if source else solver
        for outcome in ("verified", "differs", "not verified"):
            if alike := [v for v in of_method if v.outcome == outcome]:
                names = ", ".join(v.dataset for v in alike)
                n, n_checked = sum(v.records for v in alike), sum(v.checked for v in alike)
                again = f"{n_checked} of {plural(n, 'record')} fitted again" if n_checked else plural(n, "record")
                reasons = "; ".join(dict.fromkeys(v.reason for v in alike)) if outcome == "not verified" else ""
                lines.append(f"{method}: {outcome} on {names}, {again}{': ' if reasons else ''}{reasons}")
        if source in pack.code and any(v.outcome == "not verified" for v in of_method):
            members = ", ".join(f"code/{source}/{module}.py" for module in pack.code[source])
            lines.append(f"  its source is in the pack: {members}; read it before you name it, for it will run")
    counts = Counter(verdict.outcome for verdict in verdicts)
    sums = ", ".join(f"{counts[outcome]} {outcome}" for outcome in ("verified", "differs", "not verified"))
    return [*lines, f"{plural(len(verdicts), 'method')} × dataset: {sums}"]
