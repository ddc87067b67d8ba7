"""Other libraries' fits from given factors: what a user would take instead. Each takes W, H and a number of iterations.

A rival whose library is not installed is left out of `RIVALS`; `make` installs them with the extra "oracles".
"""

import importlib.util
import warnings
from collections.abc import Callable

import numpy as np
import torch

Factors = tuple[np.ndarray, np.ndarray]
Rival = Callable[[np.ndarray, np.ndarray, np.ndarray, int], Factors]


def sklearn_nmf(X: np.ndarray, W: np.ndarray, H: np.ndarray, n: int, **settings: object) -> Factors:
    from sklearn.decomposition import NMF

    model = NMF(W.shape[1], init="custom", tol=0, max_iter=n, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged
        return model.fit_transform(X, W=W.copy(), H=H.copy()), model.components_


def torchnmf_nmf(X: np.ndarray, W: np.ndarray, H: np.ndarray, n: int, beta: float) -> Factors:
    from torchnmf.nmf import NMF

    model = NMF(W=torch.from_numpy(H.T.copy()), H=torch.from_numpy(W.copy()))  # V ≈ HWᵀ there
    model.fit(torch.from_numpy(X), beta=beta, tol=-np.inf, max_iter=n)
    return model.H.detach().numpy(), model.W.detach().numpy().T


def nn_fac_nmf(X: np.ndarray, W: np.ndarray, H: np.ndarray, n: int) -> Factors:
    from nn_fac.nmf import compute_nmf

    W, H = compute_nmf(X, W.shape[1], W.copy(), H.copy(), n_iter_max=n, tol=0, update_rule="hals", deterministic=True)
    return W, H


def ssnmf_nmf(X: np.ndarray, W: np.ndarray, H: np.ndarray, n: int) -> Factors:
    from ssnmf import SSNMF

    model = SSNMF(X, W.shape[1], A=W.copy(), S=H.copy(), modelNum=1)
    model.mult(numiters=n)
    return model.A, model.S


def autograd(X: np.ndarray, W: np.ndarray, H: np.ndarray, n: int, eta: float, lam: float, lr: float) -> Factors:
    """WNNF on all samples at once, as its authors would write it: torch's autograd and fused AdamW."""
    data = torch.from_numpy(X)
    parameters = [torch.from_numpy(F.copy()).requires_grad_() for F in (W, H)]
    optimizer = torch.optim.AdamW(parameters, lr, weight_decay=lam, fused=True)
    phi = torch.nn.LeakyReLU(eta)
    with torch.enable_grad():
        for _ in range(n):
            optimizer.zero_grad()
            ((data - phi(parameters[0]) @ phi(parameters[1])).abs().sum(0).mean()).backward()
            optimizer.step()
    W, H = (F.detach().numpy() for F in parameters)
    return W, H


RIVALS: dict[str, Rival] = {
    name: rival
    for name, (library, rival) in {
        "scikit-learn mu": ("sklearn", lambda *a: sklearn_nmf(*a, solver="mu")),
        "scikit-learn mu, KL": ("sklearn", lambda *a: sklearn_nmf(*a, solver="mu", beta_loss=1)),
        "scikit-learn cd": ("sklearn", lambda *a: sklearn_nmf(*a, solver="cd")),
        "torchnmf": ("torchnmf", lambda *a: torchnmf_nmf(*a, beta=2)),
        "torchnmf, KL": ("torchnmf", lambda *a: torchnmf_nmf(*a, beta=1)),
        "nn_fac hals": ("nn_fac", nn_fac_nmf),
        "ssnmf": ("ssnmf", ssnmf_nmf),
    }.items()
    if importlib.util.find_spec(library)
}
