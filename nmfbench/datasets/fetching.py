"""Downloads: into a temporary folder, checked, unpacked with care, and only then put in place."""

import hashlib
import io
import logging
import math
import os
import re
import shutil
import stat
import tarfile
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from nmfbench.datasets.files import DATA_DIR
from nmfbench.datasets.sources import SOURCES, VIEWS, data_folder
from nmfbench.endings import is_stray, temporary_name
from nmfbench.errors import ConfigError, DataError
from nmfbench.progress import counted

RETRIES = 3
TIMEOUT = 60.0
"""Seconds without a byte, or slower than `SLOWEST`, before a download fails."""
SLOWEST = 2**10
"""Bytes a second that must arrive."""
LARGEST = 4 * 2**30
"""Bytes that an archive may unpack to, and that a download may have."""


def fetch(name: str) -> list[str]:
    """Download a dataset from its official address into the data folder; a report in lines.

    Raises DataError with the address if it does not arrive complete; then the data folder has not changed.
    """
    source = SOURCES[name]
    assert source.url is not None
    folder = data_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _work_folder(folder) as work:
            archive, new = work / "archive.zip", work / "new"
            digest = download(source.url, archive, source.sha256, largest=source.largest)
            try:
                CONVERTERS[name](archive, new)
            except DataError as error:
                raise DataError(f"{source.url} (sha256 {digest}): {error}") from error
            paths = sorted(path.relative_to(new) for path in new.rglob("*") if path.is_file())
            for path in paths:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                os.replace(new / path, folder / path)
    except OSError as error:
        raise ConfigError(f"cannot write to {folder}: {error}; NMFBENCH_DATA names another folder") from error
    known = "as expected" if source.sha256 else "not known beforehand; note it to compare later"
    return [f"from {source.url}", f"sha256 {digest} ({known})", *(f"wrote {folder / path}" for path in paths)]


@contextmanager
def _work_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder inside this one. Those that killed processes have left are deleted."""
    work = folder / temporary_name("fetch")
    for left in [work, *filter(is_stray, folder.glob(".fetch.*.tmp"))]:
        shutil.rmtree(left, ignore_errors=True)
    work.mkdir()
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def download(
    url: str,
    target: Path,
    sha256: str | None,
    timeout: float = TIMEOUT,
    retries: int = RETRIES,
    largest: int = LARGEST,
) -> str:
    """Download the file at the address to ``target``, and return its sha256.

    Raises DataError with the address, and with the expected and actual sha256 if they differ; then the target has not
    changed. A download of more than ``largest`` bytes is refused.
    """
    import pooch
    import requests

    def stream(url: str, path: str, _: object) -> None:
        _stream(url, Path(path), timeout, largest)

    pooch.get_logger().setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".download-") as work:
        registry, urls = {target.name: sha256 and f"sha256:{sha256}"}, {target.name: url}
        keeper = pooch.create(work, base_url="", registry=registry, urls=urls, retry_if_failed=retries)
        try:
            arrived = Path(keeper.fetch(target.name, downloader=stream))
        except (ValueError, requests.RequestException) as error:
            raise DataError(f"{url} did not arrive: {error}") from error
        with arrived.open("rb") as file:
            start = file.read(512).lstrip().lower()
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        wanted = sha256 or "not known"
        if start.startswith((b"<!doctype html", b"<html")):
            raise DataError(f"{url} is a web page, not data (sha256 {digest}, expected: {wanted}); it may have moved")
        if target.suffix == ".zip" and not zipfile.is_zipfile(arrived):
            raise DataError(f"{url} is no whole zip archive (sha256 {digest}, expected: {wanted})")
        os.replace(arrived, target)
    return digest


def _stream(url: str, path: Path, timeout: float, largest: int) -> None:
    """Write what the address sends into a file.

    Raises RequestException if it does not arrive, or slower than `SLOWEST` for ``timeout`` seconds, and DataError if
    there are more than ``largest`` bytes.
    """
    import requests

    arrived, size, given_up = 0, None, False
    errors: list[Exception] = []

    def read() -> None:
        nonlocal arrived, size
        try:
            # Used because pooch's own downloader leaves the connection of a failed attempt open.
            with requests.get(url, timeout=timeout, stream=True) as response, path.open("wb") as file:
                response.raise_for_status()
                size = int(response.headers.get("content-length", 0)) or None
                for block in response.iter_content(2**12):
                    if given_up:
                        return
                    file.write(block)
                    arrived += len(block)
        except Exception as error:
            errors.append(error)

    # In a thread, because a server that sends a byte now and then, or never ends its headers, keeps a read waiting.
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    since, before = time.monotonic(), 0
    try:
        with counted(url, "B") as on_bytes:
            while reader.is_alive():
                reader.join(min(0.1, timeout))
                on_bytes(arrived, size)
                if arrived > largest:
                    raise DataError(f"{url} sends more than {largest:,} bytes; given up")
                if reader.is_alive() and time.monotonic() - since > timeout:
                    if arrived - before < SLOWEST * timeout:
                        raise requests.Timeout(f"timed out: {arrived - before} bytes in the last {timeout:g} s")
                    since, before = time.monotonic(), arrived
    finally:
        given_up = True
    if errors:
        raise errors[0]


def unpack(archive: Path, folder: Path, largest: int = LARGEST) -> None:
    """Unpack a zip or tar archive into a folder. Raises DataError, before it writes, for an unsafe one.

    A safe archive holds only files and folders, all inside ``folder``, of at most ``largest`` bytes.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                for entry in opened.infolist():
                    kind = stat.S_IFMT(entry.external_attr >> 16)
                    _harmless(entry.filename, kind in (0, stat.S_IFREG, stat.S_IFDIR), folder)
                _small(sum(entry.file_size for entry in opened.infolist()), largest)
                opened.extractall(folder)
        else:
            with tarfile.open(archive) as tar:
                for member in (members := tar.getmembers()):
                    _harmless(member.name, member.isfile() or member.isdir(), folder)
                _small(sum(member.size for member in members), largest)
                tar.extractall(folder, filter="data")
    # zipfile raises RuntimeError for an encrypted member, and a subclass of it for a compression that it lacks.
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, RuntimeError) as error:
        raise DataError(f"{archive.name} cannot be unpacked: {error}") from error


def _harmless(name: str, plain: bool, folder: Path) -> None:
    if not plain:
        raise DataError(f"the archive holds {name!r}, which is neither a file nor a folder; refused")
    if "\\" in name or not (folder / name).resolve().is_relative_to(folder.resolve()):
        raise DataError(f"the archive holds {name!r}, which would lie outside the folder; refused")


def _small(size: int, largest: int) -> None:
    if size > largest:
        raise DataError(f"the archive would unpack to {size:,} bytes, more than {largest:,}; refused")


def convert_mfeat(archive: Path, folder: Path) -> None:
    """Convert UCI's archive to the shipped CSVs, byte for byte: a header, five digits, the label as last column.

    The views are white-space separated files of 2,000 rows, in the zip or in a tar inside the zip.
    """
    raw = archive.with_suffix("")
    unpack(archive, raw)
    for inner in [path for path in raw.rglob("*") if re.search(r"\.(tar|tgz)(\.|$)", path.name)]:
        unpack(inner, raw / f"{inner.name}.d")
    shipped = dict(
        line.split("  ")[::-1] for line in (DATA_DIR / "SHA256SUMS").read_text(encoding="utf-8").split("\n")[:-1]
    )
    (folder / "mfeat").mkdir(parents=True)
    for view in VIEWS:
        file = next(raw.rglob(f"mfeat-{view}"), None)
        if file is None:
            raise DataError(f"the archive holds no file mfeat-{view}")
        try:
            table = np.loadtxt(file, ndmin=2)
        except ValueError as error:
            raise DataError(f"mfeat-{view} is not a table of numbers: {error}") from error
        path = f"mfeat/mfeat-{view}.csv"
        content = mfeat_csv(table)
        if (digest := hashlib.sha256(content).hexdigest()) != shipped[path]:
            raise DataError(f"{path} made from it has sha256 {digest}, expected {shipped[path]}; nothing was changed")
        (folder / path).write_bytes(content)


def mfeat_csv(table: np.ndarray) -> bytes:
    """A view (n, features) in the layout of the shipped CSVs; its classes must have equal size and stand in order."""
    out = io.StringIO(newline="")
    out.write(",".join(map(str, range(table.shape[1]))) + ",0\r\n")
    for i, row in enumerate(table):
        out.write(",".join(map(_five_digits, row)) + f",{i * 10 // len(table)}\r\n")
    return out.getvalue().encode()


def _five_digits(value: float) -> str:
    # A spreadsheet wrote the three tiny entries of the shipped files in this format.
    return f"{value:.2E}" if 0 < math.fabs(value) < 1e-4 else f"{value:.5g}"


CONVERTERS: dict[str, Callable[[Path, Path], None]] = {"mfeat": convert_mfeat}
"""For each dataset, a function that converts its archive to the loader's files in a new folder."""
