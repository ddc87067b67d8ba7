"""What is measured on a factorization: one evaluator a file; `evaluate` is the usual one, for codes in memory."""

from nmfbench.evaluators.base import Evaluator, Exhibit, Fitted, scored
from nmfbench.evaluators.clustering import Clustering, evaluate

__all__ = ["Clustering", "Evaluator", "Exhibit", "Fitted", "evaluate", "scored"]
