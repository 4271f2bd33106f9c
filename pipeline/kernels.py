"""Compiled kernels of every grid level: sums over neighbours, and what conjugate gradients need.

A level is the box (nx, ny, nz) with a border of one cell, so vectors are (nx+2, ny+2, nz+2). Its operator is the tuple
``(gx, gy, gz, weights, inverse, colours)``: conductance of the face between a cell and its successor along each axis,
1/diagonal, 0 where nothing conducts, and the two `checkerboard` planes. Where all conducting cells are alike, ``gx``,
``gy``, ``gz`` are empty and ``weights`` (3,) holds the one conductance per axis: vectors are 0 in the insulator, so no
face need be looked up. The border is 0, or along a periodic axis the copy that `wrap` makes.

Everything works on pieces of flattened planes, neighbours first into a buffer that stays in the cache, with slices
that all start at 0: only then does the compiler use vector instructions, for any size of the box. The borders inside
a piece are computed and masked, which costs less than leaving them out.
Sums are taken plane by plane in a fixed order: results do not depend on the number of threads.
"""

from __future__ import annotations

import numba
import numpy as np

__all__ = [
    "PIECE",
    "checkerboard",
    "curvature",
    "direction",
    "dot",
    "energy",
    "face",
    "faces",
    "flat",
    "neighbours",
    "residual",
    "serial",
    "threaded",
    "update",
    "wrap",
    "wrap_plane",
]

# No "nnan": masked-out lanes may divide by zero.
options = {"cache": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "nsz"}}
serial = numba.njit(**options)
threaded = numba.njit(parallel=True, **options)

# Cells worked on at a time: a buffer of them and what it is made from fit the first-level cache.
PIECE = 2048


@serial
def flat(x):  # type: ignore[no-untyped-def]
    """Return a contiguous array as (size,)."""
    return x.reshape(x.size)


@serial
def checkerboard(ny, nz, colours):  # type: ignore[no-untyped-def]
    """Overwrite `colours` (2, (ny+2)(nz+2)): row (i + c) % 2 is 1 for the cells of plane i with colour c, else 0."""
    colours[:] = 0
    for j in range(1, ny + 1):
        for k in range(1, nz + 1):
            colours[(j + k) & 1, j * (nz + 2) + k] = 1


@serial
def _in_order(totals):  # type: ignore[no-untyped-def]
    """Return the sum of the planes' totals; a threaded kernel's own ``sum`` would depend on the number of threads."""
    total = 0.0
    for i in range(totals.shape[0]):
        total += totals[i]
    return total


@serial
def _alike(cx, cy, cz, west, east, south, north, low, high, out):  # type: ignore[no-untyped-def]
    for k in range(out.shape[0]):
        out[k] = cx * (west[k] + east[k]) + cy * (south[k] + north[k]) + cz * (low[k] + high[k])


@serial
def _pair(g, h, a, b, out):  # type: ignore[no-untyped-def]
    for k in range(out.shape[0]):
        out[k] = g[k] * a[k] + h[k] * b[k]


@serial
def _next_pair(g, h, a, b, out):  # type: ignore[no-untyped-def]
    for k in range(out.shape[0]):
        out[k] += g[k] * a[k] + h[k] * b[k]


@serial
def neighbours(operator, x, at, out):  # type: ignore[no-untyped-def]
    """Write Σ conductance × neighbour of the cells from number `at` of the flattened box into `out`."""
    gx, gy, gz, weights = operator[0], operator[1], operator[2], operator[3]
    row, plane, n = x.shape[2], x.shape[1] * x.shape[2], out.shape[0]
    v = flat(x)
    west, east = v[at - plane : at - plane + n], v[at + plane : at + plane + n]
    south, north = v[at - row : at - row + n], v[at + row : at + row + n]
    low, high = v[at - 1 : at - 1 + n], v[at + 1 : at + 1 + n]
    if gx.size == 0:
        _alike(weights[0], weights[1], weights[2], west, east, south, north, low, high, out)
    else:
        # One axis at a time: the compiler gives up on more than eight streams.
        g = flat(gx)
        _pair(g[at - plane : at - plane + n], g[at : at + n], west, east, out)
        g = flat(gy)
        _next_pair(g[at - row : at - row + n], g[at : at + n], south, north, out)
        g = flat(gz)
        _next_pair(g[at - 1 : at - 1 + n], g[at : at + n], low, high, out)


@serial
def wrap_plane(x, i, periodic, jump):  # type: ignore[no-untyped-def]
    """Fill the border of one plane along periodic axes."""
    if periodic[1]:
        x[i, 0] = x[i, -2] + jump[1]
        x[i, -1] = x[i, 1] - jump[1]
    if periodic[2]:
        x[i, :, 0] = x[i, :, -2] + jump[2]
        x[i, :, -1] = x[i, :, 1] - jump[2]


@serial
def wrap(x, periodic, jump):  # type: ignore[no-untyped-def]
    """Fill the border along periodic axes; the potential drops by `jump` (3,) when the box is crossed."""
    if periodic[0]:
        x[0] = x[-2] + jump[0]
        x[-1] = x[1] - jump[0]
    if periodic[1] or periodic[2]:
        for i in range(x.shape[0]):
            wrap_plane(x, i, periodic, jump)


@serial
def _apply(x, inverse, colour, other, sums):  # type: ignore[no-untyped-def]
    """Overwrite `sums` with A x; the two colours together tell the border."""
    for k in range(sums.shape[0]):
        sums[k] = x[k] / inverse[k] - sums[k] if inverse[k] * (colour[k] + other[k]) > 0 else 0


@serial
def _dot(x, y):  # type: ignore[no-untyped-def]
    total = 0.0
    for k in range(x.shape[0]):
        total += np.float64(x[k]) * np.float64(y[k])
    return total


@threaded
def curvature(operator, p, q):  # type: ignore[no-untyped-def]
    """Overwrite q with A p inside the border and return p·q."""
    row, plane = p.shape[2], p.shape[1] * p.shape[2]
    inverses, colours, ps, qs = flat(operator[4]), operator[5], flat(p), flat(q)
    totals = np.zeros(p.shape[0])
    for i in numba.prange(1, p.shape[0] - 1):
        total = 0.0
        for begin in range(row, plane - row, PIECE):
            end = min(begin + PIECE, plane - row)
            at, to = i * plane + begin, i * plane + end
            neighbours(operator, p, at, qs[at:to])
            _apply(ps[at:to], inverses[at:to], colours[0][begin:end], colours[1][begin:end], qs[at:to])
            total += _dot(ps[at:to], qs[at:to])
        totals[i] = total
    return _in_order(totals)


@serial
def _advance(alpha, p, q, x, r):  # type: ignore[no-untyped-def]
    for k in range(x.shape[0]):
        x[k] += alpha * p[k]
        r[k] -= alpha * q[k]


@threaded
def update(alpha, p, q, x, r):  # type: ignore[no-untyped-def]
    """x += alpha p, r -= alpha q inside the border."""
    row, plane = p.shape[2], p.shape[1] * p.shape[2]
    for i in numba.prange(1, p.shape[0] - 1):
        begin, end = i * plane + row, (i + 1) * plane - row
        _advance(alpha, flat(p)[begin:end], flat(q)[begin:end], flat(x)[begin:end], flat(r)[begin:end])


@threaded
def dot(x, y):  # type: ignore[no-untyped-def]
    """Return x·y inside the border."""
    totals = np.zeros(x.shape[0])
    for i in numba.prange(1, x.shape[0] - 1):
        total = 0.0
        for j in range(1, x.shape[1] - 1):
            total += _dot(x[i, j, 1:-1], y[i, j, 1:-1])
        totals[i] = total
    return _in_order(totals)


@serial
def _turn(beta, z, p):  # type: ignore[no-untyped-def]
    for k in range(p.shape[0]):
        p[k] = z[k] + beta * p[k]


@threaded
def direction(beta, z, p):  # type: ignore[no-untyped-def]
    """p = z + beta p, and the border of z with it."""
    for i in numba.prange(p.shape[0]):
        _turn(beta, flat(z[i]), flat(p[i]))


@serial
def face(operator, axis, i, j, k):  # type: ignore[no-untyped-def]
    """Return the conductance of the face between cell (i, j, k) and its successor along `axis`."""
    gx, gy, gz, weights, inverse = operator[0], operator[1], operator[2], operator[3], operator[4]
    if gx.size > 0:
        return (gx, gy, gz)[axis][i, j, k]
    beyond = inverse[i + (axis == 0), j + (axis == 1), k + (axis == 2)]
    return weights[axis] if inverse[i, j, k] > 0 and beyond > 0 else weights[axis] * 0


@serial
def _joined(g, own, beyond, out):  # type: ignore[no-untyped-def]
    for k in range(out.shape[0]):
        out[k] = g if own[k] * beyond[k] > 0 else 0


@serial
def faces(operator, axis, at, out):  # type: ignore[no-untyped-def]
    """Write `face` along `axis` of the cells from number `at` of the flattened box into `out`."""
    gx, gy, gz, weights, inverse = operator[0], operator[1], operator[2], operator[3], operator[4]
    n = out.shape[0]
    if gx.size > 0:
        out[:] = flat((gx, gy, gz)[axis])[at : at + n]
    else:
        beyond = at + (inverse.shape[1] * inverse.shape[2], inverse.shape[2], 1)[axis]
        _joined(weights[axis], flat(inverse)[at : at + n], flat(inverse)[beyond : beyond + n], out)


@serial
def _drop(g, own, beyond, total):  # type: ignore[no-untyped-def]
    for k in range(total.shape[0]):
        total[k] += g[k] * (beyond[k] - own[k])


@serial
def _drop_to(g, own, potential, total):  # type: ignore[no-untyped-def]
    for k in range(total.shape[0]):
        total[k] += g[k] * (potential - own[k])


@serial
def _inside(total, colour, other, r):  # type: ignore[no-untyped-def]
    for k in range(total.shape[0]):
        r[k] = total[k] * (colour[k] + other[k])


@threaded
def residual(operator, plates, x, r):  # type: ignore[no-untyped-def]
    """r = b - A x, with potential 1 on the first plate and 0 on the second; x has its border filled.

    Differences of neighbours are summed, not the diagonal times x: x is of order 1, its differences are not.
    """
    row, plane, v, colours = x.shape[2], x.shape[1] * x.shape[2], flat(x), operator[5]
    one, steps = x.dtype.type(1), (plane, row, 1)
    for i in numba.prange(1, x.shape[0] - 1):
        conductances, totals = np.empty(PIECE, x.dtype), np.empty(PIECE, x.dtype)
        for begin in range(row, plane - row, PIECE):
            n, at = min(PIECE, plane - row - begin), i * plane + begin
            g, total, own = conductances[:n], totals[:n], v[at : at + n]
            total[:] = 0
            for axis in range(3):
                for to in (at - steps[axis], at + steps[axis]):
                    faces(operator, axis, min(at, to), g)
                    _drop(g, own, v[to : to + n], total)
            if i == 1:
                _drop_to(flat(plates[0])[begin : begin + n], own, one, total)
            if i == x.shape[0] - 2:
                _drop_to(flat(plates[1])[begin : begin + n], own, one - one, total)
            _inside(total, colours[0][begin : begin + n], colours[1][begin : begin + n], flat(r)[at : at + n])


@serial
def _heat(g, colour, other, xa, xb, ya, yb):  # type: ignore[no-untyped-def]
    """Return Σ g Δx Δy inside the border; with x = y no term is negative."""
    total = 0.0
    for k in range(g.shape[0]):
        inner = np.float64(g[k] * (colour[k] + other[k]))
        total += inner * (np.float64(xa[k] - xb[k]) * np.float64(ya[k] - yb[k]))
    return total


@serial
def _plate_heat(g, potential, x, y):  # type: ignore[no-untyped-def]
    """Return Σ g Δx Δy and Σ g Δx between one end and its plate."""
    total, flux = 0.0, 0.0
    for k in range(g.shape[0]):
        drop = np.float64(g[k]) * np.float64(potential - x[k])
        total += drop * np.float64(potential - y[k])
        flux += drop
    return total, flux


@threaded
def energy(operator, plates, x, y):  # type: ignore[no-untyped-def]
    """Return Σ g Δx Δy over all faces, and the flux of x in and out through the plates; borders are filled.

    With x = y it is the Dirichlet energy, a sum of positive terms: no cancellation.
    """
    row, plane, v, w, colours = x.shape[2], x.shape[1] * x.shape[2], flat(x), flat(y), operator[5]
    steps, totals = (plane, row, 1), np.zeros((x.shape[0], 3))
    for i in numba.prange(1, x.shape[0] - 1):
        conductances, total = np.empty(PIECE, x.dtype), 0.0
        for begin in range(row, plane - row, PIECE):
            n, at = min(PIECE, plane - row - begin), i * plane + begin
            g, colour, other = conductances[:n], colours[0][begin : begin + n], colours[1][begin : begin + n]
            for axis in range(3):
                to = at + steps[axis]
                faces(operator, axis, at, g)
                total += _heat(g, colour, other, v[at : at + n], v[to : to + n], w[at : at + n], w[to : to + n])
        if i == 1:
            heat, flux = _plate_heat(flat(plates[0]), x.dtype.type(1), flat(x[1]), flat(y[1]))
            total, totals[i, 1] = total + heat, flux
        if i == x.shape[0] - 2:
            heat, flux = _plate_heat(flat(plates[1]), x.dtype.type(0), flat(x[i]), flat(y[i]))
            total, totals[i, 2] = total + heat, -flux
        totals[i, 0] = total
    return _in_order(totals[:, 0]), _in_order(totals[:, 1]), _in_order(totals[:, 2])
