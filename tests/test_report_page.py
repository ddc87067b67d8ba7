"""`nmfbench report`: one page with everything inside, that sorts and filters in a browser."""

import json
import re
import shlex
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from nmfbench.cli import main

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs on two datasets."""
    folder = tmp_path_factory.mktemp("page") / "r"
    short = ["seeds=2", "stopping.max_iter=10", "threads=1", f"results_dir='{folder}'"]
    assert main(["run", "-m", "solver=mu,hals", "dataset=synthetic", "dataset.n_samples=20", "rank=2,10", *short]) == 0
    assert main(["run", "-m", "solver=mu", "solver.lam=0.25,0.5", "dataset=digits", *short]) == 0
    return folder


@pytest.fixture(scope="module")
def page(results: Path) -> str:
    assert main(["report", "--results", str(results)]) == 0
    return (results / "report/index.html").read_text(encoding="utf-8")


class Outline(HTMLParser):
    """What a screen reader needs: the headings in order, and the tags that lack a name."""

    def __init__(self, page: str):
        super().__init__()
        self.levels: list[int] = []
        self.nameless: list[str] = []
        self.addresses: list[str] = []
        self.tables = self.captions = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [str(given[key]) for key in ("src", "href") if key in given]
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag == "img" and not given.get("alt"):
            self.nameless.append(tag)
        self.tables += tag == "table"
        self.captions += tag == "caption"


def test_page_needs_no_network(page: str) -> None:
    outline = Outline(page)
    assert outline.addresses and all(address.startswith(("data:", "#")) for address in outline.addresses)
    assert "http://" not in re.sub(r'src="data:[^"]*"', "", page) and "@import" not in page


def test_page_is_readable_by_ear(page: str) -> None:
    outline = Outline(page)
    assert outline.levels[0] == 1 and outline.levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(outline.levels, outline.levels[1:], strict=False))
    assert not outline.nameless and outline.tables == outline.captions > 2
    assert '<html lang="en">' in page


def test_page_shows_what_the_table_shows(page: str, results: Path, capsys) -> None:
    capsys.readouterr()
    assert main(["table", "--format", "md", "--results", str(results)]) == 0
    shown = capsys.readouterr().out
    for cell in re.findall(r"\d+\.\d ± \d+\.\d", shown):
        assert cell in page
    assert "Protocol and environment" in page and "Not converged" in page


def test_command_of_a_row_makes_its_runs(page: str, results: Path, capsys) -> None:
    commands = [shlex.split(command) for command in re.findall(r'data-command="([^"]*)"', page)]
    assert ["nmfbench", "run", "solver=mu", "dataset=digits", "rank=10", "solver.lam=0.5"] in [c[:6] for c in commands]
    assert len(commands) == 6
    for command in commands:
        capsys.readouterr()
        # Everything is there already, so it ends at once.
        assert main([*command[1:], "threads=1", f"results_dir='{results}'"]) == 0
        assert "nothing to run" in capsys.readouterr().err


def test_report_of_words_and_to_a_file(results: Path, tmp_path: Path, capsys) -> None:
    assert main(["report", "dataset=digits", "--results", str(results), "--output", str(tmp_path / "one.html")]) == 0
    page = (tmp_path / "one.html").read_text(encoding="utf-8")
    assert "digits: 1797" in page and "synthetic" not in page
    assert main(["report", "--results", str(tmp_path / "absent")]) == 2
    assert "no records in" in capsys.readouterr().err


SCRIPT = """
<script>
window.onerror = (message) => { document.title = "error: " + message };
{
const table = document.querySelector("section[data-dataset=synthetic] table.methods");
const heads = [...table.tHead.rows[0].cells].map((head) => head.textContent.trim());
const cells = (name) => [...table.tBodies[0].rows].filter((row) => !row.hidden)
  .map((row) => row.cells[heads.indexOf(name)].textContent.trim()).filter((cell) => cell !== "–");
const head = table.tHead.rows[0].cells[heads.indexOf("rank")];
head.querySelector("button").click();
const falling = cells("rank");
head.querySelector("button").click();
const rising = cells("rank");
const search = document.getElementById("method"), dataset = document.getElementById("dataset");
search.value = "HALS"; search.dispatchEvent(new Event("input"));
const names = [...new Set(cells("solver"))];
search.value = ""; search.dispatchEvent(new Event("input"));
dataset.value = "synthetic"; dataset.dispatchEvent(new Event("change"));
const sections = [...document.querySelectorAll("section")].filter((one) => !one.hidden).length;
const wide = document.documentElement.scrollWidth > window.innerWidth;
if (!document.title.startsWith("error"))
  document.title = JSON.stringify({falling, rising, names, sections, wide, sort: head.getAttribute("aria-sort")});
}
</script></body>"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt install chromium)")
def test_page_sorts_and_filters_in_a_browser(page: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page.replace("</body>", SCRIPT), encoding="utf-8")
    for width in (390, 1400):
        command = [
            str(CHROMIUM),
            *QUIET.split(),
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--window-size={width},900",
        ]
        command += ["--enable-logging=stderr", "--v=0", "--dump-dom", (tmp_path / "page.html").as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        title = re.search("<title>(.*?)</title>", done.stdout)
        assert title and not title[1].startswith("error"), title
        found = json.loads(title[1].replace("&quot;", '"'))
        assert found["rising"] == ["2", "2", "10", "10"] and found["falling"] == found["rising"][::-1]
        assert found["names"] == ["hals"] and found["sections"] == 1
        assert found["sort"] == "ascending" and not found["wide"]
        assert "CONSOLE" not in done.stderr
