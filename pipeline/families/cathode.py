"""Cathode: what composite cathodes with and without binder have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ...datasets import InvalidInput, Microstructure
from .family import periodic_distance, require_between, require_fits, threshold_to_fraction
from .nearest_grains import CORNER, nearest_grains
from .noise import filtered_noise
from .packing import diameters, distance_to_spheres, pack_spheres

__all__ = ["ACTIVE", "ELECTROLYTE", "VOID", "Cathode"]

VOID, ELECTROLYTE, ACTIVE = 0, 1, 2  # places in phase_names


@dataclass(frozen=True, kw_only=True)
class Cathode(ABC):
    """Active-material particles, electrolyte between them as a matrix or as particles, voids in the electrolyte.

    Parameters
    ----------
    active_material_fraction, void_fraction
        Volume fractions, met to the voxel; the rest is electrolyte.
    particle_diameter_um
        Diameter of the active-material particles as packed, µm. The packing is then grown or shrunk evenly to its
        volume fraction, so that above about 0.4 neighbours fuse as calendered particles do.
    void_size_um
        Size of the voids, as ``blob_size_um`` of :class:`~ionscreen.pipeline.families.blobs.Blobs`, µm; without effect
        if the electrolyte consists of particles, which leave the voids between them.
    particle_spread
        Geometric standard deviation of the diameters, by volume; `particle_diameter_um` is their median. 1: all alike.
    aspect_ratio
        Width of a particle along y and z over its height along x, as calendering flattens them; 1: spheres. Of the
        two, `particle_diameter_um` is the width.
    electrolyte_diameter_um
        Diameter of the electrolyte particles, µm; the voids are then where it is farthest to one: at contacts and in
        corners. They are numbered as grains, so that ``Transport.grain_boundary_resistance`` of the electrolyte is the
        resistance of their contacts. 0: the electrolyte is a matrix with voids of `void_size_um`.
    """

    name: ClassVar[str]
    phase_names: ClassVar[tuple[str, ...]]
    active_material_fraction: float = 0.45
    void_fraction: float = 0.1
    particle_diameter_um: float = 4.8
    void_size_um: float = 1.6
    particle_spread: float = 1.0
    aspect_ratio: float = 1.0
    electrolyte_diameter_um: float = 0.0

    def __post_init__(self) -> None:
        require_between(self, "active_material_fraction", 0.05, 0.75)
        require_between(self, "void_fraction", 0.0, 0.5)
        require_between(self, "particle_diameter_um", 1e-3, 1e3)
        require_between(self, "void_size_um", 1e-3, 1e3)
        require_between(self, "particle_spread", 1.0, 3.0)
        require_between(self, "aspect_ratio", 1.0, 5.0)
        require_between(self, "electrolyte_diameter_um", 0.0, 1e3)
        electrolyte = 1 - self.active_material_fraction - self.void_fraction
        if electrolyte < 0.02:
            raise InvalidInput(
                f"Family {self.name!r}: active_material_fraction {self.active_material_fraction:g} and void_fraction "
                f"{self.void_fraction:g} leave {electrolyte:.2f} for the electrolyte; leave at least 0.02."
            )

    def check(self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float]) -> None:
        """Raise InvalidInput if particles or voids are under a voxel or over half the box."""
        require_fits(self, "particle_diameter_um", shape, voxel_size)
        require_fits(self, "void_size_um", shape, voxel_size)
        height, voxel_um = self.particle_diameter_um / self.aspect_ratio, 1e6 * max(voxel_size)
        if height < voxel_um * (1 - 1e-9):
            raise InvalidInput(
                f"Family {self.name!r}: aspect_ratio {self.aspect_ratio:g} makes particles {height:.3g} µm high, less "
                f"than a voxel ({voxel_um:g} µm); lower it or take smaller voxels."
            )
        if self.electrolyte_diameter_um > 0:
            require_fits(self, "electrolyte_diameter_um", shape, voxel_size)
        largest = diameters(self.particle_diameter_um, self.particle_spread)[0]
        edge_um = 1e6 * min(n * h for n, h in zip(shape, voxel_size, strict=True))
        if self.particle_spread > 1 and largest > edge_um / 2:
            raise InvalidInput(
                f"Family {self.name!r}: particle_spread {self.particle_spread:g} makes particles of {largest:.3g} µm, "
                f"more than half the box edge ({edge_um:g} µm); lower it or take a larger box."
            )

    @abstractmethod
    def generate(
        self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float], seed: int
    ) -> Microstructure:
        """Return the microstructure."""

    def _without_binder(
        self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float], seed: int
    ) -> tuple[Microstructure, npt.NDArray[np.float32]]:
        """Return the cathode of voids, electrolyte and active material, and how far from active material a voxel is.

        The distance, (nx, ny, nz), is in metres across the axis, and the aspect ratio times as much along it.
        """
        rng = np.random.default_rng(seed)
        distance = self._packing(shape, voxel_size, rng)
        active = threshold_to_fraction(distance, self.active_material_fraction, rng)
        particles = self._electrolyte_particles(active, voxel_size, rng) if self.electrolyte_diameter_um > 0 else None
        if particles is None:
            lowest_in_voids = filtered_noise(self.void_size_um, shape, voxel_size, seed)
        else:
            radii = np.full(len(particles), self.electrolyte_diameter_um * 0.5e-6)
            lowest_in_voids = -distance_to_spheres(particles, radii, shape, voxel_size)
        void = threshold_to_fraction(lowest_in_voids, self.void_fraction, rng, among=~active)
        phases = np.where(active, ACTIVE, np.where(void, VOID, ELECTROLYTE)).astype(np.uint8)
        grains = None if particles is None else _numbered(particles, phases == ELECTROLYTE, voxel_size)
        return (
            Microstructure(phases, ("void", "electrolyte", "active_material"), voxel_size, grains),
            distance - distance[active].max(),
        )

    def _packing(
        self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float], rng: np.random.Generator
    ) -> npt.NDArray[np.float32]:
        """Return the distance to the particles' surface, negative inside, metres across the axis.

        Flat particles are spheres of a box that is higher by the aspect ratio.
        """
        high = (round(shape[0] * self.aspect_ratio), shape[1], shape[2])
        stretched = (voxel_size[0] * self.aspect_ratio, voxel_size[1], voxel_size[2])
        cells = (shape[0] * stretched[0] / high[0], voxel_size[1], voxel_size[2])
        radii = [d * 0.5e-6 for d in diameters(self.particle_diameter_um, self.particle_spread)]
        centres, sizes = pack_spheres(high, cells, radii, rng)
        return distance_to_spheres(centres, sizes, shape, stretched)

    def _electrolyte_particles(
        self, active: npt.NDArray[np.bool_], voxel_size: tuple[float, float, float], rng: np.random.Generator
    ) -> npt.NDArray[np.float64]:
        """Return the centres, (n, 3), metres, of electrolyte particles between the active material."""
        nx, ny, nz = active.shape
        radius = self.electrolyte_diameter_um * 0.5e-6
        room = 1e-6 * periodic_distance(active, voxel_size, radius)
        # As many as find room: a hole without any would become one large void.
        return pack_spheres((nx, ny, nz), voxel_size, [radius], rng, share=1.0, room=room)[0]


def _numbered(
    centres: npt.NDArray[np.float64], mask: npt.NDArray[np.bool_], voxel_size: tuple[float, float, float]
) -> npt.NDArray[np.uint32]:
    """Return which particle each voxel of the mask is nearest to, from 1; 0 outside the mask."""
    nx, ny, nz = mask.shape
    enough = np.resize(centres, (max(CORNER, len(centres)), 3))
    nearest = nearest_grains(enough, (nx, ny, nz), voxel_size)[2] % len(centres)
    return np.where(mask, nearest + 1, 0).astype(np.uint32)
