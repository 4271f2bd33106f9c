"""A lower bound of the conductance that holds for certain: Thomson's principle, with currents that obey Kirchhoff.

The currents g Δφ of an approximate potential do not quite add up to zero in each cell. A tree of conducting faces
joins every cell to a plate, and along it each cell's surplus is led away, from the leaves on. What results is free of
sources. By Thomson's principle (Doyle and Snell, Random Walks and Electric Networks, 1984) the dissipation of any such
currents is at least their total squared over the conductance.

With J = g Δφ + δ, and because source-free currents do the work I · 1 against a potential that falls by 1,

    I = Σ J Δφ = E + c,   Σ J²/g = E + 2c + s,   c = Σ δ Δφ,   s = Σ δ²/g,

so (E + c)²/(E + 2c + s) bounds the conductance from below, as the Dirichlet energy E does from above. It costs two
passes over the cells, no iteration. The tree prefers good conductors: surplus led through a poor one dissipates more.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from .kernels import face, serial

__all__ = ["relative_gap"]

# Conductances are told apart by powers of 2; so many empty ones in between make a gap.
GAP = 4
# What `_grow` notes of a cell: the face its tree path leads to, 1 + 2·axis (+ 1 if it was reached going up), or a root.
PLATE = 7  # the first plate; the second is one more
GROUND = 9  # the first cell of a cluster that touches no plate: its surplus is zero in sum


def relative_gap(problem: Any, potential: npt.NDArray[Any], energy: float) -> float:
    """Return by how much, relative to `energy`, the lower bound lies below it.

    Parameters
    ----------
    problem
        A :class:`~ionscreen.pipeline.problem.Problem`.
    potential
        (nx+2, ny+2, nz+2) with its border filled, falling by 1 along an axis.
    energy
        Its Dirichlet energy.
    """
    operator, plates, periodic = problem.operator, problem.plates, problem.periodic
    cells = potential.size
    order = np.empty(math.prod(problem.shape), dtype=np.int32 if cells < 2**31 else np.int64)
    way = np.zeros(potential.shape, dtype=np.uint8)
    cuts = _cuts(operator, problem.anisotropy)
    joined = _grow(operator, plates, periodic, problem.anisotropy, cuts, order, way)
    surplus = np.zeros(potential.shape)
    work, heat = _lead_away(operator, plates, periodic, potential, order[:joined], way, surplus)
    c, s = work / energy, heat / energy
    # By Cauchy and Schwarz s >= c² up to rounding.
    return float(max(s - c * c, 0.0) / (1 + 2 * c + s))


def _cuts(operator: Any, anisotropy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return conductances, the largest first, that separate classes of faces."""
    if operator[0].size == 0:
        return np.empty(0)
    there = np.zeros(2200, dtype=bool)
    for axis in range(3):
        _mark(operator[axis], anisotropy[axis], there)
    powers = np.flatnonzero(there) - 1100
    wide = np.diff(powers) > GAP
    return np.asarray(2.0 ** (0.5 * (powers[:-1] + powers[1:])[wide]))[::-1]


@serial
def _mark(conductances, unit, there):  # type: ignore[no-untyped-def]
    """Set there[1100 + n] if some conductance in this unit lies between 2ⁿ⁻¹ and 2ⁿ."""
    for i in range(conductances.shape[0]):
        for j in range(conductances.shape[1]):
            for k in range(conductances.shape[2]):
                if conductances[i, j, k] > 0:
                    there[1100 + math.frexp(conductances[i, j, k] / unit)[1]] = True


@serial
def _rank(g, cuts):  # type: ignore[no-untyped-def]
    """Return the class of a conductance, 0 the best."""
    for rank in range(cuts.size):
        if g >= cuts[rank]:
            return rank
    return cuts.size


@serial
def _beyond(cell, direction, shape, periodic):  # type: ignore[no-untyped-def]
    """Return the neighbour of a cell, around the box along periodic axes, else maybe on the border."""
    axis, step = direction >> 1, 2 * (direction & 1) - 1
    i, j, k = cell[0] + step * (axis == 0), cell[1] + step * (axis == 1), cell[2] + step * (axis == 2)
    if periodic[axis]:
        i = i if axis != 0 else (i - 1) % (shape[0] - 2) + 1
        j = j if axis != 1 else (j - 1) % (shape[1] - 2) + 1
        k = k if axis != 2 else (k - 1) % (shape[2] - 2) + 1
    return i, j, k


@serial
def _conductance(operator, cell, direction):  # type: ignore[no-untyped-def]
    """Return that of the face of a cell in one of six directions: 2·axis, + 1 up."""
    axis, down = direction >> 1, 1 - (direction & 1)
    i, j, k = cell
    return face(operator, axis, i - down * (axis == 0), j - down * (axis == 1), k - down * (axis == 2))


@serial
def _drop(x, cell, direction):  # type: ignore[no-untyped-def]
    """Return by how much the potential falls from a cell to its neighbour; the border holds what is around the box."""
    axis, step = direction >> 1, 2 * (direction & 1) - 1
    i, j, k = cell
    return np.float64(x[i, j, k]) - np.float64(
        x[i + step * (axis == 0), j + step * (axis == 1), k + step * (axis == 2)]
    )


@serial
def _cell(number, shape):  # type: ignore[no-untyped-def]
    row = number // shape[2]
    return row // shape[1], row % shape[1], number % shape[2]


@serial
def _push(queues, rank, number):  # type: ignore[no-untyped-def]
    """Append to the queue of a rank."""
    first, last, following = queues
    following[number] = -1
    if first[rank] < 0:
        first[rank] = number
    else:
        following[last[rank]] = number
    last[rank] = number


@serial
def _grow(operator, plates, periodic, units, cuts, order, way):  # type: ignore[no-untyped-def]
    """Write the cells into `order`, each after the one its path leads to, and that way; return how many there are.

    Prim's algorithm for the tree of the best conductors, breadth first among faces of one class: a cell is asked for
    its neighbours in the class of its queue, and goes on to the next queue; a new cell starts in the first.
    """
    shape, ranks = way.shape, cuts.size + 1
    queues = (np.full(ranks, -1, order.dtype), np.full(ranks, -1, order.dtype), np.empty(way.size, order.dtype))
    ways = way.reshape(way.size)
    joined = 0
    for j in range(1, shape[1] - 1):
        for k in range(1, shape[2] - 1):
            for side in range(2):
                number = ((1 if side == 0 else shape[0] - 2) * shape[1] + j) * shape[2] + k
                if plates[side, j, k] > 0 and ways[number] == 0:
                    ways[number], order[joined] = PLATE + side, number
                    _push(queues, 0, number)
                    joined += 1
    joined = _spread(operator, periodic, units, cuts, order, way, queues, joined)
    for i in range(1, shape[0] - 1):
        for j in range(1, shape[1] - 1):
            for k in range(1, shape[2] - 1):
                if way[i, j, k] == 0 and operator[4][i, j, k] > 0:
                    number = (i * shape[1] + j) * shape[2] + k
                    way[i, j, k], order[joined] = GROUND, number
                    _push(queues, 0, number)
                    joined = _spread(operator, periodic, units, cuts, order, way, queues, joined + 1)
    return joined


@serial
def _spread(operator, periodic, units, cuts, order, way, queues, joined):  # type: ignore[no-untyped-def]
    """Empty the queues, the best first."""
    first, _, following = queues
    shape, ways = way.shape, way.reshape(way.size)
    rank = 0
    while rank < first.size:
        number = first[rank]
        if number < 0:
            rank += 1
            continue
        cell, found = _cell(number, shape), False
        for direction in range(6):
            beyond = _beyond(cell, direction, shape, periodic)
            if way[beyond] == 0:
                g = _conductance(operator, cell, direction)
                if g > 0 and _rank(g / units[direction >> 1], cuts) <= rank:
                    other = (beyond[0] * shape[1] + beyond[1]) * shape[2] + beyond[2]
                    ways[other], order[joined] = 1 + direction, other
                    joined += 1
                    _push(queues, 0, other)
                    found = rank > 0
                    if found:
                        break
        if found:  # what is better comes first
            rank = 0
            continue
        first[rank] = following[number]
        if rank + 1 < first.size:
            _push(queues, rank + 1, number)
    return joined


@serial
def _surplus(operator, plates, x, cell):  # type: ignore[no-untyped-def]
    """Return the current that arrives in a cell and does not leave it."""
    total = 0.0
    for direction in range(6):
        g = _conductance(operator, cell, direction)
        if g > 0:
            total -= g * _drop(x, cell, direction)
    if cell[0] == 1:
        total += plates[0, cell[1], cell[2]] * (1 - np.float64(x[cell]))
    if cell[0] == x.shape[0] - 2:
        total -= plates[1, cell[1], cell[2]] * np.float64(x[cell])
    return total


@serial
def _lead_away(operator, plates, periodic, x, order, way, surplus):  # type: ignore[no-untyped-def]
    """Return Σ δ Δφ and Σ δ²/g of the currents δ that lead every cell's surplus along the tree to the plates."""
    work, heat = 0.0, 0.0
    for n in range(order.size - 1, -1, -1):
        cell = _cell(order[n], x.shape)
        led = surplus[cell] + _surplus(operator, plates, x, cell)
        if way[cell] == GROUND:
            continue
        if way[cell] >= PLATE:
            side = way[cell] - PLATE
            g = np.float64(plates[side, cell[1], cell[2]])
            work += led * (np.float64(x[cell]) - (1 - side))
        else:
            back = (way[cell] - 1) ^ 1
            g = np.float64(_conductance(operator, cell, back))
            work += led * _drop(x, cell, back)
            surplus[_beyond(cell, back, x.shape, periodic)] += led
        heat += led * led / g
    return work, heat
