"""The effective conductivity of a voxel image: the public call, its checks and its result."""

from __future__ import annotations

import enum
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..datasets import InvalidInput
from .percolation import conductivity_table, percolating_mask

__all__ = ["ConductivityResult", "Outcome", "effective_conductivity"]

MAX_ITERATIONS = 500
MAX_CONDUCTING_PHASES = 255
CALL = "effective_conductivity(phases, {0: 0.0, 1: 0.18}, voxel_size=0.4e-6, axis=0)"

Axis = int | Literal["all"]


class Outcome(enum.Enum):
    """How a solution ended; the value is the sentence that explains it."""

    CONVERGED = "The estimated relative error of the effective conductivity is below the requested tolerance."
    NON_PERCOLATING = "No conducting path joins the two faces; the effective conductivity is exactly 0."
    NOT_CONVERGED = "The iteration limit was reached before the requested tolerance; see error_estimate."

    @property
    def sentence(self) -> str:
        """The explanation."""
        return str(self.value)


@dataclass(frozen=True)
class ConductivityResult:
    """Effective conductivity along one axis, or, with ``axis="all"``, of each axis: every number is then an array (3,).

    Parameters
    ----------
    sigma
        σ_eff, S/m: the Dirichlet energy of the potential that was found.
    relative
        M = σ_eff / largest phase conductivity.
    tortuosity
        τ = ε/M with ε the volume fraction of *all* voxels that conduct, joined to the faces or not (the convention of
        TauFactor and PuMA); infinite if nothing percolates. The fraction that is joined is `connected_fraction`.
    upper_bound
        S/m; the true σ_eff is never above it: the energy of any potential bounds it (Dirichlet's principle).
    error_estimate
        Estimated relative error of sigma, from above.
    connected_fraction
        Volume fraction of the voxels that conduct and are joined to both faces.
    flux_in, flux_out
        σ_eff computed from the current through either face, S/m; they agree with sigma to about the square root of
        the error.
    outcome
        How it ended (a list of three with ``axis="all"``).
    iterations
        Of conjugate gradients.
    seconds
        Wall time.
    """

    sigma: Any
    relative: Any
    tortuosity: Any
    upper_bound: Any
    error_estimate: Any
    connected_fraction: Any
    flux_in: Any
    flux_out: Any
    outcome: Any
    iterations: Any
    seconds: Any


def effective_conductivity(
    phases: npt.NDArray[Any],
    conductivity: Mapping[int, float],
    *,
    voxel_size: float | tuple[float, float, float] = 1.0,
    axis: Axis = 0,
    boundary: Literal["plates"] = "plates",
    rtol: float = 1e-4,
) -> ConductivityResult:
    """Return the effective conductivity of a voxel image between two plates.

    Solves ∇·(σ∇φ) = 0 on cell-centred finite differences with the harmonic mean of σ between voxels, φ fixed on the
    outer faces of the first and last layer, no flux through the other four faces.

    Parameters
    ----------
    phases
        (nx, ny, nz), unsigned integers or booleans; any sizes from 1.
    conductivity
        Phase -> σ, S/m, finite and not negative, for every phase that occurs; 0 is an insulator.
    voxel_size
        Edge length, metres; one number, or (hx, hy, hz). Only the ratios matter for σ_eff.
    axis
        0, 1, 2, or ``"all"``: the current flows along it.
    boundary
        ``"plates"``.
    rtol
        Relative error wanted of σ_eff, from 1e-10 to 0.1.

    Returns
    -------
    ConductivityResult
        A structure without conducting path is no error: σ_eff is 0, the outcome says so.

    Raises
    ------
    InvalidInput
        A ValueError that names the argument at fault and shows the call to write instead.

    Examples
    --------
    Two layers in series have the harmonic mean of their conductivities:

    >>> import numpy as np
    >>> from ionscreen.pipeline import effective_conductivity
    >>> layers = np.zeros((8, 4, 4), dtype=np.uint8)
    >>> layers[4:] = 1
    >>> result = effective_conductivity(layers, {0: 1.0, 1: 3.0}, voxel_size=1e-6, axis=0)
    >>> round(float(result.sigma), 4)
    1.5
    """
    if boundary != "plates":
        raise InvalidInput(f'boundary is {boundary!r}, but only "plates" is known; write {CALL}.')
    if not isinstance(rtol, int | float) or not 1e-10 <= rtol <= 0.1:
        raise InvalidInput(f"rtol is {rtol!r}; give a relative error from 1e-10 to 0.1.")
    phases = _checked_phases(phases)
    table = _checked_table(phases, conductivity)
    size = _checked_voxel_size(voxel_size)
    if axis == "all":
        results = [_along(phases, table, size, each, rtol) for each in range(3)]
        return _stacked(results)
    if isinstance(axis, bool) or axis not in (0, 1, 2):
        raise InvalidInput(f'axis is {axis!r}; give 0, 1, 2 or "all": {CALL}.')
    return _along(phases, table, size, int(axis), rtol)


def _checked_phases(phases: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if not isinstance(phases, np.ndarray):
        raise InvalidInput(f"phases is a {type(phases).__name__}, not a numpy array; write {CALL}.")
    if phases.dtype.kind not in "ub":
        raise InvalidInput(
            f"phases has dtype {phases.dtype}; phase numbers are unsigned: write phases.astype(numpy.uint8) if they are "
            "whole numbers, or segment the image."
        )
    if phases.ndim != 3 or phases.size == 0:
        raise InvalidInput(f"phases has shape {phases.shape}; it must be (nx, ny, nz), each 1 or more: {CALL}.")
    return phases


def _checked_table(phases: npt.NDArray[Any], conductivity: Mapping[int, float]) -> npt.NDArray[np.float64]:
    """Return σ by phase number, S/m; NaN for numbers that do not occur."""
    if not isinstance(conductivity, Mapping) or not conductivity:
        raise InvalidInput(f"conductivity is {conductivity!r}; give σ of each phase in S/m: {CALL}.")
    for phase, sigma in conductivity.items():
        if isinstance(phase, bool) or not isinstance(phase, int | np.integer) or phase < 0:
            raise InvalidInput(f"conductivity has the key {phase!r}; keys are phase numbers: {CALL}.")
        if not isinstance(sigma, int | float | np.number) or not math.isfinite(sigma) or sigma < 0:
            raise InvalidInput(f"conductivity[{phase}] is {sigma!r}; give a finite number of S/m, 0 or more: {CALL}.")
    largest = int(phases.max())
    if largest >= 65536:
        raise InvalidInput(f"phases holds the number {largest}; number the phases from 0 (numpy.unique renumbers them).")
    table = conductivity_table(phases, conductivity)
    there = np.flatnonzero(np.bincount(phases.ravel()))
    missing = there[np.isnan(table[there])]
    if missing.size:
        raise InvalidInput(
            f"phases holds phase {missing[0]}, but conductivity has no entry for it; add {missing[0]}: σ in S/m, "
            "0 if it insulates."
        )
    return table


def _checked_voxel_size(voxel_size: float | tuple[float, float, float]) -> tuple[float, float, float]:
    try:
        given = np.asarray(voxel_size, dtype=float)
    except (TypeError, ValueError):
        given = np.empty(0)
    sizes = np.repeat(given, 3) if given.ndim == 0 else given
    if sizes.shape != (3,) or not (np.isfinite(sizes) & (sizes > 0)).all():
        raise InvalidInput(f"voxel_size is {voxel_size!r}; give one or three positive lengths in metres: {CALL}.")
    return float(sizes[0]), float(sizes[1]), float(sizes[2])


def _along(
    phases: npt.NDArray[Any],
    table: npt.NDArray[np.float64],
    size: tuple[float, float, float],
    axis: int,
    rtol: float,
) -> ConductivityResult:
    began = time.perf_counter()
    sigma_of_voxels = np.nan_to_num(table)
    conducts = (sigma_of_voxels > 0)[phases]
    fraction = float(conducts.mean())
    mask = percolating_mask(conducts, axis)
    sigma_max = float(sigma_of_voxels[np.flatnonzero(np.bincount(phases.ravel()))].max())
    if not mask.any():
        nothing = Outcome.NON_PERCOLATING
        seconds = time.perf_counter() - began
        return ConductivityResult(0.0, 0.0, math.inf, 0.0, 0.0, 0.0, 0.0, 0.0, nothing, 0, seconds)
    from .conjugate_gradients import solve

    numbers, values = _renumbered(sigma_of_voxels / sigma_max)
    padded = np.zeros([n + 2 for n in np.moveaxis(phases, axis, 0).shape], dtype=np.uint8)
    padded[1:-1, 1:-1, 1:-1] = np.moveaxis(np.where(mask, numbers[phases], np.uint8(0)), axis, 0)
    order = [axis, *(other for other in range(3) if other != axis)]
    faces, plates = _conductances(values, [size[each] for each in order])
    solution = solve(padded, faces, plates, rtol, MAX_ITERATIONS)
    # From the conductance between the plates, in units of h_y h_z/h_x, to a conductivity: times length over area.
    nx, ny, nz = (n - 2 for n in padded.shape)
    unit = sigma_max * nx / (ny * nz)
    sigma = solution.energy * unit
    return ConductivityResult(
        sigma=sigma,
        relative=sigma / sigma_max,
        tortuosity=fraction * sigma_max / sigma,
        upper_bound=sigma,
        error_estimate=solution.error_estimate,
        connected_fraction=float(mask.mean()),
        flux_in=solution.flux_in * unit,
        flux_out=solution.flux_out * unit,
        outcome=Outcome.CONVERGED if solution.converged else Outcome.NOT_CONVERGED,
        iterations=solution.iterations,
        seconds=time.perf_counter() - began,
    )


def _renumbered(sigma: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    """Return a number by phase and σ by number: number 0 insulates, equal σ share a number.

    Raises
    ------
    InvalidInput
        If more conductivities differ than a byte can tell apart.
    """
    values, numbers = np.unique(np.concatenate([[0.0], sigma]), return_inverse=True)
    if values.size > MAX_CONDUCTING_PHASES + 1:
        raise InvalidInput(f"conductivity has {values.size - 1} different values; at most 255 can be told apart.")
    return numbers[1:].astype(np.uint8), values


def _conductances(
    sigma: npt.NDArray[np.float64], size: list[float]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return face conductances (3, P, P) and plate conductances (P,), in units of σ_max h_y h_z/h_x.

    The face between two voxels has the harmonic mean of their σ, the plate half a voxel of one.
    """
    with np.errstate(divide="ignore"):
        resistance = 1 / sigma
    harmonic = 2 / (resistance[:, None] + resistance[None, :])
    faces = np.stack([harmonic * (size[0] / h) ** 2 for h in size])
    return faces, 2 * sigma


def _stacked(results: list[ConductivityResult]) -> ConductivityResult:
    """Return one result whose fields are arrays (3,)."""
    columns = {
        name: np.array([getattr(r, name) for r in results])
        for name in ConductivityResult.__dataclass_fields__
        if name != "outcome"
    }
    return ConductivityResult(**columns, outcome=[r.outcome for r in results])
