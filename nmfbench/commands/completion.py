"""The command that sets up Tab completion in bash, zsh and fish; Hydra completes the settings of ``run``."""

import argparse
import contextlib
import io
import re
from collections.abc import Iterable, Mapping

from nmfbench import config
from nmfbench.errors import ConfigError

# Each script asks `nmfbench completion query LINE` with the line up to the cursor. bash splits words at = by default,
# so its script strips the part before the = from the answers.
SCRIPTS = {
    "bash": """\
_nmfbench() {
    local IFS=$'\\n' line="${COMP_LINE:0:COMP_POINT}" word
    word="${line##* }"
    COMPREPLY=($("$1" completion query "$line" 2>/dev/null))
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} != *[=.]* ]] && compopt +o nospace 2>/dev/null
    [[ $COMP_WORDBREAKS == *=* ]] && COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*=}"}"}")
}
complete -o nospace -o default -F _nmfbench nmfbench
""",
    "zsh": """\
(( $+functions[compdef] )) || { autoload -Uz compinit; compinit -i; }
_nmfbench() {
    local -a open done
    local word
    for word in ${(f)"$($words[1] completion query "${(j: :)words[1,CURRENT]}" 2>/dev/null)"}; do
        [[ $word == *[=.]* ]] && open+=$word || done+=$word
    done
    compadd -Q -- $done
    compadd -Q -S '' -- $open
    (( $#open + $#done )) || _files
}
compdef _nmfbench nmfbench
""",
    "fish": """\
function _nmfbench
    set -l words (commandline -opc)
    $words[1] completion query (commandline -cp) 2>/dev/null
end
complete -c nmfbench -a '(_nmfbench)'
""",
}
GROUPS = ("solver", "dataset", "evaluator", "experiment", "stopping", "launcher")
_RUN_OPTIONS = ("-m", "--dry-run", "--config-dir", "--config-name", "--cfg", "--info", "--help", "--version")
_KEYS = ("solver", "dataset", "rank", "results_dir", "jobs")
_NAMED = dict.fromkeys(("table", "report", "rm", "status", "verify"), "experiment") | {"claims": "claims"}
"""The config group whose names a command takes."""

Commands = Mapping[str, argparse.ArgumentParser]


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    completion = commands.add_parser(
        "completion",
        help="print the script that makes Tab complete in a shell",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Evaluate the script where the shell starts:\n"
        '  bash  eval "$(nmfbench completion bash)"      in ~/.bashrc\n'
        '  zsh   eval "$(nmfbench completion zsh)"       in ~/.zshrc\n'
        "  fish  nmfbench completion fish | source       in ~/.config/fish/config.fish",
    )
    completion.add_argument("shell", choices=[*SCRIPTS, "query"], metavar="SHELL", help="bash, zsh or fish")
    completion.add_argument("line", nargs="?", help=argparse.SUPPRESS)
    completion.set_defaults(command=lambda arguments: _answer(arguments, commands.choices))


def _answer(arguments: argparse.Namespace, commands: Commands) -> int:
    if arguments.shell == "query":
        print("\n".join(candidates(arguments.line or "", commands)))
    else:
        print(SCRIPTS[arguments.shell], end="")
    return 0


def candidates(line: str, commands: Commands) -> list[str]:
    """Return the words that can complete the last, unfinished word of a line."""
    _, *words = line.lstrip().split(" ")
    *words, last = words or [""]
    words = [word for word in words if word]
    if not words:
        return _starting(last, commands)
    group, is_choice, names = last.partition("=")
    if is_choice and group in GROUPS:
        before, comma, name = names.rpartition(",")
        return [f"{group}={before}{comma}{option}" for option in _starting(name, config.options(group))]
    if words[0] == "run":
        return _starting(last, _RUN_OPTIONS) if last.startswith("-") else _settings(words[1:], last)
    return _of_parser(words, last, commands) if words[0] in commands else []


def _starting(start: str, words: Iterable[str]) -> list[str]:
    return [word for word in words if word.startswith(start)]


def _of_parser(words: list[str], last: str, commands: Commands) -> list[str]:
    """Complete the last word of a command that argparse knows: an option, its choice, or a word that it takes."""
    command, parser = words[0], commands[words[0]]
    for word in words[1:]:
        nested = next((a for a in parser._actions if isinstance(a, argparse._SubParsersAction)), None)
        parser = nested.choices.get(word, parser) if nested else parser
    option = next((action for action in parser._actions if words[-1] in action.option_strings), None)
    if option and option.nargs != 0:
        return _starting(last, option.choices or [])
    if last.startswith("-"):
        return _starting(last, (string for action in parser._actions for string in action.option_strings))
    known = [choice for action in parser._actions if not action.option_strings for choice in action.choices or []]
    about = " ".join(action.help or "" for action in parser._actions if not action.option_strings)
    known += [f"{key}=" for key in _KEYS if f"{key}=" in about]
    if command in _NAMED:
        known += config.options(_NAMED[command])
    elif command == "plot":
        known += _pictures()
    elif command == "data":
        known += config.options("dataset") if len(words) > 1 else []
    return _starting(last, (word for word in known if word != "query"))


def _pictures() -> list[str]:
    from nmfbench.reports import charts, pictures
    from nmfbench.reports.figures import FIGURES

    return [*charts.KINDS, *pictures.KINDS, *FIGURES]


def _settings(words: list[str], last: str) -> list[str]:
    """Ask Hydra to complete the last word of ``run``; an invalid line has no completions."""
    from hydra._internal.core_plugins.bash_completion import BashCompletion
    from hydra.errors import HydraException

    from nmfbench.running.composer import Composer, arguments_parser

    composer = Composer(arguments_parser().parse_args([]))
    # Hydra composes one configuration, so a sweep such as solver=mu,wnnf is completed for its first value.
    first = [re.sub(r"^(\w+=[\w./-]+),.*", r"\1", word) for word in words if not word.startswith("-")]
    # An unfinished line is often invalid, and Tab must not print a usage message into the prompt.
    with contextlib.suppress(SystemExit, HydraException, ConfigError), contextlib.redirect_stderr(io.StringIO()):
        completions = BashCompletion(composer.hydra.config_loader)._query(
            composer.config_name, " ".join([*first, last])
        )
        return [word for word in completions if word.partition(".")[0] != "hydra"]
    return []
