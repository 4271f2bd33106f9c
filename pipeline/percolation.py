"""Percolation: which voxels are joined to both faces, or to themselves around a periodic box."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["conducting_mask", "conductivity_table", "percolating", "percolating_mask", "winding_masks"]

# Conducting phases up to which they are compared one by one.
FEW = 4


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
    numbers = phases.astype(np.uint8) if phases.dtype == bool else phases
    return percolating_mask(conducting_mask(conductivity_table(phases, conductivity), numbers), axis)


def conducting_mask(table: npt.NDArray[np.float64], phases: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return where the σ of a voxel's phase, table[phase], is positive, (nx, ny, nz)."""
    conductors = [int(phase) for phase in np.flatnonzero(table > 0)]
    if not 0 < len(conductors) <= FEW:
        return _look_up(table > 0, phases)
    # A comparison of all voxels takes less time than looking each of them up.
    mask = phases == conductors[0]
    for phase in conductors[1:]:
        mask |= phases == phase
    return np.asarray(mask)


def percolating_mask(conducts: npt.NDArray[np.bool_], axis: int, periodic_sides: bool = False) -> npt.NDArray[np.bool_]:
    """Return the part of the mask `conducts`, (nx, ny, nz), that is joined to both faces of `axis`.

    With `periodic_sides`, paths may leave through one of the other four faces and return through the opposite one.
    """
    from .spanning import spanning_mask

    if conducts.all():
        return conducts
    if not periodic_sides:
        return spanning_mask(conducts, axis)
    clusters, count = _clusters(conducts)
    around = [other for other in range(3) if other != axis]
    roots = _joined(clusters, count, around)[0]
    first, last = (np.unique(roots[clusters.take(place, axis=axis)]) for place in (0, -1))
    spanning = np.intersect1d(first, last)
    return _look_up(np.isin(roots, spanning[spanning > 0]), clusters)


def winding_masks(conducts: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return what conducts around a periodic box, and along which axes.

    A cluster carries current under a mean gradient along an axis exactly if some closed path in it winds around the
    box along that axis.

    Returns
    -------
    mask
        (nx, ny, nz): voxels of clusters that wind along any axis.
    axes
        (3,): whether any cluster winds along each axis.
    """
    clusters, count = _clusters(conducts)
    roots, winds = _joined(clusters, count, [0, 1, 2])
    winds[0] = False
    root_winds: npt.NDArray[np.bool_] = np.any(winds, axis=1)
    return _look_up(root_winds[roots], clusters), np.asarray(np.any(winds, axis=0))


def joined_clusters(image: npt.NDArray[Any], periodic: list[int]) -> npt.NDArray[Any]:
    """Return a label for each voxel, (nx, ny, nz): equal neighbours share it, also around `periodic`; 0 is none."""
    clusters, count = _clusters(image)
    return clusters if not periodic else _joined(clusters, count, periodic, image)[0][clusters]


def _clusters(conducts: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], int]:
    import cc3d

    clusters = cc3d.connected_components(np.ascontiguousarray(conducts), connectivity=6)
    return clusters, int(clusters.max())


def _look_up(table: npt.NDArray[np.bool_], clusters: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    from .assembly import look_up

    return np.asarray(look_up(table, clusters))


def _joined(
    clusters: npt.NDArray[Any], count: int, axes: list[int], image: npt.NDArray[Any] | None = None
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Return the root of each cluster once periodic faces join them, and along which axes each root winds, (·, 3).

    Union-find that carries, for each cluster, in which copy of the box it lies relative to its root; a link between
    clusters of one root that disagrees about the copy closes a path around the box. With `image`, only voxels of
    equal value are linked.
    """
    parent = list(range(count + 1))
    place = np.zeros((count + 1, 3), dtype=np.int64)
    winds = np.zeros((count + 1, 3), dtype=bool)

    def find(cluster: int) -> tuple[int, npt.NDArray[np.int64]]:
        total = np.zeros(3, dtype=np.int64)
        while parent[cluster] != cluster:
            total += place[cluster]
            cluster = parent[cluster]
        return cluster, total

    for axis in axes:
        pairs = np.stack([clusters.take(place, axis=axis).ravel() for place in (-1, 0)], axis=1)
        linked = (pairs > 0).all(axis=1)
        if image is not None:
            linked &= image.take(-1, axis=axis).ravel() == image.take(0, axis=axis).ravel()
        step = np.eye(3, dtype=np.int64)[axis]
        for last, first in np.unique(pairs[linked], axis=0).tolist():
            (a, place_a), (b, place_b) = find(last), find(first)
            difference = place_a + step - place_b
            if a == b:
                winds[a] |= difference != 0
            else:
                parent[b], place[b] = a, difference
                winds[a] |= winds[b]
    roots = np.array([find(cluster)[0] for cluster in range(count + 1)])
    return roots, winds


def conductivity_table(phases: npt.NDArray[Any], conductivity: Mapping[int, float]) -> npt.NDArray[np.float64]:
    """Return σ by phase number, (largest phase + 1,), S/m; NaN for numbers without conductivity."""
    table = np.full(max(int(phases.max()), max(conductivity)) + 1, np.nan)
    for phase, sigma in conductivity.items():
        table[phase] = sigma
    return table
