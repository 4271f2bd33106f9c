"""The effective conductivity of a voxel image: the public call."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from ..datasets import InvalidInput
from .memory import check_memory, needed_bytes
from .refinement import extrapolated, split
from .result import ConductivityResult, Outcome, stacked

if TYPE_CHECKING:
    from .compact_problem import CompactProblem
    from .conjugate_gradients import Solution
    from .problem import Problem

__all__ = ["ConductivityResult", "Outcome", "effective_conductivity"]

MAX_ITERATIONS = 500
MAX_MATERIALS = 255
# Single precision resolves σ_eff to about this, and weak conductors down to about that part of the best: with 1e-4
# around isolated good conductors it was 9e-5 off where 2e-5 was stated.
SINGLE_RTOL = 1e-6
SINGLE_CONTRAST = 3e-4

# Where a smaller part of the voxels carries current, a list of them is faster than the box (docs/decisions.md).
COMPACT_BELOW = 0.22

Axis = int | Literal["all"]
Boundary = Literal["plates", "mixed", "periodic"]
Refine = Literal[1, 2]
Device = Literal["cpu", "cuda"]


@dataclass(frozen=True, eq=False)
class _Task:
    """Checked arguments."""

    phases: npt.NDArray[Any]
    table: npt.NDArray[np.float64]
    size: npt.NDArray[np.float64]
    boundary: Boundary
    rtol: float
    interfaces: dict[tuple[int, int], float]
    grains: npt.NDArray[Any] | None
    grain_resistance: npt.NDArray[np.float64]
    fields: bool
    progress: Callable[[int, float], None] | None
    lower_bound: bool = False
    axes: int = 1
    device: Device = "cpu"


def effective_conductivity(
    phases: npt.NDArray[Any],
    conductivity: Mapping[int, float],
    *,
    voxel_size: float | tuple[float, float, float] = 1.0,
    axis: Axis = 0,
    boundary: Boundary = "plates",
    rtol: float = 1e-4,
    interface_resistance: Mapping[tuple[int, int], float] | None = None,
    grains: npt.NDArray[Any] | None = None,
    grain_boundary_resistance: float | Mapping[int, float] | None = None,
    device: Device = "cpu",
    threads: int | None = None,
    return_fields: bool = False,
    lower_bound: bool = False,
    refine: Refine = 1,
    progress: Callable[[int, float], None] | None = None,
) -> ConductivityResult:
    """Return the effective conductivity of a voxel image.

    Solves ∇·(σ∇φ) = 0 on cell-centred finite differences; between two voxels lie half of either and the resistance of
    their contact, if any, in series.

    Parameters
    ----------
    phases
        (nx, ny, nz), unsigned integers or booleans; any sizes from 1.
    conductivity
        Phase -> σ, S/m, finite and not negative, for every phase that occurs; 0 is an insulator.
    voxel_size
        Edge length, metres; one number, or (hx, hy, hz). Without resistances only the ratios matter.
    axis
        0, 1, 2, or ``"all"``: the current flows along it.
    boundary
        ``"plates"``: φ is fixed on the outer faces of the first and last layer, nothing flows through the other four.
        ``"mixed"``: plates, and the other four faces are periodic. ``"periodic"``: all are, under a unit mean gradient
        along each axis in turn; the result has a `tensor`.
    rtol
        Relative error wanted of σ_eff, from 1e-10 to 0.1.
    interface_resistance
        (phase, phase) -> Ω m² of the faces between two phases.
    grains, grain_boundary_resistance
        Whole numbers (nx, ny, nz), and the Ω m² of a face between voxels of one phase but different grains: one
        number, or phase -> Ω m².
    device
        ``"cpu"``, or ``"cuda"`` for the GPU (``pip install "ionscreen[gpu]"``).
    threads
        At most this many; None for all that numba has.
    return_fields
        Whether the result carries potential and current density.
    lower_bound
        Whether the result carries a bound from below as well as from above; with several conductors it
        takes up to ten times as long as the solution.
    refine
        2 solves the image a second time with each voxel split in 8: the result is the second one's and says how far
        the finite voxels leave it from the limit of ever finer ones. It takes 8 times the memory, 9 times the time.
    progress
        Called after each iteration with its number and the estimated relative error.

    Returns
    -------
    ConductivityResult
        A structure without conducting path is no error: σ_eff is 0, the outcome says so.

    Raises
    ------
    InvalidInput
        A ValueError that names the argument at fault and shows the call to write instead; also if the memory that is
        free does not suffice, before anything is allocated.

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
    from .arguments import checked_threads

    task = checked_task(
        phases,
        conductivity,
        voxel_size=voxel_size,
        axis=axis,
        boundary=boundary,
        rtol=rtol,
        interface_resistance=interface_resistance,
        grains=grains,
        grain_boundary_resistance=grain_boundary_resistance,
        device=device,
        return_fields=return_fields,
        lower_bound=lower_bound,
        refine=refine,
        progress=progress,
    )
    if device == "cpu":
        check_memory(task, refine)
    with _Threads(checked_threads(threads)):
        result = _solved(task, axis)
        return result if refine == 1 else extrapolated(result, _solved(split(task), axis))


def checked_task(
    phases: Any,
    conductivity: Any,
    *,
    voxel_size: Any,
    axis: Any,
    boundary: Any,
    rtol: Any,
    interface_resistance: Any,
    grains: Any,
    grain_boundary_resistance: Any,
    device: Any,
    return_fields: bool,
    lower_bound: bool,
    refine: Any,
    progress: Callable[[int, float], None] | None,
) -> _Task:
    """Return the arguments of :func:`effective_conductivity`, checked."""
    from . import arguments as check

    if boundary not in ("plates", "mixed", "periodic"):
        raise InvalidInput(f'boundary is {boundary!r}; give "plates", "mixed" or "periodic": {check.CALL}.')
    if isinstance(axis, bool) or axis not in (0, 1, 2, "all"):
        raise InvalidInput(f'axis is {axis!r}; give 0, 1, 2 or "all": {check.CALL}.')
    if isinstance(refine, bool) or refine not in (1, 2):
        raise InvalidInput(f"refine is {refine!r}; give 2 to split each voxel in 8, or 1: {check.CALL}.")
    if device not in ("cpu", "cuda"):
        raise InvalidInput(f'device is {device!r}; give "cpu" or "cuda": {check.CALL}.')
    if device == "cuda" and lower_bound:
        raise InvalidInput('lower_bound is found on the CPU only; leave it out, or write device="cpu".')
    image = check.checked_phases(phases)
    table = check.checked_table(image, conductivity)
    return _Task(
        phases=image,
        table=table,
        size=check.checked_voxel_size(voxel_size),
        boundary=boundary,
        rtol=check.checked_rtol(rtol),
        interfaces=check.checked_interfaces(interface_resistance or {}, table),
        grain_resistance=check.checked_grains(grains, grain_boundary_resistance, image, table),
        grains=None if grains is None else np.unique(grains, return_inverse=True)[1].reshape(image.shape),
        fields=return_fields,
        progress=progress,
        lower_bound=lower_bound,
        axes=3 if axis == "all" else 1,
        device=device,
    )


def _solved(task: _Task, axis: Axis) -> ConductivityResult:
    if task.device == "cuda":
        from .gpu import solve_on_gpu

        (results,) = solve_on_gpu([task], range(3) if axis == "all" else [int(axis)])
        return stacked(results) if axis == "all" else results[0]
    if task.boundary == "periodic":
        from .periodic import solve_periodic

        results = solve_periodic(task)
        return stacked(results) if axis == "all" else results[int(axis)]
    if axis == "all":
        return stacked([_between_plates(task, each) for each in range(3)])
    return _between_plates(task, int(axis))


class _Threads:
    """Limits numba's threads for a while."""

    def __init__(self, threads: int) -> None:
        self._threads = threads

    def __enter__(self) -> None:
        import numba

        self._before = numba.get_num_threads()
        numba.set_num_threads(self._threads)

    def __exit__(self, *_: object) -> None:
        import numba

        numba.set_num_threads(self._before)


def _between_plates(task: _Task, axis: int) -> ConductivityResult:
    from .conjugate_gradients import solve
    from .multigrid import Multigrid
    from .percolation import conducting_mask, percolating_mask

    began = time.perf_counter()
    conducts = conducting_mask(task.table, task.phases)
    sides = task.boundary == "mixed"
    mask = percolating_mask(conducts, axis, sides)
    connected = np.count_nonzero(mask) / mask.size
    fraction = np.count_nonzero(conducts) / mask.size
    if connected == 0:
        return nothing_flows(task, time.perf_counter() - began)
    order = (axis, *(other for other in range(3) if other != axis))
    if connected < COMPACT_BELOW and _conducts_alike(task, mask):
        problem, solution, sigma_ref = _solved_compactly(task, mask, order)
    else:
        problem, sigma_ref = discretised(task, mask, order, (False, sides, sides))
        solution = solve(problem, Multigrid(problem), task.rtol, MAX_ITERATIONS, progress=task.progress)
    # From the conductance between the plates, in units of σ_ref h_y h_z/h_x, to σ: times length over area.
    nx, ny, nz = problem.shape
    unit = sigma_ref * nx / (ny * nz)
    sigma, sigma_max = solution.energy * unit, float(task.table.max())
    potential, density = fields(task, problem, solution.potential, order, sigma_ref) if task.fields else (None, None)
    upper, lower = bounds(task, problem, solution, sigma)
    return ConductivityResult(
        sigma=sigma,
        relative=sigma / sigma_max,
        tortuosity=fraction * sigma_max / sigma,
        upper_bound=upper,
        lower_bound=lower,
        memory=needed_bytes(task),
        error_estimate=solution.error_estimate,
        connected_fraction=connected,
        flux_in=solution.flux_in * unit,
        flux_out=solution.flux_out * unit,
        outcome=Outcome.CONVERGED if solution.converged else Outcome.NOT_CONVERGED,
        iterations=solution.iterations,
        seconds=time.perf_counter() - began,
        potential=potential,
        current_density=density,
    )


def _conducts_alike(task: _Task, mask: npt.NDArray[np.bool_]) -> bool:
    """Return whether all that carries current between two plates has one conductivity, and nothing lies between."""
    from . import assembly

    if task.boundary != "plates" or task.interfaces or task.grains is not None:
        return False
    present = assembly.count_within(task.phases, mask, task.table.size) > 0
    return bool(np.unique(task.table[present]).size == 1)


def _solved_compactly(
    task: _Task, mask: npt.NDArray[np.bool_], order: tuple[int, ...]
) -> tuple[CompactProblem | Problem, Solution, float]:
    """Return problem, solution and unit of σ from a list of the cells in the mask; in the box where more is wanted."""
    from .compact_multigrid import CompactMultigrid
    from .compact_problem import CompactProblem
    from .conjugate_gradients import solve

    dtype = np.float32 if single_precision(task, np.ones(1)) else np.float64
    compact = CompactProblem(np.transpose(mask, order), task.size[list(order)] / task.size[order[0]], dtype)
    solution = solve(compact, CompactMultigrid(compact), task.rtol, MAX_ITERATIONS, progress=task.progress)
    if not (task.fields or task.lower_bound):
        return compact, solution, float(task.table[task.phases[mask][0]])
    box, sigma_ref = discretised(task, mask, order, (False, False, False))
    return box, replace(solution, potential=compact.expanded(solution.potential)), sigma_ref


def bounds(task: _Task, problem: Any, solution: Any, sigma: float) -> tuple[float, float | None]:
    """Return the upper bound, S/m, and the lower one if it is asked for."""
    rounding = 4 * float(np.finfo(problem.dtype).eps)  # of conductances, too
    if not task.lower_bound:
        return sigma * (1 + rounding), None
    from .lower_bound import relative_gap

    gap = relative_gap(problem, solution.potential, solution.energy)
    return sigma * (1 + rounding), max(sigma * (1 - gap - rounding), 0.0)


def nothing_flows(task: _Task, seconds: float, connected: float = 0.0) -> ConductivityResult:
    """Return the result of a structure that does not percolate."""
    potential = np.full(task.phases.shape, np.nan, dtype=np.float32) if task.fields else None
    density = np.zeros((3, *task.phases.shape), dtype=np.float32) if task.fields else None
    outcome = Outcome.NON_PERCOLATING
    return ConductivityResult(
        0.0, 0.0, math.inf, 0.0, 0.0, connected, 0.0, 0.0, outcome, 0, seconds, None, potential, density,
        lower_bound=0.0 if task.lower_bound else None, memory=needed_bytes(task),
    )  # fmt: skip


def discretised(
    task: _Task, mask: npt.NDArray[np.bool_], order: tuple[int, ...], periodic: tuple[bool, bool, bool]
) -> tuple[Any, float]:
    """Return the problem of what carries current, its axes in `order`, and the conductivity it is scaled by."""
    from .problem import Contacts, assemble

    materials, phase_of, sigma = _materials(task, mask)
    sigma_ref = float(sigma.max())
    size = task.size[list(order)]
    contacts = None
    if task.interfaces or task.grains is not None:
        scale = sigma_ref / size[0]
        between = np.zeros((phase_of.size, phase_of.size))
        for (a, b), resistance in task.interfaces.items():
            for one, other in ((a, b), (b, a)):
                between[np.ix_(phase_of == one, phase_of == other)] = resistance * scale
        grains = None if task.grains is None else np.transpose(task.grains, order)
        own = np.where(phase_of >= 0, task.grain_resistance[phase_of], 0.0) * scale
        contacts = Contacts(between, own, grains)
    dtype = np.float32 if single_precision(task, sigma) else np.float64
    ordered = np.ascontiguousarray(np.transpose(materials, order))
    return assemble(ordered, sigma / sigma_ref, size / size[0], periodic, dtype, contacts), sigma_ref


def single_precision(task: _Task, sigma: npt.NDArray[np.float64] | None = None) -> bool:
    """Return whether float32 is enough for conductivities `sigma`, those of the task unless given."""
    table = task.table if sigma is None else sigma
    conducting = table[table > 0]
    contrast = conducting.min() / conducting.max() if conducting.size else 1.0
    contacts = bool(task.interfaces) or task.grains is not None
    return bool(task.rtol >= SINGLE_RTOL and contrast >= SINGLE_CONTRAST and not contacts)


def _materials(
    task: _Task, mask: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Return a number per voxel, (nx, ny, nz), and by number the phase and σ; 0, phase -1, carries no current.

    Without contacts, phases of equal σ are one material.
    """
    from . import assembly

    present = np.flatnonzero(assembly.count_within(task.phases, mask, task.table.size))
    distinct = task.table[present] if not (task.interfaces or task.grains is not None) else present
    _, first, number = np.unique(distinct, return_index=True, return_inverse=True)
    if first.size > MAX_MATERIALS:
        raise InvalidInput(f"conductivity tells {first.size} conducting phases apart; at most {MAX_MATERIALS} can be.")
    numbers = np.zeros(task.table.size, dtype=np.uint8)
    numbers[present] = number + 1
    phase_of = np.concatenate([[-1], present[first]])
    sigma = np.concatenate([[0.0], task.table[present[first]]])
    return assembly.look_up_within(numbers, task.phases, mask), phase_of, sigma


def fields(
    task: _Task, problem: Any, x: npt.NDArray[Any], order: tuple[int, ...], sigma_ref: float
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return potential (nx, ny, nz) and current density (3, nx, ny, nz), axes as in the image."""
    from . import assembly

    back = np.argsort(order)
    size = task.size[list(order)]
    density = np.zeros((3, *problem.shape), dtype=problem.dtype)
    assembly.face_currents(problem.operator, problem.plates, x, density)
    density *= (sigma_ref * size / size[0] ** 2)[:, None, None, None]
    inner = (slice(1, -1),) * 3
    potential = np.where(problem.operator[4][inner] > 0, x[inner], np.nan)
    by_axis = np.stack([np.transpose(density[order.index(a)], back) for a in range(3)])
    return np.ascontiguousarray(np.transpose(potential, back)), by_axis
