"""Triton kernels of the multigrid cycle: half a Gauss–Seidel sweep, transfer between levels, the periodic border.

Each works on a block of cells of one volume. ``*_block`` are their bodies, which the single-block cycle of the lowest
levels uses too. Volumes whose `state` says that they are done, or want no second visit of the coarse grid, are masked
out: they load and store nothing.
"""

from __future__ import annotations

import triton
import triton.language as tl

from .state import FIELDS, LIVE
from .stencil import FACES, coloured, finer, located, moved, stencil

__all__ = ["live", "prolong", "relax", "restrict", "wrap"]


@triton.jit
def live(state, volume, who):
    """Return 1 if the volume takes part, else 0: bounds of cells are multiplied by it."""
    return (tl.load(state + volume * FIELDS + LIVE) * tl.load(state + volume * FIELDS + who)).to(tl.int32)


@triton.jit
def relax_block(op, x, b, coarse, o, size, colour, on, MODE: tl.constexpr, PLATES: tl.constexpr, PROLONG: tl.constexpr):
    """x = (b + Σ g x)/diagonal for one colour; with `PROLONG`, neighbours count the coarse correction in.

    That saves the pass that adds the correction: the half sweep after it overwrites the other colour anyway.
    """
    nx, ny, nz = size
    sx, sy = (ny + 2) * (nz + 2), nz + 2
    i, j, k = coloured(o, ny, nz, colour)
    ok = (i <= nx * on) & (k <= nz)
    c = i * sx + j * sy + k
    total, inverse = stencil(op, x, coarse, c, i, j, k, nx, sx, sy, ok, MODE, PLATES, PROLONG)
    tl.store(x + c, inverse * (tl.load(b + c, mask=ok, other=0.0) + total), mask=ok)


@triton.jit(do_not_specialize=["colour", "who"])
def relax(
    state, op, x, b, cx, factors, size, colour, who,
    MODE: tl.constexpr, PLATES: tl.constexpr, PROLONG: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Half a sweep of Gauss–Seidel."""
    volume = tl.program_id(1).to(tl.int64)
    nx, ny, nz = size
    fx, fy, fz = factors
    cny, cnz = (ny + fy - 1) // fy + 2, (nz + fz - 1) // fz + 2
    coarse_cells = ((nx + fx - 1) // fx + 2) * cny * cnz
    begin = volume * ((nx + 2) * (ny + 2) * (nz + 2))
    coarse = (cx + volume * coarse_cells, fx, fy, fz, cny * cnz, cnz)
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    on = live(state, volume, who)
    relax_block(moved(op, begin, MODE), x + begin, b + begin, coarse, o, size, colour, on, MODE, PLATES, PROLONG)


@triton.jit
def restrict_block(op, x, b, inverses, cb, cx, o, size, factors, on, MODE: tl.constexpr, PLATES: tl.constexpr):
    """Sum the residual over the cells of each coarse cell, and begin there with half a sweep from zeros."""
    nx, ny, nz = size
    fx, fy, fz = factors
    sx, sy = (ny + 2) * (nz + 2), nz + 2
    cnx, cny, cnz = (nx + fx - 1) // fx, (ny + fy - 1) // fy, (nz + fz - 1) // fz
    ci, cj, ck = located(o, cny, cnz)
    there = ci <= cnx * on
    cc = ci * ((cny + 2) * (cnz + 2)) + cj * (cnz + 2) + ck
    start = tl.load(inverses + cc, mask=there, other=0.0)
    total = tl.zeros_like(start)
    for part in range(fx * fy * fz):
        i = fx * (ci - 1) + 1 + part // (fy * fz)
        j = fy * (cj - 1) + 1 + (part // fz) % fy
        k = fz * (ck - 1) + 1 + part % fz
        ok = there & (i <= nx) & (j <= ny) & (k <= nz)
        c = i * sx + j * sy + k
        sums, inverse = stencil(op, x, (x, fx, fy, fz, sx, sy), c, i, j, k, nx, sx, sy, ok, MODE, PLATES, False)
        held = ok & (inverse > 0)
        own = tl.load(x + c, mask=held, other=0.0) / tl.where(held, inverse, 1.0)
        total += tl.where(held, tl.load(b + c, mask=held, other=0.0) + sums - own, 0.0)
    tl.store(cb + cc, total, mask=there)
    tl.store(cx + cc, tl.where(((ci + cj + ck) & 1) == 0, start * total, 0.0), mask=there)


@triton.jit(do_not_specialize=["who"])
def restrict(
    state, op, x, b, inverses, cb, cx, factors, size, who,
    MODE: tl.constexpr, PLATES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Right-hand side and first half sweep of the next coarser level, whose 1/diagonal is `inverses`."""
    volume = tl.program_id(1).to(tl.int64)
    nx, ny, nz = size
    fx, fy, fz = factors
    begin = volume * ((nx + 2) * (ny + 2) * (nz + 2))
    c = volume * (((nx + fx - 1) // fx + 2) * ((ny + fy - 1) // fy + 2) * ((nz + fz - 1) // fz + 2))
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    on = live(state, volume, who)
    finest = moved(op, begin, MODE)
    restrict_block(finest, x + begin, b + begin, inverses + c, cb + c, cx + c, o, size, factors, on, MODE, PLATES)


@triton.jit
def prolong_block(op, x, cx, o, size, factors, on, MODE: tl.constexpr):
    """Add to each cell that conducts the value of the coarse cell it is in."""
    nx, ny, nz = size
    fx, fy, fz = factors
    i, j, k = located(o, ny, nz)
    ok = i <= nx * on
    c = i * ((ny + 2) * (nz + 2)) + j * (nz + 2) + k
    cells, extra, _table, _n = op
    if MODE == FACES:
        ok = ok & (tl.load(extra + c, mask=ok, other=0.0) > 0)
    else:
        ok = ok & (tl.load(cells + c, mask=ok, other=0) > 0)
    cny, cnz = (ny + fy - 1) // fy + 2, (nz + fz - 1) // fz + 2
    coarse = (cx, fx, fy, fz, cny * cnz, cnz)
    tl.store(x + c, finer(x, coarse, c, i, j, k, ok, True), mask=ok)


@triton.jit(do_not_specialize=["who"])
def prolong(state, op, x, cx, factors, size, who, MODE: tl.constexpr, BLOCK: tl.constexpr):
    """Add the coarse correction, where `relax` cannot count it in: at a periodic border."""
    volume = tl.program_id(1).to(tl.int64)
    nx, ny, nz = size
    fx, fy, fz = factors
    begin = volume * ((nx + 2) * (ny + 2) * (nz + 2))
    c = volume * (((nx + fx - 1) // fx + 2) * ((ny + fy - 1) // fy + 2) * ((nz + fz - 1) // fz + 2))
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    prolong_block(moved(op, begin, MODE), x + begin, cx + c, o, size, factors, live(state, volume, who), MODE)


@triton.jit
def wrap_pair(x, low, step, n, ok):
    """Copy the last cell along an axis below the first, and the first above the last."""
    tl.store(x + low, tl.load(x + low + step * n, mask=ok, other=0.0), mask=ok)
    tl.store(x + low + step * (n + 1), tl.load(x + low + step, mask=ok, other=0.0), mask=ok)


@triton.jit
def wrap_block(x, o, size, on, PERIODIC: tl.constexpr):
    """Fill the border along periodic axes; bit a of `PERIODIC` is axis a. Edges are never looked up."""
    nx, ny, nz = size
    sx, sy = (ny + 2) * (nz + 2), nz + 2
    if PERIODIC & 1:
        wrap_pair(x, (o // nz + 1) * sy + o % nz + 1, sx, nx, o < ny * nz * on)
    if PERIODIC & 2:
        wrap_pair(x, (o // nz + 1) * sx + o % nz + 1, sy, ny, o < nx * nz * on)
    if PERIODIC & 4:
        wrap_pair(x, (o // ny + 1) * sx + (o % ny + 1) * sy, 1, nz, o < nx * ny * on)


@triton.jit(do_not_specialize=["who"])
def wrap(state, x, size, who, PERIODIC: tl.constexpr, BLOCK: tl.constexpr):
    """Fill the border along periodic axes."""
    volume = tl.program_id(1).to(tl.int64)
    nx, ny, nz = size
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    wrap_block(x + volume * ((nx + 2) * (ny + 2) * (nz + 2)), o, size, live(state, volume, who), PERIODIC)
