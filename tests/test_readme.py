"""The Python of the README runs, and its first screen says what results/arena has."""

import re
from pathlib import Path

import pytest
from claims import ROOT

from nmfbench.arena import ranking
from nmfbench.reports.renderers import csv

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
ARENA = ROOT / "results" / "arena"


@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: b.split("\n")[0])
def test_python_of_the_readme_runs(block: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {})


def cells(name: str, first: str) -> dict[str, str]:
    """The row of a table in results/arena that begins with this word: heading → cell."""
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in (ARENA / name).read_text().splitlines()]
    at = next(i for i, line in enumerate(lines) if line and line[0].partition(":")[0] == first)
    heads = next(lines[i - 1] for i in range(at, 0, -1) if lines[i] and set(lines[i][0]) == {":", "-"})
    return dict(zip(heads, lines[at], strict=True))


def test_first_screen_says_what_the_arena_measured() -> None:
    scores = csv.read(ARENA / "lite.csv")[1]
    openly = scores[~scores["licensed"] & (scores["solver"] != "labels")]
    board = ranking.ranking(ranking.matrix(openly, "tuned")).set_index("solver")
    methods = board.drop(["raw", "pca", "random"])
    leads = methods["lead"].round(1)
    assert openly["task"].nunique() == 12 and (methods.loc[leads > 0, "p"] > 0.05).all()
    behind = (methods["rank"] > board.loc["raw", "rank"]).sum()
    assert f"of {len(methods) - 1} others" in README and (leads > 0).sum() == 3 and "three of" in README
    assert f"by {leads.max()} points of NMI at most" in README and f"is ahead of {behind} methods." in README

    deep, graph = (cells("claims_lite.md", name) for name in ("deep", "graph_in_deep"))
    assert deep["verdict"] == "the opposite holds" and graph["verdict"] == "holds"
    (high, low), of_graph = (re.findall(r"[\d.]+", claim["95 % interval"]) for claim in (deep, graph))
    sentence = f"are {-float(deep['effect']):.1f} points ({low} to {high}) behind those of one layer"
    assert f"{sentence} (p = {deep['p, all claims']})" in README
    sentence = f"gains {float(graph['effect']):.1f} ({of_graph[0]} to {of_graph[1]}) from its graph"
    default = ranking.ranking(ranking.matrix(openly, "default")).set_index("solver").loc["danmf", "lead"]
    assert f"{sentence} (p = {graph['p, all claims']}) and leads `mu` by {default:.1f} with its defaults" in README

    nmi = openly.pivot(index=["task", "solver"], columns="row", values="nmi").dropna()
    several = nmi[~nmi.index.get_level_values("solver").isin(["raw", "pca", "random", "spa", "snpa", "tri"])]
    gains = several["tuned"] - several["default"]
    assert (
        f"gain {gains.mean():.1f} points over the defaults in the mean and {gains.median():.1f} in the median" in README
    )
