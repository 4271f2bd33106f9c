"""The periodic box: three cell problems that share one set-up, and the tensor they give."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from . import kernels
from .conductivity import MAX_ITERATIONS, bounds, discretised, fields, nothing_flows
from .conjugate_gradients import solve
from .memory import needed_bytes
from .multigrid import Multigrid
from .percolation import conducting_mask, winding_masks
from .result import ConductivityResult, Outcome

__all__ = ["solve_periodic"]


def solve_periodic(task: Any) -> list[ConductivityResult]:
    """Return one result per axis; all carry the tensor."""
    began = time.perf_counter()
    conducts = conducting_mask(task.table, task.phases)
    mask, winds = winding_masks(conducts)
    connected = np.count_nonzero(mask) / mask.size
    results = [nothing_flows(task, 0.0, connected) for _ in range(3)]
    tensor = np.zeros((3, 3))
    if winds.any():
        problem, sigma_ref = discretised(task, mask, (0, 1, 2), (True, True, True))
        preconditioner = Multigrid(problem)
        solutions = {
            a: solve(problem, preconditioner, task.rtol, MAX_ITERATIONS, axis=a, progress=task.progress)
            for a in np.flatnonzero(winds).tolist()
        }
        # Drops of 1 over lengths n h, energies in units of σ_ref h_y h_z/h_x, per volume.
        lengths = np.array(problem.shape) * task.size / task.size[0]
        unit = sigma_ref * np.outer(lengths, lengths) / mask.size
        for a, one in solutions.items():
            for b, other in solutions.items():
                if a <= b:
                    energy = kernels.energy(problem.operator, problem.plates, one.potential, other.potential)[0]
                    tensor[a, b] = tensor[b, a] = energy * unit[a, b]
        fraction, sigma_max = np.count_nonzero(conducts) / mask.size, float(task.table.max())
        for a, solution in solutions.items():
            sigma = float(tensor[a, a])
            shown = fields(task, problem, solution.potential, (0, 1, 2), sigma_ref) if task.fields else (None, None)
            upper, lower = bounds(task, problem, solution, sigma)
            results[a] = ConductivityResult(
                sigma=sigma,
                relative=sigma / sigma_max,
                tortuosity=fraction * sigma_max / sigma,
                upper_bound=upper,
                lower_bound=lower,
                memory=needed_bytes(task),
                error_estimate=solution.error_estimate,
                connected_fraction=connected,
                flux_in=np.nan,
                flux_out=np.nan,
                outcome=Outcome.CONVERGED if solution.converged else Outcome.NOT_CONVERGED,
                iterations=solution.iterations,
                seconds=0.0,
                potential=shown[0],
                current_density=shown[1],
            )
    seconds = time.perf_counter() - began
    return [replace(result, tensor=tensor, seconds=seconds) for result in results]
