"""Table 1 of the Neural NMF paper: reconstruction error and classification accuracy on a toy hierarchy.

Tables show its numbers beside a run under these conditions.

- Data: the paper's own 87 × 90 matrix, not a matrix drawn like it. With labels, the level must have as many
  topics as the top layer has rows; without labels the level does not affect the error.
- Preprocessing: none is printed; X is divided by its maximum, which changes no relative error.
- Ranks: 9, then 4, then 2; one, two or all three of them. `deep_mu` names its layers in the opposite order.
- Protocol: no labels, 40 % of them or all of them. Every method runs by its own stopping rule.
- Methods: `deep_mu` stands for "Deep NMF", whose pooling the paper does not specify. The weight of the labels is not
  printed and may vary.
"""

from nmfbench.papers import Paper, Place, rules

PAPER = Paper(
    "neural",
    "Neural NMF",
    "Gao, Haddock, Molitor, Needell, Sadovnik, Will & Zhang, Neural nonnegative matrix factorization for hierarchical "
    "multilayer topic modeling",
    2019,
)
RANKS = [9, 4, 2]
METHODS = {"neural": "neural_nmf", "hierarchical": "hierarchical_nmf", "deep_mu": "deep_nmf"}
SETTINGS = {0: "unsupervised", 0.4: "semisupervised", 1: "supervised"}


def printed(record: rules.Record) -> dict[Place, float]:
    """The error of the whole product, and the accuracy in percent of the top layer."""
    config = record["config"]
    method, setting = METHODS.get(config["solver"]["name"]), SETTINGS.get(config.get("label_fraction") or 0)
    ranks = rules.ranks(record)[:: -1 if method == "deep_nmf" else 1]
    topics = RANKS if setting == "unsupervised" else ranks[-1:]
    if not (
        method
        and setting
        and any(rules.is_data(record, "hierarchy", 87, 90, classes) for classes in topics)
        and not config["dataset"].get("generate")
        and rules.scaling(record) == ("max",)
        and ranks
        and ranks == RANKS[: len(ranks)]
        and rules.stops_as(record)
    ):
        return {}
    numbers: dict[Place, float] = {}
    for row in rules.rows("neural_nmf_table1"):
        if (row["setting"], row["layers"], row["method"]) == (setting, str(len(ranks)), method):
            numbers[None, None, "error"] = float(row["reconstruction_error"])
            if accuracy := row["classification_accuracy"]:
                numbers[len(ranks), None, "classification"] = 100 * float(accuracy)
    return numbers
