"""The command arena: ranks, resumes, joins others' results, and answers for data of one's own."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_arena import RULES

from nmfbench import config
from nmfbench.arena import protocol
from nmfbench.arena.protocol import Protocol
from nmfbench.cli import main
from nmfbench.records import Store


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[Protocol]:
    """Every protocol is `RULES`, on two tasks that scikit-learn has."""
    rules = replace(RULES, criterion="silhouette", max_seconds=0.05)
    monkeypatch.setattr(protocol, "read", lambda name: replace(rules, name=name))
    return rules


def test_arena_ranks_writes_its_page_and_runs_nothing_twice(
    small: Protocol, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["arena", "--lite", "solver=mu,hals,raw", f"results_dir={tmp_path}", "jobs=1"]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "mean rank" in shown and "hals" in shown
    names = {path.name for path in (tmp_path / "arena").iterdir()}
    assert {"lite.md", "lite.csv", "lite.html", "lite_ranking.png", "lite_ranking.csv"} <= names
    page = (tmp_path / "arena" / "lite.md").read_text()
    assert "random" in page and "seeds 100, 101" in page
    before = sorted((tmp_path / "runs").rglob("*.json"))
    assert main(words) == 0
    assert "nothing to run" in capsys.readouterr().err
    assert sorted((tmp_path / "runs").rglob("*.json")) == before
    seeds = {made["seed"] for made in Store(tmp_path).load()[0]}
    assert seeds == {0, 1, 100, 101}


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("seeds=3", "the arena's protocol sets seeds"),
        ("stopping.max_iter=9", "the arena's protocol sets stopping"),
        ("solver.lam=1", "the arena's protocol sets solver"),
    ],
)
def test_setting_that_the_protocol_fixes_is_refused(
    small: Protocol, word: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["arena", "--lite", word]) == 2
    assert reason in capsys.readouterr().err


def test_dry_run_tells_how_long_it_would_take(
    small: Protocol, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["arena", "--lite", "--dry-run", "solver=mu", f"results_dir={tmp_path}"]) == 0
    assert "of one process" in capsys.readouterr().out
    assert not list(tmp_path.rglob("runs/*/*/*.json"))


def test_method_that_runs_alone_is_ranked_among_published_and_reported_ones(
    small: Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["arena", "--lite", "solver=mu,raw", f"results_dir={tmp_path / 'theirs'}", "jobs=1"]) == 0
    pack = tmp_path / "theirs" / "arena" / "lite.nmfbench.zip"
    (tmp_path / "arena").mkdir()
    (tmp_path / "arena" / pack.name).write_bytes(pack.read_bytes())
    monkeypatch.setattr(config, "PUBLISHED", tmp_path)
    capsys.readouterr()
    words = ["arena", "--lite", "solver=hals", f"results_dir={tmp_path / 'mine'}", "jobs=1", "--with", str(pack)]
    assert main(words) == 0
    shown = capsys.readouterr().out
    for name in ("hals", "mu", "raw", "mu (reported)"):
        assert f"\n{name} " in shown
    assert {made["solver"] for made in Store(tmp_path / "mine").load()[0]} == {"hals"}


def test_data_of_ones_own_runs_under_three_scalings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 15)
    table = pd.DataFrame(rng.uniform(size=(30, 4)) + 2 * np.eye(2)[y][:, [0, 0, 1, 1]], columns=list("abcd"))
    table.assign(kind=np.where(y, "x", "y")).to_csv(tmp_path / "my.csv", index=False)
    monkeypatch.setattr(protocol, "seconds_for", lambda *size: 0.2)
    words = [f"dataset={tmp_path / 'my.csv'}", "solver=mu,raw,pca", f"results_dir={tmp_path / 'out'}", "jobs=1"]
    assert main(["arena", *words, "dataset.y=kind"]) == 0
    shown = capsys.readouterr().out
    assert "unit_norm" in shown and "Lines to beat: " in shown and "first group" in shown
    capsys.readouterr()
    assert main(["arena", *words, "dataset.drop=[kind]"]) == 2
    assert "add rank=K" in capsys.readouterr().err
    assert main(["arena", *words, "dataset.drop=[kind]", "rank=2"]) == 0
    assert "There are no labels" in capsys.readouterr().out
