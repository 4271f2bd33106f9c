"""The features of :mod:`.cascade` on a CPU, compiled by numba: the same numbers, ten times as fast as the tensors."""

from __future__ import annotations

import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np

from .cascade_coarsening import coarsen, invert, refine, write_faces
from .cascade_relaxation import describe, log, relax
from .cascade_settings import CONVERGED, GLOBAL_FEATURES, LEVEL_FEATURES
from .cascade_workspace import ARRAYS, RX, RY, RZ, TINY, ZERO, U, serial, unlocked

__all__ = ["features"]


@unlocked
def _cascade(spaces, rule, iterations, out):  # type: ignore[no-untyped-def]
    """Write the features of the coarse levels, finest first; the potentials stay in the workspaces."""
    fine = spaces[0]
    shape = np.array([fine.shape[1] - 2, fine.shape[2] - 2, fine.shape[3] - 2])
    for level in range(1, len(spaces)):
        coarsen(spaces[level - 1], rule[0], rule[1], spaces[level])
        invert(spaces[level])
    spaces[len(spaces) - 1][U] = ZERO
    for level in range(len(spaces) - 1, 0, -1):
        space = spaces[level]
        if level + 1 < len(spaces):
            refine(spaces[level + 1][U], space[U])
        decrements = np.zeros(iterations[level - 1])
        last = relax(space, decrements)
        start = (level - 1) * LEVEL_FEATURES
        describe(space, decrements, last, shape, out[start : start + LEVEL_FEATURES])


@serial
def _of_voxels(m, sigma, half, contacts, grains, own, space, out):  # type: ignore[no-untyped-def]
    """Write the faces of the voxels and their features; return Wiener's lower and upper bound."""
    volume = m.size
    counts = np.zeros(sigma.size)
    series, along, across = write_faces(m, half, contacts, grains, own, space, counts)
    mean, square = np.sum(counts * sigma) / volume, np.sum(counts * sigma * sigma) / volume
    along /= volume
    out[0] = log(mean)
    out[1] = log(square) - log(mean)
    out[2] = log(along) - log(mean)
    out[3] = log(across / (2 * volume)) - log(mean)
    out[4] = log(counts.sum() / volume)
    return volume / series, min(mean, along)


@serial
def _fine(space, coarse, iterations, out):  # type: ignore[no-untyped-def]
    """Write the features of the voxels' own iterations; return the energy, an upper bound of M."""
    shape = np.array([space.shape[1] - 2, space.shape[2] - 2, space.shape[3] - 2])
    refine(coarse[U], space[U])
    decrements = np.zeros(iterations)
    last = relax(space, decrements)
    describe(space, decrements, last, shape, out[:LEVEL_FEATURES])
    energy = np.exp(out[0])
    scale = 1 / (energy * shape[0] * shape[1] * shape[2] + TINY)
    out[LEVEL_FEATURES] = np.log(decrements.sum() * scale + CONVERGED)
    for n in range(iterations):
        out[LEVEL_FEATURES + 1 + n] = np.log(decrements[n] * scale + CONVERGED)
    return energy


def _rules(spaces, rules, iterations, out):  # type: ignore[no-untyped-def]
    """Write the features of every rule, each in a thread if there are several."""
    jobs = [(spaces[n], rule, iterations, out[n]) for n, rule in enumerate(rules)]
    threads = min(numba.get_num_threads(), len(jobs))
    # Not numba's own threads: they take no tuple of arrays.
    list(map(_cascade, *zip(*jobs)) if threads == 1 else _pool(threads).map(_cascade, *zip(*jobs)))


@functools.lru_cache(maxsize=None)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


class _Workspaces(threading.local):
    """Arrays that live from call to call: to allocate them anew takes longer than to compute."""

    def __init__(self) -> None:
        self._shape: tuple[int, ...] = ()
        self._spaces: Any = None

    def of(self, shape: tuple[int, ...], levels: int, rules: int) -> Any:
        """Return for each rule the workspaces of the voxels, shared, and of its levels; the borders are in order."""
        if self._shape != (*shape, levels, rules):
            fine = self._space(shape)
            for resistance in (RX, RY, RZ):
                fine[resistance] = np.inf
            self._spaces = tuple((fine, *self._coarser(shape, levels)) for _ in range(rules))
            self._shape = (*shape, levels, rules)
        return self._spaces

    def _coarser(self, shape: tuple[int, ...], levels: int) -> list[Any]:
        found = []
        for _ in range(levels):
            shape = tuple((n - 1) // 2 + 2 for n in shape)
            found.append(self._space(shape))
        return found

    @staticmethod
    def _space(shape: tuple[int, ...]) -> Any:
        return np.zeros((ARRAYS, *shape), np.float32)


_workspaces = _Workspaces()


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
    spaces = _workspaces.of(tuple(n + 2 for n in m.shape), levels, len(rules))
    fine = spaces[0][0]
    lower, upper = _of_voxels(m, sigma, half, contacts, grains, own, fine, out)
    by_rule = out[GLOBAL_FEATURES : settings.voxels].reshape(len(rules), levels * LEVEL_FEATURES)
    if levels:
        _rules(spaces, rules, np.array(settings.coarse), by_rule)  # type: ignore[no-untyped-call]
    if settings.fine:
        upper = min(upper, _fine(fine, spaces[settings.start][1], settings.fine, out[settings.voxels :]))
    return out, lower, max(lower, upper)
