"""Compiled kernels of the cascade's networks: resistances between voxels, and conductances between ever larger cells.

Names and equations are those of :mod:`.cascade`, arrays those of :mod:`.cascade_workspace`.
"""

from __future__ import annotations

import numpy as np

from .cascade_workspace import GX, GY, GZ, HALF, ONE, RX, RY, RZ, TWO, ZERO, serial

__all__ = ["coarsen", "invert", "refine", "write_faces"]


@serial
def _write_half_resistances(m, half, h, counts):  # type: ignore[no-untyped-def]
    """Write the resistance from each voxel of a plane to its faces into a bordered plane; count the materials."""
    for j in range(m.shape[0]):
        for k in range(m.shape[1]):
            h[j + 1, k + 1] = np.inf
        # A comparison with each material takes less time than looking each voxel up, if all is as short as h: vectors.
        for material in range(1, half.size):
            number, resistance, found = np.uint8(material), half[material], ZERO
            for k in range(m.shape[1]):
                here = m[j, k] == number
                h[j + 1, k + 1] = resistance if here else h[j + 1, k + 1]
                found += ONE if here else ZERO
            counts[material] += found


@serial
def _write_resistances(h, beyond, rx, ry, rz):  # type: ignore[no-untyped-def]
    """Write the resistances of a plane's faces from what lies on either side of them."""
    for j in range(1, h.shape[0] - 1):
        for k in range(1, h.shape[1] - 1):
            rx[j, k] = h[j, k] + beyond[j, k]
            ry[j, k] = h[j, k] + h[j + 1, k]
            rz[j, k] = h[j, k] + h[j, k + 1]


@serial
def _add_contacts(m, i, contacts, rx, ry, rz):  # type: ignore[no-untyped-def]
    """Add the resistance between two materials to the faces of plane i."""
    for j in range(m.shape[1]):
        for k in range(m.shape[2]):
            material = m[i, j, k]
            if i + 1 < m.shape[0]:
                rx[j + 1, k + 1] += contacts[material, m[i + 1, j, k]]
            if j + 1 < m.shape[1]:
                ry[j + 1, k + 1] += contacts[material, m[i, j + 1, k]]
            if k + 1 < m.shape[2]:
                rz[j + 1, k + 1] += contacts[material, m[i, j, k + 1]]


@serial
def _add_boundaries(m, i, grains, own, rx, ry, rz):  # type: ignore[no-untyped-def]
    """Add the resistance between two grains of a material, as :func:`pipeline.assembly.add_grain_boundaries`."""
    for j in range(m.shape[1]):
        for k in range(m.shape[2]):
            a, material = grains[i, j, k], m[i, j, k]
            if i + 1 < m.shape[0] and grains[i + 1, j, k] != a and m[i + 1, j, k] == material:
                rx[j + 1, k + 1] += own[material]
            if j + 1 < m.shape[1] and grains[i, j + 1, k] != a and m[i, j + 1, k] == material:
                ry[j + 1, k + 1] += own[material]
            if k + 1 < m.shape[2] and grains[i, j, k + 1] != a and m[i, j, k + 1] == material:
                rz[j + 1, k + 1] += own[material]


@serial
def _invert_and_sum(r, g):  # type: ignore[no-untyped-def]
    """Write the conductances of a plane's faces; return the sums of resistances and conductances."""
    resistance, conductance = ZERO, ZERO
    for j in range(1, r.shape[0] - 1):
        for k in range(1, r.shape[1] - 1):
            value = ONE / r[j, k]
            g[j, k] = value
            resistance += r[j, k]
            conductance += value
    return resistance, conductance


@serial
def write_faces(m, half, contacts, grains, own, space, counts):  # type: ignore[no-untyped-def]
    """Write resistances, infinite where no current flows, and conductances of the faces between voxels.

    Also count the materials, and return the sums over the faces along the axis of resistance and of conductance, those
    at the plates a quarter, and over the others of conductance. Everything is done plane by plane, in the cache.
    """
    rx, ry, rz, gx, gy, gz = space[RX], space[RY], space[RZ], space[GX], space[GY], space[GZ]
    nx = m.shape[0]
    h = np.full((2, *rx.shape[1:]), np.inf, np.float32)
    _write_half_resistances(m[0], half, h[1], counts)
    rx[0, 1:-1, 1:-1] = h[1, 1:-1, 1:-1]
    first = _invert_and_sum(rx[0], gx[0])
    series, along, across = float(first[0]), 0.25 * first[1], 0.0
    for i in range(1, nx + 1):
        here, beyond = h[i % 2], h[(i + 1) % 2]
        if i < nx:
            _write_half_resistances(m[i], half, beyond, counts)
        else:
            # The plate.
            beyond[:] = ZERO
        _write_resistances(here, beyond, rx[i], ry[i], rz[i])
        if contacts.size:
            _add_contacts(m, i - 1, contacts, rx[i], ry[i], rz[i])
        if grains.size:
            _add_boundaries(m, i - 1, grains, own, rx[i], ry[i], rz[i])
        resistance, x = _invert_and_sum(rx[i], gx[i])
        _, y = _invert_and_sum(ry[i], gy[i])
        _, z = _invert_and_sum(rz[i], gz[i])
        series += resistance
        along += x if i < nx else 0.25 * x
        across += y + z
    return series, along, across


@serial
def _with_half(total, face, inside, cap, blocked):  # type: ignore[no-untyped-def]
    """Add half the resistance inside a cell, limited to multiples of that of the face, to the face's."""
    return total + HALF * (blocked * face if inside == np.inf else min(inside, cap * face))


@serial
def _coarsen_x(r, cap, blocked, row, g):  # type: ignore[no-untyped-def]
    nx, nz = r.shape[0] - 2, r.shape[2] - 2
    for c in range(g.shape[0] - 1):
        i = min(2 * c, nx)
        # The face at a plate is half a cell: what lies behind it is measured by twice its resistance.
        unit = TWO if i == 0 or i == nx else ONE
        most, limit = unit * cap, unit * blocked
        before, after = i >= 2 and i % 2 == 0, i + 1 < nx
        for j in range(1, g.shape[1] - 1):
            row[:] = ZERO
            for n in range(2 * j - 1, 2 * j + 1):
                if before and after:
                    for k in range(1, nz + 1):
                        face = r[i, n, k]
                        total = _with_half(face, face, r[i - 1, n, k], most, limit)
                        row[k] += ONE / _with_half(total, face, r[i + 1, n, k], most, limit)
                elif before or after:
                    inside = i + 1 if after else i - 1
                    for k in range(1, nz + 1):
                        face = r[i, n, k]
                        row[k] += ONE / _with_half(face, face, r[inside, n, k], most, limit)
                else:
                    for k in range(1, nz + 1):
                        row[k] += ONE / r[i, n, k]
            _sum_pairs(row, g[c, j])


@serial
def _coarsen_y(r, cap, blocked, row, g):  # type: ignore[no-untyped-def]
    ny, nz = r.shape[1] - 2, r.shape[2] - 2
    for i in range(1, g.shape[0] - 1):
        for j in range(1, g.shape[1] - 1):
            row[:] = ZERO
            for layer in range(2 * i - 1, 2 * i + 1):
                if 2 * j + 1 < ny:
                    for k in range(1, nz + 1):
                        face = r[layer, 2 * j, k]
                        total = _with_half(face, face, r[layer, 2 * j - 1, k], cap, blocked)
                        row[k] += ONE / _with_half(total, face, r[layer, 2 * j + 1, k], cap, blocked)
                elif 2 * j < ny:
                    for k in range(1, nz + 1):
                        face = r[layer, 2 * j, k]
                        row[k] += ONE / _with_half(face, face, r[layer, 2 * j - 1, k], cap, blocked)
            _sum_pairs(row, g[i, j])


@serial
def _coarsen_z(r, cap, blocked, g):  # type: ignore[no-untyped-def]
    nz = r.shape[2] - 2
    both = (nz - 2) // 2
    for i in range(1, g.shape[0] - 1):
        for j in range(1, g.shape[1] - 1):
            for k in range(1, g.shape[2] - 1):
                g[i, j, k] = ZERO
            for layer in range(2 * i - 1, 2 * i + 1):
                for n in range(2 * j - 1, 2 * j + 1):
                    for k in range(1, both + 1):
                        face = r[layer, n, 2 * k]
                        total = _with_half(face, face, r[layer, n, 2 * k - 1], cap, blocked)
                        g[i, j, k] += ONE / _with_half(total, face, r[layer, n, 2 * k + 1], cap, blocked)
                    if nz % 2 == 1:
                        # The last cell is thin: no face lies inside it.
                        face = r[layer, n, nz - 1]
                        g[i, j, both + 1] += ONE / _with_half(face, face, r[layer, n, nz - 2], cap, blocked)


@serial
def _sum_pairs(row, out):  # type: ignore[no-untyped-def]
    for k in range(1, out.size - 1):
        out[k] = row[2 * k - 1] + row[2 * k]


@serial
def coarsen(fine, cap, blocked, coarse):  # type: ignore[no-untyped-def]
    """Write the conductances between cells of two.

    Beyond an odd end lies the border, whose faces do not conduct.
    """
    row = np.zeros(fine.shape[3] + 1, np.float32)
    _coarsen_x(fine[RX], cap, blocked, row, coarse[GX])
    _coarsen_y(fine[RY], cap, blocked, row, coarse[GY])
    _coarsen_z(fine[RZ], cap, blocked, coarse[GZ])


@serial
def _invert(x, y):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            for k in range(x.shape[2]):
                y[i, j, k] = ONE / x[i, j, k]


@serial
def invert(space):  # type: ignore[no-untyped-def]
    """Write the resistances of the faces, infinite on the border too."""
    _invert(space[GX], space[RX])
    _invert(space[GY], space[RY])
    _invert(space[GZ], space[RZ])


@serial
def refine(coarse, u):  # type: ignore[no-untyped-def]
    """Write the coarse correction into cells of half the size; the drop from cell to cell halves, too."""
    nz = u.shape[2] - 2
    for i in range(1, u.shape[0] - 1):
        for j in range(1, u.shape[1] - 1):
            c, d = (i + 1) // 2, (j + 1) // 2
            for k in range(1, nz // 2 + 1):
                value = TWO * coarse[c, d, k]
                u[i, j, 2 * k - 1] = value
                u[i, j, 2 * k] = value
            if nz % 2 == 1:
                u[i, j, nz] = TWO * coarse[c, d, nz // 2 + 1]
