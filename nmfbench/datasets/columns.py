"""Images whose pixels are stored column by column, as MATLAB stores them."""

import numpy as np


def scene(height: int, width: int) -> np.ndarray:
    """The `Dataset.scene` of such an image."""
    return np.arange(height * width).reshape(width, height).T


def upright(X: np.ndarray, height: int, width: int) -> np.ndarray:
    """Pixels (height · width, n) from column-major order, as MATLAB stores images, to row-major."""
    return X.reshape(width, height, -1).transpose(1, 0, 2).reshape(height * width, -1)
