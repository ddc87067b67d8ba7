"""The long form as CSV, every metric."""

from nmfbench.reports.frames import COLUMNS
from nmfbench.reports.report import Report


def render(report: Report) -> str:
    """The long form behind a header of `#` lines that say how it was made: pandas.read_csv(…, comment="#")."""
    header = "".join(f"# {line}\n" for line in report.header)
    return header + str(report.frame[COLUMNS].to_csv(index=False, float_format="%.6g", lineterminator="\n"))
