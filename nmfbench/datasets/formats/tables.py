"""From rows of text to a `Table`: header, row names, decimal mark, numbers and words. Every rule says what it found."""

import re
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path

import numpy as np

from nmfbench.datasets.formats.decoding import content, decode
from nmfbench.datasets.formats.header import Header, decimal_mark, header
from nmfbench.datasets.formats.held import Table
from nmfbench.datasets.formats.numerals import MISSING, is_written, number
from nmfbench.datasets.formats.text import HEAD, SEPARATORS, Asked, Row, Split, lines_of
from nmfbench.errors import DataError


def read_text(path: Path, asked: Asked) -> Table:
    """The table in a text file. Raises DataError for what is no table, with line and column."""
    text, encoding = decode(content(path), str(path), asked.encoding)
    lines = lines_of(text, str(path), asked.sep, asked.decimal)
    del text  # the lines are a copy of it, as large as the file
    separated = f"fields separated by {SEPARATORS.get(lines.separator or '', repr(lines.separator))}"
    sentences = [separated if lines.separator else "one column", encoding.upper()]
    if lines.comments:
        sentences.append(f"{lines.comments} comment line{'s' if lines.comments > 1 else ''} skipped")
    return table(lines, asked, sentences)


def table(lines: Split, asked: Asked, sentences: Sequence[str] = ()) -> Table:
    """The table that rows make. Raises DataError with line and column for what does not fit."""
    head = list(islice(lines.rows(), HEAD + 1))
    found = header(lines, head, asked)
    decimal = asked.decimal or decimal_mark(lines, [row for row in head if row[0] not in found.skipped])
    rows = (row for row in lines.rows() if row[0] not in found.skipped)
    reader = _Columns(lines.where, found, decimal, asked)
    columns = reader.read(rows)
    empty = f"{lines.n_empty} row{'s' if lines.n_empty > 1 else ''} of empty fields skipped" if lines.n_empty else ""
    found_out = [*sentences, empty, *found.sentences, "decimal comma" if decimal == "," else ""]
    absent = {
        found.names[j]: f"{repr(text) if text else 'an empty field'} in line {line}"
        for j, (line, text) in reader.absent.items()
    }
    return Table(columns=columns, y=found.y, absent=absent, sentences=tuple(filter(None, found_out)))


class _Columns:
    """Reads the columns of rows: numbers as float64, words as strings."""

    def __init__(self, where: str, found: Header, decimal: str, asked: Asked):
        self.where, self.found, self.decimal = where, found, decimal
        self.missing = {mark.casefold() for mark in (MISSING if asked.missing is None else asked.missing)}
        self.texts = {j for j, name in enumerate(found.names) if name in asked.texts}
        # A number may mark a missing value; else a field that can be read as a float is one.
        self.plain = decimal == "." and not any(number(mark) is not None for mark in self.missing - {"nan"})
        self.absent: dict[int, tuple[int, str]] = {}

    def read(self, rows: Iterator[Row]) -> dict[str, np.ndarray]:
        """Every column by name. Raises DataError with line and column of what is neither number nor word."""
        head = list(islice(rows, HEAD))
        n_columns = len(self.found.names)
        numeric = [j for j in range(n_columns) if j not in self.texts and self._is_numeric(j, head)]
        words: dict[int, list[str]] = {j: [] for j in range(n_columns) if j not in numeric}
        values, strange = array("d"), []
        n_rows = 0
        for line, fields in chain(head, rows):
            self._check_width(line, fields)
            n_rows += 1
            for j, texts in words.items():
                texts.append(fields[j])
            numbers = [fields[j] for j in numeric]
            if self.plain and "_" not in "".join(numbers):  # Python reads 1_000 as a number
                with suppress(ValueError):
                    values.fromlist(list(map(float, numbers)))
            if len(values) < n_rows * len(numeric):
                for j in numeric:
                    value = number(fields[j], self.decimal)
                    if fields[j].casefold() in self.missing:
                        value = None
                        self.absent.setdefault(j, (line, fields[j]))
                    elif value is None:
                        strange.append((line, j, fields[j]))
                    values.append(np.nan if value is None else value)
        if strange:
            self._refuse(strange, head)
        table = np.frombuffer(values, dtype=np.float64).reshape(n_rows, len(numeric))
        columns = {j: table[:, i] for i, j in enumerate(numeric)} | {j: self._words(j, words[j]) for j in words}
        return {self.found.names[j]: columns[j] for j in range(n_columns)}

    def _check_width(self, line: int, fields: list[str]) -> None:
        if len(fields) != self.found.width:
            raise DataError(
                f"{self.where}: line {line} has {len(fields)} fields, the others have {self.found.width}; correct it"
            )
        if surplus := [field for field in fields[len(self.found.names) :] if field]:
            raise DataError(f"{self.where}: line {line} has {surplus[0]!r} behind the last column; correct it")

    def _words(self, j: int, texts: list[str]) -> np.ndarray:
        if j not in self.texts and {text.casefold() for text in texts} <= {"true", "false"}:
            return np.array([text.casefold() == "true" for text in texts], dtype=np.float64)
        return np.array(texts)

    def _is_numeric(self, j: int, rows: list[Row]) -> bool:
        held = [fields[j] for _, fields in rows if j < len(fields) and fields[j].casefold() not in self.missing]
        return 2 * sum(is_written(field) or number(field, self.decimal) is not None for field in held) >= len(held)

    def _refuse(self, strange: list[tuple[int, int, str]], head: list[Row]) -> None:
        line, j, text = strange[0]
        first_line, first = head[0]
        above = [name for at, column, name in strange if at == first_line]
        if 2 * len(above) > len(first) and all(at == first_line for at, _, _ in strange):
            raise DataError(
                f"{self.where}: line {first_line} holds words above columns of numbers ({', '.join(above[:3])}): "
                "a row of units or of classes, perhaps; remove it"
            )
        n = sum(column == j for _, column, _ in strange)
        more = f", and {n - 1} more in this column" if n > 1 else ""
        name = self.found.names[j]
        hint = (
            "write it as digits with a decimal point, without units, currency or marks between thousands"
            if is_written(text)
            else f"correct it; if it marks a missing value: dataset.missing=['{text}']"
        )
        if self.decimal == "." and re.fullmatch(r"[+-]?(0,\d+|\d+,(\d{1,2}|\d{4,}))", text):
            hint = "if the comma is a decimal one: dataset.decimal=','"
        hint += f"; if the column holds labels: dataset.y='{name}'; to leave it out: dataset.drop=['{name}']"
        raise DataError(f"{self.where}, line {line}, column {name!r}: {text!r} is no number{more}; {hint}")
