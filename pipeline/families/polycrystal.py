"""Polycrystal: grains of a Voronoi tessellation, with boundaries that resist and pores at their corners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...datasets import InvalidInput, Microstructure
from .family import require_between, require_fits, threshold_to_fraction
from .nearest_grains import CORNER, nearest_grains

__all__ = ["Polycrystal"]


@dataclass(frozen=True, kw_only=True)
class Polycrystal:
    """Sintered ceramic electrolyte of Poisson-Voronoi grains.

    Grain boundaries conduct differently in one of two ways: as a phase of their own, `boundary_fraction` of the volume,
    or as faces with a resistance, ``Transport.grain_boundary_resistance``, for which the grains are numbered.

    Parameters
    ----------
    grain_diameter_um
        Diameter of the sphere that has the mean volume of a grain, µm.
    boundary_fraction
        Volume fraction of the phase ``grain_boundary``, met to the voxel: the voxels nearest to two grains at once.
    void_fraction
        Volume fraction of pores, met to the voxel: the voxels nearest to four grains at once.
    """

    name: ClassVar[str] = "polycrystal"
    phase_names: ClassVar[tuple[str, ...]] = ("void", "electrolyte", "grain_boundary")
    grain_diameter_um: float = 4.0
    boundary_fraction: float = 0.0
    void_fraction: float = 0.05

    def __post_init__(self) -> None:
        require_between(self, "grain_diameter_um", 1e-3, 1e3)
        require_between(self, "boundary_fraction", 0.0, 0.5)
        require_between(self, "void_fraction", 0.0, 0.5)
        grain = 1 - self.boundary_fraction - self.void_fraction
        if grain < 0.1:
            raise InvalidInput(
                f"Family {self.name!r}: boundary_fraction {self.boundary_fraction:g} and void_fraction "
                f"{self.void_fraction:g} leave {grain:.2f} for the electrolyte; leave at least 0.1."
            )

    def check(self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float]) -> None:
        """Raise InvalidInput if grains are under a voxel or over half the box."""
        require_fits(self, "grain_diameter_um", shape, voxel_size)

    def generate(
        self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float], seed: int
    ) -> Microstructure:
        """Return the microstructure with its grains, numbered from 1, 0 in the void; periodic in all directions."""
        rng = np.random.default_rng(seed)
        box = np.array(shape) * voxel_size
        count = max(CORNER, round(float(np.prod(box)) / (np.pi / 6 * (self.grain_diameter_um * 1e-6) ** 3)))
        second, fourth, nearest = nearest_grains(rng.random((count, 3)) * box, shape, voxel_size)
        void = threshold_to_fraction(fourth, self.void_fraction, rng)
        boundary = threshold_to_fraction(second, self.boundary_fraction, rng, among=~void)
        phases = np.where(void, 0, np.where(boundary, 2, 1)).astype(np.uint8)
        grains = np.where(void, 0, nearest + 1).astype(np.uint32)
        return Microstructure(phases, self.phase_names, voxel_size, grains)
