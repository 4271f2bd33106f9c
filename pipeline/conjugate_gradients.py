"""Preconditioned conjugate gradients that stop when σ_eff, not a residual, is accurate enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from . import fine_kernels as fine
from .multigrid import Multigrid

__all__ = ["Solution", "solve"]

# The tail of the energy is extrapolated from the slowest of this many last steps, and doubled: the true error was
# below it in all random cases of tests/pipeline/test_certificate.py.
WINDOW = 3
SAFETY = 2.0


@dataclass(frozen=True)
class Solution:
    """The potential, and what is known of its energy.

    Parameters
    ----------
    energy
        Dirichlet energy of the potential: an upper bound of the conductance between the plates.
    flux_in, flux_out
        Through the first and the last plate.
    error_estimate
        Estimated relative excess of the energy over the true conductance.
    iterations
        Of conjugate gradients.
    converged
        Whether the estimate reached the tolerance.
    """

    energy: float
    flux_in: float
    flux_out: float
    error_estimate: float
    iterations: int
    converged: bool


def solve(
    phases: npt.NDArray[np.uint8],
    faces: npt.NDArray[np.float64],
    plates: npt.NDArray[np.float64],
    rtol: float,
    max_iterations: int,
) -> Solution:
    """Return the potential between plates at 1 and 0.

    Conjugate gradients minimise the energy over growing subspaces. Step j lowers it by α_j r_jᵀz_j (Hestenes and
    Stiefel 1952, theorem 6:1); the sum of all later decrements is the error of σ_eff (Strakoš and Tichý, ETNA 13
    (2002) 56). The later ones are extrapolated from the last ones as a geometric series.

    Parameters
    ----------
    phases
        (nx+2, ny+2, nz+2) uint8 with a border of 0, the insulator; every other voxel is joined to both plates.
    faces, plates
        (3, P, P), (P,): conductances, see :mod:`~ionscreen.pipeline.fine_kernels`.
    rtol
        Wanted relative error of the energy.
    max_iterations
        Give up after so many.
    """
    operator = (phases, faces, plates)
    preconditioner = Multigrid(*operator)
    x = _ramp(phases)
    r, p, q = (np.zeros(phases.shape) for _ in range(3))
    z = np.zeros(phases.shape, dtype=np.float32)
    fine.residual(*operator, x, r)
    energy = fine.energy(*operator, x)[0]
    decrements: list[float] = []
    estimate, rho_before = np.inf, 0.0
    for _ in range(max_iterations):
        preconditioner.apply(r, z)
        rho = fine.dot(r, z)
        # What this step can gain bounds what it will: nothing left means that the ramp was exact, or rounding is reached.
        if rho <= 1e-15 * energy:
            estimate = min(estimate, 1e-14)
            break
        fine.direction(rho / rho_before if rho_before else 0.0, z, p)
        alpha = rho / fine.apply(*operator, p, q)
        fine.update(alpha, p, q, x, r)
        rho_before = rho
        decrements.append(alpha * rho)
        energy -= alpha * rho
        estimate = _tail(decrements) / energy
        if estimate <= rtol:
            break
    final, flux_in, flux_out = fine.energy(*operator, x)
    return Solution(final, flux_in, flux_out, float(estimate), len(decrements), bool(estimate <= rtol))


def _ramp(phases: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Return the potential of a homogeneous box, 0 in the insulator."""
    nx = phases.shape[0] - 2
    ramp = 1 - (np.arange(nx + 2) - 0.5) / nx
    return np.where(phases != 0, ramp[:, None, None], 0.0)


def _tail(decrements: list[float]) -> float:
    """Return an estimate from above of the sum of all decrements to come."""
    if len(decrements) < 2:
        return np.inf
    last = np.array(decrements[-WINDOW - 1 :])
    rate = float((last[1:] / last[:-1]).max())
    return np.inf if rate >= 1 else SAFETY * last[-1] * rate / (1 - rate)
