"""What conjugate gradients know of each volume: a row of numbers in double precision that stays on the device.

Two kernels of one block per volume add up the partial sums of a dot product and take the step's decisions, so that the
host need only look once per iteration whether any volume still goes on.
"""

from __future__ import annotations

import triton
import triton.language as tl

from ..conjugate_gradients import FEWEST, SAFETY, SLOWEST

__all__ = ["ENERGY", "ESTIMATE", "FIELDS", "LIVE", "MOVES", "SLACK", "STEPS", "WIDE", "conclude", "decide"]

# Whether the volume still iterates; whether it visits coarse grids twice; whether this step moves it.
LIVE, WIDE, MOVES = tl.constexpr(0), tl.constexpr(1), tl.constexpr(2)
RHO, BEFORE, ALPHA, BETA = tl.constexpr(3), tl.constexpr(4), tl.constexpr(5), tl.constexpr(6)
ENERGY, ESTIMATE, STEPS = tl.constexpr(7), tl.constexpr(8), tl.constexpr(9)
# The last four decrements of the energy, the newest last.
DECREMENTS = tl.constexpr(10)
# A decrement counts as at least SLACK times the one before.
RTOL, EPSILON, SLACK = tl.constexpr(14), tl.constexpr(15), tl.constexpr(16)
FIELDS = tl.constexpr(17)

BLOCK = tl.constexpr(1024)
FEWEST_STEPS = tl.constexpr(FEWEST)
SLOWEST_RATE = tl.constexpr(SLOWEST)
SAFETY_FACTOR = tl.constexpr(SAFETY)


@triton.jit
def added_up(partial, volume, count):
    """Return the sum of a volume's partial sums, always in the same order."""
    lanes = tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), tl.float64)
    for begin in range(0, count, BLOCK):
        ok = begin + lanes < count
        total += tl.load(partial + volume * count + begin + lanes, mask=ok, other=0.0)
    return tl.sum(total, axis=0)


@triton.jit
def decide(state, partial, count):
    """Given the sums of r·z: find β, whether rounding is reached, or whether the cycle was indefinite.

    A volume whose cycle was retreats to single visits of the coarse grids and does not move in this step; see
    :meth:`~ionscreen.pipeline.multigrid.Multigrid.retreat`.
    """
    volume = tl.program_id(0)
    s = state + volume * FIELDS
    goes_on = tl.load(s + LIVE) > 0
    rho = added_up(partial, volume, count)
    retreats = goes_on & (rho < 0) & (tl.load(s + WIDE) > 0)
    epsilon = tl.load(s + EPSILON)
    ends = goes_on & (retreats == 0) & (rho <= epsilon * epsilon * tl.load(s + ENERGY))
    moves = goes_on & (retreats == 0) & (ends == 0)
    before = tl.load(s + BEFORE)
    beta = tl.where(before != 0, rho / tl.where(before != 0, before, 1.0), 0.0)
    estimate = tl.load(s + ESTIMATE)
    tl.store(s + ESTIMATE, tl.where(ends, tl.minimum(estimate, epsilon), estimate))
    tl.store(s + WIDE, tl.where(retreats, 0.0, tl.load(s + WIDE)))
    tl.store(s + LIVE, tl.where(goes_on & (ends == 0), 1.0, 0.0))
    tl.store(s + MOVES, tl.where(moves, 1.0, 0.0))
    tl.store(s + RHO, rho)
    tl.store(s + BETA, tl.where(moves, beta, 0.0))
    tl.store(s + BEFORE, tl.where(moves, rho, 0.0))


@triton.jit
def conclude(state, partial, count):
    """Given the sums of p·A p: find α, the decrement of the energy, and whether σ_eff is accurate enough."""
    volume = tl.program_id(0)
    s = state + volume * FIELDS
    moves = tl.load(s + MOVES) > 0
    curvature = added_up(partial, volume, count)
    rho = tl.load(s + RHO)
    alpha = tl.where(moves, rho / tl.where(moves, curvature, 1.0), 0.0)
    steps = tl.load(s + STEPS) + tl.where(moves, 1.0, 0.0)
    energy = tl.load(s + ENERGY) - alpha * rho
    d0, d1 = tl.load(s + DECREMENTS + 1), tl.load(s + DECREMENTS + 2)
    d2, d3 = tl.load(s + DECREMENTS + 3), alpha * rho
    estimate = tail(d0, d1, d2, d3, steps, tl.load(s + SLACK)) / energy
    tl.store(s + ALPHA, alpha)
    if moves:
        tl.store(s + STEPS, steps)
        tl.store(s + ENERGY, energy)
        tl.store(s + ESTIMATE, estimate)
        tl.store(s + DECREMENTS, d0)
        tl.store(s + DECREMENTS + 1, d1)
        tl.store(s + DECREMENTS + 2, d2)
        tl.store(s + DECREMENTS + 3, d3)
        tl.store(s + LIVE, tl.where(estimate <= tl.load(s + RTOL), 0.0, 1.0))


@triton.jit
def tail(d0, d1, d2, d3, steps, slack):
    """Return an estimate from above of the sum of all decrements to come, as conjugate gradients on the CPU do."""
    d1 = tl.maximum(d1, slack * d0)
    d2 = tl.maximum(d2, slack * d1)
    d3 = tl.maximum(d3, slack * d2)
    rate = tl.maximum(ratio(d3, d2), ratio(d2, d1))
    rate = tl.maximum(rate, tl.where(steps > FEWEST_STEPS, ratio(d1, d0), 0.0))
    rate = tl.maximum(rate, tl.maximum(SLOWEST_RATE, slack))
    known = (steps >= FEWEST_STEPS) & (rate < 1)
    return tl.where(known, SAFETY_FACTOR * d3 * rate / tl.where(known, 1 - rate, 1.0), float("inf"))


@triton.jit
def ratio(later, earlier):
    """Return later over earlier, 0 where there is no earlier."""
    return tl.where(earlier != 0, later / tl.where(earlier != 0, earlier, 1.0), 0.0)
