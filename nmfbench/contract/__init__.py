"""The promises of all solvers. The tests check nmfbench's own solvers against them, `nmfbench check` any solver."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from nmfbench.contract import data, documented, factors, objective, seeds
from nmfbench.contract.claim import Broken, Claim, NotClaimed, described
from nmfbench.contract.subject import Subject

CLAIMS = {
    claim.name: claim
    for module in (documented, factors, seeds, objective, data)
    for claim in vars(module).values()
    if isinstance(claim, Claim)
}


@dataclass(frozen=True)
class Verdict:
    """The result of checking one claim on a method.

    Parameters
    ----------
    claim: the claim.
    status: one of held, broken, not claimed.
    words: the expected and the actual outcome of a broken claim; the reason why it is not claimed; or, where a claim is
        held, the data that was refused, if any.
    """

    claim: Claim
    status: Literal["held", "broken", "not claimed"]
    words: str


def check(subject: Subject, claims: Iterable[Claim] = CLAIMS.values()) -> Iterator[Verdict]:
    """Yield the verdict on each claim, and stop early if the method cannot be fitted at all."""
    for claim in claims:
        verdict = _verdict(claim, subject)
        yield verdict
        if claim is factors.fit_ends and verdict.status == "broken":
            return


def _verdict(claim: Claim, subject: Subject) -> Verdict:
    notes = []
    for dtype in claim.dtypes:
        try:
            notes.append(claim.hold(subject, dtype))
        except NotClaimed as reason:
            return Verdict(claim, "not claimed", str(reason))
        except Broken as broken:
            return Verdict(claim, "broken", f"in {dtype}: {broken}" if len(claim.dtypes) > 1 else str(broken))
        except Exception as error:  # a method may raise anything
            return Verdict(claim, "broken", described(error, subject))
    return Verdict(claim, "held", "; ".join(dict.fromkeys(filter(None, notes))))
