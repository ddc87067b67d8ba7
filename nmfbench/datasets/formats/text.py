"""From the text of a table to its rows: comments and separator. Stated rules, no statistics.

The standard library's csv splits the lines, because it keeps every field as it stands. pandas takes a row that is
longer than its header for row names, fills a short one with NaN, and turns the label "NA" into a missing one.
"""

import csv
import re
import string
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from nmfbench.datasets.formats.numerals import number
from nmfbench.errors import ConfigError, DataError

SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas", " ": "blanks"}
"""Separators that are recognised, and their names. A comma may be a decimal mark, so earlier ones go before it."""
CALLED = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "bar": "|", "pipe": "|", "blank": " ", "space": " "}
HEAD = 200
"""Rows by which separator, header and kinds of columns are decided; all other rows must agree."""
_COMMENT = ("#", "%")
_BLANK = string.whitespace + "".join(SEPARATORS)
# A line with its end. io.StringIO would hold four bytes for each character, str.splitlines ends lines in more places.
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
Row = tuple[int, list[str]]
"""The number of a line, counted from 1, and its fields without blanks at their ends."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The settings with which a person describes a text table; None: decided by rule.

    Parameters
    ----------
    sep: the separator, a character or its name.
    decimal: "." or ",".
    header: whether the first row holds the names of the columns.
    encoding: the codec.
    missing: texts that mark a missing number, in place of `numerals.MISSING`.
    texts: names of columns that are read as words whatever they hold: labels, names.
    """

    sep: str | None = None
    decimal: str | None = None
    header: bool | None = None
    encoding: str | None = None
    missing: Collection[str] | None = None
    texts: Collection[str] = ()

    def __post_init__(self) -> None:
        if self.decimal not in (None, ".", ","):
            raise ConfigError(f"decimal must be '.' or ',', got {self.decimal!r}")


@dataclass(frozen=True)
class Split:
    """The lines of a text table, ready to be split.

    Parameters
    ----------
    lines: (number of the line counted from 1, line), without comments and empty lines.
    separator: the character between fields; blank: any number of blanks and tabs; None: one field a line.
    comments: number of comment lines that were skipped.
    heading: the last comment before the first line, without its mark: it may be a header. None: no comment.
    where: the file, for messages.
    n_empty: number of rows whose fields are all empty; they were skipped.
    """

    lines: list[tuple[int, str]]
    separator: str | None
    comments: int
    heading: tuple[int, str] | None
    where: str
    n_empty: int = 0

    def rows(self) -> Iterator[Row]:
        """Every row. Raises DataError for a quote that is never closed."""
        return split(self.lines, self.separator, self.where)

    def fields(self, line: tuple[int, str]) -> list[str]:
        """The fields of one line."""
        return next(split([line], self.separator, self.where))[1]


def split(lines: Iterable[tuple[int, str]], separator: str | None, where: str) -> Iterator[Row]:
    """Rows of lines. A quoted field may hold separators and line ends. Raises DataError for a misplaced quote."""
    last = 0

    def numbered() -> Iterator[str]:
        nonlocal last
        for number_of_line, line in lines:
            last = number_of_line
            yield " ".join(line.split()) if separator == " " else line

    if separator is None:
        yield from ((place, _clean([line])) for place, line in lines)
        return
    reader = csv.reader(numbered(), delimiter=separator, skipinitialspace=True, strict=True)
    try:
        for fields in reader:
            yield last, _clean(fields)
    except csv.Error as error:
        raise DataError(
            f"{where}, line {last}, cannot be split: {error}; look for a quote that is not closed"
        ) from None


def _clean(fields: list[str]) -> list[str]:
    """The fields without blanks at their ends and without single quotes around them."""
    stripped = list(map(str.strip, fields))
    if "'" not in "".join(stripped):  # most rows of a large table
        return stripped
    return [field[1:-1].strip() if len(field) > 1 and field[0] == field[-1] == "'" else field for field in stripped]


def lines_of(text: str, where: str, sep: str | None = None, decimal: str | None = None) -> Split:
    """The lines of a text table, and the separator: ``sep``, or by rule.

    A first line ``sep=;``, as spreadsheets write it, is obeyed. Else that separator is taken by which the most fields
    of the first rows are numbers and the rows have equally many. Lines that begin with # or % are comments; one among
    the rows that has as many fields as they is refused, since it might be a sample. Raises DataError.
    """
    found = enumerate(_LINE.finditer(text), start=1)
    written = [(i, match[0]) for i, match in found if not match[0].isspace()]
    numbered = [(i, line) for i, line in written if line.strip(_BLANK)]
    n_empty = len(written) - len(numbered)
    if not numbered:
        raise DataError(f"{where} is empty")
    if sep is None and (told := re.fullmatch(r"sep=(.)\s*", numbered[0][1])):
        sep, numbered = told[1], numbered[1:]
    top = next((i for i, (_, line) in enumerate(numbered) if not line.lstrip().startswith(_COMMENT)), len(numbered))
    heading = (numbered[top - 1][0], numbered[top - 1][1].lstrip().lstrip("#%")) if top else None
    lines = numbered[top:]
    if not lines:
        raise DataError(f"{where} holds comments alone")
    separator = CALLED.get(sep, sep) if sep else _separator(lines[:HEAD], where, decimal)
    if separator is not None and (len(separator) != 1 or separator in "\r\n\"'"):
        raise ConfigError(f"sep must be one character, or one of {', '.join(CALLED)}, got {sep!r}")
    kept = Split(lines, separator, top, heading, where, n_empty)
    if not any(line.lstrip().startswith(_COMMENT) for _, line in lines):
        return kept
    n_fields = len(kept.fields(lines[0]))
    uncommented = []
    for place, line in lines:
        if not line.lstrip().startswith(_COMMENT):
            uncommented.append((place, line))
        elif len(kept.fields((place, line))) == n_fields:
            raise DataError(f"{where}, line {place}, begins like a comment but has the fields of a row; correct it")
    return Split(uncommented, separator, top + len(lines) - len(uncommented), heading, where, n_empty)


def _separator(lines: list[tuple[int, str]], where: str, decimal: str | None) -> str | None:
    scores: dict[str, float] = {}
    misplaced = None
    for separator in SEPARATORS:
        try:
            rows = [fields for _, fields in split(lines, separator, where)]
        except DataError as error:
            misplaced = misplaced or error
            continue
        data = rows[1:] or rows
        width, n_rows = Counter(map(len, data)).most_common(1)[0]
        if width < 2:
            continue
        decimals = [decimal] if decimal else [".", ","] if separator != "," else ["."]
        fields = [field for row in data for field in row if field]
        numbers = sum(any(number(field, mark) is not None for mark in decimals) for field in fields)
        # A table of words alone still has its rows of equal length, and a header may have another one.
        score = n_rows / len(data) * (0.01 + numbers / max(1, len(fields)))
        scores[separator] = score if len(rows[0]) == width else score / 2
    best = max(scores.values(), default=0)
    tied = [separator for separator, score in scores.items() if score == best]
    chosen = tied[0] if tied else None
    if tied == [",", " "]:
        raise DataError(f"{where}: are the fields separated by commas, or by blanks? Set dataset.sep")
    if chosen is None and misplaced is not None:
        raise misplaced
    if chosen is None and (held := [name for mark, name in SEPARATORS.items() if mark in lines[0][1].strip()]):
        raise DataError(
            f"{where}: line {lines[0][0]} holds {' and '.join(held)}, but the rows are not separated by them; "
            "set dataset.sep, or correct the line"
        )
    return chosen
