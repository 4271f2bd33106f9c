"""The discrete problem of many equal-sized volumes on the device, as the CPU's :mod:`ionscreen.pipeline.problem`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..clusters import thresholds
from ..problem import Contacts, _table
from .percolation import look_up, numbered_clusters
from .stencil import GRAINS, MASK, TABLE

__all__ = ["Problem", "assemble", "bytes_per_voxel"]


@dataclass(frozen=True, eq=False)
class Problem:
    """A u = b on boxes (nx, ny, nz) with a border of one cell.

    Parameters
    ----------
    operator, mode
        See :mod:`~ionscreen.pipeline.gpu.stencil`.
    plates
        (volumes, 2, ny+2, nz+2): conductance from a voxel centre to the plate at either end of axis 0.
    periodic
        By axis; plates close axis 0 if it is not.
    anisotropy
        (3,): conductance of a face normal to each axis between voxels of the best phase.
    dtype
        torch.float32 or torch.float64, of every vector.
    clusters
        For each cluster correction the labels (volumes, nx+2, ny+2, nz+2) and their number.
    isolated
        (volumes,): whether, for some correction, none of its clusters leads from plate to plate.
    """

    operator: tuple[Any, ...]
    mode: int
    plates: Any
    periodic: tuple[bool, bool, bool]
    anisotropy: npt.NDArray[np.float64]
    dtype: Any
    clusters: tuple[tuple[Any, int], ...]
    isolated: Any

    @property
    def materials(self) -> Any:
        """(volumes, nx+2, ny+2, nz+2) uint8; 0 carries no current."""
        return self.operator[0]

    @property
    def volumes(self) -> int:
        """How many there are."""
        return len(self.materials)

    @property
    def size(self) -> tuple[int, int, int]:
        """(nx, ny, nz)."""
        _, nx, ny, nz = self.materials.shape
        return nx - 2, ny - 2, nz - 2

    @property
    def cells(self) -> int:
        """Voxels of a volume."""
        nx, ny, nz = self.size
        return nx * ny * nz

    @property
    def between_plates(self) -> bool:
        """Whether axis 0 runs from plate to plate."""
        return not self.periodic[0]


def assemble(
    materials: Any,
    sigma: npt.NDArray[np.float64],
    size: npt.NDArray[np.float64],
    periodic: tuple[bool, bool, bool],
    dtype: Any,
    contacts: Contacts | None = None,
    grains: Any = None,
) -> Problem:
    """Return the problem of materials (volumes, nx, ny, nz), uint8 on the device; axis 0 runs from plate to plate.

    Parameters
    ----------
    materials, sigma, size, periodic, dtype, contacts
        As for the CPU, see :func:`ionscreen.pipeline.problem.assemble`.
    grains
        Labels on the device, (volumes, nx, ny, nz) int32, if there are any.
    """
    import torch

    anisotropy = 1 / size**2
    conductances = _table(sigma, size, contacts)
    series = np.zeros((3, sigma.size))
    if contacts is not None:
        series[:] = contacts.boundary / (anisotropy * size)[:, None]
    numbers = np.concatenate([conductances.ravel(), 2 * sigma, series.ravel()])
    table = torch.as_tensor(numbers, dtype=dtype, device=materials.device)
    padded = bordered(materials, periodic)
    extra = padded if grains is None else bordered(grains, periodic)
    mode = MASK if sigma.size == 2 and contacts is None else TABLE if grains is None else GRAINS
    plates = table[3 * sigma.size**2 :][padded[:, [1, -2]].long()] * float(not periodic[0])
    clusters = [
        numbered_clusters(look_up(torch.as_tensor(sigma >= threshold, device=materials.device), materials), periodic)
        for threshold in thresholds(sigma)
    ]
    if contacts is not None:
        clusters.append(numbered_clusters(materials, periodic, grains))
    labels = tuple((bordered(found, periodic), count) for found, count in clusters)
    operator = (padded, extra, table, int(sigma.size))
    isolated = torch.zeros(len(padded), dtype=torch.bool, device=padded.device)
    for found, _ in clusters:
        isolated |= (found > 0).flatten(1).any(1) & ~_leads_through(found, periodic)
    return Problem(operator, mode.value, plates, periodic, anisotropy, dtype, labels, isolated)


def _leads_through(labels: Any, periodic: tuple[bool, bool, bool]) -> Any:
    """Return for each volume whether a cluster, numbered through all volumes, touches both ends of axis 0."""
    import torch

    first, last = labels[:, 0], labels[:, -1]
    return (torch.isin(last, first) & (last > 0)).flatten(1).any(1) & (not periodic[0])


def bordered(image: Any, periodic: tuple[bool, bool, bool]) -> Any:
    """Return (volumes, nx+2, ny+2, nz+2) with a border: the image's other end along periodic axes, else 0."""
    volumes, nx, ny, nz = image.shape
    padded = image.new_zeros((volumes, nx + 2, ny + 2, nz + 2))
    padded[:, 1:-1, 1:-1, 1:-1] = image
    for axis in range(3):
        if periodic[axis]:
            layers = padded.movedim(axis + 1, 0)
            layers[0], layers[-1] = layers[-2], layers[1]
    return padded


def bytes_per_voxel(double: bool, corrections: int, grains: bool, kept: int) -> float:
    """Return how much device memory a solution takes for a voxel.

    Materials twice, four vectors and `kept` more, six for the coarse levels of a seventh of the cells, 4 bytes a
    label; or what labelling takes before the vectors are there.
    """
    vector, labels = 8 if double else 4, 4 * (corrections + grains)
    return max(2 + (4 + kept + 6 / 7) * vector, 16) + labels
