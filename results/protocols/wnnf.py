"""Rank the scalings and ranks that `nmfbench run experiment=protocol_wnnf` tried for the tables of the WNNF paper.

The measure is the mean absolute difference to all printed rows of a dataset: WNNF, NMF and unfolded NMF (Table 3a), and
both layers of deep WNNF and deep NMF (Table 3b), which run at their printed ranks and so depend on the scaling only.

    nmfbench run experiment=protocol_wnnf results_dir=DIR && python results/protocols/wnnf.py DIR
"""

import sys
from pathlib import Path

import pandas as pd

from nmfbench.records import Store
from nmfbench.reports.report import build

METHODS = ["mu", "unfolded", "wnnf", "deep_mu", "wnnf_deep"]

records, _ = Store(Path(sys.argv[1])).load()
by_scaling: dict[str, list[dict]] = {}
for record in records:
    by_scaling.setdefault(str(record["config"]["dataset"]["scaling"]), []).append(record)
table = pd.concat(build(group).frame.assign(scaling=scaling) for scaling, group in by_scaling.items())
printed = table.dropna(subset=["paper"])
keys = [printed[key] for key in ("dataset", "scaling", "rank", "solver")]
distance = printed["difference"].abs().groupby(keys).mean()
shallow = distance.unstack("solver").reindex(columns=METHODS)
# Methods of two layers run at one rank, so their difference is repeated in every row of the same scaling.
deep = shallow.columns[3:]
shallow[deep] = shallow.groupby(level=["dataset", "scaling"])[list(deep)].transform("max")
# Every printed cell counts once: two layers print two rows.
weights = pd.Series({method: 2.0 if method in deep else 1.0 for method in METHODS})
shallow["all rows"] = (shallow * weights).sum(axis=1) / weights.sum()
print(shallow.sort_values(["dataset", "all rows"]).round(1).to_string())
