"""Methods that were not written for nmfbench: numpy functions, scikit-learn estimators and torch modules as solvers."""
