"""Compiled kernels of the coarse levels: their conductances, and the cycle over all of them.

Level l is the box ``sizes[l]`` with its border, from ``offsets[l]`` on in flat arrays: ``g`` (3, total) conductance of
the face between a cell and its successor along each axis, ``inverses`` 1/diagonal, ``xs``, ``bs``.
``factors[l]`` says how many cells level l + 1 joins along each axis, 2 or 1.
"""

from __future__ import annotations

import numba
import numpy as np

from .kernels import face, prolong, relax, restrict, serial, start, threaded, wrap

__all__ = ["cycle", "dense", "galerkin", "invert", "operator_of", "smooth_after", "smooth_before", "view"]

SWEEPS = 2
STILL = np.zeros(3)  # no jump of a correction across the periodic border


@serial
def view(flat, offsets, sizes, level):  # type: ignore[no-untyped-def]
    """Return one level of a flat array, (nx+2, ny+2, nz+2)."""
    nx, ny, nz = sizes[level, 0] + 2, sizes[level, 1] + 2, sizes[level, 2] + 2
    begin = offsets[level]
    return flat[begin : begin + nx * ny * nz].reshape((nx, ny, nz))


@serial
def operator_of(g, inverses, weights, offsets, sizes, level):  # type: ignore[no-untyped-def]
    """Return the operator of a level, as :mod:`~ionscreen.pipeline.kernels` wants it."""
    return (
        view(g[0], offsets, sizes, level),
        view(g[1], offsets, sizes, level),
        view(g[2], offsets, sizes, level),
        weights,
        view(inverses, offsets, sizes, level),
    )


@serial
def cycle(level, fresh, offsets, sizes, factors, g, inverses, weights, xs, bs, bottom, periodic, visits):  # type: ignore[no-untyped-def]
    """Improve x of a level towards A⁻¹ b, from 0 if `fresh`; symmetric, as conjugate gradients need.

    The next level is visited ``visits[level]`` times: 1 gives a V-cycle, 2 a W-cycle.
    """
    x = view(xs, offsets, sizes, level)
    b = view(bs, offsets, sizes, level)
    if level == len(sizes) - 1:
        _bottom(bottom, b, x)
        return
    operator = operator_of(g, inverses, weights, offsets, sizes, level)
    smooth_before(operator, x, b, periodic, fresh)
    restrict(operator, x, b, view(bs, offsets, sizes, level + 1), factors[level])
    for visit in range(visits[level]):
        cycle(level + 1, visit == 0, offsets, sizes, factors, g, inverses, weights, xs, bs, bottom, periodic, visits)
    prolong(operator[4], x, view(xs, offsets, sizes, level + 1), factors[level])
    smooth_after(operator, x, b, periodic)


@serial
def smooth_before(operator, x, b, periodic, fresh):  # type: ignore[no-untyped-def]
    """Colours 0 1 0 1; from 0 if `fresh`. The border is filled afterwards."""
    for half in range(2 * SWEEPS):
        if fresh and half == 0:
            start(x, b, operator[4])
        else:
            relax(operator, x, b, half & 1)
        wrap(x, periodic, STILL)


@serial
def smooth_after(operator, x, b, periodic):  # type: ignore[no-untyped-def]
    """Colours 1 0 1 0, the mirror image of what `smooth_before` does."""
    for half in range(2 * SWEEPS):
        wrap(x, periodic, STILL)
        relax(operator, x, b, (1 + half) & 1)
    wrap(x, periodic, STILL)


@serial
def _bottom(bottom, b, x):  # type: ignore[no-untyped-def]
    """x = bottom b, for the few cells of the coarsest level."""
    nx, ny, nz = x.shape[0] - 2, x.shape[1] - 2, x.shape[2] - 2
    inner = b[1:-1, 1:-1, 1:-1].copy().reshape(nx * ny * nz)
    for row in range(inner.size):
        total = 0.0
        for column in range(inner.size):
            total += bottom[row, column] * inner[column]
        x[row // (ny * nz) + 1, row // nz % ny + 1, row % nz + 1] = total


@serial
def _coarse_face(f, n, factor):  # type: ignore[no-untyped-def]
    """Return the coarse face that the fine face f, 0 to n, lies in, or -1 if it lies inside a coarse cell."""
    if f == n:
        return (n + factor - 1) // factor
    return f // factor if f % factor == 0 else -1


@threaded
def galerkin(operator, plates, factors, coarse, coarse_plates):  # type: ignore[no-untyped-def]
    """Conductances of the next coarser level: the sum of the fine faces a coarse face consists of, over the factor.

    The Galerkin product with piecewise-constant transfer is the whole sum. A cell of twice the length has half of it,
    and the coarse correction gets twice as long (over-correction).
    """
    inverse = operator[4]
    nx, ny, nz = inverse.shape[0] - 2, inverse.shape[1] - 2, inverse.shape[2] - 2
    fx, fy, fz = factors
    for ci in numba.prange(coarse[0].shape[0] - 1):
        for i in range(max(fx * (ci - 1) + 1, 0), min(fx * ci, nx) + 1):
            x_face = _coarse_face(i, nx, fx)
            for j in range(ny + 1):
                y_face, cj = _coarse_face(j, ny, fy), (j + fy - 1) // fy
                for k in range(nz + 1):
                    z_face, ck = _coarse_face(k, nz, fz), (k + fz - 1) // fz
                    if x_face >= 0 and j > 0 and k > 0:
                        coarse[0][x_face, cj, ck] += face(operator, 0, i, j, k) / fx
                    if y_face >= 0 and i > 0 and k > 0:
                        coarse[1][ci, y_face, ck] += face(operator, 1, i, j, k) / fy
                    if z_face >= 0 and i > 0 and j > 0:
                        coarse[2][ci, cj, z_face] += face(operator, 2, i, j, k) / fz
    for j in range(1, ny + 1):
        for k in range(1, nz + 1):
            for end in range(2):
                coarse_plates[end, (j + fy - 1) // fy, (k + fz - 1) // fz] += plates[end, j, k] / fx


@threaded
def invert(operator, plates, inverse):  # type: ignore[no-untyped-def]
    """Overwrite `inverse` inside the border with 1/diagonal, 0 where nothing conducts.

    It may be the operator's own only if the operator has stored faces; else that tells what conducts.
    """
    nx = inverse.shape[0] - 2
    for i in numba.prange(1, nx + 1):
        for j in range(1, inverse.shape[1] - 1):
            for k in range(1, inverse.shape[2] - 1):
                diagonal = face(operator, 0, i - 1, j, k) + face(operator, 0, i, j, k)
                diagonal += face(operator, 1, i, j - 1, k) + face(operator, 1, i, j, k)
                diagonal += face(operator, 2, i, j, k - 1) + face(operator, 2, i, j, k)
                if i == 1:
                    diagonal += plates[0, j, k]
                if i == nx:
                    diagonal += plates[1, j, k]
                inverse[i, j, k] = 1 / diagonal if diagonal > 0 else 0


@serial
def dense(operator, periodic):  # type: ignore[no-untyped-def]
    """Return the matrix of a small level, (cells, cells), 1 on the diagonal of what does not conduct."""
    inverse = operator[4]
    nx, ny, nz = inverse.shape[0] - 2, inverse.shape[1] - 2, inverse.shape[2] - 2
    matrix = np.zeros((nx * ny * nz, nx * ny * nz))
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                here = (i * ny + j) * nz + k
                own = inverse[i + 1, j + 1, k + 1]
                matrix[here, here] += 1 / own if own > 0 else 1
                for axis in range(3):
                    last = (i, j, k)[axis] == (nx, ny, nz)[axis] - 1
                    if last and not periodic[axis]:
                        continue
                    ni, nj, nk = (i + (axis == 0)) % nx, (j + (axis == 1)) % ny, (k + (axis == 2)) % nz
                    there = (ni * ny + nj) * nz + nk
                    matrix[here, there] -= face(operator, axis, i + 1, j + 1, k + 1)
                    matrix[there, here] -= face(operator, axis, i + 1, j + 1, k + 1)
    return matrix
