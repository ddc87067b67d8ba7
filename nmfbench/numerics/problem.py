"""What is factorized: the data, and what a solver may know about it."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Problem:
    """What a solver may see. X is (m features, n samples) on the device and in the dtype of the fit.

    X is a SparseMatrix where the data is sparse and the solver accepts that. ``shape`` is the image shape of a sample
    (height, width), None when samples are not images. ``labels`` (n,) and the mask ``labelled`` (n,) of those that may
    be used are there for solvers that declare `uses_labels` alone.
    """

    X: Tensor
    shape: tuple[int, ...] | None = None
    labels: Tensor | None = None
    labelled: Tensor | None = None
