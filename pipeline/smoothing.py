"""Compiled smoothing: red-black Gauss–Seidel with the transfer to and from the next coarser level in the same pass.

All stages of a smoothing run through the box together, each one plane behind the one before it, so that what one stage
wrote is still in the cache when the next needs it. Threads work on blocks of planes: first on what each can do without
its neighbours, a span that gets narrower by one plane a stage on either side, then on the gaps between these spans,
which get wider. Every cell goes through the same operations as if one stage followed the other over the whole box, so
results depend neither on the blocks nor on the number of threads.
"""

from __future__ import annotations

import numba
import numpy as np

from .kernels import PIECE, flat, neighbours, serial, threaded, wrap_plane

__all__ = ["AFTER", "BEFORE", "BEFORE_FRESH", "smooth"]

BEFORE, BEFORE_FRESH, AFTER = 0, 1, 2

SWEEPS = 2
STAGES = 2 * SWEEPS + 1  # half sweeps, and the transfer
STILL = np.zeros(3)  # no jump of a correction across the periodic border
# Below this, starting threads costs more than they save.
THREADED_CELLS = 30_000
# Planes of a block, at least; even, so that the planes joined to one coarse plane are never torn apart.
BLOCK = 4 * STAGES


@serial
def _start(inverse, b, colour, x):  # type: ignore[no-untyped-def]
    for k in range(x.shape[0]):
        x[k] = colour[k] * (inverse[k] * b[k])


@serial
def _relax(inverse, b, colour, sums, x):  # type: ignore[no-untyped-def]
    for k in range(x.shape[0]):
        x[k] += colour[k] * (inverse[k] * (b[k] + sums[k]) - x[k])


@serial
def _relax_plane(operator, x, b, i, colour, fresh, buffer):  # type: ignore[no-untyped-def]
    """Gauss–Seidel for the cells of one colour of plane i; from 0 if `fresh`.

    Cells of one colour are no neighbours, so the sums over neighbours may all be taken first.
    """
    row, plane = x.shape[2], x.shape[1] * x.shape[2]
    inverses, bs, xs, mask = flat(operator[4]), flat(b), flat(x), operator[5][(i + colour) & 1]
    for begin in range(row, plane - row, PIECE):
        n = min(PIECE, plane - row - begin)
        at = i * plane + begin
        if fresh:
            _start(inverses[at : at + n], bs[at : at + n], mask[begin : begin + n], xs[at : at + n])
        else:
            sums = buffer[:n]
            neighbours(operator, x, at, sums)
            _relax(inverses[at : at + n], bs[at : at + n], mask[begin : begin + n], sums, xs[at : at + n])


@serial
def _add_residual(x, b, inverse, sums, total):  # type: ignore[no-untyped-def]
    for k in range(x.shape[0]):
        total[k] += b[k] + sums[k] - x[k] / inverse[k] if inverse[k] > 0 else 0


@serial
def _restrict_plane(operator, x, b, coarse_b, i, factors, buffer, total):  # type: ignore[no-untyped-def]
    """Sum the residual b - A x over the cells that each coarse cell joins, for the coarse plane whose last one is i."""
    fx, fy, fz = factors
    ci, row, plane = (i + fx - 1) // fx, x.shape[2], x.shape[1] * x.shape[2]
    inverses, bs, xs = flat(operator[4]), flat(b), flat(x)
    total[:] = 0
    for each in range(fx * (ci - 1) + 1, i + 1):
        for begin in range(row, plane - row, PIECE):
            n = min(PIECE, plane - row - begin)
            at, sums = each * plane + begin, buffer[:n]
            neighbours(operator, x, at, sums)
            _add_residual(xs[at : at + n], bs[at : at + n], inverses[at : at + n], sums, total[begin : begin + n])
    coarse_b[ci] = 0
    rows = total.reshape((x.shape[1], row))
    for cj in range(1, coarse_b.shape[1] - 1):
        first, last = fy * (cj - 1) + 1, min(fy * cj, x.shape[1] - 2)
        if last > first:
            _add(rows[last], rows[first])
        _sum_row(rows[first], fz, coarse_b[ci, cj])


@serial
def _add(x, total):  # type: ignore[no-untyped-def]
    for k in range(x.shape[0]):
        total[k] += x[k]


@serial
def _sum_row(fine, factor, coarse):  # type: ignore[no-untyped-def]
    if factor == 1:
        coarse[1:-1] = fine[1:-1]
        return
    fine[-1] = 0  # an odd last cell is joined with nothing
    for ck in range(1, coarse.shape[0] - 1):
        coarse[ck] = fine[2 * ck - 1] + fine[2 * ck]


@serial
def _prolong_plane(operator, x, coarse_x, i, factors, spread):  # type: ignore[no-untyped-def]
    """Add to each cell of plane i the value of the coarse cell it is in."""
    fx, fy, fz = factors
    inverse, ci = operator[4], (i + fx - 1) // fx
    row = spread[: x.shape[2]]
    row[:] = 0
    for cj in range(1, coarse_x.shape[1] - 1):
        _spread_row(coarse_x[ci, cj], fz, row)
        for j in range(fy * (cj - 1) + 1, min(fy * cj, x.shape[1] - 2) + 1):
            _add_row(inverse[i, j], row, x[i, j])


@serial
def _spread_row(coarse, factor, row):  # type: ignore[no-untyped-def]
    if factor == 1:
        row[:] = coarse
        return
    for ck in range(1, coarse.shape[0] - 1):
        row[2 * ck - 1] = coarse[ck]
        row[2 * ck] = coarse[ck]


@serial
def _add_row(inverse, row, x):  # type: ignore[no-untyped-def]
    for k in range(x.shape[0]):
        x[k] += row[k] if inverse[k] > 0 else 0


@serial
def _run(operator, x, b, coarse, factors, periodic, span):  # type: ignore[no-untyped-def]
    """Run some stages over some planes, each stage one plane behind the one before it.

    `span` (7,) is way, first, end, low, low_step, high, high_step. The way is BEFORE or BEFORE_FRESH the coarse
    correction, from x or from 0, or AFTER it. The stages are `first` to `end`; the one that is s later than the first
    works on the planes from low + s·low_step to high + s·high_step.
    """
    way, first, end, low, low_step, high, high_step = span
    buffer, total = np.empty(PIECE, x.dtype), np.empty(x.shape[1] * x.shape[2], x.dtype)
    count = end - first
    for front in range(low + min(0, (count - 1) * (low_step + 1)), high + max(0, (count - 1) * (high_step + 1))):
        for step in range(count):
            i, stage = front - step, first + step
            if not low + step * low_step <= i < high + step * high_step:
                continue
            if way == AFTER and stage == 0:
                _prolong_plane(operator, x, coarse, i, factors, total)
            elif way == AFTER or stage < STAGES - 1:
                _relax_plane(operator, x, b, i, stage & 1, way == BEFORE_FRESH and stage == 0, buffer)
            elif i % factors[0] == 0 or i == x.shape[0] - 2:
                _restrict_plane(operator, x, b, coarse, i, factors, buffer, total)
            wrap_plane(x, i, periodic, STILL)


@serial
def _blocks(planes, blocks, step):  # type: ignore[no-untyped-def]
    """Return the spans of the blocks, (blocks, 7), narrower by `step` a stage; all begin with an odd plane."""
    spans = np.zeros((blocks, 7), np.int64)
    spans[:, 2] = STAGES
    for n in range(blocks):
        spans[n, 3], spans[n, 5] = 1 + planes * n // blocks // 2 * 2, 1 + planes
        if n > 0:
            spans[n, 4], spans[n - 1, 5], spans[n - 1, 6] = step, spans[n, 3], -step
    return spans


@serial
def _gaps(spans):  # type: ignore[no-untyped-def]
    """Return the spans between those of the blocks, (blocks - 1, 7)."""
    gaps = spans[:-1].copy()
    gaps[:, 3], gaps[:, 4], gaps[:, 6] = gaps[:, 5], -1, 1
    return gaps


@threaded
def _run_threaded(operator, x, b, coarse, factors, periodic, spans):  # type: ignore[no-untyped-def]
    for n in numba.prange(spans.shape[0]):
        _run(operator, x, b, coarse, factors, periodic, spans[n])


@serial
def smooth(operator, x, b, coarse, factors, periodic, way, threads):  # type: ignore[no-untyped-def]
    """Smooth x and restrict the residual to the vector `coarse` of the next level, or prolong `coarse` and smooth.

    BEFORE the coarse correction colours 0 1 0 1 are relaxed, or BEFORE_FRESH, as if x were 0 at first; AFTER it
    1 0 1 0, the mirror image. The border of x is filled afterwards.
    """
    planes = x.shape[0] - 2
    blocks = max(1, min(planes // BLOCK, 2 * threads)) if threads > 1 and x.size >= THREADED_CELLS else 1
    spans = _blocks(planes, blocks, 0 if periodic[0] else 1)
    spans[:, 0] = way
    gaps = _gaps(spans)
    # What the last plane gets must reach the first before the next stage: around axis 0, one stage after the other.
    for stage in range(STAGES if periodic[0] else 1):
        if periodic[0]:
            spans[:, 1], spans[:, 2] = stage, stage + 1
        if blocks > 1:
            _run_threaded(operator, x, b, coarse, factors, periodic, spans)
        else:
            _run(operator, x, b, coarse, factors, periodic, spans[0])
        if periodic[0]:
            x[0], x[-1] = x[-2], x[1]
    if blocks > 1 and not periodic[0]:
        _run_threaded(operator, x, b, coarse, factors, periodic, gaps)
