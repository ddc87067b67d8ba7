"""Tables 2 to 4 of the deep KL-NMF paper.

Table 2 has error and sparsity of the layers on the CBCL faces, against multilayer KL-NMF. Tables show its numbers
beside a run under these conditions.

- Data: the 2,429 faces of CBCL as rows of X, 361 pixels each, without labels.
- Preprocessing: the paper prints none. A factor common to all pixels changes neither number, so X may be divided by its
  maximum or stay as it is.
- Ranks: 80, 40 and 20.
- Protocol: 500 sweeps of the multilayer method and then 500 of the deep one, against 1,000 of the multilayer method.
- Parameters: Kullback–Leibler divergence, weights that make the layers' terms equal at the start.

Tables 3 and 4 have topics of TDT2 (`topics`), which the evaluator of topics shows beside ours.
"""

from typing import Any

import numpy as np

from nmfbench.papers import Paper, Place, rules

PAPER = Paper(
    "deep_kl",
    "deep KL-NMF",
    "Leplat, Le, Onwunta & Gillis, Deep nonnegative matrix factorization with beta divergences",
    2023,
)
SWEEPS = {"deep_kl": 500, "multilayer_kl": 1000}
PARAMETERS: dict[str, dict[str, Any]] = {"deep_kl": {"beta": 1.0, "weights": None, "pretrain": 500}}
COLUMNS = {
    "deep_kl": {
        "error_ratio": "error_deep_over_multilayer_percent",
        "code_sparsity": "hoyer_sparsity_deep_percent",
    },
    "multilayer_kl": {"code_sparsity": "hoyer_sparsity_multilayer_percent"},
}


def printed(record: rules.Record) -> dict[Place, float]:
    """Ratio of errors and sparsity in percent by layer."""
    solver = record["config"]["solver"]["name"]
    if not (
        solver in COLUMNS
        and record["config"]["dataset"].get("images") == "rows"
        and rules.is_data(record, "cbcl", 2429, 361, None)
        and rules.scaling(record) in [("max",), ("none",)]
        and rules.ranks(record) == [80, 40, 20]
        and rules.stops_as(record, {"max_iter": SWEEPS[solver]})
        and rules.has(record, PARAMETERS.get(solver, {}))
    ):
        return {}
    return {
        (int(row["layer"]), None, metric): float(row[column])
        for row in rules.rows("deep_kl_table2")
        for metric, column in COLUMNS[solver].items()
    }


def topics() -> dict[int, np.ndarray]:
    """Layer → the topics of TDT2 that Tables 3 and 4 print: a row each of title, topics that it merges, and ten words.

    The merged topics are numbers of topics of layer 2, separated by commas; Table 3 prints none.
    """
    return {
        layer: np.array(
            [
                [row["title"], ", ".join(row.get("merges_layer2_topics", "").split()), *row["words"].split()]
                for row in rules.rows(f"deep_kl_table{table}_topics")
            ]
        )
        for layer, table in ((2, 3), (3, 4))
    }
