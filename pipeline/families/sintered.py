"""Sintered electrolyte: a dense matrix with overlapping spherical pores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...datasets import Microstructure
from .family import require_between, require_fits, threshold_to_fraction
from .packing import distance_to_spheres

__all__ = ["Sintered"]


@dataclass(frozen=True, kw_only=True)
class Sintered:
    """Electrolyte pellet with residual porosity: spheres at random places, grown or shrunk evenly to their fraction.

    Parameters
    ----------
    void_fraction
        Volume fraction of the pores, met to the voxel.
    pore_diameter_um
        Diameter that the pores, which may overlap, have on average, µm: as many are drawn as reach the volume fraction
        at this one.
    """

    name: ClassVar[str] = "sintered"
    phase_names: ClassVar[tuple[str, ...]] = ("void", "electrolyte")
    void_fraction: float = 0.15
    pore_diameter_um: float = 2.4

    def __post_init__(self) -> None:
        require_between(self, "void_fraction", 0.0, 0.95)
        require_between(self, "pore_diameter_um", 1e-3, 1e3)

    def check(self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float]) -> None:
        """Raise InvalidInput if pores are under a voxel or over half the box."""
        require_fits(self, "pore_diameter_um", shape, voxel_size)

    def generate(
        self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float], seed: int
    ) -> Microstructure:
        """Return the microstructure; periodic in all directions."""
        rng = np.random.default_rng(seed)
        radius = self.pore_diameter_um * 0.5e-6
        # Spheres at random leave exp(-number × volume) of the space.
        wanted = (
            -np.log1p(-self.void_fraction) * float(np.prod(shape)) * np.prod(voxel_size) / (4 / 3 * np.pi * radius**3)
        )
        centres = rng.random((max(1, round(wanted)), 3)) * np.array(shape) * voxel_size
        distance = distance_to_spheres(centres, np.full(len(centres), radius), shape, voxel_size)
        void = threshold_to_fraction(distance, self.void_fraction, rng)
        return Microstructure((~void).astype(np.uint8), self.phase_names, voxel_size)
