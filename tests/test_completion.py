"""Tab completion: which words are offered, and that the scripts work in the shells themselves."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from shell import nmfbench

from nmfbench.cli import _commands

ROOT = Path(__file__).resolve().parents[1]


def complete(line: str, capsys) -> list[str]:
    assert nmfbench("completion", "query", line) == 0
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("nmfbench run solver=w", {"solver=wnnf", "solver=wnnf_deep", "solver=wnnf_deconv"}),
        ("nmfbench run -m solver=mu,wnnf_dec", {"solver=mu,wnnf_deconv"}),
        ("nmfbench run solver=mu stopping.max_", {"stopping.max_iter=", "stopping.max_seconds="}),
        ("nmfbench run -m solver=mu,wnnf solver.be", {"solver.beta="}),
        ("nmfbench run ra", {"rank="}),
        ("nmfbench run --dr", {"--dry-run"}),
        ("nmfbench run solver=mu foo=[ ", set()),
        ("nmfbench run hydra", set()),
        ("nmfbench ta", {"table"}),
        ("nmfbench table wnnf_table3", {"wnnf_table3a", "wnnf_table3b"}),
        ("nmfbench table ra", {"rank="}),
        ("nmfbench table solver=ha", {"solver=hals"}),
        ("nmfbench table --so", {"--sort"}),
        ("nmfbench table --format m", {"md"}),
        ("nmfbench report wnnf_table3", {"wnnf_table3a", "wnnf_table3b"}),
        ("nmfbench plot frontie", {"frontier"}),
        ("nmfbench data fetch ya", {"yale"}),
        ("nmfbench data import --samples r", {"rows"}),
        ("nmfbench list sol", {"solvers"}),
        ("nmfbench arena sol", {"solver="}),
        ("nmfbench claims depth", {"depth_on_graph"}),
        ("nmfbench claims sol", set()),
        ("nmfbench completion ", {"bash", "zsh", "fish"}),
        ("nmfbench nonsense ", set()),
    ],
)
def test_tab_offers_commands_options_names_and_settings(line: str, expected: set[str], capsys) -> None:
    assert set(complete(line, capsys)) == expected


def test_tab_offers_every_command_and_every_long_option_of_each(capsys) -> None:
    commands = _commands()
    assert set(complete("nmfbench ", capsys)) == set(commands)
    for name, parser in commands.items():
        if name not in ("run", "data"):
            options = {option for action in parser._actions for option in action.option_strings if option[:2] == "--"}
            assert set(complete(f"nmfbench {name} --", capsys)) == options


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment whose `nmfbench` is this checkout's."""
    program = tmp_path / "bin" / "nmfbench"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nmfbench "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "HOME": os.environ.get("HOME", str(tmp_path))}


def output(command: list[str], environment: dict[str, str]) -> list[str]:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("breaks", ["", "COMP_WORDBREAKS=${COMP_WORDBREAKS//=}; "])
def test_bash_takes_the_words_whether_or_not_it_splits_them_at_the_equals_sign(breaks: str, environment) -> None:
    script = (
        f"COMP_WORDBREAKS=' ='; {breaks}"
        'eval "$(nmfbench completion bash)"; COMP_LINE="nmfbench run solver=wnnf_de and more"; COMP_POINT=27; '
        '_nmfbench nmfbench; printf "%s\\n" "${COMPREPLY[@]}"; complete -p nmfbench'
    )
    *words, _, _, _, _, _, _, _, program = output(["bash", "--norc", "-c", script], environment)
    before = "solver=" if breaks else ""
    assert words == [f"{before}wnnf_deconv", f"{before}wnnf_deep"] and program == "nmfbench"


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_fish_takes_the_words(environment) -> None:
    script = 'nmfbench completion fish | source; complete -C "nmfbench run solver=wnnf_de"'
    words = output(["fish", "--no-config", "-c", script], environment)
    assert {"solver=wnnf_deconv", "solver=wnnf_deep"} <= set(words)


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
def test_zsh_needs_one_line_and_completes_what_is_typed(environment) -> None:
    terminal, end = pty.openpty()
    shell = subprocess.Popen(["zsh", "-i"], stdin=end, stdout=end, stderr=end, env=environment, start_new_session=True)
    typed = ['eval "$(nmfbench completion zsh)"; echo re""ady\n', "nmfbench run solver=wnnf_dec\t"]
    try:
        for keys, awaited in zip(typed, ("ready", "solver=wnnf_deconv"), strict=True):
            os.write(terminal, keys.encode())
            assert awaited in shown_until(terminal, awaited)
    finally:
        shell.kill()
        shell.wait()
        os.close(terminal)
        os.close(end)


def shown_until(terminal: int, text: str, seconds: float = 60) -> str:
    """What a terminal shows until that text is there, or for that long."""
    shown, end = "", time.monotonic() + seconds
    while text not in shown and time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            shown += os.read(terminal, 65536).decode(errors="replace")
    return shown
