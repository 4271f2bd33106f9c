"""The features of :mod:`.cascade` on a CPU, compiled by numba: the same numbers, ten times as fast as the tensors.

Vectors have a border of one cell that never conducts, so no loop asks where it is. ``gx[i]`` is the face between cells
i and i+1; ``gx[0]`` and ``gx[nx]`` are the plates. Names and equations are those of :mod:`.cascade`.
"""

from __future__ import annotations

import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np

from .cascade_settings import CONVERGED, FLOOR, GLOBAL_FEATURES, LEVEL_FEATURES, RULES, START_RULE

__all__ = ["features"]

# Without "nnan" and "ninf": a face that does not conduct has an infinite resistance.
options = {"cache": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "nsz"}}
serial = numba.njit(**options)
unlocked = numba.njit(nogil=True, **options)

_RULES = np.array(RULES, dtype=np.float32)
# Of single precision, so that no loop is widened to double.
_ONE: Any = np.float32(1)
_TWO: Any = np.float32(2)
_HALF: Any = np.float32(0.5)
_ZERO: Any = np.float32(0)
_TINY = 1e-30
# The arrays of a level's workspace: conductances, resistances, potential, and what conjugate gradients need.
GX, GY, GZ, RX, RY, RZ, U, P, Q, R, INVERSE = range(11)
ARRAYS = 11


@serial
def _fill(m, table, plates, rx, ry, rz):  # type: ignore[no-untyped-def]
    """Write the resistance of every face; `m` (nx+2, ny+2, nz+2) is 0, an insulator, on its border."""
    nx, ny, nz = m.shape[0] - 2, m.shape[1] - 2, m.shape[2] - 2
    for i in range(nx + 1):
        for j in range(1, ny + 1):
            for k in range(1, nz + 1):
                if i == 0:
                    rx[i, j, k] = plates[m[1, j, k]]
                elif i == nx:
                    rx[i, j, k] = plates[m[nx, j, k]]
                else:
                    rx[i, j, k] = table[m[i, j, k], m[i + 1, j, k]]
        if i > 0:
            for j in range(1, ny + 1):
                for k in range(1, nz + 1):
                    ry[i, j, k] = table[m[i, j, k], m[i, j + 1, k]]
                    rz[i, j, k] = table[m[i, j, k], m[i, j, k + 1]]


@serial
def _add_boundaries(m, grains, own, rx, ry, rz):  # type: ignore[no-untyped-def]
    """Add the resistance between two grains of one material, as :func:`pipeline.assembly.add_grain_boundaries`."""
    nx, ny, nz = m.shape[0] - 2, m.shape[1] - 2, m.shape[2] - 2
    for i in range(1, nx + 1):
        for j in range(1, ny + 1):
            for k in range(1, nz + 1):
                a, material = grains[i, j, k], m[i, j, k]
                if i < nx and grains[i + 1, j, k] != a and m[i + 1, j, k] == material:
                    rx[i, j, k] += own[material]
                if j < ny and grains[i, j + 1, k] != a and m[i, j + 1, k] == material:
                    ry[i, j, k] += own[material]
                if k < nz and grains[i, j, k + 1] != a and m[i, j, k + 1] == material:
                    rz[i, j, k] += own[material]


@serial
def _add_inside(total, r, inner, shift, unit, cap, blocked):  # type: ignore[no-untyped-def]
    """Add half the resistance inside a cell to a row, limited to multiples of that of the faces.

    ``inner[k + shift]`` lies inside the cell that face k belongs to.
    """
    for k in range(1, r.shape[0] - 1):
        face, inside = unit * r[k], inner[k + shift]
        total[k] += _HALF * (blocked * face if np.isinf(inside) else min(inside, cap * face))


@serial
def _add_row(r, before, after, unit, cap, blocked, total, out):  # type: ignore[no-untyped-def]
    """Add the conductances of a row of faces to the row `out` of cells; an empty `before` or `after` is not there."""
    for k in range(total.shape[0]):
        total[k] = r[k]
    if before.size:
        _add_inside(total, r, before, 0, unit, cap, blocked)
    if after.size:
        _add_inside(total, r, after, 0, unit, cap, blocked)
    for k in range(1, out.shape[0] - 1):
        out[k] += _ONE / total[2 * k - 1] + _ONE / total[2 * k]


@serial
def _add_along(r, cap, blocked, total, out):  # type: ignore[no-untyped-def]
    """Add the conductances of every second face of a row, whose neighbours in the row lie inside the cells."""
    nz = r.shape[0] - 2
    for k in range(total.shape[0]):
        total[k] = r[k]
    _add_inside(total, r, r, -1, _ONE, cap, blocked)
    last = total[nz - 1]
    _add_inside(total, r, r, 1, _ONE, cap, blocked)
    if nz % 2 == 1:
        # The last cell is thin: no face lies inside it.
        total[nz - 1] = last
    for k in range(1, (nz - 1) // 2 + 1):
        out[k] += _ONE / total[2 * k]


@serial
def _coarsen(fine, cap, blocked, coarse):  # type: ignore[no-untyped-def]
    """Write the conductances between cells of two.

    Beyond an odd end lies the border, whose faces do not conduct.
    """
    rx, ry, rz = fine[RX], fine[RY], fine[RZ]
    gx, gy, gz = coarse[GX], coarse[GY], coarse[GZ]
    nx, ny = rx.shape[0] - 2, rx.shape[1] - 2
    total = np.empty(rx.shape[2], np.float32)
    none = np.empty(0, np.float32)
    for c in range(gx.shape[0] - 1):
        i = min(2 * c, nx)
        # The face at a plate is half a cell: what lies behind it is measured by twice its resistance.
        unit = _TWO if i == 0 or i == nx else _ONE
        for j in range(1, gx.shape[1] - 1):
            gx[c, j] = _ZERO
            for row in range(2 * j - 1, 2 * j + 1):
                before = rx[i - 1, row] if i >= 2 and i % 2 == 0 else none
                after = rx[i + 1, row] if i + 1 < nx else none
                _add_row(rx[i, row], before, after, unit, cap, blocked, total, gx[c, j])
    for i in range(1, gx.shape[0] - 1):
        for j in range(1, gy.shape[1] - 1):
            gy[i, j] = _ZERO
            gz[i, j] = _ZERO
            for layer in range(2 * i - 1, 2 * i + 1):
                if 2 * j < ny:
                    after = ry[layer, 2 * j + 1] if 2 * j + 1 < ny else none
                    _add_row(ry[layer, 2 * j], ry[layer, 2 * j - 1], after, _ONE, cap, blocked, total, gy[i, j])
                for row in range(2 * j - 1, 2 * j + 1):
                    _add_along(rz[layer, row], cap, blocked, total, gz[i, j])


@serial
def _invert(space, source, target):  # type: ignore[no-untyped-def]
    """Write 1/x of three arrays of a workspace into three others."""
    for n in range(3):
        x, y = space[source + n], space[target + n]
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                for k in range(x.shape[2]):
                    y[i, j, k] = _ONE / x[i, j, k]


@serial
def _refine(coarse, u):  # type: ignore[no-untyped-def]
    """Write the coarse correction into cells of half the size; the drop from cell to cell halves, too."""
    for i in range(1, u.shape[0] - 1):
        for j in range(1, u.shape[1] - 1):
            for k in range(1, u.shape[2] - 1):
                u[i, j, k] = _TWO * coarse[(i + 1) // 2, (j + 1) // 2, (k + 1) // 2]


@serial
def _apply(gx, gy, gz, p, q):  # type: ignore[no-untyped-def]
    """Write the net current out of each cell at the potential `p` and return p·q."""
    total = 0.0
    for i in range(1, p.shape[0] - 1):
        part = _ZERO
        for j in range(1, p.shape[1] - 1):
            for k in range(1, p.shape[2] - 1):
                v = p[i, j, k]
                s = (
                    gx[i - 1, j, k] * (v - p[i - 1, j, k])
                    + gx[i, j, k] * (v - p[i + 1, j, k])
                    + gy[i, j - 1, k] * (v - p[i, j - 1, k])
                    + gy[i, j, k] * (v - p[i, j + 1, k])
                    + gz[i, j, k - 1] * (v - p[i, j, k - 1])
                    + gz[i, j, k] * (v - p[i, j, k + 1])
                )
                q[i, j, k] = s
                part += s * v
        total += part
    return total


@serial
def _start(gx, gy, gz, q, inverse, r, p):  # type: ignore[no-untyped-def]
    """Write 1/diagonal, the residual of a correction whose currents are `q`, and the first direction."""
    nx = q.shape[0] - 2
    total = 0.0
    for i in range(1, nx + 1):
        before = _HALF if i == 1 else _ONE
        after = _HALF if i == nx else _ONE
        part = _ZERO
        for j in range(1, q.shape[1] - 1):
            for k in range(1, q.shape[2] - 1):
                d = gx[i - 1, j, k] + gx[i, j, k] + gy[i, j - 1, k] + gy[i, j, k] + gz[i, j, k - 1] + gz[i, j, k]
                w = _ONE / d if d > 0 else _ZERO
                s = gx[i - 1, j, k] * before - gx[i, j, k] * after - q[i, j, k]
                inverse[i, j, k] = w
                r[i, j, k] = s
                p[i, j, k] = w * s
                part += s * s * w
        total += part
    return total


@serial
def _update(u, r, p, q, inverse, alpha):  # type: ignore[no-untyped-def]
    """Step along `p` and return the new r·z."""
    total = 0.0
    for i in range(1, u.shape[0] - 1):
        part = _ZERO
        for j in range(1, u.shape[1] - 1):
            for k in range(1, u.shape[2] - 1):
                u[i, j, k] += alpha * p[i, j, k]
                s = r[i, j, k] - alpha * q[i, j, k]
                r[i, j, k] = s
                part += s * s * inverse[i, j, k]
        total += part
    return total


@serial
def _direct(p, r, inverse, beta):  # type: ignore[no-untyped-def]
    for i in range(1, p.shape[0] - 1):
        for j in range(1, p.shape[1] - 1):
            for k in range(1, p.shape[2] - 1):
                p[i, j, k] = inverse[i, j, k] * r[i, j, k] + beta * p[i, j, k]


@serial
def _relax(space, decrements):  # type: ignore[no-untyped-def]
    """Improve the potential by as many iterations as there are decrements, write what each took off; return r·z."""
    gx, gy, gz, u = space[GX], space[GY], space[GZ], space[U]
    inverse, r, p, q = space[INVERSE], space[R], space[P], space[Q]
    _apply(gx, gy, gz, u, q)
    rz = _start(gx, gy, gz, q, inverse, r, p)
    for n in range(decrements.size):
        alpha = rz / (_apply(gx, gy, gz, p, q) + _TINY)
        decrements[n] = alpha * rz
        previous, rz = rz, _update(u, r, p, q, inverse, np.float32(alpha))
        if n + 1 < decrements.size:
            _direct(p, r, inverse, np.float32(rz / (previous + _TINY)))
    return rz


@serial
def _measure(gx, gy, gz, u, currents):  # type: ignore[no-untyped-def]
    """Write the current through each plane; return the dissipation along and across, and the sum of squares along."""
    nx = u.shape[0] - 2
    along, across, squares = 0.0, 0.0, 0.0
    for i in range(nx + 1):
        drop = _HALF if i == 0 or i == nx else _ONE
        current, x, yz, xx = _ZERO, _ZERO, _ZERO, _ZERO
        for j in range(1, u.shape[1] - 1):
            for k in range(1, u.shape[2] - 1):
                fall = drop + u[i, j, k] - u[i + 1, j, k]
                flux = gx[i, j, k] * fall
                heat = flux * fall
                current += flux
                x += heat
                xx += heat * heat
                dy, dz = u[i, j, k] - u[i, j + 1, k], u[i, j, k] - u[i, j, k + 1]
                yz += gy[i, j, k] * dy * dy + gz[i, j, k] * dz * dz
        currents[i] = current
        along += x
        squares += xx
        across += yz
    return along, across, squares


@serial
def _log(v):  # type: ignore[no-untyped-def]
    return np.log(v + FLOOR)


@serial
def _describe(space, decrements, rz, shape, out):  # type: ignore[no-untyped-def]
    """Write the features of a level."""
    gx, gy, gz, u = space[GX], space[GY], space[GZ], space[U]
    cells = u.shape[0] - 2
    currents = np.empty(cells + 1)
    along, across, squares = _measure(gx, gy, gz, u, currents)
    energy = along + across
    faces = (cells + 1) * (u.shape[1] - 2) * (u.shape[2] - 2)
    # Each plate's face carries half of a cell's drop.
    mean = (currents.sum() - 0.5 * (currents[0] + currents[-1])) / cells
    deviation = np.sqrt(np.mean((currents - currents.mean()) ** 2))
    out[0] = _log(energy * shape[0] / (cells * cells * shape[1] * shape[2]))
    out[1] = np.log(decrements[-1] / (energy + _TINY) + CONVERGED)
    out[2] = np.log(rz / (energy + _TINY) + CONVERGED)
    out[3] = _log(along / (energy + _TINY))
    out[4] = _log(along * along / (faces * squares + _TINY))
    out[5] = _log(max(mean, 0.0) * cells / (energy + _TINY))
    out[6] = np.log(deviation / (abs(mean) + _TINY) + CONVERGED)


@unlocked
def _cascade(spaces, rule, iterations, out):  # type: ignore[no-untyped-def]
    """Write the features of the coarse levels, finest first; the potentials stay in the workspaces."""
    fine = spaces[0]
    shape = np.array([fine.shape[1] - 2, fine.shape[2] - 2, fine.shape[3] - 2])
    for level in range(1, len(spaces)):
        _coarsen(spaces[level - 1], rule[0], rule[1], spaces[level])
        _invert(spaces[level], GX, RX)
    spaces[len(spaces) - 1][U] = _ZERO
    for level in range(len(spaces) - 1, 0, -1):
        space = spaces[level]
        if level + 1 < len(spaces):
            _refine(spaces[level + 1][U], space[U])
        decrements = np.zeros(iterations[level - 1])
        last = _relax(space, decrements)
        start = (level - 1) * LEVEL_FEATURES
        _describe(space, decrements, last, shape, out[start : start + LEVEL_FEATURES])


@serial
def _of_voxels(m, sigma, rx, ry, rz, out):  # type: ignore[no-untyped-def]
    """Write the features of the voxels and return Wiener's lower and upper bound."""
    nx, ny, nz = m.shape[0] - 2, m.shape[1] - 2, m.shape[2] - 2
    volume = nx * ny * nz
    counts = np.zeros(sigma.size)
    for i in range(1, nx + 1):
        for j in range(1, ny + 1):
            for k in range(1, nz + 1):
                counts[m[i, j, k]] += 1
    along, across, series = 0.0, 0.0, 0.0
    for i in range(nx + 1):
        weight = 0.25 if i == 0 or i == nx else 1.0
        x, yz, resistance = _ZERO, _ZERO, _ZERO
        for j in range(1, ny + 1):
            for k in range(1, nz + 1):
                resistance += rx[i, j, k]
                x += _ONE / rx[i, j, k]
                yz += _ONE / ry[i, j, k] + _ONE / rz[i, j, k]
        along += weight * x
        series += resistance
        across += yz
    mean, square = np.sum(counts * sigma) / volume, np.sum(counts * sigma * sigma) / volume
    along /= volume
    out[0] = _log(mean)
    out[1] = _log(square) - _log(mean)
    out[2] = _log(along) - _log(mean)
    out[3] = _log(across / (2 * volume)) - _log(mean)
    out[4] = _log((volume - counts[0]) / volume)
    return volume / series, min(mean, along)


@serial
def _resistances(m, table, plates, grains, own, space):  # type: ignore[no-untyped-def]
    """Write the resistances of the faces between voxels, infinite where no current flows."""
    rx, ry, rz = space[RX], space[RY], space[RZ]
    _fill(m, table, plates, rx, ry, rz)
    if grains.size:
        _add_boundaries(m, grains, own, rx, ry, rz)


@serial
def _fine(space, coarse, iterations, out):  # type: ignore[no-untyped-def]
    """Write the features of the voxels' own iterations; return the energy, an upper bound of M."""
    shape = np.array([space.shape[1] - 2, space.shape[2] - 2, space.shape[3] - 2])
    _invert(space, RX, GX)
    _refine(coarse[U], space[U])
    decrements = np.zeros(iterations)
    last = _relax(space, decrements)
    _describe(space, decrements, last, shape, out[:LEVEL_FEATURES])
    energy = np.exp(out[0])
    scale = 1 / (energy * shape[0] * shape[1] * shape[2] + _TINY)
    out[LEVEL_FEATURES] = np.log(decrements.sum() * scale + CONVERGED)
    for n in range(iterations):
        out[LEVEL_FEATURES + 1 + n] = np.log(decrements[n] * scale + CONVERGED)
    return energy


def _rules(spaces, iterations, out):  # type: ignore[no-untyped-def]
    """Write the features of every rule, each in a thread if there are several."""
    rules = range(len(RULES))
    if numba.get_num_threads() == 1:
        for n in rules:
            _cascade(spaces[n], _RULES[n], iterations, out[n])
        return
    # Not numba's own threads: they take no tuple of arrays.
    list(_pool().map(lambda n: _cascade(spaces[n], _RULES[n], iterations, out[n]), rules))


@functools.lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(numba.get_num_threads(), len(RULES)))


class _Workspaces(threading.local):
    """Arrays that live from call to call: to allocate them anew takes longer than to compute."""

    def __init__(self) -> None:
        self._shape: tuple[int, ...] = ()
        self._spaces: Any = None

    def of(self, shape: tuple[int, ...], levels: int) -> Any:
        """Return for each rule the workspaces of the voxels, shared, and of its levels; the borders are in order."""
        if self._shape != (*shape, levels):
            fine = self._space(shape)
            fine[RX : RZ + 1] = np.inf
            self._spaces = tuple((fine, *self._coarser(shape, levels)) for _ in RULES)
            self._shape = (*shape, levels)
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


def features(m, sigma, table, plates, grains, own, settings):  # type: ignore[no-untyped-def]
    """Return the features (k,) float64, and the lower and the upper bound of M.

    Parameters
    ----------
    m
        (nx+2, ny+2, nz+2) uint8: index into `sigma`; 0, an insulator, on the border.
    sigma
        (P,) relative conductivities.
    table, plates
        (P, P) and (P,) float32: resistances between two voxels, and from a voxel to the plate.
    grains, own
        Grain of each voxel in a box like `m`'s, or an empty one; (P,) float32, resistance between two grains.
    settings
        :class:`CascadeSettings`.
    """
    out = np.zeros(settings.count)
    levels = len(settings.coarse)
    spaces = _workspaces.of(m.shape, levels)
    fine = spaces[0][0]
    _resistances(m, table, plates, grains, own, fine)
    lower, upper = _of_voxels(m, sigma, fine[RX], fine[RY], fine[RZ], out)
    end = GLOBAL_FEATURES + levels * LEVEL_FEATURES * len(RULES)
    by_rule = out[GLOBAL_FEATURES:end].reshape(len(RULES), levels * LEVEL_FEATURES)
    _rules(spaces, np.array(settings.coarse), by_rule)  # type: ignore[no-untyped-call]
    if settings.fine:
        upper = min(upper, _fine(fine, spaces[START_RULE][1], settings.fine, out[end:]))
    return out, lower, max(lower, upper)
