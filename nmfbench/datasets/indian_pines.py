"""The Indian Pines hyperspectral image, as tensorly carries it."""

from dataclasses import dataclass

import numpy as np

from nmfbench.datasets import base, sources


@dataclass(frozen=True, kw_only=True)
class IndianPines(base.Loader):
    """The 10,249 pixels of a landscape whose land cover is known, 16 classes: X (200 bands, 10249).

    Without the bands of water vapour, in units of the sensor. AVIRIS; Baumgardner, Biehl & Landgrebe (2015).
    """

    def read(self) -> base.Dataset:
        cube, cover = (np.load(path) for path in sources.packaged("indian_pines"))
        is_known = cover > 0
        scene = np.where(is_known, is_known.cumsum().reshape(is_known.shape) - 1, -1)
        return base.Dataset("indian_pines", cube[is_known].T, cover[is_known] - 1, scene=scene, sample="pixel")
