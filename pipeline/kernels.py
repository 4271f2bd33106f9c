"""Compiled kernels of every grid level: smoothing, transfer between levels, and what conjugate gradients need.

A level is the box (nx, ny, nz) with a border of one cell, so vectors are (nx+2, ny+2, nz+2). Its operator is the tuple
``(gx, gy, gz, weights, inverse)``: conductance of the face between a cell and its successor along each axis, and
1/diagonal, 0 where nothing conducts. Where all conducting cells are alike, ``gx``, ``gy``, ``gz`` are empty and
``weights`` (3,) holds the one conductance per axis: vectors are 0 in the insulator, so no face need be looked up.
The border is 0, or along a periodic axis the copy that `wrap` makes.

Everything works row by row, neighbours first into a buffer: only then does the compiler use vector instructions.
Sums are taken plane by plane in a fixed order: results do not depend on the number of threads.
"""

from __future__ import annotations

import numba
import numpy as np

__all__ = [
    "curvature",
    "direction",
    "dot",
    "energy",
    "face",
    "prolong",
    "relax",
    "residual",
    "restrict",
    "start",
    "update",
    "wrap",
]

# No "nnan": masked-out lanes may divide by zero.
options = {"cache": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "nsz"}}
serial = numba.njit(**options)
threaded = numba.njit(parallel=True, **options)

# Below this, starting threads costs more than they save.
THREADED_CELLS = 30_000


@serial
def _in_order(totals):  # type: ignore[no-untyped-def]
    """Return the sum of the planes' totals; a threaded kernel's own ``sum`` would depend on the number of threads."""
    total = 0.0
    for i in range(totals.shape[0]):
        total += totals[i]
    return total


@serial
def _neighbours(operator, x, i, j, out):  # type: ignore[no-untyped-def]
    """Write the sum of conductance times neighbour of one row into `out`."""
    gx, gy, gz, weights, _ = operator
    if gx.size == 0:
        cx, cy, cz = weights[0], weights[1], weights[2]
        for k in range(1, out.shape[0] - 1):
            out[k] = (
                cx * (x[i - 1, j, k] + x[i + 1, j, k])
                + cy * (x[i, j - 1, k] + x[i, j + 1, k])
                + cz * (x[i, j, k - 1] + x[i, j, k + 1])
            )
    else:
        for k in range(1, out.shape[0] - 1):
            out[k] = (
                gx[i - 1, j, k] * x[i - 1, j, k]
                + gx[i, j, k] * x[i + 1, j, k]
                + gy[i, j - 1, k] * x[i, j - 1, k]
                + gy[i, j, k] * x[i, j + 1, k]
                + gz[i, j, k - 1] * x[i, j, k - 1]
                + gz[i, j, k] * x[i, j, k + 1]
            )


@serial
def wrap(x, periodic, jump):  # type: ignore[no-untyped-def]
    """Fill the border along periodic axes; the potential drops by `jump` (3,) when the box is crossed."""
    if periodic[0]:
        x[0] = x[-2] + jump[0]
        x[-1] = x[1] - jump[0]
    if periodic[1]:
        x[:, 0] = x[:, -2] + jump[1]
        x[:, -1] = x[:, 1] - jump[1]
    if periodic[2]:
        x[:, :, 0] = x[:, :, -2] + jump[2]
        x[:, :, -1] = x[:, :, 1] - jump[2]


@serial
def _relax_plane(operator, x, b, i, colour):  # type: ignore[no-untyped-def]
    inverse = operator[4]
    sums = np.empty(x.shape[2], x.dtype)
    for j in range(1, x.shape[1] - 1):
        _neighbours(operator, x, i, j, sums)
        parity = (i + j + colour) & 1
        for k in range(1, x.shape[2] - 1):
            x[i, j, k] = inverse[i, j, k] * (b[i, j, k] + sums[k]) if (k & 1) == parity else x[i, j, k]


@threaded
def _relax_threaded(operator, x, b, colour):  # type: ignore[no-untyped-def]
    for i in numba.prange(1, x.shape[0] - 1):
        _relax_plane(operator, x, b, i, colour)


@serial
def relax(operator, x, b, colour):  # type: ignore[no-untyped-def]
    """Gauss–Seidel for the cells of one colour of the checkerboard."""
    if x.size >= THREADED_CELLS:
        _relax_threaded(operator, x, b, colour)
    else:
        for i in range(1, x.shape[0] - 1):
            _relax_plane(operator, x, b, i, colour)


@serial
def _start_plane(x, b, inverse, i):  # type: ignore[no-untyped-def]
    for j in range(1, x.shape[1] - 1):
        xr, br, ir, parity = x[i, j], b[i, j], inverse[i, j], (i + j) & 1
        for k in range(1, xr.shape[0] - 1):
            xr[k] = ir[k] * br[k] if (k & 1) == parity else 0


@threaded
def _start_threaded(x, b, inverse):  # type: ignore[no-untyped-def]
    for i in numba.prange(1, x.shape[0] - 1):
        _start_plane(x, b, inverse, i)


@serial
def start(x, b, inverse):  # type: ignore[no-untyped-def]
    """Overwrite x with what `relax` of colour 0 makes of zeros."""
    if x.size >= THREADED_CELLS:
        _start_threaded(x, b, inverse)
    else:
        for i in range(1, x.shape[0] - 1):
            _start_plane(x, b, inverse, i)


@serial
def _residual_row(x, b, inverse, sums):  # type: ignore[no-untyped-def]
    """Overwrite `sums` with the residual."""
    for k in range(1, x.shape[0] - 1):
        sums[k] = b[k] + sums[k] - x[k] / inverse[k] if inverse[k] > 0 else 0


@serial
def _restrict_plane(operator, x, b, coarse_b, ci, factors):  # type: ignore[no-untyped-def]
    fx, fy, fz = factors
    coarse_b[ci] = 0
    sums = np.zeros(x.shape[2], x.dtype)
    for i in range(fx * (ci - 1) + 1, min(fx * ci, x.shape[0] - 2) + 1):
        for j in range(1, x.shape[1] - 1):
            _neighbours(operator, x, i, j, sums)
            _residual_row(x[i, j], b[i, j], operator[4][i, j], sums)
            row = coarse_b[ci, (j + fy - 1) // fy]
            if fz == 1:
                row[1:-1] += sums[1:-1]
            else:
                sums[-1] = 0
                for ck in range(1, row.shape[0] - 1):
                    row[ck] += sums[2 * ck - 1] + sums[2 * ck]


@threaded
def _restrict_threaded(operator, x, b, coarse_b, factors):  # type: ignore[no-untyped-def]
    for ci in numba.prange(1, coarse_b.shape[0] - 1):
        _restrict_plane(operator, x, b, coarse_b, ci, factors)


@serial
def restrict(operator, x, b, coarse_b, factors):  # type: ignore[no-untyped-def]
    """Sum the residual b - A x over the cells that each coarse cell joins."""
    if x.size >= THREADED_CELLS:
        _restrict_threaded(operator, x, b, coarse_b, factors)
    else:
        for ci in range(1, coarse_b.shape[0] - 1):
            _restrict_plane(operator, x, b, coarse_b, ci, factors)


@serial
def _spread_row(row, factor, spread):  # type: ignore[no-untyped-def]
    if factor == 1:
        spread[:] = row
    else:
        for ck in range(1, row.shape[0] - 1):
            spread[2 * ck - 1] = row[ck]
            spread[2 * ck] = row[ck]


@serial
def _add_row(x, inverse, spread):  # type: ignore[no-untyped-def]
    for k in range(1, x.shape[0] - 1):
        x[k] += spread[k] if inverse[k] > 0 else 0


@serial
def _prolong_plane(inverse, x, coarse_x, i, factors):  # type: ignore[no-untyped-def]
    fx, fy, fz = factors
    ci = (i + fx - 1) // fx
    spread = np.empty(x.shape[2], x.dtype)
    for cj in range(1, coarse_x.shape[1] - 1):
        _spread_row(coarse_x[ci, cj], fz, spread)
        for j in range(fy * (cj - 1) + 1, min(fy * cj, x.shape[1] - 2) + 1):
            _add_row(x[i, j], inverse[i, j], spread)


@threaded
def _prolong_threaded(inverse, x, coarse_x, factors):  # type: ignore[no-untyped-def]
    for i in numba.prange(1, x.shape[0] - 1):
        _prolong_plane(inverse, x, coarse_x, i, factors)


@serial
def prolong(inverse, x, coarse_x, factors):  # type: ignore[no-untyped-def]
    """Add to each cell the value of the coarse cell it is in."""
    if x.size >= THREADED_CELLS:
        _prolong_threaded(inverse, x, coarse_x, factors)
    else:
        for i in range(1, x.shape[0] - 1):
            _prolong_plane(inverse, x, coarse_x, i, factors)


@serial
def _apply_row(x, inverse, sums):  # type: ignore[no-untyped-def]
    """Overwrite `sums` with A x."""
    for k in range(1, x.shape[0] - 1):
        sums[k] = x[k] / inverse[k] - sums[k] if inverse[k] > 0 else 0


@serial
def _dot_row(x, y):  # type: ignore[no-untyped-def]
    total = 0.0
    for k in range(1, x.shape[0] - 1):
        total += np.float64(x[k]) * np.float64(y[k])
    return total


@threaded
def curvature(operator, p):  # type: ignore[no-untyped-def]
    """Return p·A p."""
    totals = np.zeros(p.shape[0])
    for i in numba.prange(1, p.shape[0] - 1):
        sums = np.empty(p.shape[2], p.dtype)
        total = 0.0
        for j in range(1, p.shape[1] - 1):
            _neighbours(operator, p, i, j, sums)
            _apply_row(p[i, j], operator[4][i, j], sums)
            total += _dot_row(p[i, j], sums)
        totals[i] = total
    return _in_order(totals)


@serial
def _update_row(alpha, p, q, x, r):  # type: ignore[no-untyped-def]
    for k in range(1, x.shape[0] - 1):
        x[k] += alpha * p[k]
        r[k] -= alpha * q[k]


@threaded
def update(operator, alpha, p, x, r):  # type: ignore[no-untyped-def]
    """x += alpha p, r -= alpha A p: A p is computed again rather than kept, which saves a vector."""
    for i in numba.prange(1, x.shape[0] - 1):
        sums = np.empty(p.shape[2], p.dtype)
        for j in range(1, x.shape[1] - 1):
            _neighbours(operator, p, i, j, sums)
            _apply_row(p[i, j], operator[4][i, j], sums)
            _update_row(alpha, p[i, j], sums, x[i, j], r[i, j])


@threaded
def dot(x, y):  # type: ignore[no-untyped-def]
    """Return x·y."""
    totals = np.zeros(x.shape[0])
    for i in numba.prange(1, x.shape[0] - 1):
        total = 0.0
        for j in range(1, x.shape[1] - 1):
            total += _dot_row(x[i, j], y[i, j])
        totals[i] = total
    return _in_order(totals)


@serial
def _direction_row(beta, z, p):  # type: ignore[no-untyped-def]
    for k in range(1, p.shape[0] - 1):
        p[k] = z[k] + beta * p[k]


@threaded
def direction(beta, z, p):  # type: ignore[no-untyped-def]
    """p = z + beta p."""
    for i in numba.prange(1, p.shape[0] - 1):
        for j in range(1, p.shape[1] - 1):
            _direction_row(beta, z[i, j], p[i, j])


@threaded
def residual(operator, plates, x, r):  # type: ignore[no-untyped-def]
    """r = b - A x, with potential 1 on the first plate and 0 on the second; x has its border filled.

    Differences of neighbours, not the diagonal times x, are summed in double precision: x is of order 1, its
    differences are not.
    """
    nx = x.shape[0] - 2
    for i in numba.prange(1, nx + 1):
        for j in range(1, x.shape[1] - 1):
            for k in range(1, x.shape[2] - 1):
                v, total = np.float64(x[i, j, k]), 0.0
                if operator[4][i, j, k] > 0:
                    total += face(operator, 0, i - 1, j, k) * (x[i - 1, j, k] - v)
                    total += face(operator, 0, i, j, k) * (x[i + 1, j, k] - v)
                    total += face(operator, 1, i, j - 1, k) * (x[i, j - 1, k] - v)
                    total += face(operator, 1, i, j, k) * (x[i, j + 1, k] - v)
                    total += face(operator, 2, i, j, k - 1) * (x[i, j, k - 1] - v)
                    total += face(operator, 2, i, j, k) * (x[i, j, k + 1] - v)
                    if i == 1:
                        total += plates[0, j, k] * (1 - v)
                    if i == nx:
                        total -= plates[1, j, k] * v
                r[i, j, k] = total


@serial
def face(operator, axis, i, j, k):  # type: ignore[no-untyped-def]
    """Return the conductance of the face between cell (i, j, k) and its successor along `axis`."""
    gx, gy, gz, weights, inverse = operator
    if gx.size > 0:
        return (gx, gy, gz)[axis][i, j, k]
    beyond = inverse[i + (axis == 0), j + (axis == 1), k + (axis == 2)]
    return weights[axis] if inverse[i, j, k] > 0 and beyond > 0 else weights[axis] * 0


@threaded
def energy(operator, plates, x, y):  # type: ignore[no-untyped-def]
    """Return Σ g Δx Δy over all faces, and the flux of x in and out through the plates; borders are filled.

    With x = y it is the Dirichlet energy, a sum of positive terms: no cancellation.
    """
    nx = x.shape[0] - 2
    totals = np.zeros((nx + 2, 3))
    for i in numba.prange(1, nx + 1):
        total, inlet, outlet = 0.0, 0.0, 0.0
        for j in range(1, x.shape[1] - 1):
            for k in range(1, x.shape[2] - 1):
                if operator[4][i, j, k] > 0:
                    v, w = np.float64(x[i, j, k]), np.float64(y[i, j, k])
                    total += face(operator, 0, i, j, k) * (v - x[i + 1, j, k]) * (w - y[i + 1, j, k])
                    total += face(operator, 1, i, j, k) * (v - x[i, j + 1, k]) * (w - y[i, j + 1, k])
                    total += face(operator, 2, i, j, k) * (v - x[i, j, k + 1]) * (w - y[i, j, k + 1])
                    if i == 1:
                        inlet += plates[0, j, k] * (1 - v)
                        total += plates[0, j, k] * (1 - v) * (1 - w)
                    if i == nx:
                        outlet += plates[1, j, k] * v
                        total += plates[1, j, k] * v * w
        totals[i, 0], totals[i, 1], totals[i, 2] = total, inlet, outlet
    return _in_order(totals[:, 0]), _in_order(totals[:, 1]), _in_order(totals[:, 2])
