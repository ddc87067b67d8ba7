"""The words that matter most in a corpus."""

from typing import Any

import numpy as np

RANK = 20


def top_words(X: Any, each: int) -> tuple[np.ndarray, str]:
    """The rows (words) of X that are among the ``each`` largest of any topic of an NMF, in order; and how, in words.

    The topics are the bases of a rank-20 Kullback–Leibler NMF of X (words × documents). Deep KL-NMF paper, Sec. 4.2:
    30 of each.
    """
    # Imported here because loaders need no solver otherwise, and importing torch takes a second.
    from nmfbench.fitting import fit
    from nmfbench.solvers.base import Stopping
    from nmfbench.solvers.mu import MultiplicativeNMF

    (result,) = fit(MultiplicativeNMF(rank=RANK, beta=1.0), X, stopping=Stopping(max_iter=100), dtype="float64")
    assert result.factorization is not None
    W = result.factorization.factors["W"].numpy()
    kept = np.unique(np.argsort(-W, axis=0, kind="stable")[:each])
    return kept, f"the {len(kept)} top words of a rank-{RANK} NMF, {each} a topic"
