"""Preconditioned conjugate gradients that stop when σ_eff, not a residual, is accurate enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .compact_multigrid import CompactMultigrid
from .compact_problem import CompactProblem
from .multigrid import Multigrid
from .problem import Problem

__all__ = ["Progress", "Solution", "solve"]

# Called after every step with the number of steps and the estimated relative error of σ_eff.
Progress = Callable[[int, float], None]

# What is still to come is extrapolated as a geometric series at the slowest of the last rates, not faster than SLOWEST:
# the first steps, which smooth away what is rough, are much faster than those to come. Chosen on 1,300 random cases
# (8-24 voxels an edge, 2-5 phases, contrasts to 1e9); tests/pipeline/test_certificate.py checks others.
# Where good conductors lie isolated, decrements rise and fall: a single small one says nothing, so that each counts as
# at least so many times the one before. Elsewhere that would cost one to three steps of five for nothing.
SLOWEST_ISOLATED = 0.8
FEWEST = 3
WINDOW = 3
SLOWEST = 0.7
SAFETY = 3.0


@dataclass(frozen=True, eq=False)
class Solution:
    """The potential, and what is known of its energy.

    Parameters
    ----------
    potential
        A vector of the problem: (nx+2, ny+2, nz+2) with its border filled, or (n + 1,) of a compact one.
    energy
        Dirichlet energy of the potential: an upper bound of the conductance.
    flux_in, flux_out
        Through the first and the last plate.
    error_estimate
        Estimated relative excess of the energy over the true conductance.
    iterations
        Of conjugate gradients.
    converged
        Whether the estimate reached the tolerance.
    """

    potential: npt.NDArray[Any]
    energy: float
    flux_in: float
    flux_out: float
    error_estimate: float
    iterations: int
    converged: bool


def solve(
    problem: Problem | CompactProblem,
    preconditioner: Multigrid | CompactMultigrid,
    rtol: float,
    max_iterations: int,
    *,
    axis: int = 0,
    progress: Progress | None = None,
) -> Solution:
    """Return the potential that falls by 1 along `axis`: between plates (axis 0), or from period to period.

    Conjugate gradients minimise the energy over growing subspaces. Step j lowers it by α_j r_jᵀz_j (Hestenes and
    Stiefel 1952, theorem 6:1); the sum of all later decrements is the error of σ_eff (Strakoš and Tichý, ETNA 13
    (2002) 56).

    Parameters
    ----------
    problem, preconditioner
        Of the same image.
    rtol
        Wanted relative error of the energy.
    max_iterations
        Give up after so many.
    axis
        0 between plates.
    progress
        Told of every step.
    """
    x = problem.start(axis)
    r, p, z = (np.zeros_like(x) for _ in range(3))
    problem.residual(x, r)
    energy = problem.energy(x)[0]
    decrements: list[float] = []
    estimate, rho_before = np.inf, 0.0
    for _ in range(max_iterations):
        preconditioner.apply(r, z)
        rho = problem.dot(r, z)
        if rho < 0 and preconditioner.retreat():
            preconditioner.apply(r, z)
            rho, rho_before = problem.dot(r, z), 0.0
        # What this step can gain bounds what it will: the ramp was exact, or rounding is reached.
        if rho <= np.finfo(problem.dtype).eps ** 2 * energy:
            estimate = min(estimate, np.finfo(problem.dtype).eps)
            break
        problem.turn(rho / rho_before if rho_before else 0.0, z, p)
        # z has done its part and takes A p.
        alpha = rho / problem.apply(p, z)
        problem.advance(alpha, p, z, x, r)
        rho_before = rho
        decrements.append(alpha * rho)
        energy -= alpha * rho
        estimate = _tail(decrements, SLOWEST_ISOLATED if problem.isolated else 0.0) / energy
        if progress is not None:
            progress(len(decrements), float(estimate))
        if estimate <= rtol:
            break
    problem.close(x, axis)
    final, flux_in, flux_out = problem.energy(x)
    return Solution(x, final, flux_in, flux_out, float(estimate), len(decrements), bool(estimate <= rtol))


def _tail(decrements: list[float], slowest: float = 0.0) -> float:
    """Return an estimate from above of the sum of all decrements to come.

    Each counts as at least `slowest` times the one before, as far back as the window reaches.
    """
    if len(decrements) < FEWEST:
        return np.inf
    last = np.array(decrements[-WINDOW - 1 :])
    for place in range(1, last.size):
        last[place] = max(last[place], slowest * last[place - 1])
    rate = max(float((last[1:] / last[:-1]).max()), SLOWEST, slowest)
    return np.inf if rate >= 1 else SAFETY * float(last[-1]) * rate / (1 - rate)
