"""For notebooks: runs, records and solvers as DataFrames, each in one call."""

from pathlib import Path
from typing import Any

import pandas as pd

from nmfbench import app, config, solvers
from nmfbench.commands import choosing
from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.records import Record, packs
from nmfbench.reports import blocks, frames
from nmfbench.reports.declared import declarations
from nmfbench.reports.selecting import select
from nmfbench.running import filenames


def run(*words: str, **settings: Any) -> pd.DataFrame:
    """`nmfbench run -m`: run what is not finished; returns a row for each method, layer, cluster count and metric.

    ``run("solver=mu,hals", dataset="digits", rank=[5, 10], seeds=3)``: words are those of the command line, settings
    the same with a list for a sweep. Results are kept in ``results_dir`` (results/local), so a second call only reads.
    Raises ConfigError or DataError for what is refused as a whole, NotApplicable if no solver can take the data.
    """
    from nmfbench.running.composing import requests
    from nmfbench.running.planning import plan

    given = [f"{key}={_word(value)}" for key, value in settings.items()]
    plans = [plan(request) for request in requests(filenames.literal(["-m", *words, *given]))]
    frames = []
    for planned in plans:
        planned.save_cards()
        if not planned.jobs and planned.left_out:
            raise NotApplicable("; ".join(planned.reasons()))
        if stop := app.complete(planned):
            raise stop
        frames.append(app.report_of(planned, None, None).frame)
    return pd.concat(frames, ignore_index=True).drop(columns="printed")


def _word(value: Any) -> str:
    """The value as the command line has it: a list is a sweep."""
    if isinstance(value, (list, tuple, range)):
        return ",".join(map(_word, value))
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return filenames.quoted(str(value)) if isinstance(value, Path) else str(value)


def load_records(results_dir: str | Path = "results/local", **choice: Any) -> pd.DataFrame:
    """The finished runs in a results folder, as `run` returns them; ``solver="mu", dataset=["orl", "digits"]`` chooses.

    Raises ConfigError if there are none.
    """
    records, _ = choosing.selected(_words(choice), Path(results_dir), whole=False)
    return _long_form(records)


def load_results(*files: str | Path, **choice: Any) -> pd.DataFrame:
    """Return the published results, or those in these packs (``mine.nmfbench.zip``), in the columns of `load_records`.

    ``load_results(solver=["mu", "hals"])`` chooses from the packs that ship with nmfbench. Packs may come from anybody:
    nothing in them is run. Raises ConfigError if there are none, DataError for a file that is no sound pack.
    """
    paths = [Path(file).expanduser() for file in files] or packs.published()
    if not paths:
        raise ConfigError(
            f"no published results in {config.PUBLISHED / 'arena'} yet; nmfbench submit DIR packs the records of a "
            f"results folder, and load_results('NAME{packs.SUFFIX}') reads a pack"
        )
    records = [record for path in paths for record in packs.read(path).records]
    chosen = select(records, _words(choice))
    if not chosen:
        raise ConfigError(f"no record in {', '.join(map(str, paths))} has {' '.join(_words(choice))}")
    return _long_form(chosen)


def _words(choice: dict[str, Any]) -> list[str]:
    return [f"{key}={_word(value)}" for key, value in choice.items()]


def _long_form(records: list[Record]) -> pd.DataFrame:
    """Build the long form alone, because a whole report of 10,000 records takes twice the time."""
    records = blocks.with_scalings(blocks.told_apart(records))
    return frames.frame(records, declarations(records)).drop(columns="printed")


def list_solvers() -> pd.DataFrame:
    """Every solver by its name: what it minimises, its source, and what it can take."""
    table = pd.DataFrame(solvers.table())
    return table.assign(solver=table["solver"].str.strip("`")).set_index("solver")
