"""The discrete problem of a sparse structure: its cells as a list, without the insulator around them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from . import compact_kernels as kernels

__all__ = ["CompactProblem"]


class CompactProblem:
    """A u = b between two plates for cells that conduct alike; conductances in units of σ h_y h_z/h_x.

    What :class:`~ionscreen.pipeline.problem.Problem` is for a box, with vectors (n + 1,) instead.

    Parameters
    ----------
    mask
        (nx, ny, nz): the cells joined to both plates, which close axis 0.
    size
        (3,): voxel edges, in units of h_x.
    dtype
        float32 or float64.
    """

    isolated = False  # all cells conduct alike

    def __init__(self, mask: npt.NDArray[np.bool_], size: npt.NDArray[np.float64], dtype: Any) -> None:
        self.shape, self.dtype, self.anisotropy = mask.shape, np.dtype(dtype), 1 / size**2
        cells, padded = int(np.count_nonzero(mask)), np.pad(mask, 1)
        numbers = np.full(padded.shape, cells, dtype=np.uint32)
        self.places = np.empty((cells, 3), dtype=np.int32)
        index, weights = np.empty(6 * cells, dtype=np.uint32), self.anisotropy.astype(dtype)
        reds = kernels.number(padded, numbers, self.places)
        kernels.join(numbers, self.places, index)
        first, last = (self.places[:, 0] == end for end in (1, mask.shape[0]))
        self.plates = np.stack([first, last]).astype(dtype) * self.dtype.type(2)  # half a voxel away
        diagonal = self.plates.sum(axis=0) + (index.reshape(cells, 6) < cells) @ np.repeat(weights, 2)
        none = np.empty(0, dtype)
        self.operator = (np.empty(0, np.int64), index, none, weights, 1 / diagonal, int(reds))

    def start(self, axis: int = 0) -> npt.NDArray[Any]:
        """Return the potential of a homogeneous box, falling from 1 to 0 along axis 0."""
        ramp = np.zeros(len(self.places) + 1, dtype=self.dtype)
        ramp[:-1] = 1 - (self.places[:, axis] - self.dtype.type(0.5)) / self.dtype.type(self.shape[axis])
        return ramp

    def close(self, x: npt.NDArray[Any], axis: int = 0) -> None:
        """Do nothing: there is no border."""

    def expanded(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return x in the box with a border, (nx+2, ny+2, nz+2), 0 where there is no cell."""
        box = np.zeros(np.array(self.shape) + 2, dtype=self.dtype)
        box[tuple(self.places.T)] = x[:-1]
        return box

    def residual(self, x: npt.NDArray[Any], r: npt.NDArray[Any]) -> None:
        """Overwrite r with b - A x."""
        kernels.residual(self.operator, self.plates, x, r)

    def energy(self, x: npt.NDArray[Any]) -> tuple[float, float, float]:
        """Return the Dirichlet energy of x, and its flux in and out through the plates."""
        return kernels.energy(self.operator, self.plates, x)  # type: ignore[no-any-return]

    def dot(self, x: npt.NDArray[Any], y: npt.NDArray[Any]) -> float:
        """Return x·y."""
        return float(kernels.dot(x, y))

    def turn(self, beta: float, z: npt.NDArray[Any], p: npt.NDArray[Any]) -> None:
        """Overwrite p with z + beta p."""
        kernels.turn(self.dtype.type(beta), z, p)

    def apply(self, p: npt.NDArray[Any], q: npt.NDArray[Any]) -> float:
        """Overwrite q with A p and return p·q."""
        return float(kernels.apply(self.operator, p, q))

    def advance(
        self, alpha: float, p: npt.NDArray[Any], q: npt.NDArray[Any], x: npt.NDArray[Any], r: npt.NDArray[Any]
    ) -> None:
        """Add alpha p to x and take alpha q from r."""
        kernels.advance(self.dtype.type(alpha), p, q, x, r)
