"""Nearest grains: which Voronoi cell each voxel lies in, and how near the next ones are.

A tree of centres answers this voxel by voxel and took forty times as long as solving the structure. Voxels next to each
other have nearly the same neighbours, so here a block of voxels keeps the few centres that can matter to any of them.
"""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["CORNER", "nearest_grains"]

CORNER = 4  # grains that meet where a pore begins
# Voxels along the edge of a block, and of the smaller ones in it.
COARSE, FINE = 16, 4

compiled = numba.njit(cache=True, error_model="numpy")


def nearest_grains(
    centres: npt.NDArray[np.float64], shape: tuple[int, int, int], voxel_size: tuple[float, float, float]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return how much farther than the nearest centre the second and the fourth are, and the nearest's number.

    Parameters
    ----------
    centres
        (n, 3), metres, inside the box, which continues periodically; n at least 4.
    shape, voxel_size
        Voxels; metres.

    Returns
    -------
    tuple
        Three arrays (nx, ny, nz): metres, metres, and numbers from 0.
    """
    second, fourth, nearest = np.empty(shape), np.empty(shape), np.empty(shape, np.int64)
    _fill(centres, np.array(voxel_size), np.array(shape) * voxel_size, second, fourth, nearest)
    return second, fourth, nearest


@compiled
def _fill(centres, voxel, box, second, fourth, nearest):  # type: ignore[no-untyped-def]
    nx, ny, nz = nearest.shape
    every = np.arange(len(centres))
    near, nearer = np.empty_like(every), np.empty_like(every)
    corner, best = np.empty(3, np.int64), np.empty(CORNER)
    for x0 in range(0, nx, COARSE):
        for y0 in range(0, ny, COARSE):
            for z0 in range(0, nz, COARSE):
                corner[0], corner[1], corner[2] = x0, y0, z0
                count = _keep(centres, every, len(every), corner, COARSE, voxel, box, best, near)
                for x1 in range(x0, min(x0 + COARSE, nx), FINE):
                    for y1 in range(y0, min(y0 + COARSE, ny), FINE):
                        for z1 in range(z0, min(z0 + COARSE, nz), FINE):
                            corner[0], corner[1], corner[2] = x1, y1, z1
                            few = _keep(centres, near, count, corner, FINE, voxel, box, best, nearer)
                            _fill_block(centres, nearer, few, corner, voxel, box, best, second, fourth, nearest)


@compiled
def _keep(centres, given, count, corner, edge, voxel, box, best, kept):  # type: ignore[no-untyped-def]
    """Put into `kept` those of the `count` centres `given` that can be among the four nearest to a point of the block.

    With the fourth at distance d from the block's middle, and every point within r of that, no farther one than
    d + 2 r can, by the triangle inequality.
    """
    x, y, z = (corner[0] + edge / 2) * voxel[0], (corner[1] + edge / 2) * voxel[1], (corner[2] + edge / 2) * voxel[2]
    best[:] = np.inf
    for i in range(count):
        _enter(best, _square(centres[given[i]], x, y, z, box))
    radius = 0.5 * edge * math.sqrt(voxel[0] ** 2 + voxel[1] ** 2 + voxel[2] ** 2)
    limit = (math.sqrt(best[CORNER - 1]) + 2 * radius) ** 2 * (1 + 1e-9)
    found = 0
    for i in range(count):
        if _square(centres[given[i]], x, y, z, box) <= limit:
            kept[found] = given[i]
            found += 1
    return found


@compiled
def _fill_block(centres, given, count, corner, voxel, box, best, second, fourth, nearest):  # type: ignore[no-untyped-def]
    nx, ny, nz = nearest.shape
    for i in range(corner[0], min(corner[0] + FINE, nx)):
        for j in range(corner[1], min(corner[1] + FINE, ny)):
            for k in range(corner[2], min(corner[2] + FINE, nz)):
                x, y, z = (i + 0.5) * voxel[0], (j + 0.5) * voxel[1], (k + 0.5) * voxel[2]
                best[:] = np.inf
                for n in range(count):
                    square = _square(centres[given[n]], x, y, z, box)
                    if square < best[0]:
                        nearest[i, j, k] = given[n]
                    _enter(best, square)
                first = math.sqrt(best[0])
                second[i, j, k] = math.sqrt(best[1]) - first
                fourth[i, j, k] = math.sqrt(best[CORNER - 1]) - first


@compiled
def _square(centre, x, y, z, box):  # type: ignore[no-untyped-def]
    """Return the squared distance to the nearest periodic image of the centre; the point may lie just outside."""
    dx, dy, dz = abs(centre[0] - x), abs(centre[1] - y), abs(centre[2] - z)
    dx, dy, dz = min(dx, abs(box[0] - dx)), min(dy, abs(box[1] - dy)), min(dz, abs(box[2] - dz))
    return dx * dx + dy * dy + dz * dz


@compiled
def _enter(best, value):  # type: ignore[no-untyped-def]
    """Insert a value into the ascending list of the smallest."""
    if value >= best[-1]:
        return
    place = len(best) - 1
    while place > 0 and best[place - 1] > value:
        best[place] = best[place - 1]
        place -= 1
    best[place] = value
