"""Compiled kernels of the cascade's networks of cells of two, made from a finer network, and back to it.

Cells are made of the resistances of the finer network, of which no more than the last planes are kept: in the cache,
where memory would be what takes the time. Names and equations are those of :mod:`.cascade`, arrays those of
:mod:`.cascade_workspace`, flat, `at`, `before`, `after` and `to` the places where planes begin.
"""

from __future__ import annotations

import numpy as np

from .cascade_workspace import GX, GY, GZ, HALF, KEPT, NEXT, ONE, TWO, ZERO, conductances, grid_of, place, serial

__all__ = ["coarsen", "coarsen_plane", "invert", "planes", "refine", "refine_plane"]


@serial
def planes(space):  # type: ignore[no-untyped-def]
    """Return room for resistances, infinite on the borders, and for the conductances of a plane.

    Along the axis cells need the last planes, across it the one at hand.
    """
    size = space.shape[2] * space.shape[3]
    y = np.full(size, np.inf, np.float32)
    return (np.full(KEPT * size, np.inf, np.float32), y, y.copy()), np.zeros(space.shape[2:], np.float32)


@serial
def coarsen(fine, rule, coarse):  # type: ignore[no-untyped-def]
    """Write the conductances between cells of two."""
    (gx, gy, gz), grid = conductances(fine), grid_of(fine)
    ends = fine.shape[1] - 2, fine.shape[2] - 2, fine.shape[3] - 2
    r, found = planes(fine)
    for i in range(ends[0] + 1):
        at, first, count = place(i, grid), place(0, grid), grid[2]
        invert(gx, at, r[0], place(i % KEPT, grid), count)
        if i:
            invert(gy, at, r[1], first, count)
            invert(gz, at, r[2], first, count)
            coarsen_plane(r, i, grid, ends, rule, found, coarse)


@serial
def invert(of, at, out, to, count):  # type: ignore[no-untyped-def]
    """Write the inverses of a plane; return the sums of the numbers, where finite, and of the inverses."""
    total, inverse = ZERO, ZERO
    for n in range(count):
        v = of[at + n]
        w = ONE / v
        out[to + n] = w
        total += v if v < np.float32(np.inf) else ZERO
        inverse += w
    return total, inverse


@serial
def coarsen_plane(r, i, grid, ends, rule, found, coarse):  # type: ignore[no-untyped-def]
    """Write what the resistances of plane `i`, 1 or above, add to the conductances between cells.

    `ends` are nx, ny and nz, `rule` says (cap, blocked), `found` is room for a plane.
    """
    nx, out = ends[0], (i + 1) // 2
    if i % 2 == 1:
        _write_x(r[0], i - 1, nx, grid, rule, found, coarse[GX])
        coarse[GY, out] = ZERO
        coarse[GZ, out] = ZERO
    if i == nx:
        _write_x(r[0], nx, nx, grid, rule, found, coarse[GX])
    _add_y(r[1], place(0, grid), ends[1], ends[2], grid, rule, found, coarse[GY, out])
    _add_z(r[2], place(0, grid), ends[1], ends[2], grid, rule, found, coarse[GZ, out])


@serial
def _write_x(x, face, nx, grid, rule, found, g):  # type: ignore[no-untyped-def]
    """Write the conductances that a plane of faces along the axis makes: every second one, and the plate's."""
    (cap, blocked), out, to, count = rule, found.reshape(-1), grid[1] + NEXT, grid[2]
    before, at, after = place((face - 1) % KEPT, grid), place(face % KEPT, grid), place((face + 1) % KEPT, grid)
    # An odd face, the plate beyond a thin last cell, has none inside the cells on either side.
    inside_before, inside_after = face % 2 == 0 and face > 0, face % 2 == 0 and face + 1 < nx
    # The face at a plate is half a cell: what lies behind it is measured by twice its resistance.
    unit = TWO if face == 0 or face == nx else ONE
    if inside_before and inside_after:
        _in_series(x, at, before, after, cap, blocked, out, to, count)
    elif inside_before or inside_after:
        inside = before if inside_before else after
        _in_series_with_one(x, at, inside, unit * cap, unit * blocked, out, to, count)
    else:
        invert(x, at, out, to, count)
    coarse = g[(face + 1) // 2]
    for j in range(1, coarse.shape[0] - 1):
        for k in range(1, coarse.shape[1] - 1):
            two = found[2 * j - 1, 2 * k - 1] + found[2 * j - 1, 2 * k]
            coarse[j, k] = two + found[2 * j, 2 * k - 1] + found[2 * j, 2 * k]


@serial
def _add_y(y, at, ny, nz, grid, rule, found, g):  # type: ignore[no-untyped-def]
    """Add the conductances of a plane's faces across, every second row."""
    (_, row, count), (cap, blocked), out, to = grid, rule, found.reshape(-1), grid[1] + NEXT
    _in_series(y, at, at - row, at + row, cap, blocked, out, to, count)
    if ny % 2 == 1 and ny > 1:
        # The last cell is thin: no face lies inside it.
        last = np.uint64(ny - 2) * row
        _in_series_with_one(y, at + last, at + last - row, cap, blocked, out, to + last, np.uint64(nz))
    for j in range(1, g.shape[0] - 2):
        for k in range(1, g.shape[1] - 1):
            g[j, k] += found[2 * j, 2 * k - 1] + found[2 * j, 2 * k]


@serial
def _add_z(z, at, ny, nz, grid, rule, found, g):  # type: ignore[no-untyped-def]
    """Add the conductances of a plane's faces across, every second of a row."""
    (_, row, count), (cap, blocked), out, to = grid, rule, found.reshape(-1), grid[1] + NEXT
    _in_series(z, at, at - NEXT, at + NEXT, cap, blocked, out, to, count)
    if nz % 2 == 1 and nz > 1:
        for j in range(ny):
            last = np.uint64(j) * row + np.uint64(nz - 2)
            _in_series_with_one(z, at + last, at + last - NEXT, cap, blocked, out, to + last, NEXT)
    for j in range(1, g.shape[0] - 1):
        for k in range(1, g.shape[1] - 2):
            g[j, k] += found[2 * j - 1, 2 * k] + found[2 * j, 2 * k]


@serial
def _in_series(r, at, before, after, cap, blocked, out, to, count):  # type: ignore[no-untyped-def]
    """Write the conductances of faces, in series with half of what lies inside the cells on either side."""
    for n in range(count):
        face = r[at + n]
        total = _with_half(face, face, r[before + n], cap, blocked)
        out[to + n] = ONE / _with_half(total, face, r[after + n], cap, blocked)


@serial
def _in_series_with_one(r, at, inside, cap, blocked, out, to, count):  # type: ignore[no-untyped-def]
    """Write the same where a face lies inside one of the cells alone."""
    for n in range(count):
        face = r[at + n]
        out[to + n] = ONE / _with_half(face, face, r[inside + n], cap, blocked)


@serial
def _with_half(total, face, inside, cap, blocked):  # type: ignore[no-untyped-def]
    """Add half the resistance inside a cell, limited to multiples of that of the face, to the face's."""
    return total + HALF * (blocked * face if inside == np.float32(np.inf) else min(inside, cap * face))


@serial
def refine(coarse, u):  # type: ignore[no-untyped-def]
    """Write the coarse correction into cells of half the size."""
    for i in range(1, u.shape[0] - 1):
        refine_plane(coarse[(i + 1) // 2], u[i])


@serial
def refine_plane(coarse, u):  # type: ignore[no-untyped-def]
    """Write a plane of the coarse correction into cells of half the size; the drop from cell to cell halves, too.

    The borders between rows, which :func:`.relax` takes along, are made zero again.
    """
    nz = u.shape[1] - 2
    for j in range(1, u.shape[0] - 1):
        u[j, 0] = ZERO
        u[j, nz + 1] = ZERO
        d = (j + 1) // 2
        for k in range(1, nz // 2 + 1):
            value = TWO * coarse[d, k]
            u[j, 2 * k - 1] = value
            u[j, 2 * k] = value
        if nz % 2 == 1:
            u[j, nz] = TWO * coarse[d, nz // 2 + 1]
