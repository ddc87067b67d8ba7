"""How λ of WNNF should be read where the paper's absolute λ = 0.1 does not fit the data: fit, score and write the table.

Each row is a reading of λ on a dataset, at its default rank (CBCL: 49) and scaling: NMI in percent, mean over the
dataset's cluster counts; ‖X − reconstruction‖/‖X‖; and the penalty's share of the objective. Means over seeds 100 and
101, which no table has. NMF by multiplicative updates is the reference.

    python results/protocols/wnnf_lambda.py [DATASET …]    # adds the missing rows to wnnf_lambda.csv and .md here
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_wine

from nmfbench import WNNF, Dataset, MultiplicativeNMF, evaluate, fit, load_dataset
from nmfbench.datasets.scaling import SCALINGS
from nmfbench.numerics.factorization import Factorization
from nmfbench.numerics.losses import relative_error
from nmfbench.numerics.problem import place

TABLE = Path(__file__).with_suffix(".csv")
SEEDS = [100, 101]
DATASETS = {
    "wine": {"scaling": "none"},
    "wine min_max": {"scaling": "min_max"},
    "jaffe": {},
    "orl_28x23": {},
    "digits": {},
    "mfeat min_max": {"scaling": "min_max"},
    "mfeat column_max": {"scaling": "column_max"},
    "cbcl": {},
    "orl": {},
}
READINGS = {
    "NMF": lambda rank: MultiplicativeNMF(rank=rank),
    "absolute, λ = 0.1": lambda rank: WNNF(rank=rank, reading="penalty"),
    "absolute, λ = 0": lambda rank: WNNF(rank=rank, reading="penalty", lam=0.0),
    "relative, λ = 0.01": lambda rank: WNNF(rank=rank, lam=0.01),
    "relative, λ = 0.003": lambda rank: WNNF(rank=rank, lam=0.003),
    "relative, λ = 0.001": lambda rank: WNNF(rank=rank, lam=0.001),
}


def load(name: str, scaling: str = "") -> Dataset:
    """The dataset of this row of the table."""
    if name.startswith("wine"):
        samples, y = load_wine(return_X_y=True)
        return Dataset("wine", SCALINGS[scaling][0](samples.T), y)
    return load_dataset(name.split()[0], **({"scaling": scaling} if scaling else {}))


def nmi(factorization: Factorization, data: Dataset) -> float:
    """Mean NMI of the codes over the dataset's cluster counts, in percent; NaN without labels."""
    if data.y is None:
        return np.nan
    counts = list(data.n_clusters or [data.n_classes])
    scores = evaluate(factorization.codes[-1].numpy(), data.y, n_clusters=counts)
    return 100 * float(np.mean([score["nmi"] for score in scores.values()]))


def measured(name: str, reading: str) -> dict[str, float | str]:
    """The row of this dataset and reading."""
    data = load(name, **DATASETS[name])
    solver, problem = READINGS[reading](data.n_classes or 49), place(data.X)
    values = []
    for result in fit(solver, problem, seeds=SEEDS):
        state = result.factorization
        penalty = solver.penalty(problem, state.map(lambda tensor: tensor[None]))
        share = 0.0 if penalty is None else penalty.item() / result.objective
        values.append((nmi(state, data), relative_error(problem.X, state), share))
    scores = zip(("NMI", "error", "penalty's share"), np.mean(values, axis=0), strict=True)
    return {"dataset": name, "reading": reading, **dict(scores)}


done = pd.read_csv(TABLE)[["dataset", "reading"]].itertuples(index=False) if TABLE.exists() else []
missing = dict.fromkeys((name, reading) for name in sys.argv[1:] or DATASETS for reading in READINGS)
for place_in_table in done:
    missing.pop(tuple(place_in_table), None)
for name, reading in missing:
    row = pd.DataFrame([measured(name, reading)]).round(4)
    row.to_csv(TABLE, mode="a", index=False, header=not TABLE.exists())
table = pd.read_csv(TABLE).pivot(index="reading", columns="dataset")
blocks = []
for key, title, digits in (
    ("NMI", "NMI in percent", 1),
    ("error", "Relative error", 3),
    ("penalty's share", "Share of the penalty in the objective", 3),
):
    grid = table[key].reindex(READINGS)[[name for name in DATASETS if name in table[key]]].round(digits)
    grid = grid.astype(object).where(grid.notna(), "–")
    blocks.append(f"{title}\n\n{grid.to_markdown()}\n")
TABLE.with_suffix(".md").write_text("\n".join(blocks), encoding="utf-8")
