"""Ranks the weights λ of the labels that `nmfbench run experiment=protocol_neural` tried for Table 1 of Neural NMF.

The measure is the mean absolute difference to all printed errors and accuracies of both methods, in percent.

    nmfbench run experiment=protocol_neural && python results/protocols/neural.py results/tables/protocol_neural.csv
"""

import sys

import pandas as pd

table = pd.read_csv(sys.argv[1], comment="#", keep_default_na=False, na_values=[""])
printed = table.dropna(subset=["paper"])
lam = printed["variant"].str.extract(r"lam=([\d.]+)", expand=False).fillna("1").astype(float).rename("λ")
percent = printed["difference"].abs() * printed["metric"].map({"error": 100, "classification": 1})
off = percent.groupby([lam, printed["solver"], printed["metric"]]).mean().unstack(["solver", "metric"])
off.columns = [" ".join(names) for names in off.columns]
print(off.assign(**{"all rows": off.mean(axis=1)}).sort_values("all rows").round(2).to_string())
