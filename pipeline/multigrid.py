"""Geometric multigrid: the preconditioner of the conductivity problem."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from . import coarse_kernels as coarse
from . import fine_kernels as fine

__all__ = ["Multigrid"]

COARSEST_EDGE = 4
VISITS = 2  # W-cycle: halves the iterations of thin structures and near the percolation threshold


class Multigrid:
    """One W-cycle with red-black Gauss–Seidel, in single precision, for phases and a table of conductances.

    Cells are joined 2 × 2 × 2 with piecewise-constant transfer. The finest level stores nothing per face.

    Parameters
    ----------
    phases
        (nx+2, ny+2, nz+2) uint8 with a border of 0, the insulator.
    faces
        (3, P, P): conductance of a face between two phases, by axis.
    plates
        (P,): conductance from a voxel centre to a plate.
    """

    def __init__(
        self, phases: npt.NDArray[np.uint8], faces: npt.NDArray[np.float64], plates: npt.NDArray[np.float64]
    ) -> None:
        self._phases = phases
        self._faces = faces.astype(np.float32)
        self._plates = plates.astype(np.float32)
        self._sizes = _coarse_sizes(phases.shape)
        if len(self._sizes):
            self._build()

    def _build(self) -> None:
        cells = np.prod(self._sizes + 2, axis=1)
        self._offsets = np.concatenate([[0], np.cumsum(cells)[:-1]])
        self._g = np.zeros((3, int(cells.sum())), dtype=np.float32)
        self._inverse, self._x, self._b = (np.zeros(int(cells.sum()), dtype=np.float32) for _ in range(3))
        coarse.galerkin_from_phases(self._phases, self._faces, self._plates, *self._conductances(0))
        for level in range(1, len(self._sizes)):
            coarse.galerkin(*self._conductances(level - 1), *self._conductances(level))
        for level in range(len(self._sizes)):
            coarse.invert_diagonal(*self._conductances(level))

    def _view(self, flat: npt.NDArray[np.float32], level: int) -> Any:
        return coarse.view(flat, self._offsets, self._sizes, level)

    def _conductances(self, level: int) -> tuple[Any, ...]:
        """Return gx, gy, gz and plate conductances of a level (the latter become 1/diagonal at the end)."""
        return (*(self._view(self._g[axis], level) for axis in range(3)), self._view(self._inverse, level))

    def apply(self, r: npt.NDArray[np.float64], z: npt.NDArray[np.float32]) -> None:
        """Overwrite z, (nx+2, ny+2, nz+2), with one cycle's approximation of A⁻¹ r."""
        z[:] = 0
        operator = (self._phases, self._faces, self._plates, z, r)
        for colour in (0, 1, 0, 1):
            fine.smooth(*operator, colour)
        if len(self._sizes):
            fine.restrict(*operator, self._view(self._b, 0))
            coarse_x = self._view(self._x, 0)
            coarse_x[:] = 0
            for _ in range(VISITS):
                coarse.cycle(0, self._offsets, self._sizes, self._g, self._inverse, self._x, self._b, VISITS)
            fine.prolong(self._phases, z, coarse_x)
        for colour in (1, 0, 1, 0):
            fine.smooth(*operator, colour)


def _coarse_sizes(padded: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Return the boxes of the coarse levels, (levels, 3)."""
    sizes = []
    size = np.array(padded) - 2
    while size.max() > COARSEST_EDGE:
        size = (size + 1) // 2
        sizes.append(size)
    return np.array(sizes, dtype=np.int64).reshape(-1, 3)
