"""The survey on deep matrix factorizations: De Handschutter, Gillis & Siebert (2021)."""

import csv
from pathlib import Path

import numpy as np


def factors() -> dict[str, np.ndarray]:
    """W1 (9, 4), H1 (4, 15), W2 (9, 3), H2 (3, 4) and H2H1 (3, 15) of the 9 × 15 ratings, as printed in Sec. 4.1.1."""
    matrices: dict[str, list[list[float]]] = {}
    with (Path(__file__).parent / "survey_deep_onmf_factors.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            matrices.setdefault(row["matrix"], []).append([float(row[f"c{j}"]) for j in range(1, 5) if row[f"c{j}"]])
    # The paper and the CSV have codes of samples with a sample a row.
    return {
        name.removesuffix("T"): np.array(rows).T if name.endswith("T") else np.array(rows)
        for name, rows in matrices.items()
    }
