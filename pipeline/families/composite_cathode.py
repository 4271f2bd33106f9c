"""Composite cathode: active-material particles in an electrolyte matrix with voids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...datasets import InvalidInput, Microstructure
from ..porespy_session import porespy_session
from .family import require_between, require_fits, signed_distance, threshold_to_fraction
from .noise import filtered_noise

__all__ = ["CompositeCathode"]


@dataclass(frozen=True, kw_only=True)
class CompositeCathode:
    """Spherical active-material particles, electrolyte between them, voids in the electrolyte.

    Parameters
    ----------
    active_material_fraction, void_fraction
        Volume fractions, met to the voxel; the rest is electrolyte.
    particle_diameter_um
        Diameter of the active-material particles as packed, µm. The packing is then grown or shrunk evenly to its
        volume fraction, so that above about 0.4 neighbours fuse as calendered particles do.
    void_size_um
        Size of the voids, as ``blob_size_um`` of :class:`~ionscreen.pipeline.families.blobs.Blobs`, µm.
    """

    name: ClassVar[str] = "composite_cathode"
    phase_names: ClassVar[tuple[str, ...]] = ("void", "electrolyte", "active_material")
    active_material_fraction: float = 0.45
    void_fraction: float = 0.1
    particle_diameter_um: float = 4.8
    void_size_um: float = 1.6

    def __post_init__(self) -> None:
        require_between(self, "active_material_fraction", 0.05, 0.75)
        require_between(self, "void_fraction", 0.0, 0.5)
        require_between(self, "particle_diameter_um", 1e-3, 1e3)
        require_between(self, "void_size_um", 1e-3, 1e3)
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

    def generate(
        self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float], seed: int
    ) -> Microstructure:
        """Return the microstructure."""
        rng = np.random.default_rng(seed)
        radius = max(2, round(self.particle_diameter_um * 1e-6 / (2 * max(voxel_size))))
        with porespy_session() as generators:
            spheres = generators.random_spheres(
                list(shape), r=radius, phi=0.6, edges="extended", clearance=-(radius // 3), seed=seed
            )
        noise = filtered_noise(self.void_size_um, shape, voxel_size, seed)
        active = threshold_to_fraction(signed_distance(spheres), self.active_material_fraction, rng)
        void = threshold_to_fraction(noise, self.void_fraction, rng, among=~active)
        phases = np.where(active, 2, np.where(void, 0, 1)).astype(np.uint8)
        return Microstructure(phases, self.phase_names, voxel_size)
