"""Files that nobody wrote on purpose: each loads as what it holds, or is refused with code 2 or 3, and nothing else.

500 inputs in the usual run, 20,000 behind the slow mark. Every input follows from its number, so a failure names it.
"""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from files import ROWS, write
from shell import nmfbench

from nmfbench import load_dataset
from nmfbench.datasets.formats import SUFFIXES, TEXT, apart

CHECKED = (".npz", ".xlsx")
"""Formats with checksums: what loads must be what was written."""


@pytest.fixture
def imported(user: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], np.ndarray | None]:
    """Import a file and load the dataset: X with samples in rows; None if it was refused."""
    monkeypatch.setattr(apart, "SECONDS", 5)

    def load(path: Path) -> np.ndarray | None:
        code = nmfbench("data", "import", path, "--name", "fuzzed", "--force")
        assert code in (0, 2, 3)
        if code:
            return None
        data = load_dataset("fuzzed", scaling="none", dense=True)
        assert np.isfinite(data.X).all() and (data.y is None or len(data.y) == data.n_samples)
        return data.X.T

    return load


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """The content with flipped, lost, repeated, inserted or zeroed bytes."""
    raw = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        at, length = int(rng.integers(len(raw) + 1)), int(rng.integers(1, 40))
        match rng.integers(6):
            case 0 | 1:
                for place in rng.integers(len(raw), size=rng.integers(1, 5)) if raw else ():
                    raw[place] ^= 1 << int(rng.integers(8))
            case 2:
                del raw[at:]
            case 3:
                raw[at:at] = raw[at : at + length]
            case 4:
                raw[at:at] = rng.bytes(length)
            case _:
                raw[at : at + length] = bytes(len(raw[at : at + length]))
    return bytes(raw)


def damage(number: int, folder: Path, load: Callable[[Path], np.ndarray | None]) -> None:
    """Damage a file of some kind, and import it."""
    rng = np.random.default_rng([1, number])
    suffix = SUFFIXES[number % len(SUFFIXES)]
    whole = folder / f"whole{suffix}"
    if not whole.exists():
        write(whole)
        (folder / "labels.npy").unlink(missing_ok=True)
    path = folder / f"damaged{suffix}"
    path.write_bytes(damaged(whole.read_bytes(), rng))
    X = load(path)
    if X is not None and suffix in CHECKED:
        assert X.shape == ROWS.shape and np.allclose(X, ROWS, rtol=1e-12), (
            f"input {number} of damage: {suffix} gave another matrix"
        )
    if X is not None and suffix == ".npy":
        assert X.shape == ROWS.shape, f"input {number} of damage: .npy gave another shape"


def table(number: int, folder: Path, load: Callable[[Path], np.ndarray | None]) -> None:
    """Write a table in some dialect, and import it: it gives exactly the numbers, or is refused."""
    rng = np.random.default_rng([2, number])
    n, m = int(rng.integers(6, 30)), int(rng.integers(1, 6))
    rows = rng.normal(size=(n, m)).round(int(rng.integers(0, 6))) * 10.0 ** rng.integers(-3, 6)
    separator = str(rng.choice([",", ";", "\t", "|", " "]))
    # Decimal commas alone would be the only separators of a single column.
    comma = separator != "," and m > 1 and rng.random() < 0.3
    names = [f"f{j}" for j in range(m)] if rng.random() < 0.8 else [str(2000 + 5 * j) for j in range(m)]
    texts = [[repr(float(value)).replace(".", "," if comma else ".") for value in row] for row in rows]
    if rng.random() < 0.5:
        names.append("class")
        for i, row in enumerate(texts):
            row.append(str(rng.choice(["a", "b", "NA"])) if i > 1 else "ab"[i])
    if rng.random() < 0.3:
        names.insert(0, str(rng.choice(["Id", "", "name"])))
        for i, row in enumerate(texts):
            row.insert(0, str(i + 1) if names[0] != "name" else f"s{i}")
    if rng.random() < 0.2 and separator != " ":
        names.append("")
        for row in texts:
            row.append("")
    out = io.StringIO()
    has_header = rng.random() < 0.85
    writer = csv.writer(
        out,
        delimiter=separator,
        quoting=csv.QUOTE_ALL if rng.random() < 0.2 else csv.QUOTE_MINIMAL,
        lineterminator=str(rng.choice(["\n", "\r\n", "\r"])),
    )
    writer.writerows([names, *texts] if has_header else texts)
    comments = "# made by a program\n" * int(rng.integers(0, 3)) if rng.random() < 0.2 else ""
    codec = str(rng.choice(["utf-8", "utf-8-sig", "utf-16", "utf-16-le"]))
    path = folder / f"table{rng.choice(TEXT)}"
    path.write_bytes((comments + out.getvalue()).encode(codec))
    X = load(path)
    assert X is None or np.array_equal(X, rows), f"input {number} of tables gave other numbers"
    path.unlink()


def noise(number: int, folder: Path, load: Callable[[Path], np.ndarray | None]) -> None:
    """Write random characters that tables are made of, and import them."""
    rng = np.random.default_rng([3, number])
    letters = list("0123456789.,;\t| \n\r\"'#-+eE_?aNé\0\x85")
    weights = np.array([3.0] * 10 + [4, 9, 3, 3, 1, 3, 12, 1] + [0.6] * (len(letters) - 18))
    text = "".join(rng.choice(letters, p=weights / weights.sum(), size=int(rng.integers(0, 300))))
    path = folder / f"noise{SUFFIXES[number % len(SUFFIXES)]}"
    path.write_bytes(text.encode(str(rng.choice(["utf-8", "latin-1", "utf-16"]))))
    load(path)
    path.unlink()


WAYS = (damage, table, noise)


def fuzz(numbers: range, folder: Path, load: Callable[[Path], np.ndarray | None]) -> None:
    for number in numbers:
        try:
            WAYS[number % 3](number // 3, folder, load)
        except Exception as error:
            raise AssertionError(f"input {number} ({WAYS[number % 3].__name__}): {error!r}") from error


def test_500_files_load_as_what_they_hold_or_are_refused(imported, tmp_path: Path) -> None:
    fuzz(range(500), tmp_path, imported)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(20))
def test_20000_files_load_as_what_they_hold_or_are_refused(part: int, imported, tmp_path: Path) -> None:
    fuzz(range(500 + 1000 * part, 1500 + 1000 * part), tmp_path, imported)
