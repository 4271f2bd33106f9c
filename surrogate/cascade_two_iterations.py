"""Compiled kernels of two conjugate-gradient iterations in one pass through a level, and of measuring what they reach.

Iteration after iteration reads and writes every array anew, and with millions of voxels that is what takes the time.
But two iterations combine the directions z = D⁻¹r and D⁻¹Az, and to know how all they need are the moments
zᵀD(D⁻¹A)ⁿz, n from 0 to 4 (Chronopoulos & Gear 1989, J. Comput. Appl. Math. 25). One pass, each direction a plane
behind the one before, writes both directions and adds up the moments; a second one adds them to the potential and
measures, a plane at a time. The numbers are those of :mod:`.cascade_relaxation`, which takes over where the moments
cancel: where one iteration has nearly converged, or the second direction is nearly the first.
"""

from __future__ import annotations

import numpy as np

from .cascade_coarsening import refine, refine_plane
from .cascade_measures import SUMS, measure, measure_plane
from .cascade_relaxation import net_current, relax, residual
from .cascade_workspace import BLOCK, FIRST, HALF, KEPT, ONE, TINY, ZERO, P, Q, U, conductances, grid_of, place, serial

__all__ = ["steps", "two_iterations"]

# Where less than this share is left of the difference of two moments it is no number to trust.
CANCELLED = 0.01


@serial
def two_iterations(space, coarse, decrements):  # type: ignore[no-untyped-def]
    """Iterate from the coarse potential, write what each iteration took off; return r·z, the currents, the sums."""
    moments = np.zeros(5)
    _write_directions(space, coarse, moments)
    first, second, rz, cancelled = steps(moments, decrements)
    if cancelled:
        refine(coarse, space[U])
        rz = relax(space, decrements)
        currents, sums = measure(space)
    else:
        currents, sums = _measure(space, coarse, np.float32(first), np.float32(second))
    return rz, currents, sums


@serial
def _write_directions(space, coarse, moments):  # type: ignore[no-untyped-def]
    """Write z and D⁻¹Az at the coarse potential, and add up the moments."""
    g, grid, z, az = conductances(space), grid_of(space), space[P].reshape(-1), space[Q].reshape(-1)
    nx = space.shape[1] - 2
    potentials = np.zeros((KEPT, *space.shape[2:]), np.float32)
    u = potentials.reshape(-1)
    inverse, r = np.zeros_like(u), np.zeros_like(u)
    refine_plane(coarse[1], potentials[1])
    for ahead in range(1, nx + 3):
        if ahead < nx:
            refine_plane(coarse[(ahead + 2) // 2], potentials[(ahead + 1) % KEPT])
        else:
            potentials[(ahead + 1) % KEPT] = ZERO
        i = ahead
        if i <= nx:
            kept = place(i % KEPT, grid)
            places = place((i - 1) % KEPT, grid), kept, place((i + 1) % KEPT, grid)
            drops = HALF if i == 1 else ONE, HALF if i == nx else ONE
            moments[0] += residual(g, place(i, grid), u, places, drops, inverse, r, kept, z, grid)
        i = ahead - 1
        if 1 <= i <= nx:
            power, scaled = _apply(g, z, place(i, grid), inverse, place(i % KEPT, grid), az, grid)
            moments[1] += power
            moments[2] += scaled
        i = ahead - 2
        if 1 <= i <= nx:
            power, scaled = _products(g, az, place(i, grid), inverse, place(i % KEPT, grid), grid)
            moments[3] += power
            moments[4] += scaled


@serial
def _apply(g, p, at, inverse, kept, out, grid):  # type: ignore[no-untyped-def]
    """Write D⁻¹Ap of a plane; return pᵀAp and (Ap)ᵀD⁻¹Ap."""
    plane, row, count = grid
    total, totals = 0.0, 0.0
    for start in range(FIRST, count, BLOCK):
        power, square = ZERO, ZERO
        for n in range(start, min(start + BLOCK, count)):
            a = at + n
            s = net_current(g, p, a, plane, row)
            w = inverse[kept + n] * s
            out[a] = w
            power += s * p[a]
            square += s * w
        total += power
        totals += square
    return total, totals


@serial
def _products(g, p, at, inverse, kept, grid):  # type: ignore[no-untyped-def]
    """Return pᵀAp and (Ap)ᵀD⁻¹Ap of a plane."""
    plane, row, count = grid
    total, totals = 0.0, 0.0
    for start in range(FIRST, count, BLOCK):
        power, square = ZERO, ZERO
        for n in range(start, min(start + BLOCK, count)):
            s = net_current(g, p, at + n, plane, row)
            power += s * p[at + n]
            square += s * s * inverse[kept + n]
        total += power
        totals += square
    return total, totals


@serial
def steps(moments, decrements):  # type: ignore[no-untyped-def]
    """Return how much of either direction two iterations take, the r·z left, and whether the moments cancelled."""
    alpha = moments[0] / (moments[1] + TINY)
    rz = alpha * alpha * moments[2] - moments[0]
    # The second direction is (1+β)z - αD⁻¹Az.
    stretch = 1 + rz / (moments[0] + TINY)
    own = stretch * stretch * moments[1]
    power = own - 2 * stretch * alpha * moments[2] + alpha * alpha * moments[3]
    step = rz / (power + TINY)
    decrements[0], decrements[1] = alpha * moments[0], step * rz
    a, b = alpha + step * stretch, -alpha * step
    left = moments[0] - 2 * (a * moments[1] + b * moments[2])
    left += a * a * moments[2] + 2 * a * b * moments[3] + b * b * moments[4]
    return a, b, max(left, 0.0), rz <= CANCELLED * moments[0] or power <= CANCELLED * own


@serial
def _measure(space, coarse, first, second):  # type: ignore[no-untyped-def]
    """Return the currents and sums of the coarse potential with so much of either direction added."""
    g, grid, z, az = conductances(space), grid_of(space), space[P].reshape(-1), space[Q].reshape(-1)
    nx = space.shape[1] - 2
    potentials = np.zeros((2, *space.shape[2:]), np.float32)
    u = potentials.reshape(-1)
    currents, sums = np.zeros(nx + 1), np.zeros(SUMS)
    for i in range(nx + 1):
        here, beyond = place(i % 2, grid), place((i + 1) % 2, grid)
        if i < nx:
            refine_plane(coarse[(i + 2) // 2], potentials[(i + 1) % 2])
            _add(first, z, second, az, place(i + 1, grid), u, beyond, grid[2])
        else:
            potentials[(i + 1) % 2] = ZERO
        drop = HALF if i == 0 or i == nx else ONE
        currents[i] = measure_plane(g, place(i, grid), u, (here, beyond), drop, sums, grid)
    return currents, sums


@serial
def _add(first, z, second, az, at, u, to, count):  # type: ignore[no-untyped-def]
    for n in range(count):
        u[to + n] += first * z[at + n] + second * az[at + n]
