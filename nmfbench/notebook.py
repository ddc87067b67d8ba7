"""Calls for notebooks, which return runs, ranks, records and solvers as DataFrames."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from nmfbench import app, config, solvers
from nmfbench.commands import choosing
from nmfbench.commands import rank as ranking
from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.records import Record, Store, packs
from nmfbench.reports import blocks, frames
from nmfbench.reports.declared import declarations
from nmfbench.reports.selecting import select
from nmfbench.running import filenames


def run(*words: str, **settings: Any) -> pd.DataFrame:
    """Run what is not finished, as `nmfbench run -m`: a row for each method, layer, cluster count and metric.

    ``run("solver=mu,hals", dataset="digits", rank=[5, 10], seeds=3)``: words are those of the command line, settings
    the same with a list for a sweep. Results are kept in ``results_dir`` (results/local), so a second call only reads.
    Raises ConfigError or DataError for what is refused as a whole, NotApplicable if no solver can take the data.
    """
    from nmfbench.running.composing import requests
    from nmfbench.running.planning import plan

    plans = [plan(request) for request in requests(filenames.literal(["-m", *words, *words_of(settings)]))]
    frames = []
    for planned in plans:
        planned.save_cards()
        if not planned.jobs and planned.left_out:
            raise NotApplicable("; ".join(planned.reasons()))
        if stop := app.complete(planned):
            raise stop
        frames.append(app.report_of(planned, None, None).frame)
    table = pd.concat(frames, ignore_index=True).drop(columns="printed")
    return _with_records(table, [(planned.store, record) for planned in plans for record in planned.records()])


def words_of(choice: Mapping[str, Any]) -> list[str]:
    """Write settings as words of the command line; a list becomes a sweep."""
    return [f"{key}={_word(value)}" for key, value in choice.items()]


def _with_records(table: pd.DataFrame, records: Iterable[tuple[Store, Record]]) -> pd.DataFrame:
    """Attach the files of these records to the table, because `nmfbench.plot` draws more than its rows hold."""
    paths = (store.path(record["config"], record["seed"]) for store, record in records)
    table.attrs["records"] = [str(path.absolute()) for path in paths]
    return table


def rank(*words: str, **settings: Any) -> pd.DataFrame:
    """Compare ranks, as `nmfbench rank`: a row for each, with each criterion's value and whether it chooses the rank.

    ``rank(dataset="digits", solver="hals", ranks=range(2, 16))``. ``recommended`` marks the recommended rank;
    ``attrs["recommendation"]`` is the sentence. Raises ConfigError or DataError as the command does.
    """
    plans = ranking.planned([*words, *words_of(settings)])
    if stop := ranking.complete(plans):
        raise stop
    study = ranking.studied(plans)
    frame = study.frame.set_index("rank")
    frame.attrs["recommendation"] = study.recommendation.sentence
    return frame


def _word(value: Any) -> str:
    """Return the value as the command line has it: a list is a sweep."""
    if isinstance(value, (list, tuple, range)):
        return ",".join(map(_word, value))
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return filenames.quoted(str(value)) if isinstance(value, Path) else str(value)


def load_records(results_dir: str | Path = "results/local", **choice: Any) -> pd.DataFrame:
    """Return the finished runs in a results folder, as `run` does; ``solver="mu", dataset=["orl", "digits"]`` chooses.

    Raises ConfigError if there are none.
    """
    records, store = choosing.selected(words_of(choice), Path(results_dir), whole=False)
    return _with_records(_long_form(records), [(store, record) for record in records])


def load_results(*files: str | Path, **choice: Any) -> pd.DataFrame:
    """Return the published results, or those in these packs (``mine.nmfbench.zip``), in the columns of `load_records`.

    ``load_results(solver=["mu", "hals"])`` chooses from the packs that ship with nmfbench. Packs may come from anybody:
    nothing in them is run. Raises ConfigError if there are none, DataError for a file that is not a valid pack.
    """
    paths = [Path(file).expanduser() for file in files] or packs.published()
    if not paths:
        raise ConfigError(
            f"no published results in {config.PUBLISHED / 'arena'} yet; nmfbench submit DIR packs the records of a "
            f"results folder, and load_results('NAME{packs.SUFFIX}') reads a pack"
        )
    records = [record for path in paths for record in packs.read(path).records]
    chosen = select(records, words_of(choice))
    if not chosen:
        raise ConfigError(f"no record in {', '.join(map(str, paths))} has {' '.join(words_of(choice))}")
    return _long_form(chosen)


def _long_form(records: list[Record]) -> pd.DataFrame:
    """Build the long form alone: a whole report of 10,000 records takes twice as long."""
    records = blocks.with_scalings(blocks.told_apart(records))
    return frames.frame(records, declarations(records)).drop(columns="printed")


def list_solvers() -> pd.DataFrame:
    """Return every solver by its name: what it minimises, its source, and what it can take."""
    table = pd.DataFrame(solvers.table())
    return table.assign(solver=table["solver"].str.strip("`")).set_index("solver")
