"""The factors of the survey on deep matrix factorizations: De Handschutter, Gillis & Siebert (2021), Sec. 4.1.1."""

import numpy as np

from nmfbench.papers import rules


def factors() -> dict[str, np.ndarray]:
    """W1 (9, 4), H1 (4, 15), W2 (9, 3), H2 (3, 4) and H2H1 (3, 15) of the 9 × 15 ratings."""
    found: dict[str, list[list[float]]] = {}
    for row in rules.rows("survey_deep_onmf_factors"):
        found.setdefault(row["matrix"], []).append([float(row[f"c{j}"]) for j in range(1, 5) if row[f"c{j}"]])
    # Codes of samples are printed, and carried, with a sample a row.
    return {
        name.removesuffix("T"): np.array(rows).T if name[-1] == "T" else np.array(rows) for name, rows in found.items()
    }
