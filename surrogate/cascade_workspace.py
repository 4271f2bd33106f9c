"""The workspace of one level of the compiled cascade, and what its kernels share.

A workspace is (ARRAYS, nx+2, ny+2, nz+2) in single precision. Vectors have a border of one cell that never conducts, so
no loop asks where it is. ``gx[i]`` is the face between cells i and i+1; ``gx[0]`` and ``gx[nx]`` are the plates.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

__all__ = [
    "ARRAYS",
    "BLOCK",
    "FIRST",
    "GX",
    "GY",
    "GZ",
    "HALF",
    "INVERSE",
    "KEPT",
    "NEXT",
    "ONE",
    "TINY",
    "TWO",
    "ZERO",
    "P",
    "Q",
    "R",
    "U",
    "conductances",
    "grid_of",
    "place",
    "serial",
    "unlocked",
]

# Without "nnan" and "ninf": a face that does not conduct has an infinite resistance.
options = {"cache": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "nsz"}}
serial = numba.njit(**options)
unlocked = numba.njit(nogil=True, **options)

# Of single precision, so that no loop is widened to double.
ONE: Any = np.float32(1)
TWO: Any = np.float32(2)
HALF: Any = np.float32(0.5)
ZERO: Any = np.float32(0)
TINY = 1e-30
# Places in flat arrays are unsigned: numba asks of signed ones whether they count from the end, and that stops vectors.
NEXT: Any = np.uint64(1)
FIRST: Any = np.uint64(0)
# So many products are added up in single precision: of a large plane that is all alike the sum would be off by 1e-4.
BLOCK: Any = np.uint64(1024)
# Planes that are kept of what is needed only until the next ones are done.
KEPT = 3
# Conductances, potential, direction, and what conjugate gradients need.
GX, GY, GZ, U, P, Q, R, INVERSE = range(8)
ARRAYS = 8


@serial
def conductances(space):  # type: ignore[no-untyped-def]
    """Return the conductances along each axis, flat."""
    return space[GX].reshape(-1), space[GY].reshape(-1), space[GZ].reshape(-1)


@serial
def grid_of(space):  # type: ignore[no-untyped-def]
    """Return how many cells lie from plane to plane and from row to row, and from a plane's first cell to its last."""
    row = space.shape[3]
    plane = space.shape[2] * row
    return np.uint64(plane), np.uint64(row), np.uint64(plane - 2 * row - 2)


@serial
def place(i, grid):  # type: ignore[no-untyped-def]
    """Return where the first cell of plane `i` lies in a flat array."""
    return np.uint64(i) * grid[0] + grid[1] + NEXT
