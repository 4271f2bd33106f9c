"""Conjugate gradients on the device for many volumes at once, stopping each when its σ_eff is accurate enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..conjugate_gradients import SLOWEST_ISOLATED
from . import device, krylov
from .device import launch, launch_sums
from .multigrid import Multigrid
from .problem import Problem
from .state import BEFORE, ENERGY, EPSILON, ESTIMATE, FIELDS, LIVE, RTOL, SLACK, STEPS, WIDE, conclude, decide

__all__ = ["Solutions", "Solver"]


@dataclass(frozen=True, eq=False)
class Solutions:
    """What :class:`~ionscreen.pipeline.conjugate_gradients.Solution` holds, an array entry for each volume."""

    potential: Any
    energy: npt.NDArray[np.float64]
    flux_in: npt.NDArray[np.float64]
    flux_out: npt.NDArray[np.float64]
    error_estimate: npt.NDArray[np.float64]
    iterations: npt.NDArray[np.int64]
    converged: npt.NDArray[np.bool_]


class Solver:
    """Vectors, cycle and captured graph of one set of volumes, for one or several directions of the current.

    Parameters
    ----------
    problem
        Of all volumes.
    """

    def __init__(self, problem: Problem) -> None:
        import torch

        self._problem = problem
        self._multigrid = Multigrid(problem)
        self._x, self._r, self._p, self._z = (self._vector() for _ in range(4))
        cells, where = problem.cells, problem.materials.device
        self._blocks = min(krylov.PARTIALS, -(-cells // device.block_for(cells)))
        self._partial = torch.zeros((problem.volumes, self._blocks, 3), dtype=torch.float64, device=where)
        self._state = torch.zeros((problem.volumes, FIELDS.value), dtype=torch.float64, device=where)
        self._state[:, WIDE.value] = 1
        self._graph: Any = None

    @property
    def carries(self) -> Any:
        """(volumes, nx+2, ny+2, nz+2) bool: what carries current."""
        return self._problem.materials > 0

    def _vector(self) -> Any:
        import torch

        return torch.zeros(
            self._problem.materials.shape, dtype=self._problem.dtype, device=self._problem.materials.device
        )

    def solve(
        self,
        rtol: float,
        max_iterations: int,
        axis: int = 0,
        wanted: npt.NDArray[np.bool_] | None = None,
        progress: Callable[[int, float], None] | None = None,
    ) -> Solutions:
        """Return the potentials that fall by 1 along `axis`, as :func:`ionscreen.pipeline.conjugate_gradients.solve`.

        Parameters
        ----------
        rtol, max_iterations, axis
            As there.
        wanted
            (volumes,): which to solve; None for all.
        progress
            Told of every step: its number, and the largest estimate among the volumes.
        """
        problem, mode = self._problem, {"MODE": self._problem.mode, "PLATES": self._problem.between_plates}
        x = self._x
        self._ramp(x, axis)
        self._begin(rtol, wanted)
        launch(
            krylov.residual, problem.cells, problem.volumes, problem.operator, x, self._r, self._z, problem.size, **mode
        )
        self._p.zero_()
        self._state[:, ENERGY.value] = self.energy(x, x)[0]
        told = 0
        for _ in range(max_iterations):
            self._iterate()
            known = self._state.cpu().numpy().copy()
            steps = int(known[:, STEPS.value].max())
            if progress is not None and steps > told:
                progress(steps, float(known[:, ESTIMATE.value].max()))
                told = steps
            if not known[:, LIVE.value].any():
                break
        self._fill_border(x, axis)
        final, flux_in, flux_out = (part.cpu().numpy() for part in self.energy(x, x))
        estimate, iterations = known[:, ESTIMATE.value], known[:, STEPS.value].astype(np.int64)
        # The next direction overwrites the vector.
        kept = x if problem.between_plates else x.clone()
        return Solutions(kept, final, flux_in, flux_out, estimate, iterations, estimate <= rtol)

    def _begin(self, rtol: float, wanted: npt.NDArray[np.bool_] | None) -> None:
        import torch

        state = self._state
        wide = state[:, WIDE.value].clone()
        state.zero_()
        state[:, WIDE.value] = wide
        state[:, LIVE.value] = 1.0 if wanted is None else torch.as_tensor(wanted, device=state.device).double()
        state[:, ESTIMATE.value] = torch.inf
        state[:, RTOL.value], state[:, BEFORE.value] = rtol, 0.0
        state[:, EPSILON.value] = torch.finfo(self._problem.dtype).eps
        state[:, SLACK.value] = SLOWEST_ISOLATED * self._problem.isolated

    def _iterate(self) -> None:
        """Enqueue one step; from the second on as one launch of a captured graph."""
        import torch

        if self._graph is not None:
            self._graph.replay()
        else:
            self._step()
            if not device.interpreted():
                self._graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(self._graph):
                    self._step()

    def _step(self) -> None:
        problem, state, volumes = self._problem, self._state, self._problem.volumes
        size, cells = problem.size, problem.cells
        mode = {"MODE": problem.mode, "PLATES": problem.between_plates}
        self._multigrid.apply(state, self._r, self._z)
        launch_sums(krylov.dot, self._blocks, cells, volumes, state, self._r, self._z, self._partial, size)
        device.start(decide, (volumes,), state, self._partial, self._blocks)
        launch(krylov.direction, cells, volumes, state, self._z, self._p, size)
        self._multigrid.wrap(state, self._p)
        launch_sums(
            krylov.curvature,
            self._blocks,
            cells,
            volumes,
            state,
            problem.operator,
            self._p,
            self._partial,
            size,
            **mode,
        )
        device.start(conclude, (volumes,), state, self._partial, self._blocks)
        vectors = (self._p, self._x, self._r, self._z)
        launch(krylov.update, cells, volumes, state, problem.operator, *vectors, size, **mode)

    def energy(self, x: Any, y: Any) -> Any:
        """Return (3, volumes): Σ g Δx Δy over all faces, and the flux of x in and out through the plates."""
        problem = self._problem
        mode = {"MODE": problem.mode, "PLATES": problem.between_plates}
        args = (problem.operator, x, y, self._partial, problem.size)
        launch_sums(krylov.energy, self._blocks, problem.cells, problem.volumes, *args, **mode)
        return self._partial.sum(dim=1).T

    def currents(self, x: Any) -> Any:
        """Return (volumes, 3, nx, ny, nz): conductance times drop to the next voxel, or to the last plate."""
        problem = self._problem
        mode = {"MODE": problem.mode, "PLATES": problem.between_plates}
        out = x.new_empty((problem.volumes, 3, *problem.size))
        launch(krylov.currents, problem.cells, problem.volumes, problem.operator, x, out, problem.size, **mode)
        return out

    def _ramp(self, x: Any, axis: int) -> None:
        """Overwrite x with the potential of a homogeneous box, 0 in the insulator, and its border."""
        import torch

        n = self._problem.size[axis]
        places = torch.arange(n + 2, dtype=x.dtype, device=x.device)
        x.movedim(axis + 1, -1)[:] = 1 - (places - 0.5) / n
        x *= self._problem.materials > 0
        self._fill_border(x, axis)

    def _fill_border(self, x: Any, axis: int) -> None:
        """Fill the border of a potential that falls by 1 along `axis`."""
        for other in range(3):
            if self._problem.periodic[other]:
                layers = x.movedim(other + 1, 0)
                jump = float(other == axis)
                layers[0], layers[-1] = layers[-2] + jump, layers[1] - jump
