"""Rank the scalings that `nmfbench run experiment=protocol_dnsnmf` tried for Tables I to III of the dnsNMF paper.

The measure is the mean absolute difference to the accuracies printed for all methods of a dataset.

    nmfbench run experiment=protocol_dnsnmf results_dir=DIR && python results/protocols/dnsnmf.py DIR
"""

import sys
from pathlib import Path

import pandas as pd

from nmfbench.records import Store
from nmfbench.reports.report import build

records, _ = Store(Path(sys.argv[1])).load()
by_scaling: dict[str, list[dict]] = {}
for record in records:
    by_scaling.setdefault(str(record["config"]["dataset"]["scaling"]), []).append(record)
table = pd.concat(build(group).frame.assign(scaling=scaling) for scaling, group in by_scaling.items())
printed = table[(table["metric"] == "accuracy") & table["paper"].notna()]
distance = printed["difference"].abs().groupby([printed[key] for key in ("dataset", "scaling", "solver")]).mean()
distance = distance.unstack("solver")
distance["all rows"] = distance.mean(axis=1)
print(distance.sort_values(["dataset", "all rows"]).round(1).to_string())
