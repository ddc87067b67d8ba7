"""Claims about random numbers: a seed decides the result, and a fit changes no global state."""

import torch

from nmfbench.contract.claim import claim, require, require_close
from nmfbench.contract.subject import SEEDS, Subject, matrix
from nmfbench.fitting import FitResult
from nmfbench.numerics.problem import DTYPES


def _codes(result: FitResult) -> list[torch.Tensor]:
    assert result.factorization is not None
    return result.factorization.codes


@claim(*DTYPES)
def repeatable(subject: Subject, dtype: str) -> None:
    """The same seed gives the same numbers, to the last bit."""
    first, second = (subject.run(matrix(), dtype) for _ in range(2))
    for l, (a, b) in enumerate(zip(_codes(first), _codes(second), strict=True), start=1):
        require_close(a, b, f"codes of layer {l} from two fits of seed 3", rtol=0, atol=0)
    same = first.objective == second.objective
    require(same, "equal objectives from two fits of one seed", f"{first.objective} and {second.objective}")


@claim()
def batch_is_alone(subject: Subject, dtype: str) -> None:
    """A restart in a batch equals the run with that seed alone."""
    batch = subject.shared().results
    require([result.seed for result in batch] == list(SEEDS), f"the seeds {SEEDS}", [result.seed for result in batch])
    for result in batch:
        (alone,) = subject.shared(seeds=(result.seed,)).results
        for l, (a, b) in enumerate(zip(_codes(result), _codes(alone), strict=True), start=1):
            names = f"codes of layer {l} for seed {result.seed} in a batch with {SEEDS} and alone"
            require_close(a, b, names, rtol=1e-6, atol=1e-9)
        assert result.objective is not None and alone.objective is not None
        near = abs(result.objective - alone.objective) <= 1e-6 * abs(alone.objective)
        require(near, "the same objective in a batch and alone", f"{result.objective} and {alone.objective}")


@claim()
def seeds_differ(subject: Subject, dtype: str) -> None:
    """Seeds give different factors, unless `draws` is False."""
    first, second = (subject.shared(seeds=(seed,)).results[0] for seed in SEEDS[:2])
    same = all(torch.equal(a, b) for a, b in zip(_codes(first), _codes(second), strict=True))
    draws = subject.solver.draws
    expected = f"{'different' if draws else 'equal'} codes from seeds {SEEDS[0]} and {SEEDS[1]}, as draws is {draws}"
    require(same != draws, expected, f"{'equal' if same else 'different'} ones")


@claim(*DTYPES)
def leaves_alone(subject: Subject, dtype: str) -> None:
    """A fit leaves X and the global random generators as they are."""
    changed = subject.shared(dtype).changed
    advice = "write a new array, and draw from np.random.default_rng(seed) or the streams of rng"
    require(not changed, f"all as before ({advice})", f"a change of {' and '.join(changed)}")
