"""The discrete problem: conductances of faces and plates on the padded box, the potential to start from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import assembly, coarsening, kernels
from .clusters import thresholds
from .percolation import joined_clusters

__all__ = ["Contacts", "Problem", "assemble"]


@dataclass(frozen=True, eq=False)
class Problem:
    """A u = b on the box (nx, ny, nz) with a border of one cell; conductances in units of σ_max h_y h_z/h_x.

    Parameters
    ----------
    operator
        ``(gx, gy, gz, weights, inverse, colours)``, see :mod:`~ionscreen.pipeline.kernels`.
    plates
        (2, ny+2, nz+2): conductance from a voxel centre to the plate at either end of axis 0.
    periodic
        (3,) bool.
    anisotropy
        (3,): conductance of a face normal to each axis between voxels of the best phase.
    clusters
        Labels (nx, ny, nz) of clusters that conduct much better than what surrounds them, one array per gap between
        conductivities; see :mod:`~ionscreen.pipeline.clusters`.
    isolated
        Whether, for some gap, none of them leads from plate to plate.
    """

    operator: tuple[npt.NDArray[Any], ...]
    plates: npt.NDArray[Any]
    periodic: npt.NDArray[np.bool_]
    anisotropy: npt.NDArray[np.float64]
    clusters: tuple[npt.NDArray[Any], ...] = ()
    isolated: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """(nx, ny, nz)."""
        nx, ny, nz = self.operator[4].shape
        return nx - 2, ny - 2, nz - 2

    @property
    def dtype(self) -> Any:
        """Of every vector."""
        return self.operator[4].dtype

    def start(self, axis: int = 0) -> npt.NDArray[Any]:
        """Return the potential of a homogeneous box, falling from 1 to 0 along `axis`; 0 in the insulator."""
        n = self.shape[axis]
        levels = 1 - (np.arange(n + 2, dtype=self.dtype) - self.dtype.type(0.5)) / self.dtype.type(n)
        ramp = np.empty_like(self.operator[4])
        ramp[:] = np.moveaxis(levels[:, None, None], 0, axis)
        ramp *= self.operator[4] > 0
        self.close(ramp, axis)
        return ramp

    def close(self, x: npt.NDArray[Any], axis: int = 0) -> None:
        """Fill the border of a potential that falls by 1 along `axis`."""
        jump = np.zeros(3)
        jump[axis] = 1
        kernels.wrap(x, self.periodic, jump)

    def residual(self, x: npt.NDArray[Any], r: npt.NDArray[Any]) -> None:
        """Overwrite r with b - A x."""
        kernels.residual(self.operator, self.plates, x, r)

    def energy(self, x: npt.NDArray[Any]) -> tuple[float, float, float]:
        """Return the Dirichlet energy of x, and its flux in and out through the plates."""
        return kernels.energy(self.operator, self.plates, x, x)  # type: ignore[no-any-return]

    def dot(self, x: npt.NDArray[Any], y: npt.NDArray[Any]) -> float:
        """Return x·y."""
        return float(kernels.dot(x, y))

    def turn(self, beta: float, z: npt.NDArray[Any], p: npt.NDArray[Any]) -> None:
        """Overwrite p with z + beta p."""
        kernels.direction(self.dtype.type(beta), z, p)
        kernels.wrap(p, self.periodic, np.zeros(3))

    def apply(self, p: npt.NDArray[Any], q: npt.NDArray[Any]) -> float:
        """Overwrite q with A p and return p·q."""
        return float(kernels.curvature(self.operator, p, q))

    def advance(
        self, alpha: float, p: npt.NDArray[Any], q: npt.NDArray[Any], x: npt.NDArray[Any], r: npt.NDArray[Any]
    ) -> None:
        """Add alpha p to x and take alpha q from r."""
        kernels.update(self.dtype.type(alpha), p, q, x, r)


@dataclass(frozen=True, eq=False)
class Contacts:
    """What lies between voxels, besides the voxels.

    Parameters
    ----------
    phases
        (P, P): resistance of the face between two materials, in units of h_x/σ_max.
    boundary
        (P,): resistance of the face between two grains of one material, in the same unit.
    grains
        (nx, ny, nz) grain labels, or None.
    """

    phases: npt.NDArray[np.float64]
    boundary: npt.NDArray[np.float64]
    grains: npt.NDArray[Any] | None


def assemble(
    materials: npt.NDArray[np.uint8],
    sigma: npt.NDArray[np.float64],
    size: npt.NDArray[np.float64],
    periodic: tuple[bool, bool, bool],
    dtype: Any,
    contacts: Contacts | None = None,
) -> Problem:
    """Return the problem of an image whose axis 0 runs from plate to plate.

    Two half voxels and what lies between them conduct in series: g = 1/(h/2σ_i + h/2σ_j + R_ij) per area.

    Parameters
    ----------
    materials
        (nx, ny, nz): index into `sigma`; 0 insulates or carries no current.
    sigma
        (P,): in units of σ_max; ``sigma[0] == 0``.
    size
        (3,): voxel edges, in units of h_x.
    periodic
        By axis; plates close axis 0 if it is not.
    dtype
        float32 or float64.
    contacts
        Resistances between voxels.
    """
    anisotropy = 1 / size**2
    around = np.array(periodic)
    padded = _padded(materials, periodic)
    plates = _plates(padded, sigma, dtype) * (not periodic[0])
    inverse = np.zeros(padded.shape, dtype=dtype)
    colours = np.empty((2, padded[0].size), dtype=dtype)
    kernels.checkerboard(*materials.shape[1:], colours)
    if contacts is None and np.unique(sigma[sigma > 0]).size == 1 and sigma.size == 2:
        none = np.empty((0, 0, 0), dtype=dtype)
        operator = (none, none, none, anisotropy.astype(dtype), padded, colours)
        coarsening.invert(operator, plates, inverse)
        kernels.wrap(inverse, around, np.zeros(3))
        return Problem((*operator[:4], inverse, colours), plates, around, anisotropy)
    faces = np.zeros((3, *padded.shape), dtype=dtype)
    table = _table(sigma, size, contacts)
    assembly.fill_faces(padded, table, faces)
    if contacts is not None and contacts.grains is not None:
        grains = _padded(contacts.grains, periodic)
        assembly.add_grain_boundaries(padded, grains, contacts.boundary, anisotropy * size, faces)
    operator = (*faces, anisotropy.astype(dtype), inverse, colours)
    coarsening.invert(operator, plates, inverse)
    kernels.wrap(inverse, around, np.zeros(3))
    clusters = _clusters(materials, sigma, periodic, contacts)
    isolated = any(periodic[0] or not _leads_through(labels) for labels in clusters)
    return Problem(operator, plates, around, anisotropy, clusters, isolated)


def _clusters(
    materials: npt.NDArray[np.uint8],
    sigma: npt.NDArray[np.float64],
    periodic: tuple[bool, bool, bool],
    contacts: Contacts | None,
) -> tuple[npt.NDArray[Any], ...]:
    """Return the labels of good conductors in poor ones, and of materials and grains behind resistances."""
    found = []
    around = [axis for axis in range(3) if periodic[axis]]
    for threshold in thresholds(sigma):
        found.append(joined_clusters(assembly.look_up(sigma >= threshold, materials), around))
    if contacts is not None:
        apart = materials if contacts.grains is None else _pairs(contacts.grains, materials)
        found.append(joined_clusters(apart, around))
    return tuple(found)


def _leads_through(labels: npt.NDArray[Any]) -> bool:
    """Return whether a cluster touches both ends of axis 0."""
    return bool(np.intersect1d(labels[0], labels[-1]).max(initial=0) > 0)


def _pairs(grains: npt.NDArray[Any], materials: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return one number per grain and material, 0 for what does not conduct."""
    return np.where(materials > 0, grains.astype(np.int64) * 256 + materials, 0)


def _padded(image: npt.NDArray[Any], periodic: tuple[bool, bool, bool]) -> npt.NDArray[Any]:
    """Return the image with a border of one voxel: its other end along periodic axes, else 0."""
    padded = np.zeros(np.array(image.shape) + 2, dtype=image.dtype)
    padded[1:-1, 1:-1, 1:-1] = image
    for axis in np.flatnonzero(periodic):
        layers = np.moveaxis(padded, axis, 0)
        layers[0], layers[-1] = layers[-2], layers[1]
    return padded


def _table(
    sigma: npt.NDArray[np.float64], size: npt.NDArray[np.float64], contacts: Contacts | None
) -> npt.NDArray[np.float64]:
    """Return the conductance of a face normal to each axis between two materials, (3, P, P)."""
    with np.errstate(divide="ignore"):
        half = 0.5 / sigma
    between = 0.0 if contacts is None else contacts.phases
    # Area over length: the face normal to axis a has area h_x h_y h_z/h_a, in units of h_y h_z.
    return np.stack([1 / (h * (half[:, None] + half[None, :]) + between) / h for h in size])


def _plates(padded: npt.NDArray[np.uint8], sigma: npt.NDArray[np.float64], dtype: Any) -> npt.NDArray[Any]:
    """Return the conductance from the first and the last layer to its plate, half a voxel away, (2, ny+2, nz+2)."""
    plates = (2 * sigma)[padded[[1, -2]]]
    border = np.ones(padded.shape[1:], dtype=bool)
    border[1:-1, 1:-1] = False
    plates[:, border] = 0
    return plates.astype(dtype)
