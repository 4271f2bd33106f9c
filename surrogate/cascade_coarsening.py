"""Compiled kernels of the cascade's networks: resistances between voxels, and conductances between ever larger cells.

Names and equations are those of :mod:`.cascade`, arrays those of :mod:`.cascade_workspace`.
"""

from __future__ import annotations

import numpy as np

from .cascade_workspace import GX, GY, GZ, HALF, ONE, RX, RY, RZ, TWO, ZERO, serial

__all__ = ["coarsen", "invert", "refine", "write_resistances"]


@serial
def _fill(m, table, plates, rx, ry, rz):  # type: ignore[no-untyped-def]
    """Write the resistance of every face; `m` (nx+2, ny+2, nz+2) is 0, an insulator, on its border."""
    nx, ny, nz = m.shape[0] - 2, m.shape[1] - 2, m.shape[2] - 2
    for i in range(nx + 1):
        for j in range(1, ny + 1):
            for k in range(1, nz + 1):
                if i == 0:
                    rx[i, j, k] = plates[m[1, j, k]]
                elif i == nx:
                    rx[i, j, k] = plates[m[nx, j, k]]
                else:
                    rx[i, j, k] = table[m[i, j, k], m[i + 1, j, k]]
        if i > 0:
            for j in range(1, ny + 1):
                for k in range(1, nz + 1):
                    ry[i, j, k] = table[m[i, j, k], m[i, j + 1, k]]
                    rz[i, j, k] = table[m[i, j, k], m[i, j, k + 1]]


@serial
def _add_boundaries(m, grains, own, rx, ry, rz):  # type: ignore[no-untyped-def]
    """Add the resistance between two grains of one material, as :func:`pipeline.assembly.add_grain_boundaries`."""
    nx, ny, nz = m.shape[0] - 2, m.shape[1] - 2, m.shape[2] - 2
    for i in range(1, nx + 1):
        for j in range(1, ny + 1):
            for k in range(1, nz + 1):
                a, material = grains[i, j, k], m[i, j, k]
                if i < nx and grains[i + 1, j, k] != a and m[i + 1, j, k] == material:
                    rx[i, j, k] += own[material]
                if j < ny and grains[i, j + 1, k] != a and m[i, j + 1, k] == material:
                    ry[i, j, k] += own[material]
                if k < nz and grains[i, j, k + 1] != a and m[i, j, k + 1] == material:
                    rz[i, j, k] += own[material]


@serial
def write_resistances(m, table, plates, grains, own, space):  # type: ignore[no-untyped-def]
    """Write the resistances of the faces between voxels, infinite where no current flows."""
    rx, ry, rz = space[RX], space[RY], space[RZ]
    _fill(m, table, plates, rx, ry, rz)
    if grains.size:
        _add_boundaries(m, grains, own, rx, ry, rz)


@serial
def _add_inside(total, r, inner, shift, unit, cap, blocked):  # type: ignore[no-untyped-def]
    """Add half the resistance inside a cell to a row, limited to multiples of that of the faces.

    ``inner[k + shift]`` lies inside the cell that face k belongs to.
    """
    for k in range(1, r.shape[0] - 1):
        face, inside = unit * r[k], inner[k + shift]
        total[k] += HALF * (blocked * face if np.isinf(inside) else min(inside, cap * face))


@serial
def _add_row(r, before, after, unit, cap, blocked, total, out):  # type: ignore[no-untyped-def]
    """Add the conductances of a row of faces to the row `out` of cells; an empty `before` or `after` is not there."""
    for k in range(total.shape[0]):
        total[k] = r[k]
    if before.size:
        _add_inside(total, r, before, 0, unit, cap, blocked)
    if after.size:
        _add_inside(total, r, after, 0, unit, cap, blocked)
    for k in range(1, out.shape[0] - 1):
        out[k] += ONE / total[2 * k - 1] + ONE / total[2 * k]


@serial
def _add_along(r, cap, blocked, total, out):  # type: ignore[no-untyped-def]
    """Add the conductances of every second face of a row, whose neighbours in the row lie inside the cells."""
    nz = r.shape[0] - 2
    for k in range(total.shape[0]):
        total[k] = r[k]
    _add_inside(total, r, r, -1, ONE, cap, blocked)
    last = total[nz - 1]
    _add_inside(total, r, r, 1, ONE, cap, blocked)
    if nz % 2 == 1:
        # The last cell is thin: no face lies inside it.
        total[nz - 1] = last
    for k in range(1, (nz - 1) // 2 + 1):
        out[k] += ONE / total[2 * k]


@serial
def coarsen(fine, cap, blocked, coarse):  # type: ignore[no-untyped-def]
    """Write the conductances between cells of two.

    Beyond an odd end lies the border, whose faces do not conduct.
    """
    rx, ry, rz = fine[RX], fine[RY], fine[RZ]
    gx, gy, gz = coarse[GX], coarse[GY], coarse[GZ]
    nx, ny = rx.shape[0] - 2, rx.shape[1] - 2
    total = np.empty(rx.shape[2], np.float32)
    none = np.empty(0, np.float32)
    for c in range(gx.shape[0] - 1):
        i = min(2 * c, nx)
        # The face at a plate is half a cell: what lies behind it is measured by twice its resistance.
        unit = TWO if i == 0 or i == nx else ONE
        for j in range(1, gx.shape[1] - 1):
            gx[c, j] = ZERO
            for row in range(2 * j - 1, 2 * j + 1):
                before = rx[i - 1, row] if i >= 2 and i % 2 == 0 else none
                after = rx[i + 1, row] if i + 1 < nx else none
                _add_row(rx[i, row], before, after, unit, cap, blocked, total, gx[c, j])
    for i in range(1, gx.shape[0] - 1):
        for j in range(1, gy.shape[1] - 1):
            gy[i, j] = ZERO
            gz[i, j] = ZERO
            for layer in range(2 * i - 1, 2 * i + 1):
                if 2 * j < ny:
                    after = ry[layer, 2 * j + 1] if 2 * j + 1 < ny else none
                    _add_row(ry[layer, 2 * j], ry[layer, 2 * j - 1], after, ONE, cap, blocked, total, gy[i, j])
                for row in range(2 * j - 1, 2 * j + 1):
                    _add_along(rz[layer, row], cap, blocked, total, gz[i, j])


@serial
def invert(space, source, target):  # type: ignore[no-untyped-def]
    """Write 1/x of three arrays of a workspace into three others."""
    for n in range(3):
        x, y = space[source + n], space[target + n]
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                for k in range(x.shape[2]):
                    y[i, j, k] = ONE / x[i, j, k]


@serial
def refine(coarse, u):  # type: ignore[no-untyped-def]
    """Write the coarse correction into cells of half the size; the drop from cell to cell halves, too."""
    for i in range(1, u.shape[0] - 1):
        for j in range(1, u.shape[1] - 1):
            for k in range(1, u.shape[2] - 1):
                u[i, j, k] = TWO * coarse[(i + 1) // 2, (j + 1) // 2, (k + 1) // 2]
