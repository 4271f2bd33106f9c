"""Compiled kernels of what is measured on one level of the cascade: its currents, where it dissipates, how far it is.

Names and equations are those of :mod:`.cascade`, arrays those of :mod:`.cascade_workspace`.
"""

from __future__ import annotations

import numpy as np

from .cascade_settings import CONVERGED, FLOOR
from .cascade_workspace import HALF, NEXT, ONE, TINY, ZERO, U, conductances, grid_of, place, serial

__all__ = ["SUMS", "describe", "log", "measure", "measure_plane"]

# The sums over the faces: dissipation along the axis and across, and the squares of the former.
ALONG, ACROSS, SQUARES = range(3)
SUMS = 3


@serial
def log(v):  # type: ignore[no-untyped-def]
    return np.log(v + FLOOR)


@serial
def measure_plane(g, at, u, places, drop, sums, grid):  # type: ignore[no-untyped-def]
    """Add up what the potentials of a plane and of the next one dissipate; return the current between them."""
    (gx, gy, gz), (here, beyond), (_, row, count) = g, places, grid
    current, along, across, squares = ZERO, ZERO, ZERO, ZERO
    for n in range(count):
        a, c = at + n, here + n
        v = u[c]
        fall = drop + v - u[beyond + n]
        flux = gx[a] * fall
        heat = flux * fall
        current += flux
        along += heat
        squares += heat * heat
        dy, dz = v - u[c + row], v - u[c + NEXT]
        across += gy[a] * dy * dy + gz[a] * dz * dz
    sums[ALONG] += along
    sums[ACROSS] += across
    sums[SQUARES] += squares
    return current


@serial
def measure(space):  # type: ignore[no-untyped-def]
    """Return the current through each plane, and the sums."""
    g, grid, u = conductances(space), grid_of(space), space[U].reshape(-1)
    nx = space.shape[1] - 2
    currents, sums = np.zeros(nx + 1), np.zeros(SUMS)
    for i in range(nx + 1):
        places, drop = (place(i, grid), place(i + 1, grid)), HALF if i == 0 or i == nx else ONE
        currents[i] = measure_plane(g, places[0], u, places, drop, sums, grid)
    return currents, sums


@serial
def describe(space, currents, sums, last, rz, shape, out):  # type: ignore[no-untyped-def]
    """Write the features of a level from what was measured, the last decrement and r·z; return the energy."""
    cells = currents.size - 1
    faces = currents.size * (space.shape[2] - 2) * (space.shape[3] - 2)
    energy = sums[ALONG] + sums[ACROSS]
    # Each plate's face carries half of a cell's drop.
    mean = (currents.sum() - 0.5 * (currents[0] + currents[-1])) / cells
    deviation = np.sqrt(np.mean((currents - currents.mean()) ** 2))
    out[0] = log(energy * shape[0] / (cells * cells * shape[1] * shape[2]))
    out[1] = np.log(last / (energy + TINY) + CONVERGED)
    out[2] = np.log(rz / (energy + TINY) + CONVERGED)
    out[3] = log(sums[ALONG] / (energy + TINY))
    out[4] = log(sums[ALONG] * sums[ALONG] / (faces * sums[SQUARES] + TINY))
    out[5] = log(max(mean, 0.0) * cells / (energy + TINY))
    out[6] = np.log(deviation / (abs(mean) + TINY) + CONVERGED)
    return energy
