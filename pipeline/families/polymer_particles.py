"""Polymer composite with particles: ceramic spheres in a polymer electrolyte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...datasets import Microstructure
from .family import require_between, require_fits, threshold_to_fraction
from .packing import distance_to_spheres, pack_spheres

__all__ = ["PolymerParticles"]


@dataclass(frozen=True, kw_only=True)
class PolymerParticles:
    """Randomly packed spheres, grown or shrunk evenly to their volume fraction.

    Parameters
    ----------
    ceramic_fraction
        Volume fraction of the particles, met to the voxel; above about 0.4 neighbours fuse.
    particle_diameter_um
        Diameter of the particles as packed, µm.
    """

    name: ClassVar[str] = "polymer_particles"
    phase_names: ClassVar[tuple[str, ...]] = ("polymer", "ceramic")
    ceramic_fraction: float = 0.3
    particle_diameter_um: float = 4.0

    def __post_init__(self) -> None:
        require_between(self, "ceramic_fraction", 0.01, 0.75)
        require_between(self, "particle_diameter_um", 1e-3, 1e3)

    def check(self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float]) -> None:
        """Raise InvalidInput if particles are under a voxel or over half the box."""
        require_fits(self, "particle_diameter_um", shape, voxel_size)

    def generate(
        self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float], seed: int
    ) -> Microstructure:
        """Return the microstructure; periodic in all directions."""
        rng = np.random.default_rng(seed)
        radius = self.particle_diameter_um * 0.5e-6
        centres, radii = pack_spheres(shape, voxel_size, [radius], rng, share=self.ceramic_fraction)
        ceramic = threshold_to_fraction(
            distance_to_spheres(centres, radii, shape, voxel_size), self.ceramic_fraction, rng
        )
        return Microstructure(ceramic.astype(np.uint8), self.phase_names, voxel_size)
