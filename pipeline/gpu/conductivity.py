"""Effective conductivities on the device: from checked arguments to results, for one image or many of equal size."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...datasets import InvalidInput
from .. import assembly
from ..clusters import thresholds
from ..conductivity import MAX_ITERATIONS, MAX_MATERIALS, SINGLE_CONTRAST, SINGLE_RTOL, nothing_flows
from ..percolation import winding_masks
from ..problem import Contacts
from ..result import ConductivityResult, Outcome
from .conjugate_gradients import Solutions, Solver
from .device import check_fits
from .percolation import look_up, spanning
from .problem import assemble, bytes_per_voxel

__all__ = ["solve"]


@dataclass(frozen=True, eq=False)
class Classes:
    """The conducting phases that the solver tells apart.

    Parameters
    ----------
    number
        (phases,) uint8: class of a phase, 0 if it insulates.
    phase
        (classes,): one phase of each class, -1 for class 0.
    sigma
        (classes,), S/m.
    """

    number: npt.NDArray[np.uint8]
    phase: npt.NDArray[np.intp]
    sigma: npt.NDArray[np.float64]


def solve(tasks: Sequence[Any], axes: Sequence[int], device: Any) -> list[list[ConductivityResult]]:
    """Return what :func:`ionscreen.pipeline.gpu.solve_on_gpu` does, on a torch device."""
    classes = classes_of(tasks)
    task, needed = tasks[0], needed_bytes(tasks[0], classes)
    padded = int(np.prod(np.array(task.phases.shape) + 2))
    at_once = check_fits(needed, padded, len(tasks))
    results: list[list[ConductivityResult]] = []
    for begin in range(0, len(tasks), at_once):
        part = tasks[begin : begin + at_once]
        began = time.perf_counter()
        if task.boundary == "periodic":
            by_axis = in_a_periodic_box(part, classes, device)
            found = [[by_axis[axis][n] for axis in axes] for n in range(len(part))]
        else:
            by_axis = [between_plates(part, classes, axis, device) for axis in axes]
            found = [[of_axis[n] for of_axis in by_axis] for n in range(len(part))]
        seconds = (time.perf_counter() - began) / len(part) / (1 if task.boundary == "periodic" else len(axes))
        results += [
            [replace(result, seconds=seconds, memory=math.ceil(needed * padded)) for result in of_task]
            for of_task in found
        ]
    return results


def has_contacts(task: Any) -> bool:
    """Return whether there are resistances between voxels."""
    return bool(task.interfaces) or task.grains is not None


def classes_of(tasks: Sequence[Any]) -> Classes:
    """Return the classes of what conducts in any image; without contacts, phases of equal σ are one."""
    table = np.zeros(max(task.table.size for task in tasks))
    for task in tasks:
        table[: task.table.size] = np.maximum(table[: task.table.size], task.table)
    phases = np.flatnonzero(table)
    told_apart = phases if has_contacts(tasks[0]) else table[phases]
    _, first, number = np.unique(told_apart, return_index=True, return_inverse=True)
    if first.size > MAX_MATERIALS:
        raise InvalidInput(f"conductivity tells {first.size} conducting phases apart; at most {MAX_MATERIALS} can be.")
    numbers = np.zeros(table.size, dtype=np.uint8)
    numbers[phases] = number + 1
    phase = np.concatenate([[-1], phases[first]])
    return Classes(numbers, phase, np.concatenate([[0.0], table[phases[first]]]))


def is_double(task: Any, sigma: npt.NDArray[np.float64]) -> bool:
    """Return whether single precision would not do."""
    contrast = sigma[1:].min(initial=np.inf) / sigma.max()
    return bool(task.rtol < SINGLE_RTOL or contrast < SINGLE_CONTRAST or has_contacts(task))


def needed_bytes(task: Any, classes: Classes) -> float:
    """Return what a solution takes of the device's memory for each cell."""
    corrections = len(thresholds(classes.sigma)) + has_contacts(task)
    kept = 3 * (task.boundary == "periodic") + 4 * task.fields
    double = classes.sigma.size > 1 and is_double(task, classes.sigma)
    return bytes_per_voxel(double, corrections, task.grains is not None, kept)


def uploaded(tasks: Sequence[Any], classes: Classes, order: tuple[int, ...], device: Any) -> Any:
    """Return the class of each voxel, (volumes, nx, ny, nz) uint8, axes in `order`."""
    import torch

    shape = (len(tasks), *tasks[0].phases.shape)
    image = torch.empty(shape, dtype=torch.uint8, device=device)
    if all(task.phases.dtype == np.uint8 for task in tasks):
        numbers = np.zeros(256, dtype=np.uint8)
        numbers[: classes.number.size] = classes.number[:256]
        for n, task in enumerate(tasks):
            image[n] = torch.from_numpy(np.ascontiguousarray(task.phases))
        image = look_up(torch.as_tensor(numbers, device=device), image)
    else:
        for n, task in enumerate(tasks):
            image[n] = torch.from_numpy(assembly.look_up(classes.number, task.phases))
    return image.permute(0, *(1 + axis for axis in order)).contiguous()


def discretised(
    task: Any, classes: Classes, materials: Any, grains: Any, order: tuple[int, ...], periodic: tuple[bool, bool, bool]
) -> tuple[Any, float]:
    """Return the problem of what carries current, and the conductivity it is scaled by."""
    import torch

    present = torch.bincount(materials.view(-1), minlength=classes.sigma.size).cpu().numpy() > 0
    present[0] = True
    numbers = np.where(present, np.cumsum(present) - 1, 0).astype(np.uint8)
    materials = look_up(torch.as_tensor(numbers, device=materials.device), materials)
    sigma, phase = classes.sigma[present], classes.phase[present]
    sigma_ref, size = float(sigma.max()), task.size[list(order)]
    contacts = None
    if has_contacts(task):
        scale = sigma_ref / size[0]
        between = np.zeros((phase.size, phase.size))
        for (a, b), resistance in task.interfaces.items():
            for one, other in ((a, b), (b, a)):
                between[np.ix_(phase == one, phase == other)] = resistance * scale
        own = np.where(phase >= 0, task.grain_resistance[phase], 0.0) * scale
        contacts = Contacts(between, own, None)
    dtype = torch.float64 if is_double(task, sigma) else torch.float32
    problem = assemble(materials, sigma / sigma_ref, size / size[0], periodic, dtype, contacts, grains)
    return problem, sigma_ref


def grains_of(tasks: Sequence[Any], order: tuple[int, ...], device: Any) -> Any:
    """Return the grain labels (volumes, nx, ny, nz) int32, or None."""
    import torch

    if tasks[0].grains is None:
        return None
    labels = [torch.from_numpy(np.ascontiguousarray(task.grains, dtype=np.int32)).to(device) for task in tasks]
    return torch.stack([image.permute(order) for image in labels])


def counts(image: Any) -> npt.NDArray[np.int64]:
    """Return how many voxels of each volume are not 0."""
    import torch

    return np.asarray(torch.count_nonzero(image.flatten(1), dim=1).cpu().numpy())


def between_plates(tasks: Sequence[Any], classes: Classes, axis: int, device: Any) -> list[ConductivityResult]:
    """Return σ_eff along an axis of each volume."""
    import torch

    task, sides = tasks[0], tasks[0].boundary == "mixed"
    order = (axis, *(other for other in range(3) if other != axis))
    materials = uploaded(tasks, classes, order, device)
    fraction = counts(materials) / materials[0].numel()
    materials *= spanning((materials > 0).to(torch.uint8), sides)
    connected = counts(materials) / materials[0].numel()
    flows = np.flatnonzero(connected)
    results = [nothing_flows(each, 0.0) for each in tasks]
    if flows.size == 0:
        return results
    grains = grains_of([tasks[n] for n in flows.tolist()], order, device)
    materials = materials if flows.size == len(tasks) else materials[torch.as_tensor(flows, device=device)]
    problem, sigma_ref = discretised(task, classes, materials, grains, order, (False, sides, sides))
    solver = Solver(problem)
    solutions = solver.solve(task.rtol, MAX_ITERATIONS, progress=task.progress)
    # From the conductance between the plates, in units of σ_ref h_y h_z/h_x, to σ: times length over area.
    nx, ny, nz = problem.size
    unit = sigma_ref * nx / (ny * nz)
    for place, (n, shown) in enumerate(
        zip(flows.tolist(), fields(task, solver, solutions, order, sigma_ref), strict=True)
    ):
        results[n] = result(
            tasks[n], solutions, place, solutions.energy[place] * unit, fraction[n], connected[n], shown,
            (solutions.flux_in[place] * unit, solutions.flux_out[place] * unit), problem,
        )  # fmt: skip
    return results


def in_a_periodic_box(tasks: Sequence[Any], classes: Classes, device: Any) -> list[list[ConductivityResult]]:
    """Return the results of each axis, by volume; all carry their volume's tensor."""
    import torch

    task, order, around = tasks[0], (0, 1, 2), (True, True, True)
    materials = uploaded(tasks, classes, order, device)
    fraction = counts(materials) / materials[0].numel()
    # What winds around the box is found on the CPU: union-find that carries in which copy of the box a cluster lies.
    masks, winding = zip(*(winding_masks(each.table[each.phases] > 0) for each in tasks), strict=True)
    materials *= torch.from_numpy(np.stack(masks)).to(device)
    connected, winds = counts(materials) / materials[0].numel(), np.array(winding)
    results = [[nothing_flows(each, 0.0, connected[n]) for n, each in enumerate(tasks)] for _ in range(3)]
    tensors = np.zeros((len(tasks), 3, 3))
    flows = np.flatnonzero(winds.any(axis=1))
    if flows.size:
        grains = grains_of([tasks[n] for n in flows.tolist()], order, device)
        materials = materials if flows.size == len(tasks) else materials[torch.as_tensor(flows, device=device)]
        problem, sigma_ref = discretised(task, classes, materials, grains, order, around)
        solver = Solver(problem)
        solutions = {
            a: solver.solve(task.rtol, MAX_ITERATIONS, a, winds[flows, a], task.progress)
            for a in np.flatnonzero(winds.any(axis=0)).tolist()
        }
        # Drops of 1 over lengths n h, energies in units of σ_ref h_y h_z/h_x, per volume.
        lengths = np.array(problem.size) * task.size / task.size[0]
        unit = sigma_ref * np.outer(lengths, lengths) / problem.cells
        for a, one in solutions.items():
            for b, other in solutions.items():
                if a <= b:
                    energy = solver.energy(one.potential, other.potential)[0].cpu().numpy() * unit[a, b]
                    tensors[flows, a, b] = tensors[flows, b, a] = energy * (winds[flows, a] & winds[flows, b])
        for a, solution in solutions.items():
            shown = fields(task, solver, solution, order, sigma_ref)
            for place, n in enumerate(flows.tolist()):
                if winds[n, a]:
                    results[a][n] = result(
                        tasks[n], solution, place, tensors[n, a, a], fraction[n], connected[n], shown[place],
                        (np.nan, np.nan), problem,
                    )  # fmt: skip
    return [[replace(each, tensor=tensors[n]) for n, each in enumerate(of_axis)] for of_axis in results]


def result(
    task: Any,
    solutions: Solutions,
    place: int,
    sigma: float,
    fraction: float,
    connected: float,
    shown: tuple[Any, Any],
    fluxes: tuple[float, float],
    problem: Any,
) -> ConductivityResult:
    """Return the result of one volume."""
    import torch

    sigma_max = float(task.table.max())
    return ConductivityResult(
        sigma=float(sigma),
        relative=float(sigma) / sigma_max,
        tortuosity=float(fraction * sigma_max / sigma),
        # Conductances are rounded, too.
        upper_bound=float(sigma) * (1 + 4 * torch.finfo(problem.dtype).eps),
        error_estimate=float(solutions.error_estimate[place]),
        connected_fraction=float(connected),
        flux_in=float(fluxes[0]),
        flux_out=float(fluxes[1]),
        outcome=Outcome.CONVERGED if solutions.converged[place] else Outcome.NOT_CONVERGED,
        iterations=int(solutions.iterations[place]),
        seconds=0.0,
        potential=shown[0],
        current_density=shown[1],
    )


def fields(
    task: Any, solver: Solver, solutions: Solutions, order: tuple[int, ...], sigma_ref: float
) -> list[tuple[Any, Any]]:
    """Return potential (nx, ny, nz) and current density (3, nx, ny, nz) of each volume, axes as in the image."""
    return list(_fields(task, solver, solutions, order, sigma_ref))


def _fields(
    task: Any, solver: Solver, solutions: Solutions, order: tuple[int, ...], sigma_ref: float
) -> Iterator[tuple[Any, Any]]:
    if not task.fields:
        yield from [(None, None)] * len(solutions.energy)
        return
    back = np.argsort(order)
    size = task.size[list(order)]
    scale = (sigma_ref * size / size[0] ** 2)[:, None, None, None]
    inner = (slice(None), *(slice(1, -1),) * 3)
    potentials = solutions.potential[inner].cpu().numpy()
    carries = solver.carries[inner].cpu().numpy()
    for x, inside, density in zip(potentials, carries, solver.currents(solutions.potential), strict=True):
        currents = (density.cpu().numpy() * scale).astype(x.dtype)
        by_axis = np.stack([np.transpose(currents[order.index(a)], back) for a in range(3)])
        yield np.ascontiguousarray(np.transpose(np.where(inside, x, np.nan), back)), by_axis
