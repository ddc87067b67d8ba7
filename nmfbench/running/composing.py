"""From a command line to configurations. Hydra's parser reads the overrides, its compose API composes; nothing runs."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import cast

from hydra.core.override_parser.types import Override, OverrideType
from hydra.types import RunMode

from nmfbench.errors import ConfigError
from nmfbench.reports.settings import Table
from nmfbench.running.composer import GROUPS, Composed, Composer, arguments_parser

NEUTRAL = ("results_dir", "launcher", "jobs", "threads", "device", "refit")
"""Overrides that change where and how runs are made, but not which table is asked for."""
TIMED = ("threads", "device")
"""Those of them that ``timing=true`` makes part of a record's name, and so of the table."""
_FILTERS = ("solver", "dataset")


@dataclass(frozen=True)
class Request:
    """One command line, understood.

    Parameters
    ----------
    composed: its configurations.
    table: the layout of the table that shows their records.
    experiment: the name of the experiment; None: a run or a sweep.
    changes: the overrides that decide what is asked for, as given: all but the experiment's name and the neutral ones.
    folders: where YAMLs are looked for.
    """

    composed: list[Composed]
    table: Table
    experiment: str | None
    changes: tuple[str, ...]
    folders: tuple[Path, ...]


def show(arguments: Sequence[str]) -> int:
    """Hydra's own answers: ``--cfg``, ``--info`` and ``--hydra-help``. Raises ConfigError."""
    parser = arguments_parser()
    options = parser.parse_intermixed_args(list(arguments))
    composer = Composer(options)
    words = [word for override in composer.parse(options.overrides) for word in composer.words_of(override)]
    options.overrides = words
    composer.compose(words)  # for its errors, in our words
    if options.cfg:
        composer.hydra.show_cfg(composer.config_name, words, options.cfg, options.package, options.resolve)
    elif options.info:
        composer.hydra.show_info(options.info, composer.config_name, words)
    else:
        options.overrides = []  # they are nmfbench's, and this help is about Hydra
        composer.hydra.hydra_help(composer.config_name, parser, options)
    return 0


def requests(arguments: Sequence[str]) -> list[Request]:
    """The requests that the words after ``nmfbench run`` make: one, or one for each experiment. Raises ConfigError.

    An experiment may list ``runs``: command lines, each a sweep of its own. Then ``solver=`` and ``dataset=`` choose
    from the runs of the lines, and any other override holds for every line.
    """
    options = arguments_parser().parse_intermixed_args(list(arguments))
    composer = Composer(options)
    overrides = composer.parse(options.overrides)
    multirun = options.multirun or any(o.key_or_group == "hydra.mode" and o.value() == "MULTIRUN" for o in overrides)
    # The last override of a key counts, as in Hydra.
    last = {override.get_key_element(): override for override in overrides}
    asked = [override for override in last.values() if override.key_or_group != "hydra.mode"]
    experiments: list[str | None] = [
        name for override in asked if override.key_or_group == "experiment" for name in composer.names(override)
    ]
    others = [override for override in asked if override.key_or_group != "experiment"]
    return [
        _request(composer, None if name == "null" else name, others, multirun)
        for name in dict.fromkeys(experiments or [None])
    ]


def opened(arguments: Sequence[str]) -> tuple[Composer, list[Override]]:
    """A composer for words like those after ``nmfbench run``, and the words as overrides. Raises ConfigError."""
    options = arguments_parser().parse_intermixed_args(list(arguments))
    composer = Composer(options)
    overrides = composer.parse(options.overrides)
    return composer, list({override.get_key_element(): override for override in overrides}.values())


def _request(composer: Composer, experiment: str | None, overrides: list[Override], multirun: bool) -> Request:
    base = [f"experiment={experiment}"] if experiment else []
    table, lines = Table(), None
    if experiment or composer.config_name != "config":
        whole = composer.compose(base)
        table = Table.of(whole.plain("table", resolve=False) if whole.node.get("table") else {})
        lines = whole.node.get("runs") or None
        if whole.hydra.hydra.mode == RunMode.MULTIRUN:  # the YAML's own sweep, as Hydra has it
            multirun = True
            given = {override.key_or_group for override in overrides}
            swept = whole.hydra.hydra.sweeper.params or {}
            where = f"in hydra.sweeper.params of {experiment or composer.config_name}.yaml"
            own = composer.parse([f"{k}={v}" for k, v in swept.items() if k not in given], where)
            overrides = [*own, *overrides]
    if lines is None:
        several = [override for override in overrides if override.is_sweep_override()]
        if several and not multirun:
            raise ConfigError(
                f"{several[0].input_line} names several values: add -m to run them all one by one, or write a list as "
                f"{several[0].key_or_group}=[…]"
            )
        composed = list(_product(composer, base, [(o, composer.words_of(o)) for o in overrides]))
    else:
        composed = _lines(composer, experiment, base, cast(list[str], lines), overrides, table)
    timing = all(c.node.get("timing") for c in composed)
    neutral = [key for key in NEUTRAL if not (timing and key in TIMED)]
    changes = []
    for override in overrides:
        key = override.key_or_group.partition(".")[0]
        if key not in neutral:
            changes.append(str(override.input_line))
        elif override.is_sweep_override():
            way_out = "run them one by one, each with a results_dir of its own"
            raise ConfigError(
                f"{override.input_line}: {key} is no part of a record's name, so its values would share their records; "
                f"{'timing=true makes it one' if key in TIMED else way_out}"
            )
    return Request(composed, table, experiment, tuple(changes), composer.folders)


def _lines(
    composer: Composer,
    experiment: str | None,
    base: list[str],
    lines: list[str],
    overrides: list[Override],
    table: Table,
) -> list[Composed]:
    """The configurations of an experiment's lines, under the overrides of the command line."""
    chosen = {
        o.key_or_group: composer.names(o)
        for o in overrides
        if o.key_or_group in _FILTERS and o.type == OverrideType.CHANGE
    }
    others = [override for override in overrides if override.key_or_group not in chosen]
    keys = {override.get_key_element() for override in others}
    configurations: list[Composed] = []
    offered: dict[str, list[str]] = {group: [] for group in chosen}
    for line in lines:
        narrowed = []
        for override in composer.parse(shlex.split(line), f"in the runs of {experiment or composer.config_name}.yaml"):
            if override.get_key_element() in keys:
                continue
            words = composer.words_of(override)
            if (group := override.key_or_group) in chosen:
                offered[group] += composer.names(override)
                words = [f"{group}={name}" for name in composer.names(override) if name in chosen[group]]
            narrowed.append((override, words))
        configurations += _product(composer, base, [*narrowed, *((o, composer.words_of(o)) for o in others)])
    if table.tuning:
        tried = [c for c in configurations if c.node["dataset"].get("classes") in table.tuning.classes]
        configurations += [c.with_values({"seeds": table.tuning.seeds}) for c in tried]
    if not configurations:
        missing = " and ".join(
            f"{group}={','.join(names)} (there are: {', '.join(dict.fromkeys(offered[group]))})"
            for group, names in chosen.items()
        )
        raise ConfigError(f"experiment {experiment} has no run with {missing}")
    return configurations


def _product(
    composer: Composer, base: list[str], overrides: Sequence[tuple[Override, list[str]]]
) -> Iterator[Composed]:
    """Every combination of the words, the first key varying slowest: groups first, then other keys.

    A configuration is composed once for all values of a plain key, then copied: composing costs a hundred times more.
    """

    def is_plain_sweep(override: Override) -> bool:
        plain = override.type == OverrideType.CHANGE and override.package is None
        return plain and override.key_or_group not in GROUPS and override.is_sweep_override()

    composing = [words for override, words in overrides if not is_plain_sweep(override)]
    setting = {
        override.key_or_group: [composer.parse([word])[0].value() for word in words]
        for override, words in overrides
        if is_plain_sweep(override)
    }
    for words in product(*composing):
        composed = composer.compose([*base, *words])
        for values in product(*setting.values()):
            yield composed.with_values(dict(zip(setting, values, strict=True)))
