"""What every Triton kernel of the solver shares: where a cell is, what a face conducts, the sum over six neighbours.

Vectors are (batch, nx+2, ny+2, nz+2), with a border as in :mod:`~ionscreen.pipeline.kernels`; kernels get pointers to
the volume they work on, offsets within it fit in 32 bits. An operator is the tuple ``(cells, extra, table, n)``:

======  =============================  ==========================  =======================================
mode    cells                          extra                       n
======  =============================  ==========================  =======================================
MASK    one material or none, uint8    –                           2, the materials
TABLE   materials, uint8               –                           number of materials
GRAINS  materials, uint8               grain labels, int32         number of materials
FACES   conductance of a cell's face   1/diagonal, 0 where         elements from one axis of ``cells`` to
        to its successor, (3, ...)     nothing conducts            the next
======  =============================  ==========================  =======================================

``table`` holds conductances by axis and two materials (3, n, n), to a plate by material (n,), and resistances of grain
boundaries over areas by axis and material (3, n). The finest level is thus one byte a voxel, and its diagonal is
summed again in each pass: bandwidth, not arithmetic, is what a GPU lacks.
"""

from __future__ import annotations

import triton
import triton.language as tl

__all__ = [
    "FACES",
    "GRAINS",
    "MASK",
    "TABLE",
    "coloured",
    "face",
    "face_after",
    "finer",
    "identity",
    "located",
    "moved",
    "plate",
    "stencil",
]

MASK = tl.constexpr(0)
TABLE = tl.constexpr(1)
GRAINS = tl.constexpr(2)
FACES = tl.constexpr(3)


@triton.jit
def located(o, ny, nz):
    """Return (i, j, k), from 1, of the o-th cell inside the border."""
    row = o // nz
    return row // ny + 1, row % ny + 1, o % nz + 1


@triton.jit
def coloured(o, ny, nz, colour):
    """Return (i, j, k), from 1, of the o-th cell of a colour of the checkerboard; k may exceed nz by one."""
    half = (nz + 1) // 2
    row = o // half
    i, j = row // ny + 1, row % ny + 1
    return i, j, 2 * (o % half) + 1 + ((i + j + colour + 1) & 1)


@triton.jit
def moved(op, offset, MODE: tl.constexpr):
    """Return the operator of the volume that begins at `offset`."""
    cells, extra, table, n = op
    return cells + offset, extra + offset, table, n


@triton.jit
def face(op, AXIS: tl.constexpr, here, grain, other, at, ok, MODE: tl.constexpr):
    """Return the conductance between a cell of material `here` and its neighbour `other`; stored with cell `at`."""
    cells, extra, table, n = op
    if MODE == FACES:
        g = tl.load(cells + AXIS * n + at, mask=ok, other=0.0)
    else:
        beyond = tl.load(cells + other, mask=ok, other=0).to(tl.int32)
        if MODE == MASK:
            g = tl.load(table + (AXIS * 4 + 3)) * (here * beyond)
        else:
            g = tl.load(table + (AXIS * n + here) * n + beyond, mask=ok, other=0.0)
        if MODE == GRAINS:
            across = (here == beyond) & (grain != tl.load(extra + other, mask=ok, other=0))
            resistance = tl.load(table + 3 * n * n + n + AXIS * n + here, mask=ok, other=0.0)
            g = tl.where(across, g / (1 + g * resistance), g)
    return g


@triton.jit
def identity(op, c, ok, MODE: tl.constexpr):
    """Return material and grain of a cell, where the operator has them."""
    cells, extra, _table, _n = op
    here = c
    grain = c
    if MODE != FACES:
        here = tl.load(cells + c, mask=ok, other=0).to(tl.int32)
    if MODE == GRAINS:
        grain = tl.load(extra + c, mask=ok, other=0)
    return here, grain


@triton.jit
def face_after(op, AXIS: tl.constexpr, c, step, ok, MODE: tl.constexpr):
    """Return the conductance between cell c and its successor along an axis, `step` further on."""
    here, grain = identity(op, c, ok, MODE)
    return face(op, AXIS, here, grain, c + step, c, ok, MODE)


@triton.jit
def plate(op, here, ok, MODE: tl.constexpr):
    """Return the conductance from a cell's centre to a plate it lies at."""
    _cells, _extra, table, n = op
    return tl.load(table + 3 * n * n + here, mask=ok, other=0.0)


@triton.jit
def finer(x, coarse, c, i, j, k, ok, PROLONG: tl.constexpr):
    """Return x at a cell, plus the value of the coarse cell it is in if `PROLONG`."""
    value = tl.load(x + c, mask=ok, other=0.0)
    if PROLONG:
        cx, fx, fy, fz, sx, sy = coarse
        inside = ((i + fx - 1) // fx) * sx + ((j + fy - 1) // fy) * sy + (k + fz - 1) // fz
        value += tl.load(cx + inside, mask=ok, other=0.0)
    return value


@triton.jit
def stencil(op, x, coarse, c, i, j, k, nx, sx, sy, ok, MODE: tl.constexpr, PLATES: tl.constexpr, PROLONG: tl.constexpr):
    """Return Σ g x over the six neighbours of cell c = (i, j, k), and 1/diagonal, 0 where nothing conducts.

    `sx`, `sy` are the strides of the first two axes. ``PLATES``: the first and last layer lie at plates.
    """
    here, grain = identity(op, c, ok, MODE)
    g = face(op, 0, here, grain, c - sx, c - sx, ok, MODE)
    total, diagonal = g * finer(x, coarse, c - sx, i - 1, j, k, ok, PROLONG), g
    g = face(op, 0, here, grain, c + sx, c, ok, MODE)
    total, diagonal = total + g * finer(x, coarse, c + sx, i + 1, j, k, ok, PROLONG), diagonal + g
    g = face(op, 1, here, grain, c - sy, c - sy, ok, MODE)
    total, diagonal = total + g * finer(x, coarse, c - sy, i, j - 1, k, ok, PROLONG), diagonal + g
    g = face(op, 1, here, grain, c + sy, c, ok, MODE)
    total, diagonal = total + g * finer(x, coarse, c + sy, i, j + 1, k, ok, PROLONG), diagonal + g
    g = face(op, 2, here, grain, c - 1, c - 1, ok, MODE)
    total, diagonal = total + g * finer(x, coarse, c - 1, i, j, k - 1, ok, PROLONG), diagonal + g
    g = face(op, 2, here, grain, c + 1, c, ok, MODE)
    total, diagonal = total + g * finer(x, coarse, c + 1, i, j, k + 1, ok, PROLONG), diagonal + g
    if MODE == FACES:
        _cells, extra, _table, _n = op
        inverse = tl.load(extra + c, mask=ok, other=0.0)
    else:
        if PLATES:
            ends = (i == 1).to(tl.int32) + (i == nx).to(tl.int32)
            diagonal += ends * plate(op, here, ok & (ends > 0), MODE)
        conducts = diagonal > 0
        inverse = tl.where(conducts, 1 / tl.where(conducts, diagonal, 1.0), 0.0)
    return total, inverse
