"""Good conductors that lie isolated in poor ones: one slow mode each, corrected one by one.

The potential of such a cluster is nearly constant, and raising all of it costs only the conductance of its surface: an
eigenvalue as small as the contrast, which smoothing cannot see and coarse cells, which mix the cluster with what
surrounds it, represent badly. Adding Z diag(ZᵀAZ)⁻¹ Zᵀ to the preconditioner, with the indicator vectors of the
clusters as columns of Z, moves all these eigenvalues to about 1. The energy decrements of conjugate gradients then
hide nothing, so it is the error estimate as much as the speed that needs this.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from .kernels import face, serial, threaded

__all__ = ["ClusterCorrection", "thresholds"]

# A gap between conductivities beyond which clusters get their own correction.
GAP = 20.0
# Sums over clusters are made in so many shares, each small beside the image.
PARTS = 4


def thresholds(sigma: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return, for each wide gap between the conductivities that occur, the smallest one above it."""
    values = np.unique(sigma[sigma > 0])
    return values[1:][values[1:] > GAP * values[:-1]]


class ClusterCorrection:
    """z += Z diag(ZᵀAZ)⁻¹ Zᵀ r.

    Parameters
    ----------
    labels
        (nx, ny, nz) cluster of each voxel, 0 for none.
    operator, plates
        Of the problem, see :mod:`~ionscreen.pipeline.kernels`.
    """

    def __init__(self, labels: npt.NDArray[Any], operator: Any, plates: npt.NDArray[Any]) -> None:
        self._labels = np.ascontiguousarray(labels, dtype=np.uint32)
        surface = np.zeros(int(labels.max()) + 1)
        _surfaces(self._labels, operator, plates, surface)
        # The surface of a cluster without any is 0: it is all there is, or an island.
        self._inverse = np.divide(1.0, surface, out=np.zeros_like(surface), where=surface > 0)

    def add(self, r: npt.NDArray[Any], z: npt.NDArray[Any]) -> None:
        """Add the correction for the residual r to z, both (nx+2, ny+2, nz+2)."""
        parts = np.zeros((PARTS, self._inverse.size))
        _sum(self._labels, r, parts)
        _add(self._labels, (parts.sum(axis=0) * self._inverse).astype(z.dtype), z)


@serial
def _surfaces(labels, operator, plates, surface):  # type: ignore[no-untyped-def]
    nx, ny, nz = labels.shape
    for i in range(nx):
        for j in range(ny):
            for axis in range(3):
                # Around the box where it is periodic; elsewhere that face conducts nothing.
                ni, nj, step = (i + (axis == 0)) % nx, (j + (axis == 1)) % ny, np.int64(axis == 2)
                for k in range(nz):
                    nk = k + step if k + step < nz else 0
                    here, beyond = labels[i, j, k], labels[ni, nj, nk]
                    if here != beyond:
                        g = face(operator, axis, i + 1, j + 1, k + 1)
                        surface[here] += g
                        surface[beyond] += g
    for end in range(2):
        for j in range(ny):
            for k in range(nz):
                surface[labels[(nx - 1) * end, j, k]] += plates[end, j + 1, k + 1]
    surface[0] = 0


@threaded
def _sum(labels, r, parts):  # type: ignore[no-untyped-def]
    """Sum r over each cluster, in `parts` (parts, clusters): fixed shares of the planes, whatever the threads."""
    for part in numba.prange(parts.shape[0]):
        first, end = labels.shape[0] * part // parts.shape[0], labels.shape[0] * (part + 1) // parts.shape[0]
        for i in range(first, end):
            for j in range(labels.shape[1]):
                for k in range(labels.shape[2]):
                    parts[part, labels[i, j, k]] += r[i + 1, j + 1, k + 1]


@threaded
def _add(labels, corrections, z):  # type: ignore[no-untyped-def]
    for i in numba.prange(labels.shape[0]):
        for j in range(labels.shape[1]):
            for k in range(labels.shape[2]):
                z[i + 1, j + 1, k + 1] += corrections[labels[i, j, k]]
