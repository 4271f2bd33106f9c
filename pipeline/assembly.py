"""Compiled kernels that turn an image into conductances of faces."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from .kernels import face, threaded

__all__ = [
    "add_grain_boundaries",
    "count",
    "count_each",
    "count_within",
    "face_currents",
    "fill_faces",
    "look_up",
    "look_up_within",
]


@threaded
def look_up(table, numbers):  # type: ignore[no-untyped-def]
    """Return table[numbers], for numbers (nx, ny, nz)."""
    found = np.empty(numbers.shape, table.dtype)
    for i in numba.prange(numbers.shape[0]):
        for j in range(numbers.shape[1]):
            for k in range(numbers.shape[2]):
                found[i, j, k] = table[numbers[i, j, k]]
    return found


def count(numbers: npt.NDArray[Any], size: int) -> npt.NDArray[np.int64]:
    """Return how often each number below `size` occurs in (nx, ny, nz), and last how many are not below it."""
    return np.asarray(count_each(numbers[:, None], size).sum(axis=0))


@threaded
def count_each(numbers, size):  # type: ignore[no-untyped-def]
    """Return what :func:`count` does, of each of the volumes (v, nx, ny, nz): (v, size + 1)."""
    counts = np.zeros((numbers.shape[0], size + 1), np.int64)
    for v in numba.prange(numbers.shape[0]):
        for i in range(numbers.shape[1]):
            for j in range(numbers.shape[2]):
                for k in range(numbers.shape[3]):
                    counts[v, min(np.int64(numbers[v, i, j, k]), size)] += 1
    return counts


@threaded
def fill_faces(materials, table, faces):  # type: ignore[no-untyped-def]
    """faces[a, i, j, k] = table[a, here, beyond] for every face inside the box, and around it along periodic axes."""
    nx, ny, nz = materials.shape[0] - 2, materials.shape[1] - 2, materials.shape[2] - 2
    for i in numba.prange(nx + 1):
        for j in range(ny + 1):
            for k in range(nz + 1):
                here = materials[i, j, k]
                faces[0, i, j, k] = table[0, here, materials[i + 1, j, k]]
                faces[1, i, j, k] = table[1, here, materials[i, j + 1, k]]
                faces[2, i, j, k] = table[2, here, materials[i, j, k + 1]]


@threaded
def add_grain_boundaries(materials, grains, resistance, areas, faces):  # type: ignore[no-untyped-def]
    """Put the resistance of the grain boundary in series wherever two grains of one material meet.

    `resistance` (P,) per area, `areas` (3,) of a face normal to each axis.
    """
    nx, ny, nz = materials.shape[0] - 2, materials.shape[1] - 2, materials.shape[2] - 2
    for i in numba.prange(nx + 1):
        for j in range(ny + 1):
            for k in range(nz + 1):
                here = materials[i, j, k]
                for axis in range(3):
                    ni, nj, nk = i + (axis == 0), j + (axis == 1), k + (axis == 2)
                    if materials[ni, nj, nk] == here and grains[ni, nj, nk] != grains[i, j, k]:
                        g = faces[axis, i, j, k]
                        faces[axis, i, j, k] = g / (1 + g * resistance[here] / areas[axis])


@threaded
def look_up_within(table, numbers, mask):  # type: ignore[no-untyped-def]
    """Return table[numbers] where the mask is set, else 0."""
    found = np.empty(numbers.shape, table.dtype)
    for i in numba.prange(numbers.shape[0]):
        for j in range(numbers.shape[1]):
            for k in range(numbers.shape[2]):
                found[i, j, k] = table[numbers[i, j, k]] if mask[i, j, k] else 0
    return found


@threaded
def count_within(numbers, mask, size):  # type: ignore[no-untyped-def]
    """Return how often each number below `size` occurs where the mask is set, (size,)."""
    counts = np.zeros((numbers.shape[0], size), np.int64)
    for i in numba.prange(numbers.shape[0]):
        for j in range(numbers.shape[1]):
            for k in range(numbers.shape[2]):
                counts[i, numbers[i, j, k]] += mask[i, j, k]
    return counts.sum(axis=0)


@threaded
def face_currents(operator, plates, x, currents):  # type: ignore[no-untyped-def]
    """Overwrite `currents` (3, nx, ny, nz) with conductance times drop to the next voxel, or to the last plate."""
    for i in numba.prange(1, x.shape[0] - 1):
        for j in range(1, x.shape[1] - 1):
            for k in range(1, x.shape[2] - 1):
                v = x[i, j, k]
                currents[0, i - 1, j - 1, k - 1] = face(operator, 0, i, j, k) * (v - x[i + 1, j, k])
                currents[1, i - 1, j - 1, k - 1] = face(operator, 1, i, j, k) * (v - x[i, j + 1, k])
                currents[2, i - 1, j - 1, k - 1] = face(operator, 2, i, j, k) * (v - x[i, j, k + 1])
                if i == x.shape[0] - 2:
                    currents[0, i - 1, j - 1, k - 1] += plates[1, j, k] * v
