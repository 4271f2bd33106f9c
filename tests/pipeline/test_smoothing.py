"""Smoothing in one pass is red-black Gauss–Seidel, written here a second time with whole arrays, and its transfer."""

import numba
import numpy as np
import pytest

from ionscreen.pipeline import coarsening, smoothing
from ionscreen.pipeline.multigrid import Multigrid
from ionscreen.pipeline.problem import assemble

SEED = 509_276_113  # drawn once
INNER = (slice(1, -1),) * 3
# Sizes of several blocks of planes, odd ones among them, and a flat one.
SHAPES = [(43, 28, 30), (64, 21, 33), (90, 20, 20), (7, 5, 3), (2, 1, 9)]


def problem_of(shape, sigma, periodic, rng):
    materials = rng.integers(0, len(sigma), size=shape).astype(np.uint8)
    return assemble(materials, np.array(sigma), np.array([1.0, 0.8, 1.7]), periodic, np.float64)


def wrapped(x, periodic):
    x = x.copy()
    for axis in range(3):
        layers = np.moveaxis(x, axis, 0)
        layers[0], layers[-1] = (layers[-2], layers[1]) if periodic[axis] else (0, 0)
    return x


def residual(problem, x, b):
    """Return b - A x by whole arrays, from the stored faces or from those between conducting cells."""
    gx, gy, gz, weights, inverse = problem.operator[:5]
    conducts = inverse > 0
    total = np.where(conducts, b - x / np.where(conducts, inverse, 1), 0)
    for axis, stored in enumerate((gx, gy, gz)):
        joined = weights[axis] * conducts * np.roll(conducts, -1, axis)
        g = stored if stored.size else joined
        total += g * np.roll(x, -1, axis) + np.roll(g * x, 1, axis)
    return np.where(conducts, total, 0)


def relaxed(problem, x, b, colour):
    i, j, k = np.indices(x.shape)
    own = np.zeros(x.shape, dtype=bool)
    own[INNER] = ((i + j + k + colour) % 2 == 0)[INNER]
    return wrapped(np.where(own, x + problem.operator[4] * residual(problem, x, b), x), problem.periodic)


def blocks_of(factors, shape):
    """Return, along each axis, the number of the coarse cell that each fine cell is in."""
    return np.ix_(*(np.arange(n) // f for n, f in zip(shape, factors, strict=True)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sigma", [(0.0, 1.0), (0.0, 1.0, 0.02)], ids=["alike", "faces"])
@pytest.mark.parametrize("periodic", [(False, False, False), (False, True, True), (True, True, True)])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_one_pass_equals_one_stage_after_the_other(shape, sigma, periodic, threads):
    rng = np.random.default_rng(SEED)
    problem = problem_of(shape, sigma, periodic, rng)
    grid = Multigrid(problem)
    factors = grid._factors[0]
    coarse = coarsening.view(grid._b, grid._offsets, grid._sizes, 0)
    x, b = (np.zeros_like(problem.operator[4]) for _ in range(2))
    for v in (x, b):
        v[INNER] = rng.standard_normal(problem.shape)
        v *= problem.operator[4] > 0
    x = wrapped(x, periodic)
    threads = min(threads, numba.config.NUMBA_NUM_THREADS)

    expected = x
    for colour in (0, 1, 0, 1):
        expected = relaxed(problem, expected, b, colour)
    found = x.copy()
    smoothing.smooth(problem.operator, found, b, coarse, factors, problem.periodic, smoothing.BEFORE, threads)
    summed = np.zeros(grid._sizes[0])
    np.add.at(summed, blocks_of(factors, shape), residual(problem, expected, b)[INNER])
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_allclose(coarse[INNER], summed, atol=1e-10)

    coarse[INNER] = rng.standard_normal(tuple(grid._sizes[0]))
    expected = x.copy()
    expected[INNER] += np.where(problem.operator[4][INNER] > 0, coarse[INNER][blocks_of(factors, shape)], 0)
    expected = wrapped(expected, periodic)
    for colour in (1, 0, 1, 0):
        expected = relaxed(problem, expected, b, colour)
    found = x.copy()
    smoothing.smooth(problem.operator, found, b, coarse, factors, problem.periodic, smoothing.AFTER, threads)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("periodic", [(False, False, False), (True, True, True)])
def test_the_cycle_is_symmetric_and_does_not_depend_on_threads(periodic):
    rng = np.random.default_rng(SEED)
    problem = problem_of((47, 30, 31), (0.0, 1.0), periodic, rng)
    grid = Multigrid(problem)
    r = [np.zeros_like(problem.operator[4]) for _ in range(2)]
    z = []
    for v in r:
        v[INNER] = rng.standard_normal(problem.shape) * (problem.operator[4][INNER] > 0)
        out = np.zeros_like(v)
        grid.apply(v, out)
        z.append(out)
    assert (r[0] * z[1])[INNER].sum() == pytest.approx((r[1] * z[0])[INNER].sum(), rel=1e-9)
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    again = np.zeros_like(r[0])
    grid.apply(r[0], again)
    numba.set_num_threads(before)
    assert (again[INNER] == z[0][INNER]).all()
