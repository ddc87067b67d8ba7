"""Tables whose cells have types: spreadsheets (.xlsx) and .parquet."""

import csv
import io
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from nmfbench.datasets.formats import limits
from nmfbench.datasets.formats.held import Table
from nmfbench.datasets.formats.tables import table
from nmfbench.datasets.formats.text import Asked, lines_of
from nmfbench.errors import ConfigError, DataError


def read_xlsx(path: Path, asked: Asked, sheet: str | None = None) -> Table:
    """A sheet of a spreadsheet, the first by default, by the rules of text tables; formulas by their saved values.

    Raises ConfigError for an unknown sheet or without openpyxl, DataError for a damaged file.
    """
    try:
        import openpyxl
    except ImportError:
        raise ConfigError(f"{path}: .xlsx needs openpyxl: pip install 'nmfbench[formats]'") from None
    try:
        limits.check_zip(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and extensions that do not matter here
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            sheets = book.sheetnames
            if sheet is not None and sheet not in sheets:
                raise ConfigError(f"{path} has no sheet {sheet!r}; there are: {', '.join(sheets)}")
            chosen = sheet or sheets[0]
            out = io.StringIO(newline="")
            writer = csv.writer(out)
            for row in book[chosen].iter_rows(values_only=True):
                writer.writerow(["" if cell is None else str(cell) for cell in row])
            book.close()
    except (ConfigError, DataError, MemoryError):
        raise
    except Exception as error:  # the parser of a damaged file may raise anything
        raise DataError(f"{path} cannot be read as .xlsx: {error}; save it again, or as .csv") from error
    said = [f"sheet {chosen}" + (f" of {len(sheets)}" if len(sheets) > 1 else "")]
    return table(lines_of(out.getvalue(), str(path), ","), replace(asked, decimal="."), said)


def read_parquet(path: Path, asked: Asked) -> Table:
    """The table in a parquet file. Raises ConfigError without the extra that reads it, DataError for a damaged file."""
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except ImportError:
        raise ConfigError(f"{path}: .parquet needs pyarrow: pip install 'nmfbench[parquet]'") from None
    except Exception as error:  # the parser of a damaged file may raise anything
        raise DataError(f"{path} cannot be read as .parquet: {error}; get or write it again") from error
    columns: dict[str, np.ndarray] = {}
    absent = {}
    for name, column in frame.items():
        missing = column.isna().to_numpy()
        if column.dtype.kind in "buif" and str(name) not in asked.texts:
            columns[str(name)] = column.to_numpy(dtype=np.float64, na_value=np.nan)
            if missing.any():
                absent[str(name)] = f"in row {int(missing.argmax())} (counted from 0)"
        else:
            columns[str(name)] = np.array(["" if gone else str(v) for v, gone in zip(column, missing, strict=True)])
    if len(columns) < frame.shape[1]:
        raise DataError(f"{path}: two columns have the same name; rename one of them")
    if not columns or not len(frame):
        raise DataError(f"{path} is an empty table")
    return Table(columns=columns, absent=absent)
