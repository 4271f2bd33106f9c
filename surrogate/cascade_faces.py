"""Compiled kernels of the network of voxels: what resists between their centres, and what that conducts.

Names and equations are those of :mod:`.cascade`, arrays those of :mod:`.cascade_workspace`, flat, `here`, `beyond` and
`to` the places where planes begin. Loops take the borders between rows along (:mod:`.cascade_relaxation` says why).
"""

from __future__ import annotations

import numpy as np

from .cascade_coarsening import coarsen_plane, invert, planes
from .cascade_workspace import KEPT, NEXT, ONE, ZERO, conductances, grid_of, place, serial

__all__ = ["write_faces"]


@serial
def write_faces(m, half, contacts, grains, own, space, rules, coarser, counts):  # type: ignore[no-untyped-def]
    """Write the conductances of the faces between voxels, and for each rule those between cells of two.

    Also count the materials, and return three sums: over the faces along the axis the resistance, where it is finite,
    and the conductance, of which those at the plates count a quarter; over the faces across the conductance.
    """
    (gx, gy, gz), grid, nx = conductances(space), grid_of(space), m.shape[0]
    plane, row, count = grid
    (x, y, z), found = planes(space)
    # Of the plane at hand and the next one, with borders; a plate is a material without resistance.
    numbers = np.zeros((2, *space.shape[2:]), np.uint8)
    marks = np.zeros(numbers.shape, np.uint32)
    number, grain, h = numbers.reshape(-1), marks.reshape(-1), np.zeros(numbers.size, np.float32)
    known = h, number, grain, contacts, own if grains.size else own[:0]
    series, along, across = 0.0, 0.0, 0.0
    for i in range(nx + 1):
        other = (i + 1) % 2
        begin = np.uint64(other) * plane
        if i < nx:
            _border(m[i], numbers[other])
            if grains.size:
                _border(grains[i], marks[other])
            _write_half_resistances(half, number, h, begin, plane, counts)
        else:
            numbers[other] = 0
            h[begin : begin + plane] = ZERO
        at, here, beyond, to = place(i, grid), place(i % 2, grid), place(other, grid), place(i % KEPT, grid)
        first = place(0, grid)
        resistance, conductance = _write_axis(known, here, beyond, x, to, gx, at, count)
        series += resistance
        along += conductance if 0 < i < nx else 0.25 * conductance
        if i == 0:
            continue
        across += _write_axis(known, here, here + row, y, first, gy, at, count)[1]
        across += _write_axis(known, here, here + NEXT, z, first, gz, at, count)[1]
        for n in range(coarser.shape[0]):
            coarsen_plane((x, y, z), i, grid, m.shape, (rules[n, 0], rules[n, 1]), found, coarser[n])
    return series, along, across


@serial
def _border(plane, out):  # type: ignore[no-untyped-def]
    for j in range(plane.shape[0]):
        for k in range(plane.shape[1]):
            out[j + 1, k + 1] = plane[j, k]


@serial
def _write_axis(known, here, neighbour, r, to, g, at, count):  # type: ignore[no-untyped-def]
    """Write resistances and conductances of a plane's faces along one axis; return their sums."""
    h, number, grain, contacts, own = known
    _write_resistances(h, here, neighbour, r, to, count)
    if contacts.size:
        _add_contacts(number, here, neighbour, contacts, r, to, count)
    if own.size:
        _add_boundaries(number, grain, here, neighbour, own, r, to, count)
    return invert(r, to, g, at, count)


@serial
def _write_half_resistances(half, number, h, begin, size, counts):  # type: ignore[no-untyped-def]
    """Write the resistance from each voxel of a plane to its faces, infinite on the border; count the materials."""
    for n in range(size):
        h[begin + n] = np.inf
    # A comparison with each material takes less time than looking each voxel up: vectors.
    for material in range(1, half.size):
        which, resistance, found = np.uint8(material), half[material], ZERO
        for n in range(size):
            here = number[begin + n] == which
            h[begin + n] = resistance if here else h[begin + n]
            found += ONE if here else ZERO
        counts[material] += found


@serial
def _write_resistances(h, here, beyond, r, to, count):  # type: ignore[no-untyped-def]
    """Write the resistances of a plane's faces from what lies on either side of them."""
    for n in range(count):
        r[to + n] = h[here + n] + h[beyond + n]


@serial
def _add_contacts(number, here, beyond, contacts, r, to, count):  # type: ignore[no-untyped-def]
    """Add the resistance between two materials to the faces between them."""
    for one in range(contacts.shape[0]):
        for two in range(one + 1):
            a, b, resistance = np.uint8(one), np.uint8(two), contacts[one, two]
            if resistance > ZERO:
                for n in range(count):
                    c, d = number[here + n], number[beyond + n]
                    r[to + n] += resistance if ((c == a) & (d == b)) | ((c == b) & (d == a)) else ZERO


@serial
def _add_boundaries(number, grain, here, beyond, own, r, to, count):  # type: ignore[no-untyped-def]
    """Add the resistance between two grains of a material, as :func:`pipeline.assembly.add_grain_boundaries`."""
    for material in range(own.size):
        which, resistance = np.uint8(material), own[material]
        if resistance > ZERO:
            for n in range(count):
                a, b = here + n, beyond + n
                same = (number[a] == which) & (number[b] == which)
                r[to + n] += resistance if same & (grain[a] != grain[b]) else ZERO
