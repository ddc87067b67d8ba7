"""Packs from anybody: damaged, hostile or rewritten ones are refused with the reason, and nothing else happens."""

import io
import json
import math
import warnings
import zipfile
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packed import RECORDS, members, zipped

from nmfbench.errors import DataError
from nmfbench.records import packs, unpacking
from nmfbench.reports import report


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / f"theirs{packs.SUFFIX}"


def edited(content: dict[str, bytes], member: str, edit: Any) -> dict[str, bytes]:
    """The members with one of them changed: by a function of its parsed first line, or as bytes."""
    if isinstance(edit, bytes):
        return content | {member: edit}
    first, newline, rest = content[member].partition(b"\n") if member.endswith("jsonl") else (content[member], b"", b"")
    node = orjson.loads(first)
    edit(node)
    return content | {member: json.dumps(node).encode() + newline + rest}


def in_run(key: str, value: Any) -> Any:
    return lambda node: node["runs"][0].update({key: value})


HOSTILE: dict[str, tuple[str, Any, str]] = {
    "not JSON": ("records.jsonl", b"{", "not JSON"),
    "NaN": ("records.jsonl", in_run("objective", math.nan), "not JSON"),
    "infinity": ("records.jsonl", in_run("fall", math.inf), "not JSON"),
    "text for a number": ("records.jsonl", in_run("seconds", "1"), "seconds has a value of the wrong type"),
    "true for a number": ("records.jsonl", in_run("iterations", True), "iterations"),
    "negative seed": ("records.jsonl", in_run("seed", -1), "seed"),
    "huge seed": ("records.jsonl", in_run("seed", 2**70), "seed"),
    "unknown key": ("records.jsonl", in_run("extra", 1), "'extra' is unknown"),
    "same seed twice": ("records.jsonl", in_run("seed", 1), "seed 1 occurs twice"),
    "values missing": ("records.jsonl", in_run("values", []), "0 values for 4 metrics"),
    "no such entry": ("records.jsonl", in_run("rows", 9), "shared.json lacks"),
    "entry by a negative index": ("records.jsonl", in_run("rows", -1), "rows"),
    "terminal code in an error": ("records.jsonl", in_run("error", "\x1b[2J"), "error"),
    "date": ("records.jsonl", in_run("date", "yesterday"), "date"),
    "history": ("records.jsonl", in_run("history", [[1, 2]]), "history"),
    "solver out of its folder": (
        "records.jsonl",
        lambda node: node["config"]["solver"].update(name="../../etc/passwd"),
        "solver has a value of the wrong type",
    ),
    "hidden dataset": (
        "records.jsonl",
        lambda node: node["config"]["dataset"].update(name=".bashrc"),
        "dataset has a value of the wrong type",
    ),
    "nested deeply": (
        "records.jsonl",
        lambda node: node["variant"].update(a=orjson.loads(b"[" * 50 + b"]" * 50)),
        "variant",
    ),
    "config a list": ("records.jsonl", lambda node: node.update(config=[]), "config"),
    "data without size": ("records.jsonl", lambda node: node.update(data={}), "lacks features"),
    "threads that are no number": (
        "shared.json",
        lambda node: node["environments"][0].update(threads=[1]),
        "an environment: threads",
    ),
    "checksum of the data": (
        "records.jsonl",
        lambda node: node["config"]["dataset"].update(sha256="?"),
        "dataset has a value of the wrong type",
    ),
    "group a list": ("records.jsonl", b"[]\n", "is not an object"),
    "line too long": ("records.jsonl", b" " * (unpacking.LARGEST_LINE + 1), "more than"),
    "metric without a name": ("shared.json", lambda node: node["rows"][0].__setitem__(0, {"layer": 1}), "metrics"),
    "direction": (
        "shared.json",
        lambda node: node["declared"][0][0].update(better="sideways"),
        "declarations of metrics",
    ),
    "environment a list": ("shared.json", lambda node: node["environments"].__setitem__(0, []), "environment"),
    "table missing": ("shared.json", lambda node: node.pop("rows"), "lacks rows"),
    "other format": ("manifest.json", b"{}", "does not describe an nmfbench pack"),
    "later schema": ("manifest.json", lambda node: node.update(schema=2), "schema 2, but this version"),
    "boastful manifest": ("manifest.json", lambda node: node.update(records=7), "does not describe the records"),
    "extra in the manifest": ("manifest.json", lambda node: node.update(note="hello"), "unknown"),
    "pickle": ("records.pkl", b"cos\nsystem\n", "not a member of a pack"),
    "path out of the folder": ("../evil.py", b"", "not a member of a pack"),
    "absolute path": ("/etc/passwd", b"", "not a member of a pack"),
    "code out of its folder": (f"code/{'0' * 16}/../x.py", b"", "not a member of a pack"),
    "code under another checksum": (f"code/{'0' * 16}/x.py", b"", "another checksum"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pack_is_refused_with_the_reason(path: Path, name: str) -> None:
    packs.write(path, RECORDS)
    member, edit, reason = HOSTILE[name]
    path.write_bytes(zipped(edited(members(path), member, edit)))
    with pytest.raises(DataError, match=reason) as refused:
        packs.read(path)
    assert "\x1b" not in str(refused.value)


def test_hostile_archive_is_refused_with_the_reason(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(unpacking.LARGEST, "records.jsonl", 2**20)
    packs.write(path, RECORDS)
    good, content = path.read_bytes(), members(path)

    def refused(data: bytes, reason: str) -> None:
        path.write_bytes(data)
        with pytest.raises(DataError, match=reason):
            packs.read(path)

    refused(b"", "not a zip archive")
    refused(b"PK" * 100, "not a zip archive")
    refused(good[:-30], "not a zip archive")
    refused(good + b"more", "not a zip archive")
    refused(good.replace(b"records.jsonl", b"records.jsonx"), "not a member of a pack")
    refused(zipped(content, zipfile.ZIP_LZMA), "compressed by another method")
    refused(zipped({name: content[name] for name in ("manifest.json", "shared.json")}), "records.jsonl is missing")
    bomb = zipped(content | {"records.jsonl": b"\n" * (unpacking.LARGEST["records.jsonl"] + 1)})
    assert len(bomb) < 1e4
    refused(bomb, "bytes unpacked, more than")
    # It says that it is small: no more than it says is unpacked, and then the checksum differs.
    size = (unpacking.LARGEST["records.jsonl"] + 1).to_bytes(4, "little")
    refused(bomb.replace(size, (1000).to_bytes(4, "little")), "damaged: Bad CRC-32")
    refused(zipped({f"code/{i:016x}/x.py": b"" for i in range(2000)}), "too many members")
    with pytest.warns(UserWarning, match="Duplicate name"):
        buffer = io.BytesIO(good)
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.writestr("manifest.json", b"{}")
    refused(buffer.getvalue(), "occurs twice")
    path.write_bytes(bytes(unpacking.LARGEST_FILE + 1))
    with pytest.raises(DataError, match="more than"):
        packs.read(path)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        packs.read(path.with_name("absent.nmfbench.zip"))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def places(node: Any, path: tuple = ()) -> list[tuple]:
    """The keys and indices to every value within a JSON value."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("good") / f"good{packs.SUFFIX}"
    packs.write(path, RECORDS[:2])
    return path


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_damaged_and_rewritten_packs_are_read_or_refused_and_nothing_else(good: Path, data: st.DataObject) -> None:
    path = good.with_name(f"fuzzed{packs.SUFFIX}")
    if data.draw(st.booleans()):
        raw = bytearray(good.read_bytes())
        for _ in range(data.draw(st.integers(1, 6))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        changed = bytes(raw[: data.draw(st.integers(len(raw) // 2, len(raw)))])
    else:
        content = members(good)
        member = data.draw(st.sampled_from(sorted(content)))
        node = orjson.loads(content[member])
        *parents, last = data.draw(st.sampled_from(places(node)[1:]))
        holder = node
        for key in parents:
            holder = holder[key]
        if isinstance(holder, dict) and data.draw(st.booleans()):
            holder.pop(last)
        else:
            holder[last] = data.draw(_JSON)
        changed = zipped(content | {member: json.dumps(node).encode("utf-8", "surrogatepass")})
    path.write_bytes(changed)
    try:
        pack = packs.read(path)
    except DataError as error:
        assert str(path) in str(error)
    else:
        with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # 1e300 squared
            assert not pack.records or report.build(pack.records).frame is not None
        assert all(Path(record["solver"]).name == record["solver"] for record in pack.records)
