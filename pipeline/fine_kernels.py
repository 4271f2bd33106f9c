"""Kernels of the finest level: phases of one byte and small tables of conductances, nothing stored per face.

Names: ``p`` phases (nx+2, ny+2, nz+2) uint8 with a border of phase 0, the insulator; ``t`` (3, P, P) conductance of a
face normal to each axis between two phases; ``d`` (P,) conductance from a voxel centre to a plate. All vectors carry
the same border, where they are 0. Reductions are summed plane by plane in a fixed order, so that results do not depend
on the number of threads.
"""

from __future__ import annotations

import numba
import numpy as np

__all__ = ["apply", "direction", "energy", "prolong", "residual", "restrict", "smooth", "update"]


@numba.njit(cache=True)
def _diagonal(p, t, d, i, j, k, last):  # type: ignore[no-untyped-def]
    a = p[i, j, k]
    total = (
        t[0, a, p[i - 1, j, k]]
        + t[0, a, p[i + 1, j, k]]
        + t[1, a, p[i, j - 1, k]]
        + t[1, a, p[i, j + 1, k]]
        + t[2, a, p[i, j, k - 1]]
        + t[2, a, p[i, j, k + 1]]
    )
    if i == 1:
        total += d[a]
    if i == last:
        total += d[a]
    return total


@numba.njit(cache=True)
def _neighbours(p, t, x, i, j, k):  # type: ignore[no-untyped-def]
    a = p[i, j, k]
    return (
        t[0, a, p[i - 1, j, k]] * x[i - 1, j, k]
        + t[0, a, p[i + 1, j, k]] * x[i + 1, j, k]
        + t[1, a, p[i, j - 1, k]] * x[i, j - 1, k]
        + t[1, a, p[i, j + 1, k]] * x[i, j + 1, k]
        + t[2, a, p[i, j, k - 1]] * x[i, j, k - 1]
        + t[2, a, p[i, j, k + 1]] * x[i, j, k + 1]
    )


@numba.njit(cache=True, parallel=True)
def smooth(p, t, d, x, b, colour):  # type: ignore[no-untyped-def]
    """Gauss–Seidel for the voxels of one colour of the checkerboard."""
    nx, ny, nz = p.shape[0] - 2, p.shape[1] - 2, p.shape[2] - 2
    for i in numba.prange(1, nx + 1):
        for j in range(1, ny + 1):
            for k in range(1 + (i + j + 1 + colour) % 2, nz + 1, 2):
                if p[i, j, k] != 0:
                    x[i, j, k] = (np.float32(b[i, j, k]) + _neighbours(p, t, x, i, j, k)) / _diagonal(
                        p, t, d, i, j, k, nx
                    )


@numba.njit(cache=True, parallel=True)
def restrict(p, t, d, x, b, coarse_b):  # type: ignore[no-untyped-def]
    """Sum the residual b - A x over the 2 x 2 x 2 voxels of each coarse cell."""
    nx, ny, nz = p.shape[0] - 2, p.shape[1] - 2, p.shape[2] - 2
    for ci in numba.prange(1, coarse_b.shape[0] - 1):
        coarse_b[ci] = 0
        for i in range(2 * ci - 1, min(2 * ci, nx) + 1):
            for j in range(1, ny + 1):
                for k in range(1, nz + 1):
                    if p[i, j, k] != 0:
                        coarse_b[ci, (j + 1) // 2, (k + 1) // 2] += (
                            np.float32(b[i, j, k])
                            + _neighbours(p, t, x, i, j, k)
                            - _diagonal(p, t, d, i, j, k, nx) * x[i, j, k]
                        )


@numba.njit(cache=True, parallel=True)
def prolong(p, x, coarse_x):  # type: ignore[no-untyped-def]
    """Add to each voxel the value of its coarse cell."""
    nx, ny, nz = p.shape[0] - 2, p.shape[1] - 2, p.shape[2] - 2
    for i in numba.prange(1, nx + 1):
        for j in range(1, ny + 1):
            for k in range(1, nz + 1):
                if p[i, j, k] != 0:
                    x[i, j, k] += coarse_x[(i + 1) // 2, (j + 1) // 2, (k + 1) // 2]


@numba.njit(cache=True, parallel=True)
def apply(p, t, d, x, y):  # type: ignore[no-untyped-def]
    """y = A x; return x·y."""
    nx, ny, nz = p.shape[0] - 2, p.shape[1] - 2, p.shape[2] - 2
    sums = np.zeros(nx + 2)
    for i in numba.prange(1, nx + 1):
        total = 0.0
        for j in range(1, ny + 1):
            for k in range(1, nz + 1):
                if p[i, j, k] != 0:
                    value = _diagonal(p, t, d, i, j, k, nx) * x[i, j, k] - _neighbours(p, t, x, i, j, k)
                    y[i, j, k] = value
                    total += value * x[i, j, k]
        sums[i] = total
    return sums.sum()


@numba.njit(cache=True, parallel=True)
def residual(p, t, d, x, r):  # type: ignore[no-untyped-def]
    """r = b - A x with potential 1 on the first plate and 0 on the second."""
    nx, ny, nz = p.shape[0] - 2, p.shape[1] - 2, p.shape[2] - 2
    for i in numba.prange(1, nx + 1):
        for j in range(1, ny + 1):
            for k in range(1, nz + 1):
                a = p[i, j, k]
                if a != 0:
                    inlet = d[a] if i == 1 else 0.0
                    r[i, j, k] = (
                        inlet + _neighbours(p, t, x, i, j, k) - _diagonal(p, t, d, i, j, k, nx) * x[i, j, k]
                    )


@numba.njit(cache=True, parallel=True)
def update(alpha, p, q, x, r):  # type: ignore[no-untyped-def]
    """x += alpha p, r -= alpha q."""
    for i in numba.prange(1, x.shape[0] - 1):
        for j in range(1, x.shape[1] - 1):
            for k in range(1, x.shape[2] - 1):
                x[i, j, k] += alpha * p[i, j, k]
                r[i, j, k] -= alpha * q[i, j, k]


@numba.njit(cache=True, parallel=True)
def dot(x, y):  # type: ignore[no-untyped-def]
    """Return x·y."""
    sums = np.zeros(x.shape[0])
    for i in numba.prange(1, x.shape[0] - 1):
        total = 0.0
        for j in range(1, x.shape[1] - 1):
            for k in range(1, x.shape[2] - 1):
                total += x[i, j, k] * y[i, j, k]
        sums[i] = total
    return sums.sum()


@numba.njit(cache=True, parallel=True)
def direction(beta, z, p):  # type: ignore[no-untyped-def]
    """p = z + beta p."""
    for i in numba.prange(1, z.shape[0] - 1):
        for j in range(1, z.shape[1] - 1):
            for k in range(1, z.shape[2] - 1):
                p[i, j, k] = z[i, j, k] + beta * p[i, j, k]


@numba.njit(cache=True, parallel=True)
def energy(p, t, d, x):  # type: ignore[no-untyped-def]
    """Return the Dirichlet energy of the potential x, the flux in and the flux out.

    The energy is summed face by face as g (φ_i - φ_j)², all terms positive: no cancellation.
    """
    nx, ny, nz = p.shape[0] - 2, p.shape[1] - 2, p.shape[2] - 2
    sums = np.zeros((nx + 2, 3))
    for i in numba.prange(1, nx + 1):
        total, inlet, outlet = 0.0, 0.0, 0.0
        for j in range(1, ny + 1):
            for k in range(1, nz + 1):
                a = p[i, j, k]
                if a != 0:
                    v = x[i, j, k]
                    total += t[0, a, p[i + 1, j, k]] * (v - x[i + 1, j, k]) ** 2
                    total += t[1, a, p[i, j + 1, k]] * (v - x[i, j + 1, k]) ** 2
                    total += t[2, a, p[i, j, k + 1]] * (v - x[i, j, k + 1]) ** 2
                    if i == 1:
                        inlet += d[a] * (1 - v)
                        total += d[a] * (1 - v) ** 2
                    if i == nx:
                        outlet += d[a] * v
                        total += d[a] * v**2
        sums[i, 0], sums[i, 1], sums[i, 2] = total, inlet, outlet
    return sums[:, 0].sum(), sums[:, 1].sum(), sums[:, 2].sum()
