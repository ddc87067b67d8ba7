"""The command that chooses a rank: it makes the runs that the criteria need, and shows their choices."""

import argparse
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nmfbench import endings
from nmfbench.commands import choosing
from nmfbench.errors import ConfigError
from nmfbench.progress import plural, say
from nmfbench.records import Record, write_bytes, write_text
from nmfbench.running import filenames

if TYPE_CHECKING:  # their imports take seconds
    from nmfbench.reports.ranks import Study
    from nmfbench.running.planning import Plan

SEEDS = 5
"""Restarts and splits of each rank, unless seeds= says otherwise."""
KINDS = {
    "fits": ["evaluator=information", "save_codes=true"],
    "heldout": ["evaluator=heldout"],
    "bicross": ["evaluator=bicross"],
}
"""The runs of each rank: fits to the whole data, without held-out entries, and without a held-out block."""
FOR = {
    "fits": "BIC, stability and consensus",
    "heldout": "held-out entries",
    "bicross": "bi-cross-validation",
}
"""The criteria that read them."""
OWN = {
    "rank": "rank= takes one number; here it is ranks=2:10",
    "evaluator": "nmfbench rank chooses the evaluators itself: leave out evaluator=",
    "save_codes": "nmfbench rank always keeps codes: leave out save_codes=",
    "experiment": "nmfbench rank looks at one method on one dataset: solver= and dataset= in the place of experiment=",
}
"""Settings of `nmfbench run` that this command makes itself → what the user should do instead."""

DESCRIPTION = """Find the number of components of a method on a dataset.

For each rank the method is fitted to the whole data from several starts, to nine tenths of its entries, and to a
quarter of it (half of the samples, half of the features). Six criteria read these fits:

  held-out entries     does the fit predict entries that it never saw? (Wold 1978)
  bi-cross-validation  does it predict a block of samples and features that it never saw? (Owen & Perry 2009)
  BIC                  is the lower error worth the additional numbers? (Schwarz 1978)
  stability            do other starts find the same bases? (NMFk: Alexandrov et al. 2013)
  cophenetic           do the same samples come together? (Brunet et al. 2004)
  dispersion           are they together always or never? (Kim & Park 2007)

The result is a table, a figure, and a sentence that recommends a rank or says that the criteria disagree. A rank is
recommended if two of held-out entries, BIC and stability choose it, and not because the range ends there.
docs/choosing-a-rank.md shows how often each criterion finds a known rank."""
EXAMPLES = """examples:
  nmfbench rank dataset=digits solver=hals ranks=2:15
  nmfbench rank dataset=file dataset.path=my.csv solver=mu ranks=2,3,5,8 seeds=10
  nmfbench rank dataset=orl_28x23 solver=hals ranks=5:30:5 stopping.max_iter=200 jobs=2

Runs are ordinary ones: finished runs are never repeated, and after Ctrl-C the same command goes on. The figure and its
numbers are in results_dir/rank/figures. Labels are not used."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to a parser."""
    rank = commands.add_parser(
        "rank",
        help="how many components? criteria over a range of ranks, and a recommendation",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    rank.add_argument(
        "words",
        nargs="+",
        metavar="key=value",
        help=f"ranks=FROM:TO, FROM:TO:STEP or A,B,C; dataset=, solver= and all other settings of nmfbench run; "
        f"seeds={SEEDS} unless given",
    )
    rank.add_argument("--config-dir", metavar="DIR", help="YAMLs of your own")
    rank.set_defaults(command=_rank)


def _rank(arguments: argparse.Namespace) -> int:
    from nmfbench import app

    options = ["--config-dir", arguments.config_dir] if arguments.config_dir else []
    plans = planned(arguments.words, options)
    for line in plans["fits"].readings:
        say(line)
    stop = complete(plans)
    runnable = [plan for plan in plans.values() if plan.jobs]
    if stop:
        n_runs = sum(len(job.pending()) for plan in runnable for job in plan.jobs)
        say(f"interrupted: {plural(n_runs, 'run')} to go; the same command goes on from here")
        return endings.exit_code(stop)
    code = max(app.closing(plan) for plan in runnable)
    for plan in plans.values():
        for line in [] if plan.jobs else plan.reasons():
            say(line)
    _show(studied(plans), plans["fits"])
    return code


def planned(words: Sequence[str], options: Sequence[str] = ()) -> "dict[str, Plan]":
    """Plan the runs of each of `KINDS` for the words of a command line.

    Raises ConfigError for bad words, and if they name several methods or datasets, or ranks that cannot be fitted;
    DataError if the data is missing or damaged.
    """
    from nmfbench.running.composing import requests

    ranks, others = _split(words)
    others = choosing.within(others, choosing.RESULTS, "rank")
    common = [*options, "-m", *filenames.literal(others), f"rank={','.join(map(str, ranks))}"]
    requested = {name: requests([*common, *own])[0] for name, own in KINDS.items()}
    several = len(requested["fits"].composed) // len(ranks)
    if several > 1:
        raise ConfigError(
            f"nmfbench rank looks at one method on one dataset, and these words name {several} settings; a list of "
            "seeds is seeds=[3,5]"
        )
    from nmfbench.running.planning import plan  # imported late: it loads torch, and a misspelt name needs no torch

    plans = {}
    for name, request in requested.items():
        plans[name] = plan(request)
        if name == "fits":
            _check(plans[name], ranks)
    return plans


def complete(plans: "dict[str, Plan]") -> KeyboardInterrupt | None:
    """Run what is missing, and return the interrupt if one ended it early."""
    from nmfbench import app

    for name, plan in plans.items():
        plan.save_cards()
        say(f"runs for {FOR[name]}")
        if plan.jobs and (stop := app.complete(plan)):
            return stop
    return None


def studied(plans: "dict[str, Plan]") -> "Study":
    """Compute the curves, choices and recommendation from the finished runs."""
    from nmfbench.reports import ranks

    by_kind: dict[str, dict[int, list[Record]]] = {}
    for name, plan in plans.items():
        by_kind[name] = defaultdict(list)
        for record in plan.records():
            if record["status"] != "failed":
                by_kind[name][record["rank"]].append(record)
    store, draws = plans["fits"].store, plans["fits"].jobs[0].solver.draws
    fits = {
        # A method that draws nothing has the same fit for every seed, so only one counts: agreement would mean nothing.
        rank: [
            (r, codes[0])
            for r in (records if draws else records[:1])
            if (codes := store.load_codes(r["config"], r["seed"]))
        ]
        for rank, records in by_kind["fits"].items()
    }
    if not all(fits.values()):
        say("codes of some finished runs were not saved, so these ranks lack stability and BIC: add refit=true")
    return ranks.study(fits, by_kind["heldout"], by_kind["bicross"])


def _split(words: Sequence[str]) -> tuple[list[int], list[str]]:
    """Split the words into ascending ranks and the others, to which the default seeds are added. Raises ConfigError."""
    keys = [word.lstrip("+").partition("=")[0] for word in words]
    for key in keys:
        if way_out := OWN.get(key.partition(".")[0]):
            raise ConfigError(way_out)
    texts = [word.partition("=")[2] for word, key in zip(words, keys, strict=True) if key == "ranks"]
    if len(texts) != 1:
        raise ConfigError("ranks must be given once: add ranks=2:10 or ranks=2,3,5")
    others = [word for word, key in zip(words, keys, strict=True) if key != "ranks"]
    return _ranks(texts[0]), [*others, *([] if "seeds" in keys else [f"seeds={SEEDS}"])]


def _ranks(text: str) -> list[int]:
    """Parse FROM:TO, FROM:TO:STEP (both ends included) or A,B,C into ascending ranks. Raises ConfigError."""
    text = text.strip("[]")
    if not re.fullmatch(r"\d+(:\d+){1,2}|\d+(,\d+)*", text):
        raise ConfigError(f"ranks must be FROM:TO, FROM:TO:STEP or A,B,C with positive integers, got {text}")
    numbers = [int(number) for number in re.split("[:,]", text)]
    if ":" in text:
        start, end, step = [*numbers, 1][:3]
        numbers = list(range(start, end + 1, step)) if step else []
    ranks = sorted(set(numbers))
    if not ranks or ranks[0] < 1:
        raise ConfigError(f"ranks must hold numbers ≥ 1, got {text}")
    if len(ranks) == 1:
        raise ConfigError(f"ranks={text} is one rank, and a choice needs two at least: ranks=2:10")
    return ranks


def _check(plan: "Plan", ranks: Sequence[int]) -> None:
    """Raise ConfigError for ranks that the data or the method cannot have."""
    if plan.left_out:
        raise plan.left_out[0].reason
    (m, n), solver = plan.jobs[0].shape, plan.jobs[0].config["solver"]
    if solver.get("rank") is None:
        raise ConfigError(f"solver={solver['name']} has no rank to choose")
    if len(plan.jobs) < len(ranks):
        raise ConfigError("the rank does not vary, because another setting decides it: leave out solver.ranks")
    if plan.jobs[0].checksums:
        raise ConfigError("each seed draws its own data, and restarts are compared on the same: add dataset.draw=0")
    if ranks[-1] > min(m, n):
        raise ConfigError(
            f"ranks go up to {ranks[-1]}, and X ({m} features × {n} samples) has rank {min(m, n)} at most"
        )


def _show(study: "Study", plan: "Plan") -> None:
    """Print the table and the recommendation, and write the figure and its numbers."""
    from nmfbench.reports import notes, plots, ranks
    from nmfbench.reports.renderers import csv

    config = plan.jobs[0].config
    dataset, solver = config["dataset"]["name"], config["solver"]["name"]
    print(f"# {dataset}, {solver}\n\n{ranks.table(study)}\n")
    for name, choice in study.choices.items():
        print(f"{ranks.CRITERIA[name].title}: {choice.in_words}")
    print(f"\n{study.recommendation.sentence}")
    drawn = ranks.figure(study, f"Ranks of {solver} on {dataset}")
    path = plan.store.root / "figures" / f"rank_{dataset}_{solver}"
    for kind in ("png", "pdf", "svg"):
        write_bytes(path.with_name(f"{path.name}.{kind}"), plots.file(drawn, kind))
    header = [study.recommendation.sentence, *notes.provenance(plan.records())]
    write_text(path.with_name(f"{path.name}.csv"), csv.commented(header, study.frame))
    print(f"written to {path}.png, .pdf, .svg and .csv")
