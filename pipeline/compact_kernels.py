"""Compiled kernels of what is left of a sparse structure once its insulator is left out: a list of cells, not a box.

A level has n cells, those of colour 0 first. Its operator is the tuple ``(first, index, g, weights, inverse, reds)``.
On the voxels, ``index`` (6 n,) holds the numbers of the neighbours of each cell, low and high along each axis, n where
there is none; ``first`` and ``g`` are empty, and all faces normal to an axis conduct ``weights`` (3,). On coarser
levels cell c has the neighbours ``index[first[c]:first[c + 1]]``, and ``g`` holds the conductances between.
``inverse`` is 1/diagonal (n,), ``reds`` how many cells have colour 0. Vectors are (n + 1,) and end with a 0, which a
missing neighbour reads. Cells of one colour are no neighbours of each other, so each half sweep works through one half
of the list. Results do not depend on the number of threads, not even their last bits: each loop runs over parts of
PART cells whatever their number, and sums are taken in order.
"""

from __future__ import annotations

import numba
import numpy as np

from .kernels import serial, threaded

__all__ = [
    "advance",
    "apply",
    "coarsen",
    "cycle",
    "dot",
    "energy",
    "group",
    "join",
    "number",
    "residual",
    "turn",
]

SWEEPS = 2
PIECE = 1024  # cells whose sums stay in the cache
PART = 16_384  # cells of a thread's share: less does not repay starting it


@serial
def _sums(operator, x, begin, end, out):  # type: ignore[no-untyped-def]
    """Write Σ conductance × neighbour of the cells `begin` to `end` into `out`, from 0 on."""
    first, index, g, weights = operator[0], operator[1], operator[2], operator[3]
    if first.size == 0:
        wx, wy, wz = weights
        for c in range(begin, end):
            at = 6 * c
            west_east, south_north = x[index[at]] + x[index[at + 1]], x[index[at + 2]] + x[index[at + 3]]
            low_high = x[index[at + 4]] + x[index[at + 5]]
            out[c - begin] = wx * west_east + wy * south_north + wz * low_high
    else:
        for c in range(begin, end):
            total = out.dtype.type(0)
            for at in range(first[c], first[c + 1]):
                total += g[at] * x[index[at]]
            out[c - begin] = total


@serial
def _relax_part(operator, x, b, begin, end):  # type: ignore[no-untyped-def]
    inverse, sums = operator[4], np.empty(PIECE, x.dtype)
    for piece in range(begin, end, PIECE):
        n = min(PIECE, end - piece)
        _sums(operator, x, piece, piece + n, sums)
        for c in range(n):
            x[piece + c] = inverse[piece + c] * (b[piece + c] + sums[c])


@threaded
def _relax_threaded(operator, x, b, begin, end):  # type: ignore[no-untyped-def]
    for part in numba.prange((end - begin + PART - 1) // PART):
        _relax_part(operator, x, b, begin + part * PART, min(begin + (part + 1) * PART, end))


@serial
def _relax(operator, x, b, colour, threads):  # type: ignore[no-untyped-def]
    """Gauss–Seidel for the cells of one colour."""
    reds, cells = operator[5], operator[4].shape[0]
    begin, end = (reds, cells) if colour == 1 else (0, reds)
    if threads > 1 and end - begin > PART:
        _relax_threaded(operator, x, b, begin, end)
    else:
        _relax_part(operator, x, b, begin, end)


@serial
def _restrict(operator, x, b, parent, coarse_b):  # type: ignore[no-untyped-def]
    """Sum the residual b - A x over the cells of each coarse cell; it is 0 where colour 1 has just been relaxed."""
    inverse, reds, sums = operator[4], operator[5], np.empty(PIECE, x.dtype)
    coarse_b[:] = 0
    for piece in range(0, reds, PIECE):
        n = min(PIECE, reds - piece)
        _sums(operator, x, piece, piece + n, sums)
        for c in range(n):
            at = piece + c
            coarse_b[parent[at]] += b[at] + sums[c] - x[at] / inverse[at]


@serial
def _start(operator, b, x):  # type: ignore[no-untyped-def]
    inverse = operator[4]
    for c in range(operator[5]):
        x[c] = inverse[c] * b[c]


@serial
def _smooth_before(operator, x, b, parent, coarse_b, fresh, threads):  # type: ignore[no-untyped-def]
    """Relax the colours 0 1 0 1, as if x were 0 at first if it is `fresh`, and restrict."""
    if fresh:
        _start(operator, b, x)
    for half in range(1 if fresh else 0, 2 * SWEEPS):
        _relax(operator, x, b, half & 1, threads)
    _restrict(operator, x, b, parent, coarse_b)


@serial
def _smooth_after(operator, x, b, parent, coarse_x, threads):  # type: ignore[no-untyped-def]
    for c in range(parent.shape[0]):
        x[c] += coarse_x[parent[c]]
    for half in range(2 * SWEEPS):
        _relax(operator, x, b, 1 - (half & 1), threads)


@serial
def operator_of(levels, level):  # type: ignore[no-untyped-def]
    """Return the operator of a coarse level."""
    offsets, reds, firsts, index, g, weights, inverses = levels[:7]
    begin, end = offsets[level], offsets[level + 1]
    return firsts[begin + level : end + level + 1], index, g, weights, inverses[begin:end], reds[level]


@serial
def cycle(operator, level, x, b, fresh, levels, visits):  # type: ignore[no-untyped-def]
    """Improve x towards A⁻¹ b, from 0 if `fresh`; `level` is that of the next coarser operator.

    `levels` is ``(offsets, reds, firsts, index, g, weights, inverses, parents, finest_parents, xs, bs, bottom,
    threads)``; coarse level l has the cells from ``offsets[l]`` on, and what has an entry more there, l places later.
    ``visits[l]`` is how often coarse level l is visited from the one above: 1 gives a V-cycle, 2 a W-cycle.
    """
    offsets, parents, finest_parents = levels[0], levels[7], levels[8]
    xs, bs, bottom, threads = levels[9], levels[10], levels[11], levels[12]
    begin, end = offsets[level], offsets[level + 1]
    parent = finest_parents if level == 0 else parents[offsets[level - 1] : begin]
    coarse_x, coarse_b = xs[begin + level : end + level + 1], bs[begin + level : end + level + 1]
    _smooth_before(operator, x, b, parent, coarse_b, fresh, threads)
    if level == offsets.shape[0] - 2:
        _bottom(bottom, operator_of(levels, level), coarse_b, coarse_x)
    else:
        for visit in range(visits[level]):
            cycle(operator_of(levels, level), level + 1, coarse_x, coarse_b, visit == 0, levels, visits)
    _smooth_after(operator, x, b, parent, coarse_x, threads)


@serial
def _bottom(bottom, operator, b, x):  # type: ignore[no-untyped-def]
    """x = bottom b; without a matrix the cells have no neighbours."""
    inverse = operator[4]
    for row in range(inverse.shape[0]):
        total = np.float64(0)
        for column in range(bottom.shape[0]):
            total += bottom[row, column] * b[column]
        x[row] = total if bottom.shape[0] > 0 else inverse[row] * b[row]


@serial
def _apply_part(operator, p, q, begin, end):  # type: ignore[no-untyped-def]
    inverse, sums = operator[4], np.empty(end - begin, p.dtype)
    _sums(operator, p, begin, end, sums)
    for c in range(begin, end):
        q[c] = p[c] / inverse[c] - sums[c - begin]
    # Not in the loop above: the compiler makes two of one that both stores and sums, and which of them runs, with
    # sums in another order, depends on where the arrays happen to lie.
    return _dot_part(p, q, begin, end)


@serial
def _dot_part(x, y, begin, end):  # type: ignore[no-untyped-def]
    total = 0.0
    for c in range(begin, end):
        total += np.float64(x[c]) * np.float64(y[c])
    return total


@serial
def _in_order(totals):  # type: ignore[no-untyped-def]
    total = 0.0
    for part in range(totals.shape[0]):
        total += totals[part]
    return total


@threaded
def apply(operator, p, q):  # type: ignore[no-untyped-def]
    """Overwrite q with A p and return p·q."""
    cells = operator[4].shape[0]
    totals = np.zeros((cells + PART - 1) // PART)
    for part in numba.prange(totals.shape[0]):
        totals[part] = _apply_part(operator, p, q, part * PART, min((part + 1) * PART, cells))
    return _in_order(totals)


@threaded
def dot(x, y):  # type: ignore[no-untyped-def]
    """Return x·y."""
    totals = np.zeros((x.shape[0] + PART - 1) // PART)
    for part in numba.prange(totals.shape[0]):
        totals[part] = _dot_part(x, y, part * PART, min((part + 1) * PART, x.shape[0]))
    return _in_order(totals)


@serial
def _advance_part(alpha, p, q, x, r, begin, end):  # type: ignore[no-untyped-def]
    for c in range(begin, end):
        x[c] += alpha * p[c]
        r[c] -= alpha * q[c]


@threaded
def advance(alpha, p, q, x, r):  # type: ignore[no-untyped-def]
    """x += alpha p, r -= alpha q; the 0 at the end stays."""
    cells = x.shape[0] - 1
    for part in numba.prange((cells + PART - 1) // PART):
        _advance_part(alpha, p, q, x, r, part * PART, min((part + 1) * PART, cells))


@serial
def _turn_part(beta, z, p, begin, end):  # type: ignore[no-untyped-def]
    for c in range(begin, end):
        p[c] = z[c] + beta * p[c]


@threaded
def turn(beta, z, p):  # type: ignore[no-untyped-def]
    """p = z + beta p."""
    for part in numba.prange((p.shape[0] + PART - 1) // PART):
        _turn_part(beta, z, p, part * PART, min((part + 1) * PART, p.shape[0]))


@serial
def _residual_part(operator, plates, x, r, begin, end):  # type: ignore[no-untyped-def]
    index, weights, cells = operator[1], operator[3], operator[4].shape[0]
    for c in range(begin, end):
        total = plates[0, c] * (1 - x[c]) - plates[1, c] * x[c]
        for side in range(6):
            beyond = index[6 * c + side]
            if beyond < cells:
                total += weights[side // 2] * (x[beyond] - x[c])
        r[c] = total


@threaded
def residual(operator, plates, x, r):  # type: ignore[no-untyped-def]
    """r = b - A x, with potential 1 on the first plate and 0 on the second, from differences of neighbours."""
    cells = operator[4].shape[0]
    for part in numba.prange((cells + PART - 1) // PART):
        _residual_part(operator, plates, x, r, part * PART, min((part + 1) * PART, cells))


@serial
def _energy_part(operator, plates, x, begin, end):  # type: ignore[no-untyped-def]
    index, weights, cells = operator[1], operator[3], operator[4].shape[0]
    total, flux_in, flux_out = 0.0, 0.0, 0.0
    for c in range(begin, end):
        own = np.float64(x[c])
        for axis in range(3):
            beyond = index[6 * c + 2 * axis + 1]
            if beyond < cells:
                drop = np.float64(x[c] - x[beyond])
                total += np.float64(weights[axis]) * drop * drop
        total += plates[0, c] * (1 - own) * (1 - own) + plates[1, c] * own * own
        flux_in += plates[0, c] * (1 - own)
        flux_out += plates[1, c] * own
    return total, flux_in, flux_out


@threaded
def energy(operator, plates, x):  # type: ignore[no-untyped-def]
    """Return the Dirichlet energy of x, and the flux of x in and out through the plates."""
    cells = operator[4].shape[0]
    totals = np.zeros(((cells + PART - 1) // PART, 3))
    for part in numba.prange(totals.shape[0]):
        totals[part] = _energy_part(operator, plates, x, part * PART, min((part + 1) * PART, cells))
    return _in_order(totals[:, 0]), _in_order(totals[:, 1]), _in_order(totals[:, 2])


@serial
def number(mask, numbers, places):  # type: ignore[no-untyped-def]
    """Number the cells of a padded mask, (nx+2, ny+2, nz+2), colour 0 first; return how many have it.

    `numbers`, of the mask's shape, gets the numbers and holds how many cells there are elsewhere; `places` (n, 3) gets
    where in the padded box each cell is.
    """
    reds = 0
    for i in range(1, mask.shape[0] - 1):
        for j in range(1, mask.shape[1] - 1):
            for k in range(1, mask.shape[2] - 1):
                reds += mask[i, j, k] and (i + j + k) & 1 == 0
    following = np.array([0, reds])
    for i in range(1, mask.shape[0] - 1):
        for j in range(1, mask.shape[1] - 1):
            for k in range(1, mask.shape[2] - 1):
                if mask[i, j, k]:
                    colour = (i + j + k) & 1
                    cell = following[colour]
                    following[colour] += 1
                    numbers[i, j, k] = cell
                    places[cell, 0], places[cell, 1], places[cell, 2] = i, j, k
    return reds


@serial
def join(numbers, places, index):  # type: ignore[no-untyped-def]
    """Fill `index`, (6 n,), with the numbers of the neighbours."""
    for c in range(places.shape[0]):
        i, j, k = places[c, 0], places[c, 1], places[c, 2]
        index[6 * c], index[6 * c + 1] = numbers[i - 1, j, k], numbers[i + 1, j, k]
        index[6 * c + 2], index[6 * c + 3] = numbers[i, j - 1, k], numbers[i, j + 1, k]
        index[6 * c + 4], index[6 * c + 5] = numbers[i, j, k - 1], numbers[i, j, k + 1]


@serial
def _neighbours(operator, c):  # type: ignore[no-untyped-def]
    """Return where in `index` the neighbours of a cell begin and end."""
    first = operator[0]
    return (6 * c, 6 * c + 6) if first.size == 0 else (first[c], first[c + 1])


@serial
def _root(roots, c):  # type: ignore[no-untyped-def]
    while roots[c] != c:
        roots[c] = roots[roots[c]]
        c = roots[c]
    return c


@serial
def group(operator, places, factors, parents, coarse_places):  # type: ignore[no-untyped-def]
    """Join the cells of each coarse block that are connected within it; return how many there are, and of colour 0.

    A block with parts that only meet outside it gets a coarse cell for each of them, so that the coarse grid has no
    connection the fine one lacks. `parents` (n,) gets the coarse cell of each cell, `coarse_places`, of the size of
    `places`, the blocks.
    """
    index, cells = operator[1], places.shape[0]
    (fx, fy, fz), blocks = factors, np.empty_like(places)
    keys, roots = np.empty(cells, np.int64), np.arange(cells)
    for c in range(cells):
        i, j, k = (places[c, 0] + fx - 1) // fx, (places[c, 1] + fy - 1) // fy, (places[c, 2] + fz - 1) // fz
        blocks[c, 0], blocks[c, 1], blocks[c, 2] = i, j, k
        keys[c] = (i << 42) + (j << 21) + k
    # Every face has a cell of colour 1, and beyond it one of colour 0.
    for c in range(operator[5], cells):
        begin, end = _neighbours(operator, c)
        for at in range(begin, end):
            d = np.int64(index[at])
            if d < cells and keys[c] == keys[d]:
                one, other = _root(roots, c), _root(roots, d)
                roots[max(one, other)] = min(one, other)
    counts = np.zeros(2, np.int64)
    for c in range(cells):
        if roots[c] == c:
            counts[(blocks[c, 0] + blocks[c, 1] + blocks[c, 2]) & 1] += 1
    following = np.array([0, counts[0]])
    for c in range(cells):
        root = _root(roots, c)
        if root == c:
            colour = (blocks[c, 0] + blocks[c, 1] + blocks[c, 2]) & 1
            parents[c] = following[colour]
            following[colour] += 1
            coarse_places[parents[c]] = blocks[c]
        else:
            parents[c] = parents[root]
    return counts[0] + counts[1], counts[0]


@serial
def _children(parents, count):  # type: ignore[no-untyped-def]
    """Return the cells sorted by coarse cell, and where those of each begin."""
    first, children = np.zeros(count + 1, np.int64), np.empty(parents.shape[0], np.int64)
    for c in range(parents.shape[0]):
        first[parents[c] + 1] += 1
    first = np.cumsum(first)
    following = first[:-1].copy()
    for c in range(parents.shape[0]):
        children[following[parents[c]]] = c
        following[parents[c]] += 1
    return first, children


@serial
def coarsen(operator, ground, parents, coarse_places, factors, room):  # type: ignore[no-untyped-def]
    """Return ``first``, ``index``, ``g`` of the next coarser level, its 1/diagonal and its conductance to the plates.

    Coarse faces are the sum of the fine ones they consist of, over the factor, as in
    :func:`~ionscreen.pipeline.coarsening.galerkin`, with the same over-correction. `ground` (n,) is the conductance
    from each cell to the plates, `room` how many entries there can be.
    """
    index, g, weights = operator[1], operator[2], operator[3]
    count, cells = coarse_places.shape[0], parents.shape[0]
    begins, children = _children(parents, count)
    first = np.zeros(count + 1, np.int64)
    coarse_index, coarse_g = np.empty(room, index.dtype), np.empty(room, ground.dtype)
    coarse_ground, inverse = np.zeros(count, ground.dtype), np.empty(count, ground.dtype)
    for parent in range(count):
        end = first[parent]
        for child in range(begins[parent], begins[parent + 1]):
            c = children[child]
            coarse_ground[parent] += ground[c] / factors[0]
            low, high = _neighbours(operator, c)
            for at in range(low, high):
                if index[at] == cells or parents[index[at]] == parent:
                    continue
                beyond, axis = parents[index[at]], 0
                while coarse_places[beyond, axis] == coarse_places[parent, axis]:
                    axis += 1
                share = (weights[axis] if g.size == 0 else g[at]) / factors[axis]
                entry = first[parent]
                while entry < end and coarse_index[entry] != beyond:
                    entry += 1
                if entry == end:
                    coarse_index[end], coarse_g[end] = beyond, 0
                    end += 1
                coarse_g[entry] += share
        first[parent + 1] = end
        inverse[parent] = 1 / (coarse_ground[parent] + coarse_g[first[parent] : end].sum())
    return first, coarse_index[: first[-1]].copy(), coarse_g[: first[-1]].copy(), inverse, coarse_ground
