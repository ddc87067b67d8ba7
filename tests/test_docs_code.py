"""Every block of code in README.md and docs/ works, and every link leads somewhere.

python: run from top to bottom in one namespace a page, in an empty folder; a block that starts with `# name.py` is that
file. yaml: the file that its first comment names, else read. sh: run line by line, or checked (`CHECKED`, `OTHERS`).
text: output. The README's plain blocks are output, or sh if their first word is a command.
"""

import ast
import contextlib
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from nmfbench import cli, config
from nmfbench.reports import charts, pictures
from nmfbench.reports.figures import FIGURES
from nmfbench.running import filenames
from nmfbench.running.composing import requests

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
QUICK = ("start.md", "own-data.md", "own-method.md", "sharing-results.md")
"""Pages that `make test` runs; it checks the lines of the others, and `make test-slow` runs them."""
CHECKED = {
    "README.md": "its runs take minutes to hours, and its Python is run by test_readme.py",
    "papers.md": "tables of papers take minutes to hours",
    "clusters-and-gpus.md": "needs a cluster or a GPU",
}
"""Pages whose lines of sh are checked, not run: every option and every name in them exists."""
OTHERS = {
    "make": "installs, and runs for minutes; its targets are checked",
    "pip": "installs; the extras that it names are checked",
    "eval": "changes the shell; what it evaluates is checked",
    "dask": "a cluster",
    "git": "needs the network",
    "cd": "changes the folder",
    "apt": "installs",
    "export": "changes the shell",
    "source": "changes the shell",
}
"""First words of lines that are checked on every page."""
LANGUAGES = {"python", "yaml", "sh", "text"}
BLOCK = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"(?:# @package _global_\n)?# ([\w./-]+\.(?:py|yaml))\n")
COMMANDS = ("nmfbench", "make", "launcher=", ".venv/bin/pip", "$", "dask")


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """(language, code) of each block of a page."""
    for indent, language, code in BLOCK.findall(page.read_text(encoding="utf-8")):
        lines = [line.removeprefix(indent) for line in code.splitlines()]
        if not language and page.name == "README.md":
            language = "sh" if lines[0].startswith(COMMANDS) else "text"
        shown = any(line.startswith("$ ") for line in lines)  # then the other lines are output
        if language == "sh" and shown and page.name == "README.md":
            lines = [line for line in lines if line.startswith(("$ ", "nmfbench"))]
        yield language, "\n".join(lines) + "\n"


def commands(code: str) -> list[str]:
    """The lines of a block of sh, without prompts and comments; those that end with a backslash are joined."""
    lines = [line.removeprefix("$ ").strip() for line in code.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def words(line: str) -> list[str]:
    """The words of a line, without a trailing comment."""
    found = shlex.split(line, comments=True)
    return [found[0].removeprefix(".venv/bin/"), *found[1:]]


def check(line: str) -> None:
    """Fail unless each option, target and name of a line exists."""
    first, *rest = words(line)
    if first == "nmfbench" and rest[:1] == ["run"]:
        check_run(rest[1:])
    elif first == "nmfbench":
        check_command(rest)
    elif first.startswith("launcher="):
        check_run(["solver=mu", "dataset=digits", first, *rest])
    elif first == "make":
        targets = {name for names in re.findall(r"^([\w -]+):", makefile(), re.MULTILINE) for name in names.split()}
        assert {word for word in rest if "=" not in word} <= targets, line
    elif first == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        assert {extra for names in re.findall(r"\[([\w,]+)\]", line) for extra in names.split(",")} <= {*extras}, line
    elif first == "eval":
        check(re.fullmatch(r'eval "\$\((.*?)\)"', line.partition("  #")[0].strip())[1])
    else:
        assert first in OTHERS, f"{line!r} is neither run nor checked: say why in OTHERS"


def makefile() -> str:
    return (ROOT / "Makefile").read_text(encoding="utf-8")


def check_run(rest: list[str]) -> None:
    """Fail unless `nmfbench run` composes configurations of these words; capitals stand for a reader's own."""
    if "--help" not in rest:
        rest = [re.sub(r"^dataset=[A-Z]+$", "dataset=digits", word) for word in rest if word != "--dry-run"]
        assert all(request.composed for request in requests(filenames.literal(rest))), rest


def check_command(rest: list[str]) -> None:
    """Fail unless the parser takes the words, and the tables and pictures that they name exist."""
    with contextlib.suppress(SystemExit) if {"--help", "--version"} & {*rest} else contextlib.nullcontext():
        parsed = cli._parse(rest)
        names = [word for word in getattr(parsed, "words", []) if "=" not in word and word != "NAME"]
        if rest[0] in ("table", "status", "rm", "report"):
            assert {*names} <= {*config.options("experiment")}, rest
        if rest[0] == "plot":
            assert {*names} <= {*charts.KINDS, *pictures.KINDS, *FIGURES}, rest


def write(code: str) -> bool:
    """Write the block to the file that its first line names; whether it names one."""
    named = FILE.match(code)
    if named:
        path = Path(named[1])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code, encoding="utf-8")
    return bool(named)


def walk(page: Path, runs: bool) -> None:
    """Go through a page in the current folder: run what can be run, or check alone."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    for language, code in blocks(page):
        if language in ("python", "yaml") and write(code):
            continue
        if language == "yaml":
            assert yaml.safe_load(code)
        if language == "python":
            compiled = compile(code, page.name, "exec")
            if runs:
                exec(compiled, namespace)
        for line in commands(code) if language == "sh" else []:
            if not runs or words(line)[0] in OTHERS:
                check(line)
            elif words(line)[0] == "nmfbench":
                assert cli.main(words(line)[1:]) == 0, line
            else:
                subprocess.run(["bash", "-c", line], check=True)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch) -> None:
    """An empty folder, and no configurations of this machine's user."""
    monkeypatch.setenv("NMFBENCH_CONFIG", str(tmp_path / "configs of the user"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_has_a_language_that_is_tested(page: Path) -> None:
    assert {language for language, _ in blocks(page)} <= LANGUAGES


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in QUICK], ids=lambda page: page.name)
def test_every_option_and_name_in_the_commands_of_a_page_exists(page: Path) -> None:
    walk(page, runs=False)


@pytest.mark.parametrize("page", [page for page in PAGES if page.name in QUICK], ids=lambda page: page.name)
def test_code_of_a_short_page_runs(page: Path) -> None:
    walk(page, runs=True)


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in PAGES if p.name not in (*QUICK, *CHECKED)], ids=lambda page: page.name)
def test_code_of_a_long_page_runs(page: Path) -> None:
    walk(page, runs=True)


@pytest.mark.parametrize(
    "line",
    [
        "nmfbench run solver=wnf dataset=orl",
        "nmfbench run solver=mu dataset=orl solver.eta=1",
        "nmfbench table wnnf_table33",
        "nmfbench plot nonsense",
        "nmfbench data import my.csv --nonsense",
        'eval "$(nmfbench completion tcsh)"',
        "make nonsense",
        "pip install nmfbench[nonsense]",
        "launcher=pbs",
        "nonsense",
    ],
)
def test_line_that_does_not_work_is_noticed(line: str) -> None:
    with pytest.raises((Exception, SystemExit)):
        check(line)


# Made by docs/generate, in the folder of the site that each link names.
MADE = re.compile(r"(solvers|datasets)/(\w+)\.md|reference/(commands|metrics)\.md|results/index\.md")


def leads_somewhere(page: Path, target: str) -> bool:
    """Whether a link of a page names a file, a heading of a page, or a page that docs/generate makes."""
    address, _, anchor = target.partition("#")
    made = MADE.fullmatch(address) if page.parent.name == "docs" else None
    if made:
        return made[2] in (None, "index", *(config.options(made[1][:-1]) if made[1] else []))
    path = page.parent / address if address else page
    if not anchor or not path.is_file():
        return path.exists()
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return anchor in [re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_every_relative_link_resolves(page: Path) -> None:
    prose = re.sub(BLOCK, "", page.read_text(encoding="utf-8"))
    targets = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", prose))
    relative = [target for target in targets if not re.match(r"\w+:", target)]
    assert [target for target in relative if not leads_somewhere(page, target)] == []


def test_every_page_is_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    assert {page.name for page in PAGES[1:]} <= {*re.findall(r"[\w-]+\.md", text)}


def test_every_message_of_the_page_of_faults_is_one_that_the_code_has() -> None:
    parts = [
        node.value
        for path in (ROOT / "nmfbench").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    text = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8").partition("## Names and settings")[2]
    messages = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    fragments = [fragment.strip() for message in messages for fragment in message.split("…") if fragment.strip()]
    assert len(fragments) > 20
    assert [fragment for fragment in fragments if not any(fragment in part for part in parts)] == []
