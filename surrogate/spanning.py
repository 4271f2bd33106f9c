"""Which voxels span a box, by numpy alone: an IPU host has no labelling library."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["spanning"]


def spanning(conducts: npt.NDArray[np.bool_], axis: int) -> npt.NDArray[np.bool_]:
    """Return the voxels of `conducts`, (nx, ny, nz), that are joined through faces to both ends of `axis`.

    Each voxel is visited once from either end, all voxels at one distance together.
    """
    along = np.moveaxis(conducts, axis, 0)
    padded = np.pad(along, 1)
    both = _reached(padded, 1) & _reached(padded, padded.shape[0] - 2)
    inside: npt.NDArray[np.bool_] = both[1:-1, 1:-1, 1:-1]
    return np.moveaxis(inside, 0, axis)


def _reached(padded: npt.NDArray[np.bool_], layer: int) -> npt.NDArray[np.bool_]:
    """Return what is joined to a layer; the padding keeps neighbours from wrapping around."""
    free = padded.ravel().copy()
    steps = np.array([s * d for d in (padded[0].size, padded.shape[2], 1) for s in (1, -1)])
    size = padded[0].size
    front = layer * size + np.flatnonzero(free[layer * size : (layer + 1) * size])
    reached = np.zeros_like(free)
    while front.size:
        reached[front], free[front] = True, False
        neighbours = (front[:, None] + steps).ravel()
        front = np.unique(neighbours[free[neighbours]])
    return reached.reshape(padded.shape)
