"""Polymer composite with particles: ceramic spheres in a polymer electrolyte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...datasets import Microstructure
from ..porespy_session import porespy_session
from .family import require_between, require_fits, signed_distance, threshold_to_fraction

__all__ = ["PolymerParticles"]


@dataclass(frozen=True, kw_only=True)
class PolymerParticles:
    """Randomly packed spheres, grown or shrunk evenly to their volume fraction.

    Parameters
    ----------
    ceramic_fraction
        Volume fraction of the particles, met to the voxel; above about 0.4 neighbours fuse.
    particle_diameter_um
        Diameter of the particles as packed, µm; rounded to whole voxels of radius.
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
        """Return the microstructure."""
        radius = max(2, round(self.particle_diameter_um * 1e-6 / (2 * max(voxel_size))))
        # At least one sphere: PoreSpy fails on none.
        packed = max(self.ceramic_fraction, 4 / 3 * np.pi * radius**3 / np.prod(shape))
        with porespy_session() as generators:
            spheres = generators.random_spheres(
                list(shape), r=radius, phi=float(packed), edges="extended", clearance=-(radius // 3), seed=seed
            )
        ceramic = threshold_to_fraction(signed_distance(spheres), self.ceramic_fraction, np.random.default_rng(seed))
        return Microstructure(ceramic.astype(np.uint8), self.phase_names, voxel_size)
