"""Ranks the scalings and ranks that `nmfbench run experiment=protocol_wnnf` tried for the tables of the WNNF paper.

The measure is the mean absolute difference to all printed rows of a dataset: WNNF, NMF and unfolded NMF (Table 3a), and
both layers of deep WNNF and deep NMF (Table 3b), which are run at their printed ranks and so depend on the scaling only.

    nmfbench run experiment=protocol_wnnf && python results/protocols/wnnf.py results/tables/protocol_wnnf.csv
"""

import sys

import pandas as pd

METHODS = ["mu", "unfolded", "wnnf", "deep_mu", "wnnf_deep"]

table = pd.read_csv(sys.argv[1], comment="#", keep_default_na=False, na_values=[""])
printed = table.dropna(subset=["paper"]).assign(variant=lambda rows: rows["variant"].fillna("scaling=max"))
off = printed["difference"].abs().groupby([printed[key] for key in ("dataset", "variant", "rank", "solver")]).mean()
shallow = off.unstack("solver").reindex(columns=METHODS)
# The methods of two layers have one rank: their number holds for every row of their scaling.
deep = shallow.columns[3:]
shallow[deep] = shallow.groupby(level=["dataset", "variant"])[list(deep)].transform("max")
# Every printed cell counts once: two layers print two rows.
weights = pd.Series({method: 2.0 if method in deep else 1.0 for method in METHODS})
shallow["all rows"] = (shallow * weights).sum(axis=1) / weights.sum()
print(shallow.sort_values(["dataset", "all rows"]).round(1).to_string())
