"""Triton kernels of the coarse levels: their conductances, and the cycle over the lowest of them in one block."""

from __future__ import annotations

import triton
import triton.language as tl

from .smoothing import live, prolong_block, relax_block, restrict_block, wrap_block
from .stencil import FACES, face_after, moved

__all__ = ["bottom_cycle", "galerkin", "invert"]


@triton.jit
def summed(op, AXIS: tl.constexpr, i, j, k, parts, size, ok, MODE: tl.constexpr):
    """Return the sum of the faces from (i, j, k) on along the two other axes, `parts` of them along each axis."""
    nx, ny, nz = size
    px, py, pz = parts
    sx, sy = (ny + 2) * (nz + 2), nz + 2
    step = sx if AXIS == 0 else (sy if AXIS == 1 else 1)
    c = i * sx + j * sy + k
    total = face_after(op, AXIS, c, step, ok & (i < 0), MODE)
    for part in range(px * py * pz):
        di, dj, dk = part // (py * pz), (part // pz) % py, part % pz
        inside = ok & (i + di <= nx) & (j + dj <= ny) & (k + dk <= nz)
        total += face_after(op, AXIS, c + di * sx + dj * sy + dk, step, inside, MODE)
    return total


@triton.jit
def galerkin(op, g, stride, factors, size, MODE: tl.constexpr, BLOCK: tl.constexpr):
    """Conductances g (3, volumes, ...) of the next coarser level, see :mod:`ionscreen.pipeline.coarsening`."""
    volume = tl.program_id(1).to(tl.int64)
    nx, ny, nz = size
    fx, fy, fz = factors
    cnx, cny, cnz = (nx + fx - 1) // fx, (ny + fy - 1) // fy, (nz + fz - 1) // fz
    mine = moved(op, volume * ((nx + 2) * (ny + 2) * (nz + 2)), MODE)
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row = o // (cnz + 1)
    ci, cj, ck = row // (cny + 1), row % (cny + 1), o % (cnz + 1)
    there = ci <= cnx
    # The coarse face beyond cell I is the fine one beyond cell f I, or the last.
    i, j, k = fx * (ci - 1) + 1, fy * (cj - 1) + 1, fz * (ck - 1) + 1
    fi, fj, fk = tl.minimum(fx * ci, nx), tl.minimum(fy * cj, ny), tl.minimum(fz * ck, nz)
    along_x = summed(mine, 0, fi, j, k, (1, fy, fz), size, there & (cj > 0) & (ck > 0), MODE) / fx
    along_y = summed(mine, 1, i, fj, k, (fx, 1, fz), size, there & (ci > 0) & (ck > 0), MODE) / fy
    along_z = summed(mine, 2, i, j, fk, (fx, fy, 1), size, there & (ci > 0) & (cj > 0), MODE) / fz
    at = g + volume * ((cnx + 2) * (cny + 2) * (cnz + 2)) + (ci * ((cny + 2) * (cnz + 2)) + cj * (cnz + 2) + ck)
    tl.store(at, along_x, mask=there)
    tl.store(at + stride, along_y, mask=there)
    tl.store(at + stride + stride, along_z, mask=there)


@triton.jit
def invert(op, inverse, plates, size, BLOCK: tl.constexpr):
    """1/diagonal, 0 where nothing conducts; `plates` (volumes, 2, ny+2, nz+2)."""
    volume = tl.program_id(1).to(tl.int64)
    nx, ny, nz = size
    sx, sy = (ny + 2) * (nz + 2), nz + 2
    begin = volume * ((nx + 2) * sx)
    mine = moved(op, begin, FACES)
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row = o // nz
    i, j, k = row // ny + 1, row % ny + 1, o % nz + 1
    ok = i <= nx
    c = i * sx + j * sy + k
    diagonal = face_after(mine, 0, c, sx, ok, FACES) + face_after(mine, 0, c - sx, sx, ok, FACES)
    diagonal += face_after(mine, 1, c, sy, ok, FACES) + face_after(mine, 1, c - sy, sy, ok, FACES)
    diagonal += face_after(mine, 2, c, 1, ok, FACES) + face_after(mine, 2, c - 1, 1, ok, FACES)
    at = plates + volume * (2 * sx) + j * sy + k
    diagonal += tl.load(at, mask=ok & (i == 1), other=0.0) + tl.load(at + sx, mask=ok & (i == nx), other=0.0)
    conducts = diagonal > 0
    tl.store(inverse + begin + c, tl.where(conducts, 1 / tl.where(conducts, diagonal, 1.0), 0.0), mask=ok)


@triton.jit
def level_of(levels, level, volumes, volume):
    """Return size, factors to the next level, and where the volume begins in the flat arrays."""
    at = levels + level * 7
    nx, ny, nz = tl.load(at), tl.load(at + 1), tl.load(at + 2)
    begin = tl.load(at + 6).to(tl.int64) * volumes + volume * ((nx + 2) * (ny + 2) * (nz + 2))
    return (nx, ny, nz), (tl.load(at + 3), tl.load(at + 4), tl.load(at + 5)), begin


@triton.jit
def half_sweep(op, x, b, coarse, size, colour, on, PERIODIC: tl.constexpr, PROLONG: tl.constexpr, BLOCK: tl.constexpr):
    """Half a Gauss–Seidel sweep of a whole level, and its periodic border."""
    nx, ny, nz = size
    for first in range(0, nx * ny * ((nz + 1) // 2), BLOCK):
        o = first + tl.arange(0, BLOCK)
        relax_block(op, x, b, coarse, o, size, colour, on, FACES, False, PROLONG)
    tl.debug_barrier()
    whole_wrap(x, size, on, PERIODIC, BLOCK)


@triton.jit
def whole_wrap(x, size, on, PERIODIC: tl.constexpr, BLOCK: tl.constexpr):
    """Fill a level's periodic border."""
    if PERIODIC:
        nx, ny, nz = size
        for first in range(0, tl.maximum(ny * nz, tl.maximum(nx * nz, nx * ny)), BLOCK):
            wrap_block(x, first + tl.arange(0, BLOCK), size, on, PERIODIC)
        tl.debug_barrier()


@triton.jit
def solve_bottom(bottom, x, b, size, on, CELLS: tl.constexpr):
    """x = bottom b, for the few cells of the coarsest level."""
    nx, ny, nz = size
    count = nx * ny * nz
    column = tl.arange(0, CELLS)
    at = (column // (ny * nz) + 1) * ((ny + 2) * (nz + 2)) + (column // nz % ny + 1) * (nz + 2) + column % nz + 1
    ok = column < count * on
    right = tl.load(b + at, mask=ok, other=0.0)
    both = ok[:, None] & ok[None, :]
    matrix = tl.load(bottom + column[:, None] * count + column[None, :], mask=both, other=0.0)
    tl.store(x + at, tl.sum(matrix * right[None, :], axis=1), mask=ok)
    tl.debug_barrier()


@triton.jit(do_not_specialize=["volumes", "first", "last", "who", "fresh"])
def bottom_cycle(
    state, g, inverses, x, b, bottom, levels, stride, volumes, first, last, who, fresh,
    PERIODIC: tl.constexpr, CELLS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """A V-cycle over levels `first` to `last`, one block per volume.

    `levels` (·, 7): size, factors, offset. A `fresh` first level begins where `restrict` has left it. Barriers of the
    block order what its threads write and read. Half sweeps are loops so that the compiler sees each only once.
    """
    volume = tl.program_id(0).to(tl.int64)
    on = live(state, volume, who)
    for level in range(first, last):
        size, factors, at = level_of(levels, level, volumes, volume)
        coarser, _unused, below = level_of(levels, level + 1, volumes, volume)
        op = (g + at, inverses + at, g, stride)
        none = (x + at, 1, 1, 1, 1, 1)
        whole_wrap(x + at, size, on, PERIODIC, BLOCK)
        for half in range(tl.where(level > first, 1, fresh), 4):
            half_sweep(op, x + at, b + at, none, size, half & 1, on, PERIODIC, False, BLOCK)
        cnx, cny, cnz = coarser
        for begin in range(0, cnx * cny * cnz, BLOCK):
            o = begin + tl.arange(0, BLOCK)
            restrict_block(
                op, x + at, b + at, inverses + below, b + below, x + below, o, size, factors, on, FACES, False
            )
        tl.debug_barrier()
    coarsest, _factors, at = level_of(levels, last, volumes, volume)
    cells = coarsest[0] * coarsest[1] * coarsest[2]
    solve_bottom(bottom + volume * cells * cells, x + at, b + at, coarsest, on, CELLS)
    whole_wrap(x + at, coarsest, on, PERIODIC, BLOCK)
    for up in range(first, last):
        level = first + last - 1 - up
        size, factors, at = level_of(levels, level, volumes, volume)
        coarser, _unused, below = level_of(levels, level + 1, volumes, volume)
        op = (g + at, inverses + at, g, stride)
        fx, fy, fz = factors
        cnx, cny, cnz = coarser
        coarse = (x + below, fx, fy, fz, (cny + 2) * (cnz + 2), cnz + 2)
        if PERIODIC:
            nx, ny, nz = size
            for begin in range(0, nx * ny * nz, BLOCK):
                prolong_block(op, x + at, x + below, begin + tl.arange(0, BLOCK), size, factors, on, FACES)
            tl.debug_barrier()
            whole_wrap(x + at, size, on, PERIODIC, BLOCK)
            half_sweep(op, x + at, b + at, coarse, size, 1, on, PERIODIC, False, BLOCK)
        else:
            half_sweep(op, x + at, b + at, coarse, size, 1, on, PERIODIC, True, BLOCK)
        for half in range(3):
            half_sweep(op, x + at, b + at, coarse, size, half & 1, on, PERIODIC, False, BLOCK)
