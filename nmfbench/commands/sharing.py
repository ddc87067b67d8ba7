"""The commands that share and check records: submit, verify, merge."""

import argparse
import math
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nmfbench.commands import choosing
from nmfbench.config import trusted_dirs
from nmfbench.errors import ConfigError
from nmfbench.progress import plural
from nmfbench.records import Record, Unreadable, packs, read
from nmfbench.records.summaries import Code
from nmfbench.reports.selecting import select
from nmfbench.running import filenames, named


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add these commands to the parser."""
    merge = commands.add_parser(
        "merge", help="copy the records of other results folders into one; exit code 1 if a run disagrees"
    )
    merge.add_argument(
        "words", nargs="+", metavar="DIR", help="results folders to copy from, left as they are; results_dir=DIR"
    )
    choosing.add_results(merge)
    merge.set_defaults(command=_merge)

    submit = commands.add_parser("submit", help="pack finished records into one small file, for others to rank")
    submit.add_argument("words", nargs="*", metavar="WORD", help=f"a results folder, and {choosing.CHOICE}")
    submit.add_argument(
        "--licence",
        choices=packs.LICENCES,
        default=packs.LICENCES[0],
        help="on which terms others may use the numbers (default: %(default)s: free use with credit; CC0-1.0: without)",
    )
    submit.add_argument("--name", default="", help="who is to be credited; without it nobody is named")
    submit.add_argument("--contact", default="", help="an address for questions")
    submit.add_argument(
        "--with-code", action="store_true", help="also pack the source of your own methods; its checksum always is"
    )
    submit.add_argument("--output", type=Path, metavar="FILE", help=f"default: the solvers' names{packs.SUFFIX}")
    submit.add_argument("--force", action="store_true", help="replace a file of that name")
    choosing.add_results(submit)
    submit.set_defaults(command=_submit)

    verify = commands.add_parser(
        "verify",
        help="check records or a pack against the data and code here, and fit a sample again; exit code 1 if one "
        "differs, 3 if something of a pack cannot be verified here",
    )
    verify.add_argument(
        "words", nargs="*", metavar="WORD", help=f"a pack (FILE{packs.SUFFIX}), or {choosing.TABLE_WORDS}"
    )
    verify.add_argument(
        "--sample",
        type=_share,
        default=0.1,
        metavar="PERCENT",
        help="share of the runs of each solver and dataset that is fitted again, at least one (default: 10%%)",
    )
    choosing.add_results(verify)
    verify.set_defaults(command=_verify)


def _share(text: str) -> float:
    """Parse a percentage, "10%" or "10", into a share."""
    try:
        percent = float(text.removesuffix("%"))
    except ValueError:
        percent = math.nan
    if not 0 < percent <= 100:
        raise argparse.ArgumentTypeError(f"must be more than 0% and at most 100%, got {text}")
    return percent / 100


def _merge(arguments: argparse.Namespace) -> int:
    """`nmfbench merge`: copy the records of other results folders into one, and show those that disagree."""
    from nmfbench.running import merging

    store = choosing.store_of(arguments.words, arguments.results)
    sources = [filenames.folder(word).expanduser() for word in arguments.words if not word.startswith("results_dir=")]
    if not sources:
        raise ConfigError("merge needs the results folders to copy from: nmfbench merge DIR … results_dir=DIR")
    merging.check(sources, store.root)
    store.ensure_writable()
    disagree = False
    for source in sources:
        merged = merging.merge(source, store)
        print("\n".join(merging.report(source, merged)))
        disagree |= bool(merged.disagreements)
    return int(disagree)


def _submit(arguments: argparse.Namespace) -> int:
    """`nmfbench submit`: pack the finished records of a results folder, and say what the pack holds and lacks."""
    folders = [word for word in arguments.words if "=" not in word]
    filters = [word for word in arguments.words if "=" in word]
    if len(folders) > 1:
        raise ConfigError(f"submit takes one results folder, got {' '.join(folders)}; nmfbench merge joins several")
    results = filenames.folder(folders[0]).expanduser() if folders else arguments.results
    if folders and not (results / "runs").is_dir():
        raise ConfigError(f"{results} is no results folder: it has no runs/ in it")
    records, _ = choosing.selected(filters, results)
    finished = [record for record in records if record["status"] != "failed"]
    if not finished:
        raise ConfigError(f"all {plural(len(records), 'record')} chosen failed; nmfbench status --errors shows why")
    path = arguments.output or Path(_names(finished) + packs.SUFFIX)
    if path.exists() and not arguments.force:
        raise ConfigError(f"{path} exists; --force replaces it, --output=FILE{packs.SUFFIX} names another")
    code: Code = {}
    missing: dict[str, str] = {}
    if arguments.with_code:
        from nmfbench.running import submitting

        code, missing = submitting.code_of(finished)
    manifest = packs.write(
        path, finished, licence=arguments.licence, name=arguments.name, contact=arguments.contact, code=code
    )
    print("\n".join([f"{path}: {_size(path)}", *_contents(manifest)]))
    left_out = Counter(f"{r['solver']} on {r['dataset']}: {r.get('error')}" for r in records if r["status"] == "failed")
    for failed, n in left_out.items():
        print(f"left out, failed: {plural(n, 'record')} of {failed}")
    for reason in missing.values():
        print(f"left out, code: {reason}")
    print("not in it: codes, factors, exhibits, single k-means starts, most of each history; folders of this machine")
    return 0


def _names(records: Sequence[Record]) -> str:
    """Make a file name from the names of the solvers."""
    names = sorted({record["solver"] for record in records})
    return "+".join(names) if len(names) <= 3 else f"{len(names)}-solvers"


def _size(path: Path) -> str:
    return f"{max(1, round(path.stat().st_size / 1000)):,} kB"


def _contents(manifest: dict[str, Any]) -> list[str]:
    """Describe a pack by its manifest, in lines."""
    solvers = []
    for name, counts in manifest["solvers"].items():
        sources = [f"code {s[:6]}{'' if s in manifest['code'] else ', checksum only'}" for s in counts["sources"]]
        solvers.append(f"{name} ({', '.join([str(counts['records']), *sources])})")
    datasets = [
        f"{name} ({counts['records']}{', own data, which others cannot check' if counts['own'] else ''})"
        for name, counts in manifest["datasets"].items()
    ]
    statuses = ", ".join(f"{n} {status}" for status, n in sorted(manifest["statuses"].items()))
    credited = " ".join(filter(None, [manifest["name"], manifest["contact"]])) or "nobody named"
    commits = [" ".join([commit[:10], *changed]) for commit, *changed in map(str.split, manifest["commits"])]
    versions = f"nmfbench {', '.join(manifest['nmfbench'])}, commit {', '.join(commits)}"
    return [
        f"  records: {manifest['records']}: {statuses}",
        f"  solvers: {', '.join(solvers)}",
        f"  datasets: {', '.join(datasets)}",
        f"  made with: {versions}; {', '.join(manifest['machines'])}; newest {manifest['newest']}",
        f"  licence: {manifest['licence']}; by: {credited}",
    ]


def _verify(arguments: argparse.Namespace) -> int:
    """`nmfbench verify`: check a pack, an experiment's records or chosen records, and fit a sample of them again."""
    words, folder = named.declared([named.resolved(word) for word in choosing.name_first(arguments.words)])
    results = arguments.results
    if words and "=" not in words[0] and words[0].endswith(packs.SUFFIX):
        return _verify_pack(Path(words[0]).expanduser(), words[1:], arguments, folder)
    if words and words[0].endswith(".zip"):
        raise ConfigError(f"{words[0]} is no pack: nmfbench submit writes packs, whose names end in {packs.SUFFIX}")
    if words and "=" not in words[0]:
        plan = choosing.planned(words, results)
        store = plan.store
        contents = {path: read(path) for _, path in choosing.files(plan) if path.exists()}
    else:
        store = choosing.store_of(words, results)
        contents = {path: read(path) for path in sorted(store.runs.glob("*/*/*.json"))}
        filters = [word for word in words if not word.startswith("results_dir=")]
        chosen = {id(record) for record in select([c for c in contents.values() if isinstance(c, dict)], filters)}
        contents = {path: c for path, c in contents.items() if isinstance(c, Unreadable) or id(c) in chosen}
    if not contents:
        raise ConfigError(f"no record in {store.runs} to verify; nmfbench status lists the records")
    from nmfbench.running import verifying

    trusted = [*trusted_dirs(), folder] if folder else None
    verified = verifying.verify(contents, store, arguments.sample, report=print, trusted=trusted)
    print("\n".join(verifying.summary(verified, store.runs)))
    return int(verified.counts["problems"] > 0)


def _verify_pack(path: Path, words: Sequence[str], arguments: argparse.Namespace, folder: Path | None) -> int:
    """Fit a sample of a pack's records again, print the verdicts, and write them beside the pack."""
    store = choosing.store_of(words, arguments.results)
    filters = [word for word in words if not word.startswith("results_dir=")]
    if others := [word for word in filters if not word.startswith(("solver=", "dataset="))]:
        raise ConfigError(f"choose the records of a pack by solver= and dataset=, not {' '.join(others)}")
    pack = packs.read(path)
    print("\n".join([f"{path}: {_size(path)}", *_contents(pack.manifest)]))
    chosen = {id(record) for record in select(pack.records, filters)}
    from nmfbench.records import verdicts
    from nmfbench.running import environment, verifying_packs

    checked = verifying_packs.verify(
        pack, store, arguments.sample, lambda record: id(record) in chosen, folder, report=print
    )
    here = environment.of_run(1, "cpu")
    machine = {key: here[key] for key in ("date", "nmfbench", "commit", "dirty", "torch", "cpu")}
    written = verdicts.write(path, checked, machine | {"sample": arguments.sample}, elsewhere=store.root)
    print("\n".join(verifying_packs.summary(checked, pack)))
    print(f"written to {written}", file=sys.stderr)
    outcomes = {verdict.outcome for verdict in checked}
    return 1 if "differs" in outcomes else 3 if "not verified" in outcomes else 0
