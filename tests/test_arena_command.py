"""The command arena: ranks, resumes, joins others' results, and answers for data of one's own."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_arena import RULES, record

from nmfbench import app, config
from nmfbench.arena import protocol, runs, scores
from nmfbench.arena.protocol import Protocol, Task
from nmfbench.cli import main
from nmfbench.commands.arena import _mark, _others
from nmfbench.errors import ConfigError
from nmfbench.records import Store, packs, verdicts
from nmfbench.running.composing import opened
from nmfbench.running.planning import plan


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Protocol]:
    """Every protocol is `RULES`, on two tasks that scikit-learn has, and nothing is published."""
    monkeypatch.setattr(config, "PUBLISHED", tmp_path / "nothing")
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
    made = Store(tmp_path / "arena").load()[0]
    assert {one["seed"] for one in made} == {0, 1, 100, 101}
    pack = packs.read(tmp_path / "arena" / "lite_part.nmfbench.zip")
    assert pack.manifest["records"] == len(made) and f"{len(made)} records, for" in shown
    rules, index = protocol.read("lite"), ["task", "solver", "row"]
    tables = [scores.table(scores.cells(records, rules), rules) for records in (made, pack.records)]
    # A pack keeps some points of each history, so that it gives the time to 1 % roughly.
    whole, packed = (table.drop(columns="to_1_percent").set_index(index).sort_index() for table in tables)
    pd.testing.assert_frame_equal(whole, packed, rtol=1e-6)
    names = {path.name for path in (tmp_path / "arena").iterdir()}
    expected = {"lite_part.md", "lite_part.csv", "lite_part.html", "lite_part_ranking.png", "lite_part_ranking.csv"}
    assert expected <= names and "lite.md" not in names
    page = (tmp_path / "arena" / "lite_part.md").read_text()
    assert "random" in page and "seeds 100, 101" in page
    before = sorted((tmp_path / "arena" / "runs").rglob("*.json"))
    assert main(words) == 0
    assert "nothing to run" in capsys.readouterr().err
    assert sorted((tmp_path / "arena" / "runs").rglob("*.json")) == before
    assert main([*words, "--dry-run"]) == 0
    assert "at most" not in capsys.readouterr().out


def test_page_says_what_is_missing_and_the_command_fails(
    small: Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["arena", "--lite", "solver=mu,raw", "dataset=uci_iris", f"results_dir={tmp_path}", "jobs=1"]
    assert main(words) == 0
    monkeypatch.setattr(app, "complete", lambda planned: None)  # as if the processes were killed
    paths = {path: json.loads(path.read_text()) for path in (tmp_path / "arena" / "runs").rglob("*.json")}
    for path in (path for path, made in paths.items() if made["config"]["evaluator"]["name"] == "heldout"):
        path.unlink()
    assert main(words) == 1
    assert "missing: the same command" in (tmp_path / "arena" / "lite_part.md").read_text()
    for path in (path for path, made in paths.items() if made["seed"] in (1, 100)):
        path.unlink(missing_ok=True)
    assert main(words) == 2
    assert "no method has finished" in capsys.readouterr().err


def test_second_track_has_twice_as_many_components(tmp_path: Path) -> None:
    composer, _ = opened([f"results_dir={tmp_path}"])
    task = replace(RULES.tasks[0], name="uci_iris ×2", times=2)
    entering = runs.RunComposer(
        replace(RULES, tasks=(RULES.tasks[0], task)), composer, [f"results_dir={tmp_path}"], ["mu"]
    )
    planned = plan(entering.first_round())
    assert {job.config["solver"]["rank"] for job in planned.jobs} == {3, 6}


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
    shown = capsys.readouterr().out
    assert "of one process" in shown and "at most" in shown
    assert not list(tmp_path.rglob("runs/*/*/*.json"))


def test_method_that_runs_alone_is_ranked_among_published_and_reported_ones(
    small: Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["arena", "--lite", "solver=mu,raw", f"results_dir={tmp_path / 'theirs'}", "jobs=1"]) == 0
    pack = tmp_path / "theirs" / "arena" / "lite_part.nmfbench.zip"
    (tmp_path / "arena").mkdir()
    (tmp_path / "arena" / "lite.nmfbench.zip").write_bytes(pack.read_bytes())
    monkeypatch.setattr(config, "PUBLISHED", tmp_path)
    capsys.readouterr()
    words = ["arena", "--lite", "solver=hals", f"results_dir={tmp_path / 'mine'}", "jobs=1", "--with", str(pack)]
    assert main(words) == 0
    shown = capsys.readouterr().out
    for name in ("hals", "mu", "raw", "mu (reported)"):
        assert f"\n{name} " in shown
    assert {made["solver"] for made in Store(tmp_path / "mine" / "arena").load()[0]} == {"hals"}


def test_set_that_is_not_here_is_no_task_of_the_ranking(
    small: Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NMFBENCH_DATA", str(tmp_path))
    rules = replace(small, tasks=(*small.tasks, Task(name="fashion_mnist", dataset="fashion_mnist", domain="pictures")))
    monkeypatch.setattr(protocol, "read", lambda name: replace(rules, name=name))
    assert main(["arena", "--lite", f"results_dir={tmp_path}", "jobs=1", "solver=hals,mu"]) == 0
    shown = capsys.readouterr()
    assert "not here, so no part of this ranking: fashion_mnist" in shown.err
    assert f"{len(small.tasks)} tasks" in shown.out
    assert "fashion_mnist: " in (tmp_path / "arena" / "lite_part.md").read_text()  # how to get it


def test_data_of_ones_own_runs_under_three_scalings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 15)
    table = pd.DataFrame(rng.uniform(size=(30, 4)) + 2 * np.eye(2)[y][:, [0, 0, 1, 1]], columns=list("abcd"))
    table.assign(kind=np.where(y, "x", "y")).to_csv(tmp_path / "my.csv", index=False)
    monkeypatch.setattr(protocol, "seconds_for", lambda *size: 0.2)
    words = [f"dataset={tmp_path / 'my.csv'}", "solver=mu,raw,pca", f"results_dir={tmp_path / 'out'}", "jobs=1"]
    assert main(["arena", *words]) == 0
    printed = capsys.readouterr()
    shown = printed.out
    assert "labels: kind" in printed.err
    assert "unit_norm" in shown and "Lines to beat: " in shown and "first group" in shown
    assert main(["arena", *words, "dataset.y=kind", "rank=3"]) == 0
    assert "\nmu " in capsys.readouterr().out  # with three components and two classes
    assert main(["arena", *words, "dataset.drop=[kind]"]) == 2
    assert "add rank=K" in capsys.readouterr().err
    assert main(["arena", *words, "dataset.drop=[kind]", "rank=2"]) == 0
    assert "There are no labels" in capsys.readouterr().out


def verdict(dataset: str, outcome: str) -> verdicts.Verdict:
    return verdicts.Verdict("mine", "", "", dataset, outcome, 1, 1)


@pytest.mark.parametrize(
    ("outcomes", "mark"),
    [
        ((), "reported"),
        (("verified",), "verified on 1 of 2 datasets"),
        (("verified", "verified"), "verified"),
        (("verified", "differs"), "differs"),
    ],
)
def test_method_of_a_pack_has_one_mark(outcomes: tuple[str, ...], mark: str) -> None:
    records = [{"solver": "mine", "dataset": name, "config": {"solver": {}}} for name in ("a", "b")]
    assert _mark(records, "mine", [verdict(*pair) for pair in zip("ab", outcomes, strict=False)]) == mark


def test_packs_of_strangers_stay_apart_and_within_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [record("mine", RULES.tasks[0], seed, 0.5, [0, 0, 1, 1]) for seed in (0, 1, 100, 101)]
    made += [record("mine", RULES.tasks[0], 100, 0.5, [0, 0, 1, 1], {"solver.a": a}) for a in (1, 2)]
    monkeypatch.setattr(packs, "read", lambda path: packs.Pack({}, made))
    monkeypatch.setattr(verdicts, "read", lambda path: [])
    files = [tmp_path / f"{name}.nmfbench.zip" for name in ("ann", "bob")]
    others = _others(RULES, [], files)
    assert {one["solver"] for one in others} == {"mine (reported)", "mine (reported, bob)"}
    made.append(record("mine", RULES.tasks[0], 100, 0.5, [0, 0, 1, 1], {"solver.a": 3}))
    with pytest.raises(ConfigError, match="mine has 4 trials on uci_iris; the arena allows 3"):
        _others(RULES, [], files)


def test_planted_data_is_ranked_at_its_planted_rank(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(protocol, "seconds_for", lambda *size: 0.1)
    assert main(["arena", "dataset=planted_parts", "solver=hals,pca", f"results_dir={tmp_path}", "jobs=1"]) == 0
    assert "\nhals " in capsys.readouterr().out
