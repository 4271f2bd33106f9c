"""Which voxels are joined to both faces of a box, 64 of a row at a time.

Voxels are bits. Along the last axis 64 of a row are one word, whose runs of ones are joined by union-find to those of
the two rows before; only runs are numbered, and whether one reaches either face is all that is asked. Numbering the
clusters of all voxels and looking them up takes two to three times as long (docs/benchmarks.md), and every prediction
and every solution waits for this.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["spanning_mask"]

WORD = 64
ONE, ZERO, LAST, ALL = (np.uint64(n) for n in (1, 0, WORD - 1, 2**WORD - 1))
BOTH = 3
compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


def spanning_mask(conducts: npt.NDArray[np.bool_], axis: int) -> npt.NDArray[np.bool_]:
    """Return the part of the mask `conducts`, (nx, ny, nz), that is joined through faces to both ends of `axis`."""
    axis = range(3)[axis]
    mask_ijw = _words(conducts)
    _keep_spanning(mask_ijw, axis, conducts.shape[2])
    return _voxels(mask_ijw, conducts.shape)


def _words(conducts: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    nx, ny, nz = conducts.shape
    if nz % WORD == 0:
        # One row of numpy's bits takes a fifth of the time of many.
        bits = np.packbits(conducts.reshape(-1), bitorder="little").reshape(nx, ny, -1)
    else:
        bits = np.packbits(np.ascontiguousarray(conducts), axis=2, bitorder="little")
    words = np.zeros((nx, ny, -(-nz // WORD) * (WORD // 8)), np.uint8)
    words[:, :, : bits.shape[2]] = bits
    return words.view("<u8").astype(np.uint64, copy=False)


def _voxels(mask_ijw: npt.NDArray[np.uint64], shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    kept = mask_ijw.astype("<u8", copy=False).view(np.uint8)
    if shape[2] % WORD == 0:
        return np.unpackbits(kept.reshape(-1), bitorder="little").view(np.bool_).reshape(shape)
    return np.unpackbits(kept, axis=2, count=shape[2], bitorder="little").view(np.bool_)


@compiled
def _keep_spanning(mask_ijw, axis, length):  # type: ignore[no-untyped-def]
    """Clear the bits of all runs that are not joined to both ends of the axis."""
    nx, ny, nw = mask_ijw.shape
    count = _count_runs(mask_ijw)
    runs, parent, ends = np.empty(count, np.uint64), np.empty(count, np.int64), np.empty(count, np.uint8)
    first_ijw = np.empty((nx, ny, nw), np.int64)
    size = 0
    for i in range(nx):
        for j in range(ny):
            for w in range(nw):
                word, first = mask_ijw[i, j, w], size
                first_ijw[i, j, w] = first
                near, far = _plates(axis, i, j, w, nx, ny, length)
                left = word
                while left:
                    rest = _without_lowest_run(left)
                    run = left ^ rest
                    runs[size], parent[size] = run, size
                    ends[size] = np.uint8((1 if run & near else 0) | (2 if run & far else 0))
                    size += 1
                    left = rest
                if word == ZERO:
                    continue
                if w > 0 and word & ONE and mask_ijw[i, j, w - 1] >> LAST:
                    _join(parent, ends, first - 1, first)
                known = ZERO
                if j > 0:
                    beside = mask_ijw[i, j - 1, w]
                    _link(runs, parent, ends, word & beside, known, first, first_ijw[i, j - 1, w])
                    # What conducts there, too, is joined by way of the row beside.
                    known = beside & mask_ijw[i - 1, j - 1, w] if i > 0 else known
                if i > 0:
                    common = word & mask_ijw[i - 1, j, w]
                    _link(runs, parent, ends, common, known, first, first_ijw[i - 1, j, w])
    _clear_others(mask_ijw, runs, parent, ends)


@compiled
def _clear_others(mask_ijw, runs, parent, ends):  # type: ignore[no-untyped-def]
    """Clear the bits of the runs whose roots do not reach both ends."""
    for n in range(parent.size):
        # A parent comes before its children.
        parent[n] = parent[parent[n]]
    run = 0
    for i in range(mask_ijw.shape[0]):
        for j in range(mask_ijw.shape[1]):
            for w in range(mask_ijw.shape[2]):
                left, kept = mask_ijw[i, j, w], ZERO
                while left:
                    if ends[parent[run]] == BOTH:
                        kept |= runs[run]
                    left ^= runs[run]
                    run += 1
                mask_ijw[i, j, w] = kept


@compiled
def _plates(axis, i, j, w, nx, ny, length):  # type: ignore[no-untyped-def]
    """Return the bits of a word that lie at the first and at the last plane of the axis."""
    if axis == 2:
        near = ONE if w == 0 else ZERO
        far = ONE << np.uint64((length - 1) % WORD) if w == (length - 1) // WORD else ZERO
        return near, far
    place, last = (i, nx - 1) if axis == 0 else (j, ny - 1)
    return ALL if place == 0 else ZERO, ALL if place == last else ZERO


@compiled
def _without_lowest_run(word):  # type: ignore[no-untyped-def]
    """Return a word less its lowest run of ones: added to its lowest bit, it carries to where the run ends."""
    return word & (word + (word & (~word + ONE)))


@compiled
def _count_runs(mask_ijw):  # type: ignore[no-untyped-def]
    count = 0
    for i in range(mask_ijw.shape[0]):
        for j in range(mask_ijw.shape[1]):
            for w in range(mask_ijw.shape[2]):
                starts = mask_ijw[i, j, w] & ~(mask_ijw[i, j, w] << ONE)
                while starts:
                    starts &= starts - ONE
                    count += 1
    return count


@compiled
def _link(runs, parent, ends, common, known, a, b):  # type: ignore[no-untyped-def]
    """Join the runs of two words, numbered from a and from b on, where both have ones and it is not known already."""
    while common:
        rest = _without_lowest_run(common)
        shared = common ^ rest
        if not shared & known:
            while not runs[a] & shared:
                a += 1
            while not runs[b] & shared:
                b += 1
            _join(parent, ends, a, b)
        common = rest


@compiled
def _join(parent, ends, a, b):  # type: ignore[no-untyped-def]
    """Unite two clusters; the root is the run that comes first."""
    a, b = _root(parent, a), _root(parent, b)
    if a != b:
        first, other = min(a, b), max(a, b)
        parent[other] = first
        ends[first] |= ends[other]


@compiled
def _root(parent, a):  # type: ignore[no-untyped-def]
    while parent[a] != a:
        parent[a] = parent[parent[a]]
        a = parent[a]
    return a
