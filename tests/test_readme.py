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
    assert f"of {len(methods) - 1} others" in README and (leads > 0).sum() == 3 and "three lead it" in README
    assert f"by {leads.max()} points of NMI at most" in README and f"is ahead of {behind}." in README

    deep, graph = (cells("claims_lite.md", name) for name in ("deep", "graph_in_deep"))
    assert deep["verdict"] == "the opposite holds" and graph["verdict"] == "holds"
    assert f"{-float(deep['effect']):.1f} points behind those of one layer (p = {deep['p, all claims']})" in README
    assert f"gains {float(graph['effect']):.1f} points from its graph (p = {graph['p, all claims']})" in README

    gains = [float(cells("lite.md", name)["gain"]) for name in ("silhouette", "heldout", "stability")]
    sentence = "gains {} points over the defaults, held-out error {} and stability {}"
    assert sentence.format(*gains) in README
