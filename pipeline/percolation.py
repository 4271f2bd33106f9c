"""Percolation: which voxels are joined to both faces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["conductivity_table", "percolating", "percolating_mask"]


def percolating(phases: npt.NDArray[Any], conductivity: Mapping[int, float], axis: int) -> npt.NDArray[np.bool_]:
    """Return the voxels that conduct and are joined to both faces of `axis` through faces of conducting voxels.

    All others carry no current between the faces: insulators, islands, and clusters that touch one face only.

    Parameters
    ----------
    phases
        (nx, ny, nz), unsigned integers or booleans.
    conductivity
        Phase -> σ, S/m; every phase that occurs.
    axis
        0, 1 or 2.

    Returns
    -------
    numpy.ndarray
        (nx, ny, nz) bool.
    """
    conducts = conductivity_table(phases, conductivity)[phases.astype(np.intp, copy=False)] > 0
    return percolating_mask(conducts, axis)


def percolating_mask(conducts: npt.NDArray[np.bool_], axis: int) -> npt.NDArray[np.bool_]:
    """Return the part of the mask `conducts`, (nx, ny, nz), that is joined to both faces of `axis`."""
    if conducts.all():
        return conducts
    import cc3d

    clusters = cc3d.connected_components(np.ascontiguousarray(conducts), connectivity=6)
    ends = [np.unique(clusters.take(place, axis=axis)) for place in (0, -1)]
    spanning = np.zeros(int(clusters.max()) + 1, dtype=bool)
    spanning[np.intersect1d(*ends)] = True
    spanning[0] = False
    return np.asarray(spanning[clusters])


def conductivity_table(phases: npt.NDArray[Any], conductivity: Mapping[int, float]) -> npt.NDArray[np.float64]:
    """Return σ by phase number, (largest phase + 1,), S/m; NaN for numbers without conductivity."""
    table = np.full(max(int(phases.max()), max(conductivity)) + 1, np.nan)
    for phase, sigma in conductivity.items():
        table[phase] = sigma
    return table
