"""Claims about the objective that a method minimises."""

from dataclasses import fields, replace
from itertools import islice, product

import numpy as np
import torch

from nmfbench.contract.claim import NotClaimed, claim, require, require_close, require_descent
from nmfbench.contract.subject import Subject, labelled, matrix, problem_of, states
from nmfbench.errors import ConfigError
from nmfbench.fitting import fit
from nmfbench.numerics.factorization import Hierarchy
from nmfbench.numerics.problem import DTYPES
from nmfbench.solvers.base import Stopping

WEIGHTS = ("lam", "lams", "lam_labels", "l1", "l2", "alpha")
"""The names under which solvers keep the weights of their penalties and label terms."""


@claim(*DTYPES)
def never_rises(subject: Subject, dtype: str) -> None:
    """The objective of a monotone method never rises."""
    if not subject.solver.monotone:
        raise NotClaimed("monotone is False")
    if subject.solver.direct:
        raise NotClaimed("it solves in one step")
    for result in subject.shared(dtype).results:
        require_descent(result, monotone=True)


@claim(*DTYPES)
def falls(subject: Subject, dtype: str) -> None:
    """The objective falls from its start."""
    if subject.solver.direct:
        raise NotClaimed("it solves in one step")
    for result in subject.shared(dtype).results:
        require_descent(result, monotone=False)


@claim()
def scale_free(subject: Subject, dtype: str) -> None:
    """X and a multiple of it have the same codes up to a factor."""
    if not subject.solver.scale_free:
        raise NotClaimed("scale_free is False")
    solvers = [subject.solver, *([subject.weighted] if subject.weighted != subject.solver else [])]
    places = [problem_of, *([labelled] if subject.weighted.uses_labels else [])]
    for solver, place, factor in product(solvers, places, (1e-3, 1e3)):
        (plain,), (scaled,) = (
            fit(solver, place(matrix() * by), seeds=[3], stopping=Stopping(max_iter=10)) for by in (1.0, factor)
        )
        require(scaled.factorization is not None, f"a fit of {factor:g}·X", scaled.error)
        assert plain.factorization is not None and scaled.factorization is not None
        for l, (H, multiple) in enumerate(zip(plain.factorization.codes, scaled.factorization.codes, strict=True), 1):
            ratio = torch.linalg.vector_norm(multiple) / torch.linalg.vector_norm(H)
            names = f"codes of layer {l} of {factor:g}·X at the length of those of X, and those of X"
            require_close(multiple / ratio, H, names, rtol=1e-6, atol=1e-9 * H.abs().max().item())


@claim()
def penalty(subject: Subject, dtype: str) -> None:
    """`penalty` is the part of the objective that vanishes with its weights."""
    solver, problem = subject.weighted, labelled(matrix())
    with torch.no_grad():
        *_, state = islice(states(solver, problem, [0, 1]), 3)
        weights = {field.name: getattr(solver, field.name) for field in fields(solver) if field.name in WEIGHTS}
        part, objective = solver.penalty(problem, state), solver.objective(problem, state)
        weighs = any(
            weight is None or np.any(weight) for weight in weights.values()
        )  # None stands for the paper's weight
        if part is None:
            raise NotClaimed("penalty is None with these settings")
        require(part.shape == (2,) and bool(part.isfinite().all()), "one finite number a restart", part)
        if not weighs:
            raise NotClaimed(f"no weight among {', '.join(WEIGHTS)} that could be set to 0")
        require(bool((part != 0).all()), f"a penalty other than 0 with {weights}", part.tolist())
        layers = {field.name for field in fields(solver) if "list" in str(field.type)}  # they hold one weight a layer
        zeros = {key: [0.0] * len(state.codes) if key in layers else 0.0 for key in weights}
        if isinstance(state, Hierarchy) and state.alphas is not None:  # a hierarchy carries its weights itself
            state = replace(state, alphas=torch.zeros_like(state.alphas))
        try:
            without = replace(solver, **zeros)
        except ConfigError as error:
            raise NotClaimed(f"its weights cannot be 0: {error}") from None
        names = f"the objective without {', '.join(weights)}, and the objective minus the penalty"
        require_close(without.objective(problem, state), objective - part, names)
