"""Packing: spheres of one or several sizes put into a periodic box one after another, and the distance to them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["OVERLAP", "SIZES", "diameters", "distance_to_spheres", "pack_spheres"]

Array = npt.NDArray[np.float64]

# Sizes of equal volume that stand for a distribution, at the quantiles 0.1, 0.3, 0.5, 0.7, 0.9.
SIZES = 5
# Share of the box that is asked for; random addition jams not far above it.
PACKED = 0.6
# Share of the sum of their radii by which two spheres may come nearer than that sum: a third of each one's radius.
OVERLAP = 1 / 6

compiled = numba.njit(cache=True, error_model="numpy")


def diameters(median: float, spread: float) -> list[float]:
    """Return the sizes, largest first, that stand for a log-normal distribution of volume over diameter.

    Parameters
    ----------
    median
        Half of the volume lies in smaller particles; any unit of length.
    spread
        Geometric standard deviation, 1 or more; 1 gives the median alone.
    """
    from scipy.special import ndtri

    if spread == 1:
        return [median]
    quantiles = (np.arange(SIZES)[::-1] + 0.5) / SIZES
    return [float(d) for d in median * spread ** ndtri(quantiles)]


def pack_spheres(
    shape: tuple[int, int, int],
    spacing: Sequence[float],
    radii: Sequence[float],
    rng: np.random.Generator,
    *,
    share: float = PACKED,
    overlap: float = OVERLAP,
    room: npt.NDArray[np.floating] | None = None,
) -> tuple[Array, Array]:
    """Return centres (n, 3) and radii (n,) of spheres added at random places, each size given an equal volume.

    Random sequential addition: cells of the box are tried once, in random order, so that the packing ends where it is
    full, and a centre is then shifted by up to half a cell. The shift may bring two spheres nearer than `overlap` says.

    Parameters
    ----------
    shape, spacing
        Cells and their edges, metres; the box continues periodically.
    radii
        Metres, largest first.
    rng
        Of the places.
    share
        Volume of all spheres over that of the room; fewer are put where no more fit.
    overlap
        Two spheres are at least ``1 - overlap`` times the sum of their radii apart.
    room
        (nx, ny, nz): distance to what is there already, metres; a centre keeps two thirds of its radius from it.
        Where that lets no sphere in at all, one stands where it is widest.
    """
    size = np.array(spacing, np.float64)
    free = float(np.prod(size)) * (math.prod(shape) if room is None else np.count_nonzero(room))
    centres, sizes = np.empty((0, 3)), np.empty(0)
    for radius in radii:
        wanted = max(1, round(share * free / len(radii) / (4 / 3 * np.pi * radius**3)))
        blocked = np.zeros(shape, bool) if room is None else room < 2 / 3 * radius
        _block(blocked, size, centres, (1 - overlap) * (sizes + radius))
        order = rng.permutation(math.prod(shape))
        shifts = rng.random((wanted, 3)) - 0.5
        added = np.empty((wanted, 3))
        count = _place(blocked, size, order, shifts, (1 - overlap) * 2 * radius, added)
        if count == 0 and room is not None:
            widest = np.unravel_index(int(np.argmax(room)), shape)
            added[0] = (np.array(widest) + 0.5) * size
            count = 1
        centres = np.concatenate([centres, added[:count]])
        sizes = np.concatenate([sizes, np.full(count, radius)])
    return centres, sizes


def distance_to_spheres(
    centres: Array, radii: Array, shape: tuple[int, int, int], spacing: Sequence[float]
) -> npt.NDArray[np.float32]:
    """Return the distance from voxels' centres to the nearest sphere's surface, negative inside, metres.

    Farther than the largest radius it is not told apart. Continuous, unlike distances on a lattice, so that particles
    grown or shrunk by it keep smooth surfaces.

    Parameters
    ----------
    centres, radii
        (n, 3), in a box that continues periodically, and (n,), metres.
    shape, spacing
        Voxels and their edges, metres.
    """
    reach = float(np.max(radii))
    field = np.full(shape, reach, np.float32)
    _stamp(field, np.array(spacing, np.float64), centres, radii, reach)
    return field


@compiled
def _block(blocked, size, centres, distances):  # type: ignore[no-untyped-def]
    """Set the cells whose centres are within these distances of these centres."""
    nx, ny, nz = blocked.shape
    for n in range(len(centres)):
        x, y, z = centres[n]
        distance = distances[n]
        for i in range(math.floor((x - distance) / size[0]), math.ceil((x + distance) / size[0])):
            across = distance**2 - ((i + 0.5) * size[0] - x) ** 2
            if across <= 0:
                continue
            for j in range(math.floor((y - distance) / size[1]), math.ceil((y + distance) / size[1])):
                left = across - ((j + 0.5) * size[1] - y) ** 2
                if left <= 0:
                    continue
                half = math.sqrt(left)
                row = blocked[i % nx, j % ny]
                for k in range(math.ceil((z - half) / size[2] - 0.5), math.floor((z + half) / size[2] - 0.5) + 1):
                    row[k % nz] = True


@compiled
def _place(blocked, size, order, shifts, distance, centres):  # type: ignore[no-untyped-def]
    """Put centres into cells that are not blocked, in that order; return how many."""
    _, ny, nz = blocked.shape
    flat = blocked.ravel()
    distances = np.full(1, distance)
    count = 0
    for cell in order:
        if flat[cell]:
            continue
        i, j, k = cell // (ny * nz), cell // nz % ny, cell % nz
        centres[count, 0] = (i + 0.5 + shifts[count, 0]) * size[0]
        centres[count, 1] = (j + 0.5 + shifts[count, 1]) * size[1]
        centres[count, 2] = (k + 0.5 + shifts[count, 2]) * size[2]
        _block(blocked, size, centres[count : count + 1], distances)
        count += 1
        if count == len(centres):
            break
    return count


@compiled
def _stamp(field, size, centres, radii, reach):  # type: ignore[no-untyped-def]
    """Lower the field to the distance to each sphere's surface, up to `reach` away from it."""
    nx, ny, nz = field.shape
    for n in range(len(centres)):
        x, y, z = centres[n]
        radius = radii[n]
        far = radius + reach
        for i in range(math.floor((x - far) / size[0]), math.ceil((x + far) / size[0])):
            across = ((i + 0.5) * size[0] - x) ** 2
            if across >= far**2:
                continue
            for j in range(math.floor((y - far) / size[1]), math.ceil((y + far) / size[1])):
                aside = across + ((j + 0.5) * size[1] - y) ** 2
                if aside >= far**2:
                    continue
                half = math.sqrt(far**2 - aside)
                row = field[i % nx, j % ny]
                for k in range(math.ceil((z - half) / size[2] - 0.5), math.floor((z + half) / size[2] - 0.5) + 1):
                    distance = math.sqrt(aside + ((k + 0.5) * size[2] - z) ** 2) - radius
                    if distance < row[k % nz]:
                        row[k % nz] = distance
