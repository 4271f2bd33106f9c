"""Compiled kernels of the coarse levels: their conductances, and the cycle over all of them.

Level l is the box ``sizes[l]`` with its border, from ``offsets[l]`` on in flat arrays: ``g`` (3, total) conductance of
the face between a cell and its successor along each axis, ``inverses`` 1/diagonal, ``colours`` (2, total) of which the
first plane is used, ``xs``, ``bs``. ``factors[l]`` says how many cells level l + 1 joins along each axis, 2 or 1.
"""

from __future__ import annotations

import numba
import numpy as np

from .kernels import PIECE, face, faces, flat, serial, threaded
from .smoothing import AFTER, BEFORE, BEFORE_FRESH, smooth

__all__ = ["cycle", "dense", "galerkin", "invert", "operator_of", "view"]


@serial
def view(flat, offsets, sizes, level):  # type: ignore[no-untyped-def]
    """Return one level of a flat array, (nx+2, ny+2, nz+2)."""
    nx, ny, nz = sizes[level, 0] + 2, sizes[level, 1] + 2, sizes[level, 2] + 2
    begin = offsets[level]
    return flat[begin : begin + nx * ny * nz].reshape((nx, ny, nz))


@serial
def _colours_of(colours, offsets, sizes, level):  # type: ignore[no-untyped-def]
    """Return the checkerboard of a level, (2, (ny+2)(nz+2)): a level has at least three planes."""
    plane = (sizes[level, 1] + 2) * (sizes[level, 2] + 2)
    begin = offsets[level]
    return colours[begin : begin + 2 * plane].reshape((2, plane))


@serial
def operator_of(g, inverses, colours, weights, offsets, sizes, level):  # type: ignore[no-untyped-def]
    """Return the operator of a level, as :mod:`~ionscreen.pipeline.kernels` wants it."""
    return (
        view(g[0], offsets, sizes, level),
        view(g[1], offsets, sizes, level),
        view(g[2], offsets, sizes, level),
        weights,
        view(inverses, offsets, sizes, level),
        _colours_of(colours, offsets, sizes, level),
    )


@serial
def cycle(level, fresh, levels):  # type: ignore[no-untyped-def]
    """Improve x of a level towards A⁻¹ b, from 0 if `fresh`; symmetric, as conjugate gradients need.

    `levels` is ``(offsets, sizes, factors, g, inverses, colours, weights, xs, bs, bottom, periodic, visits, threads)``.
    The next level is visited ``visits[level]`` times: 1 gives a V-cycle, 2 a W-cycle.
    """
    offsets, sizes, factors, g, inverses, colours, weights, xs, bs, bottom, periodic, visits, threads = levels
    x, b = view(xs, offsets, sizes, level), view(bs, offsets, sizes, level)
    if level == len(sizes) - 1:
        _bottom(bottom, b, x)
        return
    operator = operator_of(g, inverses, colours, weights, offsets, sizes, level)
    # From an array: of numbers in the source the compiler would make one program each.
    ways = np.array([BEFORE, BEFORE_FRESH, AFTER])
    coarse_x, coarse_b = view(xs, offsets, sizes, level + 1), view(bs, offsets, sizes, level + 1)
    smooth(operator, x, b, coarse_b, factors[level], periodic, ways[1 if fresh else 0], threads)
    for visit in range(visits[level]):
        cycle(level + 1, visit == 0, levels)
    smooth(operator, x, b, coarse_x, factors[level], periodic, ways[2], threads)


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
def _add(g, total):  # type: ignore[no-untyped-def]
    for k in range(g.shape[0]):
        total[k] += g[k]


@serial
def _add_faces(operator, axis, i, g, total):  # type: ignore[no-untyped-def]
    """Add the faces of plane i to `total`, both flattened planes."""
    faces(operator, axis, i * total.size, g)
    _add(g, total)


@serial
def _sum_row(fine, factor, share, coarse):  # type: ignore[no-untyped-def]
    """Add the faces of one row, normal to another axis than the row, to those of a coarse row."""
    fine[-1] = 0  # an odd last cell is joined with nothing
    for k in range(1, coarse.shape[0] - 1):
        coarse[k] += share * (fine[k] if factor == 1 else fine[2 * k - 1] + fine[2 * k])


@serial
def _pick_row(fine, factor, share, coarse):  # type: ignore[no-untyped-def]
    """Add the faces between the cells of one row to those between the coarse cells."""
    for k in range(coarse.shape[0] - 1):
        coarse[k] += share * fine[min(factor * k, fine.shape[0] - 2)]


@threaded
def galerkin(operator, plates, factors, coarse, coarse_plates):  # type: ignore[no-untyped-def]
    """Conductances of the next coarser level: the sum of the fine faces a coarse face consists of, over the factor.

    The Galerkin product with piecewise-constant transfer is the whole sum. A cell of twice the length has half of it,
    and the coarse correction gets twice as long (over-correction).
    """
    inverse = operator[4]
    nx, ny, nz = inverse.shape[0] - 2, inverse.shape[1] - 2, inverse.shape[2] - 2
    fx, fy, fz = factors
    share = (1 / factors).astype(coarse[0].dtype)
    for ci in numba.prange(coarse[0].shape[0] - 1):
        g, sums = np.empty((ny + 2) * (nz + 2), share.dtype), np.zeros((3, ny + 2, nz + 2), share.dtype)
        last = min(fx * ci, nx)
        _add_faces(operator, 0, last, g, flat(sums[0]))
        for i in range(max(fx * (ci - 1) + 1, 1), last + 1):
            _add_faces(operator, 1, i, g, flat(sums[1]))
            _add_faces(operator, 2, i, g, flat(sums[2]))
        for j in range(ny + 1):
            cj = (j + fy - 1) // fy
            if j > 0:
                _sum_row(sums[0, j], fz, share[0], coarse[0][ci, cj])
                _pick_row(sums[2, j], fz, share[2], coarse[2][ci, cj])
            if j % fy == 0 or j == ny:
                _sum_row(sums[1, j], fz, share[1], coarse[1][ci, cj])
    for j in range(1, ny + 1):
        for k in range(1, nz + 1):
            for end in range(2):
                coarse_plates[end, (j + fy - 1) // fy, (k + fz - 1) // fz] += plates[end, j, k] / fx


@serial
def _reciprocal(diagonal, colour, other, inverse):  # type: ignore[no-untyped-def]
    for k in range(inverse.shape[0]):
        inner = diagonal[k] * (colour[k] + other[k])
        inverse[k] = 1 / inner if inner > 0 else 0


@threaded
def invert(operator, plates, inverse):  # type: ignore[no-untyped-def]
    """Overwrite `inverse` with 1/diagonal, 0 in the border and where nothing conducts.

    It may be the operator's own only if the operator has stored faces; else that tells what conducts.
    """
    row, plane, colours = inverse.shape[2], inverse.shape[1] * inverse.shape[2], operator[5]
    for i in numba.prange(1, inverse.shape[0] - 1):
        conductances, totals = np.empty(PIECE, inverse.dtype), np.empty(PIECE, inverse.dtype)
        for begin in range(row, plane - row, PIECE):
            n, at = min(PIECE, plane - row - begin), i * plane + begin
            end, g, diagonal = begin + n, conductances[:n], totals[:n]
            diagonal[:] = 0
            for axis in range(3):
                for to in (at - (plane, row, 1)[axis], at):
                    faces(operator, axis, to, g)
                    _add(g, diagonal)
            if i == 1:
                _add(flat(plates[0])[begin:end], diagonal)
            if i == inverse.shape[0] - 2:
                _add(flat(plates[1])[begin:end], diagonal)
            _reciprocal(diagonal, colours[0][begin:end], colours[1][begin:end], flat(inverse)[at : at + n])


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
