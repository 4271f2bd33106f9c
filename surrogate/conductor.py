"""Microstructure -> conductor: what the surrogate is told of a structure, the transport axis first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..datasets import InvalidInput, Microstructure, Transport

__all__ = ["Conductor", "conductor_of"]

SMALLEST_AXIS = 8


@dataclass(frozen=True, eq=False)
class Conductor:
    """What carries current from plate to plate along the first axis.

    Parameters
    ----------
    materials
        (nx, ny, nz) uint8: index into `sigma`; 0 insulates or lies on no path between the plates.
    sigma
        (P,): conductivities relative to the best that carries current; ``sigma[0] == 0``.
    contacts
        (P, P): resistance between two materials, in units of a voxel's edge over the best conductivity.
    grains, boundaries
        (nx, ny, nz) whole numbers or None; (P,): resistance between two grains of a material, in the same unit.
    scale
        The best conductivity over the transport's largest: σ_eff = M · scale · σ_max.
    """

    materials: npt.NDArray[np.uint8]
    sigma: npt.NDArray[np.float64]
    contacts: npt.NDArray[np.float64]
    grains: npt.NDArray[np.uint32] | None
    boundaries: npt.NDArray[np.float64]
    scale: float = 1.0

    @property
    def contrast(self) -> float:
        """The poorest relative conductivity that carries current."""
        return float(self.sigma[1:].min())

    def half_resistances(self) -> npt.NDArray[np.float64]:
        """Return the resistance from a voxel's centre to its faces, (P,); infinite where it insulates."""
        with np.errstate(divide="ignore"):
            return np.asarray(0.5 / self.sigma)


def conductor_of(
    microstructure: Microstructure, transport: Transport, connected: npt.NDArray[np.bool_], axis: int
) -> Conductor:
    """Return the conductor of a structure that percolates.

    Parameters
    ----------
    microstructure
        Cubic voxels: the surrogate knows no other.
    transport
        Conductivities and resistances.
    connected
        (nx, ny, nz), the voxels that conduct and are joined to both faces of `axis`; decided exactly beforehand,
        because local features cannot see a spanning cluster.
    axis
        0, 1 or 2.

    Raises
    ------
    InvalidInput
        If the voxels are not cubes, the box is smaller than 8 voxels, or nothing is connected.
    """
    size = microstructure.voxel_size
    if max(size) > (1 + 1e-6) * min(size):
        raise InvalidInput(f"The surrogate needs cubic voxels, but these are {size} m; resample the image.")
    if min(microstructure.phases.shape) < SMALLEST_AXIS:
        raise InvalidInput(
            f"The surrogate needs {SMALLEST_AXIS} voxels or more along each axis, not {microstructure.phases.shape}; "
            "solve so small an image exactly."
        )
    names = list(microstructure.phase_names)
    table = transport.table(names)
    phases = microstructure.phases
    # Few phases: a comparison each takes a tenth of the time of sorting the voxels or of looking each up.
    materials = np.zeros(phases.shape, np.uint8)
    number = np.zeros(len(names), np.uint8)
    for phase in np.flatnonzero(table).tolist():  # not numpy's integers: all voxels would become as long
        here = (phases == phase) & connected
        if here.any():
            number[phase] = number.max() + 1
            materials += here.view(np.uint8) * number[phase]
    present = np.flatnonzero(number)
    if not present.size:
        raise InvalidInput("Nothing joins the two faces: σ_eff is 0, there is nothing to predict.")
    best = float(table[present].max())
    order = (axis, *[other for other in range(3) if other != axis])
    unit = best / size[0]
    contacts = np.zeros((present.size + 1,) * 2)
    for (one, other), resistance in transport.interface_resistance.items():
        a, b = (number[names.index(name)] if name in names else 0 for name in (one, other))
        contacts[a, b] = contacts[b, a] = resistance * unit
    contacts[0], contacts[:, 0] = 0, 0
    boundaries = np.zeros(present.size + 1)
    grains = None
    if transport.grain_boundary_resistance and microstructure.grains is not None:
        grains = np.ascontiguousarray(microstructure.grains.transpose(order))
        for name, resistance in transport.grain_boundary_resistance.items():
            if name in names and number[names.index(name)]:
                boundaries[number[names.index(name)]] = resistance * unit
    return Conductor(
        np.ascontiguousarray(materials.transpose(order)),
        np.concatenate([[0.0], table[present] / best]),
        contacts,
        grains,
        boundaries,
        best / transport.sigma_max,
    )
