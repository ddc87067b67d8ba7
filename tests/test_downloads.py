"""What `nmfbench data fetch` downloads and unpacks, and what it refuses."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from web import CONTENT, Server, sha256

from nmfbench.datasets import fetching
from nmfbench.errors import DataError

pytestmark = pytest.mark.usefixtures("user")


def test_download_arrives_whole_and_tells_its_sha256(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "a.zip"
    for known in (None, sha256(CONTENT)):
        assert fetching.download(server.url("good"), target, known) == sha256(CONTENT)
        assert target.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [target]


def test_download_is_tried_again_when_the_server_is_busy(server: Server, tmp_path: Path) -> None:
    assert fetching.download(server.url("second-try"), tmp_path / "a.zip", None) == sha256(CONTENT)
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("path", "known", "says"),
    [
        ("wrong-hash", "0" * 64, [sha256(CONTENT), "0" * 64]),
        ("gone", None, ["404"]),
        ("html", None, ["web page"]),
        ("html", "0" * 64, ["0" * 64]),
        ("truncated", None, ["12 more expected"]),
        ("slow", None, ["timed out"]),
        ("garbage", None, ["no whole zip", sha256(b"no zip at all")]),
        ("error", None, ["500"]),
        ("too-short", None, ["no whole zip"]),
        ("no-number", None, ["many"]),
        ("loop", None, ["redirects"]),
        ("reset", None, ["did not arrive"]),
        ("drip", None, ["timed out"]),
        ("drip-of-headers", None, ["timed out"]),
        ("endless", None, ["more than 1,048,576 bytes"]),
        ("bomb", None, ["more than 1,048,576 bytes"]),
    ],
)
def test_bad_download_names_the_address_and_leaves_the_old_copy(
    path: str, known: str | None, says: list[str], server: Server, tmp_path: Path
) -> None:
    old = tmp_path / "a.zip"
    old.write_bytes(b"old and good")
    for target in (old, tmp_path / "new.zip"):
        with pytest.raises(DataError) as caught:
            fetching.download(server.url(path), target, known, timeout=0.2, retries=1, largest=2**20)
        for words in [server.url(path), *says]:
            assert words in str(caught.value)
    assert list(tmp_path.iterdir()) == [old] and old.read_bytes() == b"old and good"


def test_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"http://127\.0\.0\.1:9/x did not arrive"):
        fetching.download("http://127.0.0.1:9/x", tmp_path / "x.zip", None, timeout=0.2, retries=0)


# Archives


def zipped(path: Path, **contents: bytes | str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


def symlink_in_zip(path: Path) -> Path:
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc")
    return path


HARMFUL = {
    "zip-slip": lambda folder: zipped(folder / "a.zip", **{"fine": "1", "../outside": "2"}),
    "absolute name in a zip": lambda folder: zipped(folder / "a.zip", **{str(folder / "outside"): "2"}),
    "backslashes": lambda folder: zipped(folder / "a.zip", **{"..\\outside": "2"}),
    "symlink in a zip": lambda folder: symlink_in_zip(folder / "a.zip"),
    "tar-slip": lambda folder: tarred(folder / "a.tgz", member("fine"), member("../outside", size=3)),
    "symlink out of a tar": lambda folder: tarred(
        folder / "a.tgz", member("link", tarfile.SYMTYPE, ".."), member("link/outside", size=3)
    ),
    "hard link": lambda folder: tarred(folder / "a.tgz", member("link", tarfile.LNKTYPE, "../b")),
    "device": lambda folder: tarred(folder / "a.tgz", member("null", tarfile.CHRTYPE)),
    "too large": lambda folder: tarred(folder / "a.tgz", member("big", size=2001)),
    "too large in a zip": lambda folder: zipped(folder / "a.zip", big=b"0" * 2001),
}


@pytest.mark.parametrize("case", HARMFUL)
def test_harmful_archive_is_refused_before_anything_is_written(case: str, tmp_path: Path) -> None:
    archive = HARMFUL[case](tmp_path)
    with pytest.raises(DataError, match="refused"):
        fetching.unpack(archive, tmp_path / "new", largest=2000)
    assert list(tmp_path.iterdir()) == [archive]


def test_harmless_archives_are_unpacked(tmp_path: Path) -> None:
    fetching.unpack(zipped(tmp_path / "a.zip", **{"in/a": b"a" * 2000}), tmp_path / "zip", largest=2000)
    assert (tmp_path / "zip/in/a").read_bytes() == b"a" * 2000
    fetching.unpack(tarred(tmp_path / "a.tgz", member("in/b", size=2000)), tmp_path / "tar", largest=2000)
    assert (tmp_path / "tar/in/b").read_bytes() == b"x" * 2000


@pytest.mark.parametrize("name", ["a.tgz", "a.zip"])
def test_damaged_archive_is_named(name: str, tmp_path: Path) -> None:
    whole = (
        zipped(tmp_path / name, a=b"a" * 999) if name == "a.zip" else tarred(tmp_path / name, member("a", size=999))
    ).read_bytes()
    damaged = whole.replace(b"a" * 20, b"b" * 20) if name == "a.zip" else whole[: len(whole) // 2]
    (tmp_path / name).write_bytes(damaged)
    with pytest.raises(DataError, match=f"{name} cannot be unpacked"):
        fetching.unpack(tmp_path / name, tmp_path / "new")
