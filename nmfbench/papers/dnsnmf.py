"""Tables I to III of the dnsNMF paper: accuracy and NMI of k-means on the codes of 2 to 10 random people.

Tables show its numbers beside a run under these conditions.

- Data: 2 to 10 people, drawn at random from ORL, JAFFE or Yale at 32 × 32 pixels. A record that merges runs on several
  numbers of people, which an experiment's `tuning` makes, says "2 to 10" and holds no rank.
- Preprocessing: the paper prints none after cropping and alignment. Pixels divided by their maximum and samples divided
  by their norm count; experiment protocol_dnsnmf tried both.
- Rank: the top layer has as many codes as people were drawn. The paper does not print the layers below.
- Protocol: as many clusters as people, on the codes of the top layer, the best of the k-means starts: by inertia, or
  literally the best result, which needs labels (select=best; tables say so). The paper has 20 starts; here at least ten
  are required. Every method has its own stopping rule. The two that solve by accelerated gradients may also end once
  the objective falls by at most 1e-5 in 5 sweeps, as in experiment dnsnmf_tables, or by at most 2e-3, about the rule of
  the authors' program, because the paper only says that they reach a satisfactory error. No method sees labels.
- Parameters: the paper searched every method's own, so they are free; "NMF" is the least squares method.
- NMI is mutual information over the larger entropy, the definition that the paper cites.
"""

from typing import Any

from nmfbench.papers import Paper, Place, rules

PAPER = Paper(
    "dnsnmf",
    "dnsNMF",
    "Yu, Zhou, Cichocki & Xie, Learning the hierarchical parts of objects by deep non-smooth nonnegative matrix "
    "factorization",
    2018,
)
# Dataset → the paper's name for it, and the smallest and largest number of samples of a person.
DATASETS = {"orl32": ("orl", 10, 10), "jaffe": ("jaffe", 20, 23), "yale": ("yale", 11, 11)}
FEATURES = 1024
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "mu": ("nmf", {"beta": 2.0}),
    "gnmf": ("gnmf", {}),
    "nsnmf": ("nsnmf", {}),
    "deep_semi": ("deep_semi", {}),
    "dnsnmf": ("dnsnmf", {}),
}
# The rules by which the two methods may stop, as changes of their own.
RULES = [{"tol": 1e-5, "check_every": 5}, {"tol": 2e-3, "check_every": 5}]
COLUMNS = {"nmi_max": "nmi_percent", "accuracy": "accuracy_percent"}


def printed(record: rules.Record) -> dict[Place, float]:
    """NMI and accuracy in percent by number of clusters, for the top layer."""
    config = record["config"]
    dataset, solver = config["dataset"]["name"], config["solver"]["name"]
    if not (
        dataset in DATASETS
        and solver in METHODS
        and rules.is_named(record, dataset)
        and rules.scaling(record) in [("max",), ("unit_norm",)]
        and rules.has(record, METHODS[solver][1])
        and any(rules.stops_as(record, rule) for rule in (RULES if solver in ("dnsnmf", "nsnmf") else [{}]))
        and rules.clusters_with(record, n_init=10, select=("inertia", "best"))
        and rules.is_unsupervised(record)
    ):
        return {}
    wanted = DATASETS[dataset][0], METHODS[solver][0]
    layer = len(config["solver"].get("ranks") or [1])
    return {
        (layer, int(row["n_classes"]), metric): float(row[column])
        for row in rules.rows("dnsnmf_tables")
        if (row["dataset"], row["method"]) == wanted and _is_drawn(record, int(row["n_classes"]))
        for metric, column in COLUMNS.items()
    }


def _is_drawn(record: rules.Record, n: int) -> bool:
    """Whether this is a run on n people at rank n, or a record that merges runs on several numbers of people."""
    data, classes = record["data"], record["config"]["dataset"].get("classes")
    if data["features"] != FEATURES:
        return False
    if isinstance(classes, str):
        first, _, last = classes.partition(" to ")
        return int(first) <= n <= int(last)
    _, few, many = DATASETS[record["config"]["dataset"]["name"]]
    drawn = classes == data["classes"] == n and few * n <= data["samples"] <= many * n
    return drawn and rules.ranks(record)[-1:] == [n]
