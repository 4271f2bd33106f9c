"""Compiled kernels of one level of the cascade: conjugate gradients on its network, and what is measured there.

Names and equations are those of :mod:`.cascade`, arrays those of :mod:`.cascade_workspace`.
"""

from __future__ import annotations

import numpy as np

from .cascade_settings import CONVERGED, FLOOR
from .cascade_workspace import GX, GY, GZ, HALF, INVERSE, ONE, TINY, ZERO, P, Q, R, U, serial

__all__ = ["describe", "log", "relax"]


@serial
def _step(gx, gy, gz, inverse, r, p, q, beta, first):  # type: ignore[no-untyped-def]
    """Write the next direction and the net current that it drives out of each cell; return their product.

    The direction is one plane ahead, so that the currents find it in the cache.
    """
    nx, ny, nz = p.shape[0] - 2, p.shape[1] - 2, p.shape[2] - 2
    total = 0.0
    for ahead in range(1, nx + 2):
        if ahead <= nx and first:
            for j in range(1, ny + 1):
                for k in range(1, nz + 1):
                    p[ahead, j, k] = inverse[ahead, j, k] * r[ahead, j, k]
        elif ahead <= nx:
            for j in range(1, ny + 1):
                for k in range(1, nz + 1):
                    p[ahead, j, k] = inverse[ahead, j, k] * r[ahead, j, k] + beta * p[ahead, j, k]
        i = ahead - 1
        if i == 0:
            continue
        part = ZERO
        for j in range(1, ny + 1):
            for k in range(1, nz + 1):
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
def _start(gx, gy, gz, u, inverse, r):  # type: ignore[no-untyped-def]
    """Write 1/diagonal, and the residual at the potential `u`; return r·z."""
    nx = u.shape[0] - 2
    total = 0.0
    for i in range(1, nx + 1):
        before = HALF if i == 1 else ONE
        after = HALF if i == nx else ONE
        part = ZERO
        for j in range(1, u.shape[1] - 1):
            for k in range(1, u.shape[2] - 1):
                v = u[i, j, k]
                xa, xb, ya, yb, za, zb = (
                    gx[i - 1, j, k],
                    gx[i, j, k],
                    gy[i, j - 1, k],
                    gy[i, j, k],
                    gz[i, j, k - 1],
                    gz[i, j, k],
                )
                d = xa + xb + ya + yb + za + zb
                w = ONE / d if d > 0 else ZERO
                s = (
                    xa * (before - v + u[i - 1, j, k])
                    - xb * (after + v - u[i + 1, j, k])
                    - ya * (v - u[i, j - 1, k])
                    - yb * (v - u[i, j + 1, k])
                    - za * (v - u[i, j, k - 1])
                    - zb * (v - u[i, j, k + 1])
                )
                inverse[i, j, k] = w
                r[i, j, k] = s
                part += s * s * w
        total += part
    return total


@serial
def _update(u, r, p, q, inverse, alpha):  # type: ignore[no-untyped-def]
    """Step along `p` and return the new r·z."""
    total = 0.0
    for i in range(1, u.shape[0] - 1):
        part = ZERO
        for j in range(1, u.shape[1] - 1):
            for k in range(1, u.shape[2] - 1):
                u[i, j, k] += alpha * p[i, j, k]
                s = r[i, j, k] - alpha * q[i, j, k]
                r[i, j, k] = s
                part += s * s * inverse[i, j, k]
        total += part
    return total


@serial
def relax(space, decrements):  # type: ignore[no-untyped-def]
    """Improve the potential by as many iterations as there are decrements, write what each took off; return r·z."""
    gx, gy, gz, u = space[GX], space[GY], space[GZ], space[U]
    inverse, r, p, q = space[INVERSE], space[R], space[P], space[Q]
    rz = _start(gx, gy, gz, u, inverse, r)
    beta = ZERO
    for n in range(decrements.size):
        alpha = rz / (_step(gx, gy, gz, inverse, r, p, q, beta, n == 0) + TINY)
        decrements[n] = alpha * rz
        previous, rz = rz, _update(u, r, p, q, inverse, np.float32(alpha))
        beta = np.float32(rz / (previous + TINY))
    return rz


@serial
def _measure(gx, gy, gz, u, currents):  # type: ignore[no-untyped-def]
    """Write the current through each plane; return the dissipation along and across, and the sum of squares along."""
    nx = u.shape[0] - 2
    along, across, squares = 0.0, 0.0, 0.0
    for i in range(nx + 1):
        drop = HALF if i == 0 or i == nx else ONE
        current, x, yz, xx = ZERO, ZERO, ZERO, ZERO
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
def log(v):  # type: ignore[no-untyped-def]
    return np.log(v + FLOOR)


@serial
def describe(space, decrements, rz, shape, out):  # type: ignore[no-untyped-def]
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
    out[0] = log(energy * shape[0] / (cells * cells * shape[1] * shape[2]))
    out[1] = np.log(decrements[-1] / (energy + TINY) + CONVERGED)
    out[2] = np.log(rz / (energy + TINY) + CONVERGED)
    out[3] = log(along / (energy + TINY))
    out[4] = log(along * along / (faces * squares + TINY))
    out[5] = log(max(mean, 0.0) * cells / (energy + TINY))
    out[6] = np.log(deviation / (abs(mean) + TINY) + CONVERGED)
