"""K-means, as a start that takes sparse X and more clusters than samples: a few of Lloyd's steps for all restarts."""

import numpy as np
import torch
from torch import Tensor

from nmfbench.numerics.rng import Streams
from nmfbench.numerics.sparse import SparseMatrix

STEPS = 20
"""Lloyd's steps, after which most samples have found their cluster."""


def kmeans(X: Tensor | SparseMatrix, rank: int, rng: Streams, name: str) -> Tensor:
    """Clusters of the columns of X (m, n) as 0 and 1, (S, r, n), from columns drawn from the stream ``name``."""
    n = X.shape[1]
    drawn = torch.from_numpy(np.stack([generator.permutation(n)[np.arange(rank) % n] for generator in rng(name)]))
    members = torch.zeros(len(drawn), rank, n, dtype=X.dtype).scatter_(-1, drawn[..., None], 1).to(X.device)
    centres = members @ X.mT
    for _ in range(STEPS):
        # ‖x − c‖² = ‖x‖² − 2cᵀx + ‖c‖², whose first term is the same for all clusters.
        nearness = (centres @ X).sub_(centres.square().sum(-1, keepdim=True) / 2)
        members = torch.zeros_like(members).scatter_(-2, nearness.argmax(-2, keepdim=True), 1)
        size = members.sum(-1, keepdim=True)
        centres = torch.where(size > 0, members @ X.mT / size.clamp(min=1), centres)
    return members
