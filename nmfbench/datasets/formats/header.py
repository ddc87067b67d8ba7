"""The header of a text table and its decimal mark: what the first rows say about the others."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from nmfbench.datasets.formats.numerals import MISSING, number
from nmfbench.datasets.formats.text import Asked, Row, Split
from nmfbench.errors import DataError

ROWS = "row names"
"""What the column of row names is called where the file has no name for it."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """The names of the columns, and the lines that hold no sample."""

    names: list[str]
    width: int
    skipped: Collection[int]
    sentences: list[str]
    y: str | None = None


def header(lines: Split, head: list[Row], asked: Asked) -> Header:
    """The header of a text table, by its first rows. Raises DataError where it cannot be told or does not fit."""
    (first_line, first), data = head[0], head[1:]
    if not data and asked.header is not False and not any(map(_plain, first)):
        raise DataError(f"{lines.where} holds no row but line {first_line}, which has words alone: a header?")
    if asked.header is False or not data:
        return _unnamed(head)
    width = Counter(len(fields) for _, fields in data).most_common(1)[0][0]
    sample = [fields for _, fields in data if len(fields) == width]
    if asked.header is None:
        if n_rows := _scikit_learn(first, width):
            return _of_scikit_learn(lines, first_line, first, width, n_rows)
        decimals = [asked.decimal] if asked.decimal else [".", ","]
        is_header = _is_header(first, sample, decimals)
        if not is_header and lines.heading and not _increase(first):
            # The comment before the rows may be their header, as numpy.savetxt writes it.
            fields = lines.fields(lines.heading)
            if len(fields) == width > 1 and not any(map(_plain, fields)):
                where = f"line {lines.heading[0]}, behind a comment mark"
                return _fitted(lines, fields, width, data, [], where)
        if is_header is None:
            shown = next(field for field in first if any(number(field, mark) is not None for mark in decimals))
            raise DataError(
                f"{lines.where} has no header, it seems: line {first_line} holds numbers such as {shown}. Add a row of "
                "names; or set dataset.header=false to read the line as a sample, dataset.header=true to read it as "
                "names"
            )
        if not is_header:
            return _unnamed(head)
    return _fitted(lines, first, width, data, [first_line], f"line {first_line}")


def _fitted(lines: Split, names: list[str], width: int, data: list[Row], skipped: list[int], where: str) -> Header:
    """The names of a header, fitted to the rows. Raises DataError where the two differ in length."""
    sentences = [f"header in {where}"]
    sample = [fields for _, fields in data if len(fields) == width]
    while len(names) > width and names[-1] == "":
        names = names[:-1]
    used = width
    while used > 1 and (used > len(names) or names[used - 1] == "") and not any(fields[used - 1] for fields in sample):
        used -= 1
    if used < width and len(names) >= used:
        # Every row ends with separators, as spreadsheets write them for columns that were emptied.
        n_empty = width - used
        dropped = f"the {n_empty} empty fields" if n_empty > 1 else "the empty field"
        sentences.append(f"{dropped} behind the last separator dropped")
        names = names[:used]
    else:
        used = width
    if len(names) == used - 1 and _names_rows([fields[0] for fields in sample]):
        sentences.append("the first field of each row, which the header does not name, taken for the row's name")
        names = [ROWS, *names]
    if len(names) != used:
        line = next(line for line, fields in data if len(fields) == width)
        raise DataError(
            f"{lines.where}: {where} has {len(names)} fields, line {line} has {width}; give every column a name and "
            "remove titles above the names, or set dataset.header or dataset.sep"
        )
    if names[0] == "" and width > 1:
        if not _names_rows([fields[0] for fields in sample]):
            raise DataError(f"{lines.where}, {where}: the first column has no name; give it one")
        sentences.append("the first column, which has no name, taken for the rows' names")
        names = [ROWS, *names[1:]]
    return Header(names=_distinct(names, sentences), width=width, skipped=skipped, sentences=sentences)


def _distinct(names: list[str], sentences: list[str]) -> list[str]:
    """The names, with a number behind those that occur again, and a name for columns without."""
    given: list[str] = []
    for position, name in enumerate(names, start=1):
        if not name:
            sentences.append(f"column {position} has no name")
        name = name or f"column {position}"
        count, distinct = 0, name
        while distinct in given:
            count += 1
            distinct = f"{name}.{count}"
        if count:
            sentences.append(f"column {position} is called {name} like another, and is read as {distinct}")
        given.append(distinct)
    return given


def _unnamed(rows: list[Row]) -> Header:
    width = Counter(len(fields) for _, fields in rows).most_common(1)[0][0]
    names = [f"c{j}" for j in range(width)]
    return Header(names=names, width=width, skipped=[], sentences=[f"no header: columns c0 to c{width - 1}"])


def _is_header(first: list[str], sample: list[list[str]], decimals: Sequence[str]) -> bool | None:
    """Whether the first row names the columns; None if it may as well be a sample.

    A word above a column of numbers is a name for certain. Numbers that count the columns are names. A row of numbers
    whose only word occurs again below is a sample for certain.
    """
    wordy = [not _mostly_numbers([fields[j] for fields in sample], decimals) for j in range(len(sample[0]))]
    is_word = [not any(number(field, mark) is not None for mark in decimals) for field in first]
    if all(is_word):
        return True
    if len(first) != len(wordy):
        return any(is_word)
    if any(
        word and field.casefold() not in MISSING and not wordy[j]
        for j, (word, field) in enumerate(zip(is_word, first, strict=True))
    ):
        return True
    numbers, below = ([fields[j] for j, word in enumerate(is_word) if not word] for fields in (first, sample[0]))
    if _counts(numbers) and (numbers[0] == "0" or not _counts(below)):
        return True
    again = [j for j, word in enumerate(is_word) if word and any(fields[j] == first[j] for fields in sample)]
    return False if again else None


def _counts(fields: list[str]) -> bool:
    """Whether the fields count: from 0 or 1 upwards, or four and more in equal steps, like years or wavelengths.

    The last may be something else, since it may name the labels.
    """
    for counted in (fields, fields[:-1] if len(fields) > 3 else []):
        if len(counted) > 1 and all(field.isdecimal() for field in counted):
            start, step = int(counted[0]), int(counted[1]) - int(counted[0])
            in_steps = [int(field) for field in counted] == [start + step * i for i in range(len(counted))]
            if in_steps and step and (len(counted) > 3 or (step == 1 and start in (0, 1))):
                return True
    return False


def _increase(fields: list[str]) -> bool:
    """Whether the numbers among the fields are whole and increase, so that they may be names."""
    numbers = [field for field in fields if _plain(field)]
    return all(map(str.isdecimal, numbers)) and all(int(a) < int(b) for a, b in pairwise(numbers))


def _plain(field: str) -> bool:
    return number(field) is not None


def _mostly_numbers(fields: Sequence[str], decimals: Sequence[str]) -> bool:
    """Whether at least half of the fields that are not missing are numbers, if any is there."""
    held = [field for field in fields if field.casefold() not in MISSING]
    return 2 * sum(any(number(field, mark) is not None for mark in decimals) for field in held) >= len(held)


def _names_rows(fields: Sequence[str]) -> bool:
    """Whether these may be the names of rows: all different, and words or whole numbers."""
    return len(set(fields)) == len(fields) and all(field.isdecimal() or number(field) is None for field in fields)


def _scikit_learn(first: list[str], width: int) -> int:
    """The number of samples, if the line is one like "178,13,class_0,class_1,class_2"; else 0."""
    if len(first) > 3 and first[0].isdecimal() and first[1].isdecimal() and int(first[1]) == width - 1:
        return int(first[0]) if all(not _plain(name) for name in first[2:]) else 0
    return 0


def _of_scikit_learn(lines: Split, first_line: int, first: list[str], width: int, n_rows: int) -> Header:
    if len(lines.lines) - 1 != n_rows:
        raise DataError(
            f"{lines.where}: line {first_line} announces {n_rows} samples, as scikit-learn's files do, but "
            f"{len(lines.lines) - 1} lines follow"
        )
    names = [*(f"c{j}" for j in range(width - 1)), "target"]
    sentence = (
        f"line {first_line} is scikit-learn's: {n_rows} samples, {width - 1} features, {len(first) - 2} classes "
        f"({', '.join(first[2:])}); columns c0 to c{width - 2} and target"
    )
    return Header(names=names, width=width, skipped=[first_line], sentences=[sentence], y="target")


def decimal_mark(lines: Split, head: list[Row]) -> str:
    """The decimal mark: a comma where fields are not separated by one, and some fields are numbers only with it."""
    if lines.separator == ",":
        return "."
    fields = [(line, field) for line, row in head for field in row if "," in field and number(field, ",") is not None]
    if not fields:
        return "."
    points = [field for _, row in head for field in row if "." in field and number(field) is not None]
    line, shown = fields[0]
    thousands = all(re.fullmatch(r"[+-]?[1-9]\d{0,2}(,\d{3})+", field) for _, field in fields)
    if points or (thousands and lines.separator != ";"):
        why = f"other fields have a point, such as {points[0]}" if points else "it may as well be one between thousands"
        raise DataError(
            f"{lines.where}, line {line}: is the comma of {shown} a decimal one? {why}. Set dataset.decimal=',', or "
            "write the numbers without it"
        )
    return ","
