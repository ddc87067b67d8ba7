"""Ranks the scalings that `nmfbench run experiment=protocol_dnsnmf` tried for Tables I to III of the dnsNMF paper.

The measure is the mean absolute difference to the accuracies printed for all methods of a dataset.

    nmfbench run experiment=protocol_dnsnmf && python results/protocols/dnsnmf.py results/tables/protocol_dnsnmf.csv
"""

import sys

import pandas as pd

table = pd.read_csv(sys.argv[1], comment="#", keep_default_na=False, na_values=[""])
printed = table[(table["metric"] == "accuracy") & table["paper"].notna()]
scaling = printed["variant"].str.extract(r"scaling=(\w+)", expand=False).fillna("max").rename("scaling")
off = printed["difference"].abs().groupby([printed["dataset"], scaling, printed["solver"]]).mean().unstack("solver")
off["all rows"] = off.mean(axis=1)
print(off.sort_values(["dataset", "all rows"]).round(1).to_string())
