"""A claim about a solver, and the two exceptions by which it fails to hold."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nmfbench.contract.subject import Subject
from nmfbench.fitting import ROUNDING, FitResult


class Broken(AssertionError):
    """Raised if a claim does not hold; the message tells the method's author the expected and the actual outcome."""


class NotClaimed(Exception):
    """Raised if the method does not make this claim; the message says why."""


@dataclass(frozen=True)
class Claim:
    """A promise that a solver makes.

    Parameters
    ----------
    name: its short name.
    sentence: the promise in a sentence.
    dtypes: the dtypes of X in which it is checked.
    function: raises Broken or NotClaimed for a method and a dtype, and returns a remark for the reader, or None.
    """

    name: str
    sentence: str
    dtypes: tuple[str, ...]
    function: Callable[[Subject, str], str | None]

    def hold(self, subject: Subject, dtype: str) -> str | None:
        """Raise Broken or NotClaimed unless the method keeps this promise in this dtype."""
        if reason := subject.solver.unclaimed.get(self.name):
            raise NotClaimed(reason)
        return self.function(subject, dtype)


def claim(*dtypes: str) -> Callable[[Callable[[Subject, str], str | None]], Claim]:
    """Turn a function, whose docstring is the sentence, into a claim; without dtypes, it is checked in float64."""

    def decorate(function: Callable[[Subject, str], str | None]) -> Claim:
        return Claim(function.__name__, (function.__doc__ or "").rstrip("."), dtypes or ("float64",), function)

    return decorate


def described(error: Exception, subject: Subject) -> str:
    """Describe the error in a line, with the last line of the method's own file that it passed through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == subject.file]
    where = f" ({subject.file}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def require(condition: bool, expected: str, got: object) -> None:
    """Raise Broken unless the condition holds."""
    if not condition:
        raise Broken(f"expected {expected}; got {got}")


def require_close(values: Tensor, expected: Tensor, names: str, rtol: float = 1e-7, atol: float = 1e-7) -> None:
    """Raise Broken where two tensors differ by more than atol + rtol · \\|expected\\|; ``names`` names both."""
    require(values.shape == expected.shape, f"{names} of equal shapes", f"{_size(values)} and {_size(expected)}")
    wrong = ~torch.isclose(values, expected, rtol=rtol, atol=atol, equal_nan=True)
    if wrong.any():
        at = wrong.nonzero()[0].tolist()
        value, other = values[tuple(at)].item(), expected[tuple(at)].item()
        raise Broken(
            f"expected {names} to be equal; {int(wrong.sum())} of {wrong.numel()} entries differ, the first at "
            f"{tuple(at)}: {value:.8g} and {other:.8g}"
        )


def require_descent(result: FitResult, monotone: bool, what: str = "") -> None:
    """Raise Broken unless the objective ends below its start and, if ``monotone``, never rises beyond rounding."""
    values = np.array([objective for _, objective, _ in result.history])
    seed, where = result.seed, f" {what}" if what else ""
    assert result.factorization is not None
    rounding = ROUNDING[result.factorization.codes[0].dtype]
    rises = np.diff(values) > rounding * np.abs(values[:-1])
    if monotone and rises.any():
        i = int(rises.argmax())
        raise Broken(
            f"expected no rise{where}, as monotone is True; from iteration {i} to {i + 1} of seed {seed} it rose from "
            f"{values[i]:.8g} to {values[i + 1]:.8g}, {int(rises.sum())} times in {len(rises)}"
        )
    last = result.history[-1][0]
    require(
        values[-1] < values[0], f"less than {values[0]:.8g}{where}, its start", f"{values[-1]:.8g} after {last} sweeps"
    )


def _size(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))
