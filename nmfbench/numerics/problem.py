"""The data to factorize, and the knowledge about it that a solver may use."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Problem:
    """The data that a solver factorizes, and all that it may know about it.

    Parameters
    ----------
    X: (m features, n samples), on the device and in the dtype of the fit; a SparseMatrix where the data is sparse and
        the solver accepts that.
    shape: image shape (height, width) of a sample; None: samples are not images.
    labels: labels (n,), only for solvers that declare `uses_labels`; None: there are none.
    labelled: mask (n,) of the labels that may be used; None: none may.
    """

    X: Tensor
    shape: tuple[int, ...] | None = None
    labels: Tensor | None = None
    labelled: Tensor | None = None
