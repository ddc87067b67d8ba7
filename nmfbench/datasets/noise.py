"""Draw noise on data X (m features, n samples): normal noise, or counts."""

import numpy as np


def gaussian(rng: np.random.Generator, X: np.ndarray, level: float) -> np.ndarray:
    """Return X + E with normal E of norm ``level`` · ‖X‖, cut at 0 unless X has negative entries. NaN stays NaN."""
    E = np.where(np.isnan(X), 0, rng.standard_normal(X.shape))
    noisy = X + level * np.linalg.norm(np.nan_to_num(X)) / np.linalg.norm(E) * E
    return noisy if np.nanmin(X) < 0 else np.maximum(noisy, 0)


def counts(
    rng: np.random.Generator, M: np.ndarray, noise: float, overdispersion: float = 0.0
) -> tuple[np.ndarray, float]:
    """Draw counts X of mean sM, and return X and the depth s at which E‖X − sM‖² = noise² ‖sM‖².

    X is negative binomial with variance μ + φμ², φ = overdispersion · noise²; Poisson for overdispersion 0. The sum
    of the variances is s Σ M + φ s² Σ M², which gives s.
    """
    excess = overdispersion * noise**2
    depth = float(M.sum() / ((noise**2 - excess) * (M**2).sum()))
    # A Poisson count whose mean has a gamma distribution is negative binomial.
    varied = rng.gamma(1 / excess, excess, M.shape) if excess else 1.0
    return rng.poisson(depth * M * varied).astype(np.float64), depth
