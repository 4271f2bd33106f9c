"""Triton kernels of conjugate gradients: dot products in double precision, updates, the residual and the energy.

Sums are taken in two stages: each of at most `PARTIALS` blocks adds up its share of a volume, the kernels of
:mod:`~ionscreen.pipeline.gpu.state` add up those. The order is fixed, so results repeat.
"""

from __future__ import annotations

import triton
import triton.language as tl

from .smoothing import live
from .state import ALPHA, BETA, FIELDS, LIVE, MOVES
from .stencil import face_after, identity, located, moved, plate, stencil

__all__ = ["PARTIALS", "currents", "curvature", "direction", "dot", "energy", "residual", "update"]

PARTIALS = 2048


@triton.jit
def dot(state, x, y, partial, size, BLOCK: tl.constexpr):
    """Partial sums of x·y."""
    volume = tl.program_id(1).to(tl.int64)
    nx, ny, nz = size
    sx, sy = (ny + 2) * (nz + 2), nz + 2
    begin = volume * ((nx + 2) * sx)
    on = live(state, volume, LIVE)
    total = tl.zeros((BLOCK,), tl.float64)
    for first in range(tl.program_id(0) * BLOCK, nx * ny * nz, tl.num_programs(0) * BLOCK):
        i, j, k = located(first + tl.arange(0, BLOCK), ny, nz)
        ok = i <= nx * on
        c = begin + (i * sx + j * sy + k)
        total += tl.load(x + c, mask=ok, other=0.0).to(tl.float64) * tl.load(y + c, mask=ok, other=0.0).to(tl.float64)
    tl.store(partial + volume * tl.num_programs(0) + tl.program_id(0), tl.sum(total, axis=0))


@triton.jit
def direction(state, z, p, size, BLOCK: tl.constexpr):
    """p = z + β p."""
    volume = tl.program_id(1).to(tl.int64)
    nx, ny, nz = size
    sx, sy = (ny + 2) * (nz + 2), nz + 2
    i, j, k = located(tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), ny, nz)
    ok = i <= nx * live(state, volume, MOVES)
    c = volume * ((nx + 2) * sx) + (i * sx + j * sy + k)
    p_before = tl.load(p + c, mask=ok, other=0.0)
    beta = tl.load(state + volume * FIELDS + BETA).to(p_before.dtype)
    tl.store(p + c, tl.load(z + c, mask=ok, other=0.0) + beta * p_before, mask=ok)


@triton.jit
def applied(op, p, c, i, j, k, nx, sx, sy, ok, MODE: tl.constexpr, PLATES: tl.constexpr):
    """Return A p, p and 1/diagonal at cell c."""
    sums, inverse = stencil(op, p, (p, 1, 1, 1, sx, sy), c, i, j, k, nx, sx, sy, ok, MODE, PLATES, False)
    held = ok & (inverse > 0)
    own = tl.load(p + c, mask=held, other=0.0)
    return tl.where(held, own / tl.where(held, inverse, 1.0) - sums, 0.0), own, inverse


@triton.jit
def curvature(state, op, p, partial, size, MODE: tl.constexpr, PLATES: tl.constexpr, BLOCK: tl.constexpr):
    """Partial sums of p·A p."""
    volume = tl.program_id(1).to(tl.int64)
    nx, ny, nz = size
    sx, sy = (ny + 2) * (nz + 2), nz + 2
    begin = volume * ((nx + 2) * sx)
    mine = moved(op, begin, MODE)
    on = live(state, volume, MOVES)
    total = tl.zeros((BLOCK,), tl.float64)
    for first in range(tl.program_id(0) * BLOCK, nx * ny * nz, tl.num_programs(0) * BLOCK):
        i, j, k = located(first + tl.arange(0, BLOCK), ny, nz)
        ok = i <= nx * on
        c = i * sx + j * sy + k
        q, own, _inverse = applied(mine, p + begin, c, i, j, k, nx, sx, sy, ok, MODE, PLATES)
        total += q.to(tl.float64) * own.to(tl.float64)
    tl.store(partial + volume * tl.num_programs(0) + tl.program_id(0), tl.sum(total, axis=0))


@triton.jit
def update(state, op, p, x, r, z, size, MODE: tl.constexpr, PLATES: tl.constexpr, BLOCK: tl.constexpr):
    """x += α p, r -= α A p, and in z the next cycle's first half sweep from zeros."""
    volume = tl.program_id(1).to(tl.int64)
    nx, ny, nz = size
    sx, sy = (ny + 2) * (nz + 2), nz + 2
    begin = volume * ((nx + 2) * sx)
    i, j, k = located(tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), ny, nz)
    # Also a volume that goes on without having moved (its cycle was indefinite) needs z to start from.
    on = tl.maximum(tl.load(state + volume * FIELDS + LIVE), tl.load(state + volume * FIELDS + MOVES)).to(tl.int32)
    ok = i <= nx * on
    c = i * sx + j * sy + k
    q, own, inverse = applied(moved(op, begin, MODE), p + begin, c, i, j, k, nx, sx, sy, ok, MODE, PLATES)
    alpha = tl.load(state + volume * FIELDS + ALPHA).to(q.dtype)
    c += begin
    tl.store(x + c, tl.load(x + c, mask=ok, other=0.0) + alpha * own, mask=ok)
    left = tl.load(r + c, mask=ok, other=0.0) - alpha * q
    tl.store(r + c, left, mask=ok)
    tl.store(z + c, tl.where(((i + j + k) & 1) == 0, inverse * left, 0.0), mask=ok)


@triton.jit
def residual(op, x, r, z, size, MODE: tl.constexpr, PLATES: tl.constexpr, BLOCK: tl.constexpr):
    """r = b - A x with potential 1 on the first plate and 0 on the second, and z as in `update`; x has its border.

    Differences of neighbours, not the diagonal times x, are summed in double precision: x is of order 1, its
    differences are not.
    """
    volume = tl.program_id(1).to(tl.int64)
    nx, ny, nz = size
    sx, sy = (ny + 2) * (nz + 2), nz + 2
    begin = volume * ((nx + 2) * sx)
    i, j, k = located(tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), ny, nz)
    ok = i <= nx
    c = i * sx + j * sy + k
    mine = moved(op, begin, MODE)
    v = tl.load(x + begin + c, mask=ok, other=0.0).to(tl.float64)
    total = tl.zeros_like(v)
    for down in tl.static_range(2):
        total += drop(mine, x + begin, v, 0, c - down * sx, sx, down, ok, MODE)
        total += drop(mine, x + begin, v, 1, c - down * sy, sy, down, ok, MODE)
        total += drop(mine, x + begin, v, 2, c - down, 1, down, ok, MODE)
    if PLATES:
        here, _grain = identity(mine, c, ok, MODE)
        g = plate(mine, here, ok, MODE)
        total += tl.where(i == 1, g * (1 - v), 0.0) - tl.where(i == nx, g * v, 0.0)
    _unused, inverse = stencil(mine, x + begin, (x, 1, 1, 1, sx, sy), c, i, j, k, nx, sx, sy, ok, MODE, PLATES, False)
    left = tl.where(inverse > 0, total, 0.0).to(inverse.dtype)
    tl.store(r + begin + c, left, mask=ok)
    tl.store(z + begin + c, tl.where(((i + j + k) & 1) == 0, inverse * left, 0.0), mask=ok)


@triton.jit
def drop(op, x, v, AXIS: tl.constexpr, at, step, down, ok, MODE: tl.constexpr):
    """Return what flows into a cell of potential v through the face stored with cell `at`, itself or the one before."""
    g = face_after(op, AXIS, at, step, ok, MODE)
    return g * (tl.load(x + at + (1 - down) * step, mask=ok, other=0.0).to(tl.float64) - v)


@triton.jit
def energy(op, x, y, partial, size, MODE: tl.constexpr, PLATES: tl.constexpr, BLOCK: tl.constexpr):
    """Partial sums (volumes, blocks, 3) of Σ g Δx Δy, and of the flux of x in and out through the plates."""
    volume = tl.program_id(1).to(tl.int64)
    nx, ny, nz = size
    sx, sy = (ny + 2) * (nz + 2), nz + 2
    begin = volume * ((nx + 2) * sx)
    mine = moved(op, begin, MODE)
    x += begin
    y += begin
    total, inlet, outlet = (
        tl.zeros((BLOCK,), tl.float64),
        tl.zeros((BLOCK,), tl.float64),
        tl.zeros((BLOCK,), tl.float64),
    )
    for first in range(tl.program_id(0) * BLOCK, nx * ny * nz, tl.num_programs(0) * BLOCK):
        i, j, k = located(first + tl.arange(0, BLOCK), ny, nz)
        ok = i <= nx
        c = i * sx + j * sy + k
        total += product(mine, x, y, 0, c, sx, ok, MODE)
        total += product(mine, x, y, 1, c, sy, ok, MODE)
        total += product(mine, x, y, 2, c, 1, ok, MODE)
        if PLATES:
            here, _grain = identity(mine, c, ok, MODE)
            g = plate(mine, here, ok, MODE)
            v = tl.load(x + c, mask=ok, other=0.0).to(tl.float64)
            w = tl.load(y + c, mask=ok, other=0.0).to(tl.float64)
            first_layer, last_layer = tl.where(i == 1, g, 0.0), tl.where(i == nx, g, 0.0)
            total += first_layer * (1 - v) * (1 - w) + last_layer * v * w
            inlet += first_layer * (1 - v)
            outlet += last_layer * v
    at = partial + 3 * (volume * tl.num_programs(0) + tl.program_id(0))
    tl.store(at, tl.sum(total, axis=0))
    tl.store(at + 1, tl.sum(inlet, axis=0))
    tl.store(at + 2, tl.sum(outlet, axis=0))


@triton.jit
def product(op, x, y, AXIS: tl.constexpr, c, step, ok, MODE: tl.constexpr):
    """Return g Δx Δy across the face between cell c and its successor."""
    g = face_after(op, AXIS, c, step, ok, MODE)
    dx = tl.load(x + c, mask=ok, other=0.0).to(tl.float64) - tl.load(x + c + step, mask=ok, other=0.0)
    dy = tl.load(y + c, mask=ok, other=0.0).to(tl.float64) - tl.load(y + c + step, mask=ok, other=0.0)
    return g * dx * dy


@triton.jit
def currents(op, x, out, size, MODE: tl.constexpr, PLATES: tl.constexpr, BLOCK: tl.constexpr):
    """Write (volumes, 3, nx, ny, nz): conductance times drop to the next cell, or to the last plate."""
    volume = tl.program_id(1).to(tl.int64)
    nx, ny, nz = size
    sx, sy = (ny + 2) * (nz + 2), nz + 2
    cells = nx * ny * nz
    begin = volume * ((nx + 2) * sx)
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    i, j, k = located(o, ny, nz)
    ok = i <= nx
    c = i * sx + j * sy + k
    mine = moved(op, begin, MODE)
    v = tl.load(x + begin + c, mask=ok, other=0.0)
    along_x = face_after(mine, 0, c, sx, ok, MODE) * (v - tl.load(x + begin + c + sx, mask=ok, other=0.0))
    if PLATES:
        here, _grain = identity(mine, c, ok, MODE)
        along_x += tl.where(i == nx, plate(mine, here, ok, MODE) * v, 0.0)
    along_y = face_after(mine, 1, c, sy, ok, MODE) * (v - tl.load(x + begin + c + sy, mask=ok, other=0.0))
    along_z = face_after(mine, 2, c, 1, ok, MODE) * (v - tl.load(x + begin + c + 1, mask=ok, other=0.0))
    at = out + 3 * volume * cells + o
    tl.store(at, along_x, mask=ok)
    tl.store(at + cells, along_y, mask=ok)
    tl.store(at + cells + cells, along_z, mask=ok)
