"""The features of :mod:`.cascade` on a CPU, compiled by numba: the same numbers, ten times as fast as the tensors."""

from __future__ import annotations

import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np

from .cascade_coarsening import coarsen, refine
from .cascade_faces import write_faces
from .cascade_measures import describe, log, measure
from .cascade_relaxation import relax
from .cascade_settings import CONVERGED, GLOBAL_FEATURES, LEVEL_FEATURES
from .cascade_two_iterations import two_iterations
from .cascade_workspace import ARRAYS, TINY, ZERO, U, serial, unlocked

__all__ = ["features"]


@serial
def _of_voxels(m, sigma, half, contacts, grains, own, fine, rules, coarser, out):  # type: ignore[no-untyped-def]
    """Write the conductances of the voxels and of the first cells, and the features; return Wiener's bounds."""
    volume = m.size
    counts = np.zeros(sigma.size)
    series, along, across = write_faces(m, half, contacts, grains, own, fine, rules, coarser, counts)
    mean, square = np.sum(counts * sigma) / volume, np.sum(counts * sigma * sigma) / volume
    along /= volume
    out[0] = log(mean)
    out[1] = log(square) - log(mean)
    out[2] = log(along) - log(mean)
    out[3] = log(across / (2 * volume)) - log(mean)
    out[4] = log(counts.sum() / volume)
    # In series with an insulator nothing conducts.
    lower = volume / series if counts.sum() == volume else 0.0
    return lower, min(mean, along)


@unlocked
def _cascade(spaces, shape, rule, iterations, out):  # type: ignore[no-untyped-def]
    """Write the features of the coarse levels, finest first; the potentials stay in the workspaces."""
    for level in range(1, len(spaces)):
        coarsen(spaces[level - 1], (rule[0], rule[1]), spaces[level])
    spaces[len(spaces) - 1][U] = ZERO
    for level in range(len(spaces) - 1, -1, -1):
        space = spaces[level]
        if level + 1 < len(spaces):
            refine(spaces[level + 1][U], space[U])
        decrements = np.zeros(iterations[level])
        rz = relax(space, decrements)
        currents, sums = measure(space)
        start = level * LEVEL_FEATURES
        describe(space, currents, sums, decrements[-1], rz, shape, out[start : start + LEVEL_FEATURES])


@serial
def _fine(space, coarse, iterations, shape, out):  # type: ignore[no-untyped-def]
    """Write the features of the voxels' own iterations; return the energy, an upper bound of M."""
    decrements = np.zeros(iterations)
    if iterations == 2:
        rz, currents, sums = two_iterations(space, coarse[U], decrements)
    else:
        refine(coarse[U], space[U])
        rz = relax(space, decrements)
        currents, sums = measure(space)
    energy = describe(space, currents, sums, decrements[-1], rz, shape, out[:LEVEL_FEATURES])
    out[LEVEL_FEATURES] = np.log(decrements.sum() / (energy + TINY) + CONVERGED)
    for n in range(iterations):
        out[LEVEL_FEATURES + 1 + n] = np.log(decrements[n] / (energy + TINY) + CONVERGED)
    return np.exp(out[0])


def _rules(spaces, shape, rules, iterations, out):  # type: ignore[no-untyped-def]
    """Write the features of every rule, each in a thread if there are several."""
    jobs = [(spaces[n], shape, rule, iterations, out[n]) for n, rule in enumerate(rules)]
    threads = min(numba.get_num_threads(), len(jobs))
    # Not numba's own threads: they take no tuple of arrays.
    list(map(_cascade, *zip(*jobs)) if threads == 1 else _pool(threads).map(_cascade, *zip(*jobs)))


@functools.lru_cache(maxsize=None)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


class _Workspaces(threading.local):
    """Arrays that live from call to call: to allocate them anew takes longer than to compute."""

    def __init__(self) -> None:
        self._key: tuple[int, ...] = ()
        self._spaces: Any = None

    def of(self, shape: tuple[int, ...], levels: int, rules: int) -> Any:
        """Return the workspace of the voxels, and for each coarser level those of all rules, stacked."""
        key = (*shape, levels, rules)
        if self._key != key:
            fine = np.zeros((ARRAYS, *(n + 2 for n in shape)), np.float32)
            coarser = []
            for _ in range(levels):
                shape = tuple((n + 1) // 2 for n in shape)
                coarser.append(np.zeros((rules, ARRAYS, *(n + 2 for n in shape)), np.float32))
            self._spaces, self._key = (fine, coarser), key
        return self._spaces


_workspaces = _Workspaces()
_NO_LEVEL = np.zeros((0, ARRAYS, 2, 2, 2), np.float32)


def features(m, sigma, half, contacts, grains, own, settings):  # type: ignore[no-untyped-def]
    """Return the features (k,) float64, and the lower and the upper bound of M.

    Parameters
    ----------
    m
        (nx, ny, nz) uint8: index into `sigma`; 0 is an insulator.
    sigma
        (P,) relative conductivities.
    half
        (P,) float32: resistance from a voxel's centre to its faces.
    contacts
        (P, P) float32: resistance between two materials, or an empty array if none resists.
    grains, own
        Grain of each voxel, (nx, ny, nz), or an empty array; (P,) float32, resistance between two grains.
    settings
        :class:`CascadeSettings`.
    """
    out = np.zeros(settings.count)
    levels, rules = len(settings.coarse), np.array(settings.rules, np.float32)
    shape = np.array(m.shape)
    fine, coarser = _workspaces.of(m.shape, levels, len(rules))
    first = coarser[0] if levels else _NO_LEVEL
    lower, upper = _of_voxels(m, sigma, half, contacts, grains, own, fine, rules, first, out)
    if levels:
        by_rule = out[GLOBAL_FEATURES : settings.voxels].reshape(len(rules), levels * LEVEL_FEATURES)
        spaces = [tuple(level[n] for level in coarser) for n in range(len(rules))]
        _rules(spaces, shape, rules, np.array(settings.coarse), by_rule)  # type: ignore[no-untyped-call]
    if settings.fine:
        upper = min(upper, _fine(fine, first[settings.start], settings.fine, shape, out[settings.voxels :]))
    return out, lower, max(lower, upper)
