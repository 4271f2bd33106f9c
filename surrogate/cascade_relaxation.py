"""Compiled kernels of one level of the cascade: conjugate gradients on its network, a plane at a time.

Names and equations are those of :mod:`.cascade`, arrays those of :mod:`.cascade_workspace`, flat. A plane is gone
through in one loop, the borders between its rows too: nothing conducts there, so they add zeros, and one loop over
thousands of cells takes less time than a loop over a few dozen for each row. `at`, `to` and `places` say where planes
begin; of some arrays no more than the last planes are kept.
"""

from __future__ import annotations

import numpy as np

from .cascade_workspace import (
    BLOCK,
    FIRST,
    HALF,
    INVERSE,
    NEXT,
    ONE,
    TINY,
    ZERO,
    P,
    Q,
    R,
    U,
    conductances,
    grid_of,
    place,
    serial,
)

__all__ = ["net_current", "relax", "residual"]


@serial
def residual(g, at, u, places, drops, inverse, r, to, z, grid):  # type: ignore[no-untyped-def]
    """Write 1/diagonal and residual of a plane, from `to` on, and z = D⁻¹r, from `at` on; return r·z.

    `drops` are the applied ones at its faces.
    """
    (gx, gy, gz), (before, here, after), (plane, row, count) = g, places, grid
    drop_before, drop_after = drops
    total = 0.0
    for start in range(FIRST, count, BLOCK):
        part = ZERO
        for n in range(start, min(start + BLOCK, count)):
            a, c = at + n, here + n
            xa, xb, ya, yb, za, zb = gx[a - plane], gx[a], gy[a - row], gy[a], gz[a - NEXT], gz[a]
            v = u[c]
            d = xa + xb + ya + yb + za + zb
            w = ONE / d if d > ZERO else ZERO
            s = (
                xa * (drop_before - v + u[before + n])
                - xb * (drop_after + v - u[after + n])
                - ya * (v - u[c - row])
                - yb * (v - u[c + row])
                - za * (v - u[c - NEXT])
                - zb * (v - u[c + NEXT])
            )
            inverse[to + n] = w
            r[to + n] = s
            z[a] = w * s
            part += s * s * w
        total += part
    return total


@serial
def net_current(g, p, a, plane, row):  # type: ignore[no-untyped-def]
    """Return the net current that `p` drives out of cell `a`."""
    gx, gy, gz = g
    v = p[a]
    return (
        gx[a - plane] * (v - p[a - plane])
        + gx[a] * (v - p[a + plane])
        + gy[a - row] * (v - p[a - row])
        + gy[a] * (v - p[a + row])
        + gz[a - NEXT] * (v - p[a - NEXT])
        + gz[a] * (v - p[a + NEXT])
    )


@serial
def _write_currents(g, p, q, at, grid):  # type: ignore[no-untyped-def]
    """Write the net currents that `p` drives out of the cells of a plane; return their product."""
    plane, row, count = grid
    total = ZERO
    for n in range(count):
        a = at + n
        s = net_current(g, p, a, plane, row)
        q[a] = s
        total += s * p[a]
    return total


@serial
def _turn(inverse, r, beta, p, at, count):  # type: ignore[no-untyped-def]
    """Write a plane of the next direction."""
    for n in range(count):
        p[at + n] = inverse[at + n] * r[at + n] + beta * p[at + n]


@serial
def _update(inverse, alpha, p, q, u, r, at, count):  # type: ignore[no-untyped-def]
    """Step along `p` in a plane; return r·z."""
    total = ZERO
    for n in range(count):
        u[at + n] += alpha * p[at + n]
        s = r[at + n] - alpha * q[at + n]
        r[at + n] = s
        total += s * s * inverse[at + n]
    return total


@serial
def relax(space, decrements):  # type: ignore[no-untyped-def]
    """Improve the potential by as many iterations as there are decrements, write what each took off; return r·z."""
    g, grid = conductances(space), grid_of(space)
    u, inverse, r = space[U].reshape(-1), space[INVERSE].reshape(-1), space[R].reshape(-1)
    p, q = space[P].reshape(-1), space[Q].reshape(-1)
    nx, count = space.shape[1] - 2, grid[2]
    rz = 0.0
    for i in range(1, nx + 1):
        at = place(i, grid)
        drops = HALF if i == 1 else ONE, HALF if i == nx else ONE
        rz += residual(g, at, u, (at - grid[0], at, at + grid[0]), drops, inverse, r, at, p, grid)
    beta = ZERO
    for n in range(decrements.size):
        power = 0.0
        # The direction is one plane ahead, so that the currents find it in the cache.
        for ahead in range(1, nx + 2):
            if n and ahead <= nx:
                _turn(inverse, r, beta, p, place(ahead, grid), count)
            if ahead > 1:
                power += _write_currents(g, p, q, place(ahead - 1, grid), grid)
        alpha = rz / (power + TINY)
        decrements[n] = alpha * rz
        previous, rz = rz, 0.0
        for i in range(1, nx + 1):
            rz += _update(inverse, np.float32(alpha), p, q, u, r, place(i, grid), count)
        beta = np.float32(rz / (previous + TINY))
    return rz
