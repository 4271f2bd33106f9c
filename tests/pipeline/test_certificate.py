"""The stated error holds: σ_eff is never further from the truth than `error_estimate` says, in 99 of 100 random cases.

The bounds hold in all of them. benchmarks/certificate.py compares every case with a direct factorisation; here, where
that would take seconds, the truth is the solver's own at a tolerance 10,000 times finer.
"""

import numpy as np
import pytest

from ionscreen.pipeline import effective_conductivity

from ..programs import benchmark

certificate = benchmark("certificate")

SEED = 730_418_265  # drawn once
DIRECT_CELLS = 1500


def spheres(rng, n, count, radius):
    """Return `count` overlapping spheres in a box of n³."""
    image = np.zeros((n, n, n), np.uint8)
    ball = (np.indices((2 * radius + 1,) * 3) - radius) ** 2
    ball = ball.sum(axis=0) <= radius**2
    for centre in rng.integers(radius, n - radius, size=(count, 3)):
        image[tuple(slice(c - radius, c + radius + 1) for c in centre)] |= ball
    return image


def violations(count, seed):
    """Return how many of the percolating cases break their promise, and how many percolate."""
    cases = certificate.random_cases(count, seed, DIRECT_CELLS)
    assert all(case.bounds_hold for case in cases)  # these are no estimates
    return sum(case.ratio > 1 for case in cases), len(cases)


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
    assert certificate.solved(phases, np.array([contrast, 1.0]), 1e-4, DIRECT_CELLS).ratio <= 1.5


@pytest.mark.slow
@pytest.mark.parametrize(("contrast", "iterations"), [(1e-3, 25), (1e-4, 50)])
def test_one_small_decrement_is_no_convergence(contrast, iterations):
    # Of decrements 8e-4, 2e-4, 4e-5, 2e-6 the last promised an error of 2e-5, where 4e-4 was still to come.
    phases = benchmark("solver_images").isolated_spheres(128, films=False)
    found, truth = (effective_conductivity(phases, {0: contrast, 1: 1.0}, rtol=rtol) for rtol in (1e-4, 1e-7))
    assert abs(found.sigma / truth.sigma - 1) <= found.error_estimate <= 1e-4
    assert found.iterations <= iterations
