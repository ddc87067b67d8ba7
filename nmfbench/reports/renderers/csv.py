"""The long form as CSV, every metric."""

from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

import pandas as pd

from nmfbench.reports.frames import COLUMNS
from nmfbench.reports.report import Report


def render(report: Report) -> str:
    """The long form behind a header that says how it was made."""
    return commented(report.header, report.frame[COLUMNS])


def commented(sentences: Sequence[str], table: pd.DataFrame) -> str:
    """The table behind a `#` line for each sentence: pandas.read_csv(…, comment="#")."""
    header = "".join(f"# {sentence}\n" for sentence in sentences)
    return header + str(table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def read(path: Path) -> tuple[list[str], pd.DataFrame]:
    """The sentences and the table of a file that `commented` wrote."""
    with path.open(encoding="utf-8") as file:
        sentences = [line[2:].rstrip("\n") for line in takewhile(lambda line: line.startswith("# "), file)]
    return sentences, pd.read_csv(path, skiprows=len(sentences))
