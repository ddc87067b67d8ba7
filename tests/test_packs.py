"""Packs: many records in one small file, the same bytes for the same records, and no harm from a stranger's."""

import getpass
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from packed import RECORDS, members, record, with_config

from nmfbench.errors import ConfigError
from nmfbench.records import cleaning, packs, unpacking
from nmfbench.reports import report


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / f"mine{packs.SUFFIX}"


def test_records_come_back_but_for_what_a_pack_leaves_out(path: Path) -> None:
    manifest = packs.write(path, RECORDS, name="A. Nonymous", contact="https://example.org")
    pack = packs.read(path)
    assert pack.manifest == manifest
    assert (manifest["records"], manifest["licence"], manifest["name"]) == (6, "CC-BY-4.0", "A. Nonymous")
    assert manifest["solvers"]["mu"] == {"records": 3, "versions": ["2"], "sources": []}
    assert manifest["newest"] == "2026-11-26T14:57:02Z"
    by_run = {(r["solver"], r["seed"]): r for r in pack.records}
    for whole in RECORDS:
        packed = by_run[whole["solver"], whole["seed"]]
        same = ("schema", "config", "dataset", "block", "variant", "setting", "rank", "status", "objective", "data")
        assert {key: packed[key] for key in same} == {key: whole[key] for key in same}
        assert [row["value"] for row in packed["metrics"]] == [row["value"] for row in whole["metrics"]]
        assert packed["seconds"] == pytest.approx(whole["seconds"], rel=1e-6)
        assert len(packed["history"]) <= packs.POINTS
        assert packed["exhibits"] == [] and not any("starts" in row for row in packed["metrics"])
        assert packed.keys() == whole.keys()
    table, packed_table = report.build(RECORDS).frame, report.build(pack.records).frame
    assert packed_table.round(6).equals(table.round(6))


def test_whole_lite_arena_fits_into_a_pack(path: Path) -> None:
    made = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        rows = [
            {"layer": layer, "n_clusters": 10, "metric": name, "value": 0.5} for layer in (1, 2) for name in "abcdefg"
        ]
        rows[-1] |= {"clusters": rng.integers(40, size=400).tolist(), "classes": sorted(rng.integers(40, size=400))}
        rows[-1]["classes"] = [int(label) for label in rows[-1]["classes"]]
        made.append(record(seed, metrics=rows))
    packs.write(path, made)
    shared = len(members(path)["shared.json"]) * 15_000 / len(made)
    assert shared < unpacking.LARGEST["shared.json"]
    assert path.stat().st_size * 15_000 / len(made) < 20e6  # what the repository may hold


def test_same_records_make_the_same_file_in_any_order_and_after_a_copy(path: Path, tmp_path: Path) -> None:
    packs.write(path, RECORDS)
    again = tmp_path / f"again{packs.SUFFIX}"
    packs.write(again, [*RECORDS[::-1], RECORDS[2]])
    assert again.read_bytes() == path.read_bytes()
    packs.write(again, packs.read(path).records)
    assert again.read_bytes() == path.read_bytes()
    packs.write(again, [record(0, seconds=7.0), *RECORDS[1:]])
    assert packs.checksum(again) != packs.checksum(path)


def test_of_two_records_of_a_run_the_newest_is_kept(path: Path) -> None:
    newer = record(0, iterations=7)
    newer["environment"] = newer["environment"] | {"date": "2027-01-01T00:00:00Z"}
    packs.write(path, [newer, record(0)])
    (kept,) = packs.read(path).records
    assert kept["iterations"] == 7


def seconds_to(level: float, history: list[list[float]]) -> float:
    """The time at which a history falls to a level, on the line between two entries."""
    after = next(i for i, look in enumerate(history) if look[1] <= level)
    (_, a, start), (_, b, end) = history[after - 1], history[after]
    return start + (end - start) * (a - level) / (a - b)


@pytest.mark.parametrize("rate", [1 / 3, 1 / 30, 1 / 300])
def test_thinned_history_keeps_the_time_to_each_share_of_the_fall(rate: float) -> None:
    history = [[i, 5.0 + 90.0 * math.exp(-i * rate) + 10 / (1 + i), 0.2 + i / 1000] for i in range(3000)]
    thin = packs.thinned(history)
    assert len(thin) == packs.POINTS and (thin[0][0], thin[-1][0]) == (0, 2999)
    assert all([look[0], pytest.approx(look[1]), pytest.approx(look[2])] in history for look in thin)
    for share in (0.3, 0.1, 0.01, 0.001):
        level = history[-1][1] + share * (history[0][1] - history[-1][1])
        assert seconds_to(level, thin) == pytest.approx(seconds_to(level, history), rel=0.1)


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_history_that_does_not_fall_is_thinned_too(value: float) -> None:
    assert len(packs.thinned([[i, value, 0.0] for i in range(100)])) == packs.POINTS
    rising = [[i, value + i, i / 10] for i in range(100)]
    assert len(packs.thinned(rising)) == packs.POINTS
    assert packs.thinned(rising[:5]) == rising[:5]


def test_ten_thousand_records_stay_small_and_are_read_at_once(path: Path) -> None:
    packs.write(path, [record(5 * setting + seed, f"m{setting}") for setting in range(200) for seed in range(5)])
    assert path.stat().st_size * 10 < 10e6
    start = time.process_time()
    assert len(packs.read(path).records) == 1000
    assert (time.process_time() - start) * 10 < 2


@pytest.fixture
def alice(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The account alice with a home folder, on the host that is returned."""

    def forget() -> None:
        for cached in (cleaning._home, cleaning._names, cleaning._cleaned_text):
            cached.cache_clear()

    host = "pluto.lab.example.org"
    monkeypatch.setenv("HOME", "/home/alice smith")
    monkeypatch.setattr(getpass, "getuser", lambda: "alice")
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(nodename=host))
    forget()
    yield host
    forget()


def test_no_folder_account_or_host_leaves_the_machine(path: Path, alice: str) -> None:
    host = alice
    secret = with_config(
        record(),
        solver={
            "name": "mine",
            "_target_": "nmfbench.adapters.function.FunctionSolver",
            "function": "/home/alice smith/my work/mine.py:my_nmf",
            "params": {"cache": "/var/lab-42/cache", "note": f"alice@{host} said so", "win": "C:\\Users\\alice\\x.txt"},
        },
        dataset={"_target_": "nmfbench.datasets.file.File", "name": "wine", "scaling": "max"},
    ) | {
        "footnote": f"read from /home/alice smith/data/wine.csv by alice on {host}, pluto at ratio W/H 1/2 min/max",
        "variant": {"solver.function": "/home/alice smith/my work/mine.py:my_nmf"},
        "error": "No such file: '/mnt/lab-42/x y/z.npy'\n",
        "traceback": 'File "/home/alice smith/secret.py", line 1',
        "status": "diverged",
    }
    packs.write(path, [secret])
    everything = b"".join(members(path).values()).decode()
    for private in ("alice", "smith", "my work", "lab-42", "x y", "Users", "secret", "somebody", "pluto"):
        assert private not in everything, private
    (kept,) = packs.read(path).records
    assert kept["config"]["solver"]["function"] == "mine.py:my_nmf"
    assert kept["config"]["dataset"]["scaling"] == "max"
    assert kept["config"]["solver"]["_target_"] == "nmfbench.adapters.function.FunctionSolver"
    assert kept["footnote"] == "read from wine.csv by … on …, … at ratio W/H 1/2 min/max"
    assert packs.read(path).manifest["datasets"]["wine"]["own"] is True


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"records": []}, "no records"),
        ({"licence": "mine"}, "licence must be one of CC-BY-4.0"),
        ({"path": Path("mine.zip")}, "must end in .nmfbench.zip"),
        ({"records": [record(2**70)]}, "64-bit"),
        ({"records": [with_config(record(), dataset={"name": "a/b"})]}, "wrong type"),
        ({"code": {"0" * 16: {"mine": "x = 1\n"}}}, "another checksum"),
    ],
)
def test_what_no_pack_can_hold_is_refused_and_nothing_is_written(path: Path, wrong: dict, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        packs.write(**({"path": path, "records": RECORDS} | wrong))
    assert not list(path.parent.iterdir())
