"""Evaluators measure a factorization, one a file. Importing this package loads neither torch nor scikit-learn."""

from nmfbench.evaluators.base import Evaluator, Exhibit, Fitted, scored

__all__ = ["Evaluator", "Exhibit", "Fitted", "scored"]
