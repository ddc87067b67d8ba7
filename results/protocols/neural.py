"""Rank the weights λ of the labels that `nmfbench run experiment=protocol_neural` tried for Table 1 of Neural NMF.

The measure is the mean absolute difference to all printed errors and accuracies of a method, in percent.

    nmfbench run experiment=protocol_neural results_dir=DIR && python results/protocols/neural.py DIR
"""

import sys
from pathlib import Path

import pandas as pd

from nmfbench.records import Store
from nmfbench.reports.report import build

records, _ = Store(Path(sys.argv[1])).load()
by_weight: dict[float, list[dict]] = {}
for record in records:
    solver = record["config"]["solver"]
    by_weight.setdefault(float(solver.get("lam_labels", solver["lam"])), []).append(record)
table = pd.concat(build(group).frame.assign(λ=lam) for lam, group in by_weight.items())
printed = table.dropna(subset=["paper"])
percent = printed["difference"].abs() * printed["metric"].map({"error": 100, "classification": 1})
distance = percent.groupby([printed[key] for key in ("λ", "solver", "metric")]).mean().unstack(["solver", "metric"])
distance.columns = [" ".join(names) for names in distance.columns]
print(distance.assign(**{"all rows": distance.mean(axis=1)}).sort_values("all rows").round(2).to_string())
