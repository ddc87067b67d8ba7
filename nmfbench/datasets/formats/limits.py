"""How much a file may ask for: sizes that a file declares are checked before anything is allocated."""

import os
import zipfile
from pathlib import Path

from nmfbench.errors import DataError


def largest() -> int:
    """Bytes that one array may take: half of the machine's memory, because scaling makes a second one."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def in_words() -> str:
    """The memory of this machine, in words."""
    return f"this machine has {2 * largest() / 2**30:,.1f} GiB"


def check_size(size: int, what: str) -> None:
    """Raise DataError if ``what`` declares more bytes than `largest`."""
    if size > largest():
        raise DataError(
            f"{what} declares {size / 2**30:,.1f} GiB, more than half of this machine's memory "
            f"({largest() / 2**30:,.1f} GiB); refused"
        )


def check_zip(archive: Path) -> None:
    """Raise DataError if a zip archive is damaged, or if its members declare more bytes than `largest`."""
    with zipfile.ZipFile(archive) as opened:
        check_size(sum(member.file_size for member in opened.infolist()), f"{archive}, unpacked,")
        if damaged := opened.testzip():
            raise DataError(f"{archive} is damaged in {damaged}; get or write it again")
