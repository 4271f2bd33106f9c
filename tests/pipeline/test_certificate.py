"""The stated error holds: σ_eff is never further from the truth than `error_estimate` says, in 99 of 100 random cases.

The bounds hold in all of them.

The truth is a sparse LU factorisation written independently of the solver, or, where that would take seconds, the
solver itself at a tolerance 10,000 times finer.
"""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.ndimage import gaussian_filter
from scipy.sparse.linalg import splu

from ionscreen.pipeline import Outcome, effective_conductivity

SEED = 730_418_265  # drawn once
DIRECT_CELLS = 1500


def random_structure(rng):
    """Return phases and their conductivities: 8 to 24 voxels an edge, 2 to 5 phases, contrasts to 1e9.

    Level sets of smoothed noise; in half of the cases the first cut leaves 15 to 40 % above it, near where a phase
    just percolates. In two of three cases some phases insulate.
    """
    shape = tuple(rng.integers(8, 25, size=3))
    count = int(rng.integers(2, 6))
    field = gaussian_filter(rng.random(shape), rng.uniform(0.3, 2.5), mode="wrap")
    cuts = rng.random(count - 1)
    if rng.random() < 0.5:
        cuts[0] = rng.uniform(0.6, 0.85)
    levels = np.quantile(field, np.sort(cuts))
    phases = rng.permutation(count)[np.digitize(field, levels)].astype(np.uint8)
    sigma = 10 ** rng.uniform(-9, 0, size=count)
    if rng.random() < 2 / 3:
        sigma[rng.permutation(count)[: rng.integers(1, count)]] = 0
    return phases, sigma


def spheres(rng, n, count, radius):
    """Return `count` overlapping spheres in a box of n³."""
    image = np.zeros((n, n, n), np.uint8)
    ball = (np.indices((2 * radius + 1,) * 3) - radius) ** 2
    ball = ball.sum(axis=0) <= radius**2
    for centre in rng.integers(radius, n - radius, size=(count, 3)):
        image[tuple(slice(c - radius, c + radius + 1) for c in centre)] |= ball
    return image


def direct(phases, sigma):
    """Return σ_eff along axis 0 by sparse LU, cells without a path to both plates left out."""
    cell = np.arange(phases.size).reshape(phases.shape)
    with np.errstate(divide="ignore"):
        half = (1 / (2 * sigma))[phases]
    faces = []
    for axis in range(3):
        last = phases.shape[axis] - 1
        here, beyond = (cell.take(range(a, last + a), axis).ravel() for a in (0, 1))
        faces.append((here, beyond, 1 / (half.ravel()[here] + half.ravel()[beyond])))
    here, beyond, g = (np.concatenate(part) for part in zip(*faces, strict=True))
    inlet, outlet = np.zeros(phases.size), np.zeros(phases.size)
    inlet[cell[0].ravel()], outlet[cell[-1].ravel()] = 1 / half[0].ravel(), 1 / half[-1].ravel()
    links = sp.coo_matrix((g, (here, beyond)), (phases.size, phases.size)).tocsr()
    links.eliminate_zeros()
    cluster = sp.csgraph.connected_components(links, directed=False)[1]
    carries = np.isin(cluster, np.intersect1d(cluster[inlet > 0], cluster[outlet > 0]))
    degree = np.bincount(here, g, phases.size) + np.bincount(beyond, g, phases.size)
    matrix = sp.diags(degree + inlet + outlet) - links - links.T
    potential = splu(matrix.tocsr()[carries][:, carries].tocsc(), "MMD_AT_PLUS_A").solve(inlet[carries])
    nx, ny, nz = phases.shape
    # The flux from cell to plate, summed at the end where the potential is small: no cancellation.
    return float(outlet[carries] @ potential) * nx / (ny * nz)


def excess(phases, sigma, rtol):
    """Return true error over stated error, or None if nothing percolates."""
    table = dict(enumerate(sigma.tolist()))
    result = effective_conductivity(phases, table, rtol=rtol, lower_bound=True)
    if result.outcome is Outcome.NON_PERCOLATING:
        return None
    assert result.outcome is Outcome.CONVERGED
    assert result.error_estimate <= rtol
    if phases.size <= DIRECT_CELLS:
        truth = direct(phases, sigma)
        rounding = 1e-9  # of the factorisation
    else:
        truth = effective_conductivity(phases, table, rtol=max(1e-4 * rtol, 1e-10)).sigma
        rounding = 0
    # These two are no estimates.
    assert result.lower_bound * (1 - 2e-9) <= truth <= result.upper_bound * (1 + 2e-9)
    return max(abs(result.sigma / truth - 1) - rounding, 0) / result.error_estimate


def violations(cases, seed):
    """Return how many of the percolating cases break their promise, and how many percolate."""
    rng = np.random.default_rng(seed)
    ratios = [excess(*random_structure(rng), rtol=10 ** rng.uniform(-6, -2)) for _ in range(cases)]
    ratios = np.array([ratio for ratio in ratios if ratio is not None])
    return int((ratios > 1).sum()), ratios.size


def test_the_stated_error_holds():
    broken, total = violations(150, SEED + 1)
    assert total >= 100
    assert broken <= 2  # so few cases resolve no more than this


@pytest.mark.slow
def test_the_stated_error_holds_in_99_of_100_of_2000_cases():
    broken, total = violations(2500, SEED)
    assert total >= 2000
    assert broken <= 0.01 * total


@pytest.mark.parametrize("contrast", [1e-3, 1e-6])
def test_isolated_spheres(contrast):
    # Over-correction makes the W-cycle indefinite here: σ_eff once came out 7 to 60,000 times too large, as converged.
    phases = spheres(np.random.default_rng(SEED), 48, 36, 5)
    assert excess(phases, np.array([contrast, 1.0]), 1e-4) <= 1.5
