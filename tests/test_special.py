"""The Wright omega function against scipy, the projections against what defines them."""

import numpy as np
import pytest
import torch
from scipy.special import wrightomega

from nmfbench.numerics.projections import normalised, simplex
from nmfbench.numerics.special import wright_omega


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-6)])
def test_wright_omega_is_that_of_scipy(dtype: str, tolerance: float) -> None:
    top = {"float64": 307, "float32": 37}[dtype]
    low = {"float64": -700, "float32": -80}[dtype]
    x = np.concatenate([np.linspace(low, 80, 20001), np.logspace(0, top, 3001), -np.logspace(-300, 0, 301)])
    x = x.astype(dtype)
    found = wright_omega(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, wrightomega(x.astype(float)).real, rtol=tolerance)


def test_wright_omega_underflows_without_a_nan_and_solves_its_equation() -> None:
    x = torch.tensor([-1e308, -800.0, -700.0, 0.0, 1.0, 1e308], dtype=torch.float64)
    w = wright_omega(x)
    assert w.isfinite().all() and w[0] == 0 and w[1] == 0
    assert wright_omega(torch.tensor([-torch.inf, torch.inf])).tolist() == [0, torch.inf]
    torch.testing.assert_close(w[2:] + w[2:].log(), x[2:], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("n", [7, 40_000])  # many columns are projected a few rows at a time
def test_simplex_projection_is_the_nearest_point(n: int) -> None:
    H = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 5, n)))
    P = simplex(H)
    torch.testing.assert_close(P.sum(-1), torch.ones_like(P.sum(-1)))
    assert (P >= 0).all() and (P == 0).any()
    # No point of the simplex lies on the far side of the plane through P (obtuse angle).
    for corner in torch.eye(n, dtype=H.dtype) if n < 10 else ():
        assert (((H - P) * (corner - P)).sum(-1) <= 1e-12).all()
    # The shift is the same for all that is positive, and no smaller for the rest.
    shift = (H - P).amax(-1, keepdim=True).where(P.sum(-1, keepdim=True) > 0, torch.inf)
    torch.testing.assert_close((H - shift).clamp(min=0), P)


def test_simplex_projection_leaves_its_points_and_takes_single_entries() -> None:
    H = torch.rand(3, 4, 5, dtype=torch.float64)
    H = H / H.sum(-1, keepdim=True)
    torch.testing.assert_close(simplex(H), H)
    assert torch.equal(simplex(torch.full((1, 2, 1), -7.0)), torch.ones(1, 2, 1))


def test_rows_are_divided_by_their_sums_and_a_zero_row_becomes_uniform() -> None:
    H, total = normalised(torch.tensor([[2.0, 6.0], [0.0, 0.0]]), -1)
    assert H.tolist() == [[0.25, 0.75], [0.5, 0.5]] and total.tolist() == [[8.0], [0.0]]
