"""`nmfbench report`: one page with everything inside, that sorts and filters in a browser."""

import base64
import re
import shlex
import shutil
from html.parser import HTMLParser
from pathlib import Path

import browser
import pytest

from nmfbench.cli import main

needs_browser = pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium (Debian: apt install chromium)")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs on two datasets."""
    folder = tmp_path_factory.mktemp("page") / "r"
    short = ["seeds=2", "stopping.max_iter=10", "threads=1", f"results_dir='{folder}'"]
    assert main(["run", "-m", "solver=mu,hals", "dataset=synthetic", "dataset.n_samples=20", "rank=2,10", *short]) == 0
    assert main(["run", "-m", "solver=mu", "solver.lam=0.25,0.5", "dataset=digits", "save_codes=true", *short]) == 0
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


SORT_AND_FILTER = """
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
const visible = (kind) => [...document.querySelectorAll(kind)].filter((one) => !one.hidden);
const sections = visible("section").length;
const figures = [...new Set(visible("figure").map((one) => one.dataset.dataset))];
const wide = document.documentElement.scrollWidth > window.innerWidth;
const result = {falling, rising, names, sections, figures, wide, sort: head.getAttribute("aria-sort")};
"""

BY_KEYBOARD = """
const reached = [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex]")];
const named = (one) => one.textContent.trim() || one.ariaLabel || one.labels?.length;
const mute = reached.filter((one) => one.tabIndex < 0 || !named(one));
const headings = [...document.querySelectorAll("h2")].map((one) => one.textContent);
const broken = [...document.images].filter((one) => one.complete && !one.naturalWidth).length;
const colours = getComputedStyle(document.body);
const result = {mute: mute.length, headings, broken, ink: colours.color, paper: colours.backgroundColor};
"""


def brightness(colour: str) -> int:
    return sum(map(int, re.findall(r"\d+", colour)[:3]))


@needs_browser
@pytest.mark.parametrize("width", [390, 1400])
def test_page_sorts_and_filters_in_a_browser(page: str, width: int, tmp_path: Path) -> None:
    found = browser.found(page, SORT_AND_FILTER, tmp_path, f"--window-size={width},900")
    assert found["rising"] == ["2", "2", "10", "10"] and found["falling"] == found["rising"][::-1]
    assert found["names"] == ["hals"] and found["sections"] == 1 and found["figures"] == ["synthetic"]
    assert found["sort"] == "ascending" and not found["wide"]


@needs_browser
def test_page_is_dark_where_the_reader_wants_it_and_all_of_it_is_reached_by_keyboard(page: str, tmp_path: Path) -> None:
    for scheme, is_dark in ((0, True), (1, False)):
        found = browser.found(page, BY_KEYBOARD, tmp_path, f"--blink-settings=preferredColorScheme={scheme}")
        assert (brightness(found["ink"]) > brightness(found["paper"])) is is_dark
        assert abs(brightness(found["ink"]) - brightness(found["paper"])) > 450
        assert found["mute"] == 0 and found["broken"] == 0
        assert [h for h in found["headings"] if h != "Warnings"] == [
            "Tables", "Figures", "Bases and codes", "Protocol and environment"
        ]  # fmt: skip


def test_page_shows_what_the_best_method_with_saved_codes_found(page: str) -> None:
    figures = re.findall(r'<img src="data:image/([a-z+]+)[;,][^"]*" alt="([^"]*)"', page)
    drawn = [alt for media, alt in figures if media == "webp"]
    assert [alt.partition(" of ")[0] for alt in drawn] == [
        "digits: bases", "digits: codes", "digits: classes and clusters"
    ]  # fmt: skip
    assert all("mu, rank 10" in alt for alt in drawn) and "svg+xml" in dict(figures)


def test_numbers_of_a_figure_are_behind_a_link(page: str) -> None:
    links = re.findall(r'<a href="data:text/csv;base64,([^"]*)" download="([^"]*)"', page)
    numbers = {name: base64.b64decode(content).decode() for content, name in links}
    assert numbers["scores_digits.csv"].startswith("method,mean,sd,n\n")
    assert len(numbers["scores_digits.csv"].splitlines()) == 3


def test_page_without_the_data_says_which_pictures_it_lacks(results: Path, tmp_path: Path, capsys) -> None:
    shutil.copytree(results, tmp_path / "r")
    shutil.rmtree(tmp_path / "r/cards")
    assert main(["report", "--results", str(tmp_path / "r")]) == 0
    assert "no pictures of bases and codes on digits: no data card" in capsys.readouterr().err
    assert "webp" not in (tmp_path / "r/report/index.html").read_text(encoding="utf-8")
