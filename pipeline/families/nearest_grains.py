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
# Voxels along the edge of a block, and of the smaller ones in it: eight in each.
COARSE, MIDDLE, FINE = 16, 8, 4

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
    near, nearer, kept = np.empty_like(every), np.empty_like(every), np.empty_like(every)
    corner, best, places = np.empty(3, np.int64), np.empty(CORNER), np.empty_like(centres)
    squares = np.empty(len(centres))
    for x in range(0, nx, COARSE):
        for y in range(0, ny, COARSE):
            for z in range(0, nz, COARSE):
                corner[0], corner[1], corner[2] = x, y, z
                count = _keep(centres, every, len(every), corner, COARSE, voxel, box, best, squares, near)
                few = 0
                for n in range(64):  # eight blocks of eight, in the order of their bits
                    middle, fine = n >> 3, n & 7
                    corner[0] = x + MIDDLE * (middle >> 2)
                    corner[1] = y + MIDDLE * (middle >> 1 & 1)
                    corner[2] = z + MIDDLE * (middle & 1)
                    if fine == 0:
                        few = _keep(centres, near, count, corner, MIDDLE, voxel, box, best, squares, nearer)
                    corner[0] += FINE * (fine >> 2)
                    corner[1] += FINE * (fine >> 1 & 1)
                    corner[2] += FINE * (fine & 1)
                    if corner[0] < nx and corner[1] < ny and corner[2] < nz:
                        left = _keep(centres, nearer, few, corner, FINE, voxel, box, best, squares, kept)
                        _fill_block(centres, kept, left, corner, voxel, box, places, second, fourth, nearest)


@compiled
def _keep(centres, given, count, corner, edge, voxel, box, best, squares, kept):  # type: ignore[no-untyped-def]
    """Put into `kept` those of the `count` centres `given` that can be among the four nearest to a point of the block.

    With the fourth at distance d from the block's middle, and every voxel within r of that, no farther one than
    d + 2 r can, by the triangle inequality. In the finest blocks the nearest come first.
    """
    x, y, z = (corner[0] + edge / 2) * voxel[0], (corner[1] + edge / 2) * voxel[1], (corner[2] + edge / 2) * voxel[2]
    best[:] = np.inf
    for i in range(count):
        _enter(best, _square(centres[given[i]], x, y, z, box))
    radius = 0.5 * (edge - 1) * math.sqrt(voxel[0] ** 2 + voxel[1] ** 2 + voxel[2] ** 2)
    limit = (math.sqrt(best[CORNER - 1]) + 2 * radius) ** 2 * (1 + 1e-9)
    found = 0
    for i in range(count):
        square = _square(centres[given[i]], x, y, z, box)
        if square <= limit:
            place = found
            if edge == FINE:  # for the search of voxels, which then finds the four at once
                while place > 0 and squares[place - 1] > square:
                    kept[place], squares[place] = kept[place - 1], squares[place - 1]
                    place -= 1
                squares[place] = square
            kept[place] = given[i]
            found += 1
    return found


@compiled
def _fill_block(centres, given, count, corner, voxel, box, places, second, fourth, nearest):  # type: ignore[no-untyped-def]
    nx, ny, nz = nearest.shape
    once = _images(centres, given, count, corner, voxel, box, places)
    for i in range(corner[0], min(corner[0] + FINE, nx)):
        for j in range(corner[1], min(corner[1] + FINE, ny)):
            for k in range(corner[2], min(corner[2] + FINE, nz)):
                x, y, z = (i + 0.5) * voxel[0], (j + 0.5) * voxel[1], (k + 0.5) * voxel[2]
                a = b = c = d = np.inf  # the four smallest squares, ascending: scalars, as this is most of the time
                found = 0
                for n in range(count):
                    if once:
                        dx, dy, dz = places[n, 0] - x, places[n, 1] - y, places[n, 2] - z
                        square = dx * dx + dy * dy + dz * dz
                    else:
                        square = _square(centres[given[n]], x, y, z, box)
                    if square < d:
                        if square < a:
                            a, b, c, d, found = square, a, b, c, n
                        elif square < b:
                            b, c, d = square, b, c
                        elif square < c:
                            c, d = square, c
                        else:
                            d = square
                second[i, j, k] = math.sqrt(b) - math.sqrt(a)
                fourth[i, j, k] = math.sqrt(d) - math.sqrt(a)
                nearest[i, j, k] = given[found]


@compiled
def _images(centres, given, count, corner, voxel, box, places):  # type: ignore[no-untyped-def]
    """Put into `places` the periodic images nearest to the block's middle; return whether they are to all of it.

    They are unless one is half the box away from a voxel: in boxes of a few grains.
    """
    once = True
    for axis in range(3):
        middle, half = (corner[axis] + FINE / 2) * voxel[axis], FINE / 2 * voxel[axis]
        for n in range(count):
            offset = centres[given[n], axis] - middle
            offset -= box[axis] * np.round(offset / box[axis])
            places[n, axis] = middle + offset
            once = once and abs(offset) + half < box[axis] / 2
    return once


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
