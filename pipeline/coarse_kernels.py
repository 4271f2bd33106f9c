"""Kernels of the coarse levels: all levels in flat arrays, one compiled recursion over them.

A coarse cell joins 2 x 2 x 2 finer ones. Level l is the box ``sizes[l]`` with a border of one cell on each side, from
``offsets[l]`` on in the flat arrays: ``g`` (3, total) conductance of the face between a cell and its successor along
each axis, ``inverse`` 1/diagonal (0 where nothing conducts), ``x`` and ``b``.
"""

from __future__ import annotations

import numba
import numpy as np

__all__ = ["cycle", "galerkin", "galerkin_from_phases", "invert_diagonal", "view"]

# Below this, starting threads costs more than they save.
PARALLEL_CELLS = 30_000
COARSEST_SWEEPS = 6


@numba.njit(cache=True)
def view(flat, offsets, sizes, level):  # type: ignore[no-untyped-def]
    """Return one level of a flat array, (nx+2, ny+2, nz+2)."""
    nx, ny, nz = sizes[level, 0] + 2, sizes[level, 1] + 2, sizes[level, 2] + 2
    begin = offsets[level]
    return flat[begin : begin + nx * ny * nz].reshape((nx, ny, nz))


@numba.njit(cache=True)
def _smooth_plane(i, gx, gy, gz, inverse, x, b, colour):  # type: ignore[no-untyped-def]
    for j in range(1, x.shape[1] - 1):
        for k in range(1 + (i + j + 1 + colour) % 2, x.shape[2] - 1, 2):
            x[i, j, k] = inverse[i, j, k] * (b[i, j, k] + _neighbours(gx, gy, gz, x, i, j, k))


@numba.njit(cache=True)
def _neighbours(gx, gy, gz, x, i, j, k):  # type: ignore[no-untyped-def]
    return (
        gx[i - 1, j, k] * x[i - 1, j, k]
        + gx[i, j, k] * x[i + 1, j, k]
        + gy[i, j - 1, k] * x[i, j - 1, k]
        + gy[i, j, k] * x[i, j + 1, k]
        + gz[i, j, k - 1] * x[i, j, k - 1]
        + gz[i, j, k] * x[i, j, k + 1]
    )


@numba.njit(cache=True, parallel=True)
def _smooth_parallel(gx, gy, gz, inverse, x, b, colour):  # type: ignore[no-untyped-def]
    for i in numba.prange(1, x.shape[0] - 1):
        _smooth_plane(i, gx, gy, gz, inverse, x, b, colour)


@numba.njit(cache=True)
def _smooth(gx, gy, gz, inverse, x, b, colour):  # type: ignore[no-untyped-def]
    if x.size >= PARALLEL_CELLS:
        _smooth_parallel(gx, gy, gz, inverse, x, b, colour)
    else:
        for i in range(1, x.shape[0] - 1):
            _smooth_plane(i, gx, gy, gz, inverse, x, b, colour)


@numba.njit(cache=True)
def _restrict_plane(ci, gx, gy, gz, inverse, x, b, coarse_b):  # type: ignore[no-untyped-def]
    coarse_b[ci] = 0
    for i in range(2 * ci - 1, min(2 * ci, x.shape[0] - 2) + 1):
        for j in range(1, x.shape[1] - 1):
            for k in range(1, x.shape[2] - 1):
                if inverse[i, j, k] > 0:
                    coarse_b[ci, (j + 1) // 2, (k + 1) // 2] += (
                        b[i, j, k] + _neighbours(gx, gy, gz, x, i, j, k) - x[i, j, k] / inverse[i, j, k]
                    )


@numba.njit(cache=True, parallel=True)
def _restrict_parallel(gx, gy, gz, inverse, x, b, coarse_b):  # type: ignore[no-untyped-def]
    for ci in numba.prange(1, coarse_b.shape[0] - 1):
        _restrict_plane(ci, gx, gy, gz, inverse, x, b, coarse_b)


@numba.njit(cache=True)
def _restrict(gx, gy, gz, inverse, x, b, coarse_b):  # type: ignore[no-untyped-def]
    if x.size >= PARALLEL_CELLS:
        _restrict_parallel(gx, gy, gz, inverse, x, b, coarse_b)
    else:
        for ci in range(1, coarse_b.shape[0] - 1):
            _restrict_plane(ci, gx, gy, gz, inverse, x, b, coarse_b)


@numba.njit(cache=True)
def _prolong(inverse, x, coarse_x):  # type: ignore[no-untyped-def]
    for i in range(1, x.shape[0] - 1):
        for j in range(1, x.shape[1] - 1):
            for k in range(1, x.shape[2] - 1):
                if inverse[i, j, k] > 0:
                    x[i, j, k] += coarse_x[(i + 1) // 2, (j + 1) // 2, (k + 1) // 2]


@numba.njit(cache=True)
def cycle(level, offsets, sizes, g, inverses, xs, bs, visits):  # type: ignore[no-untyped-def]
    """Improve x of a level: `visits` = 1 is a V-cycle, 2 a W-cycle. Symmetric, as CG needs of a preconditioner."""
    gx = view(g[0], offsets, sizes, level)
    gy = view(g[1], offsets, sizes, level)
    gz = view(g[2], offsets, sizes, level)
    inverse = view(inverses, offsets, sizes, level)
    x = view(xs, offsets, sizes, level)
    b = view(bs, offsets, sizes, level)
    if level == len(sizes) - 1:
        for _ in range(COARSEST_SWEEPS):
            _smooth(gx, gy, gz, inverse, x, b, 0)
            _smooth(gx, gy, gz, inverse, x, b, 1)
        for _ in range(COARSEST_SWEEPS):
            _smooth(gx, gy, gz, inverse, x, b, 1)
            _smooth(gx, gy, gz, inverse, x, b, 0)
        return
    for _ in range(2):
        _smooth(gx, gy, gz, inverse, x, b, 0)
        _smooth(gx, gy, gz, inverse, x, b, 1)
    coarse_x = view(xs, offsets, sizes, level + 1)
    _restrict(gx, gy, gz, inverse, x, b, view(bs, offsets, sizes, level + 1))
    coarse_x[:] = 0
    for _ in range(visits):
        cycle(level + 1, offsets, sizes, g, inverses, xs, bs, visits)
    _prolong(inverse, x, coarse_x)
    for _ in range(2):
        _smooth(gx, gy, gz, inverse, x, b, 1)
        _smooth(gx, gy, gz, inverse, x, b, 0)


@numba.njit(cache=True, parallel=True)
def galerkin_from_phases(p, t, d, gx, gy, gz, plates):  # type: ignore[no-untyped-def]
    """Conductances of the first coarse level: half the sum of the fine faces that a coarse face consists of.

    The Galerkin product with piecewise-constant transfer is the whole sum; half of it is what a cell of twice the size
    has, and makes the coarse correction twice as long (over-correction).
    """
    nx, ny, nz = p.shape[0] - 2, p.shape[1] - 2, p.shape[2] - 2
    half = np.float32(0.5)
    for ci in numba.prange(1, gx.shape[0] - 1):
        for i in range(2 * ci - 1, min(2 * ci, nx) + 1):
            for j in range(1, ny + 1):
                for k in range(1, nz + 1):
                    a, cj, ck = p[i, j, k], (j + 1) // 2, (k + 1) // 2
                    if i % 2 == 0:
                        gx[ci, cj, ck] += half * t[0, a, p[i + 1, j, k]]
                    if j % 2 == 0:
                        gy[ci, cj, ck] += half * t[1, a, p[i, j + 1, k]]
                    if k % 2 == 0:
                        gz[ci, cj, ck] += half * t[2, a, p[i, j, k + 1]]
                    if i == 1:
                        plates[ci, cj, ck] += half * d[a]
                    if i == nx:
                        plates[ci, cj, ck] += half * d[a]


@numba.njit(cache=True)
def galerkin(gx, gy, gz, plates, coarse_gx, coarse_gy, coarse_gz, coarse_plates):  # type: ignore[no-untyped-def]
    """Conductances of the next coarser level."""
    half = np.float32(0.5)
    for i in range(1, gx.shape[0] - 1):
        for j in range(1, gx.shape[1] - 1):
            for k in range(1, gx.shape[2] - 1):
                ci, cj, ck = (i + 1) // 2, (j + 1) // 2, (k + 1) // 2
                if i % 2 == 0:
                    coarse_gx[ci, cj, ck] += half * gx[i, j, k]
                if j % 2 == 0:
                    coarse_gy[ci, cj, ck] += half * gy[i, j, k]
                if k % 2 == 0:
                    coarse_gz[ci, cj, ck] += half * gz[i, j, k]
                coarse_plates[ci, cj, ck] += half * plates[i, j, k]


@numba.njit(cache=True)
def invert_diagonal(gx, gy, gz, plates):  # type: ignore[no-untyped-def]
    """Replace the plate conductances by 1/diagonal, 0 where nothing conducts."""
    for i in range(1, gx.shape[0] - 1):
        for j in range(1, gx.shape[1] - 1):
            for k in range(1, gx.shape[2] - 1):
                diagonal = (
                    gx[i - 1, j, k] + gx[i, j, k] + gy[i, j - 1, k] + gy[i, j, k] + gz[i, j, k - 1] + gz[i, j, k]
                ) + plates[i, j, k]
                plates[i, j, k] = 1 / diagonal if diagonal > 0 else 0
