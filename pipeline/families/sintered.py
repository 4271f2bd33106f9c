"""Sintered electrolyte: a dense matrix with overlapping spherical pores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...datasets import Microstructure
from ..porespy_session import porespy_session
from .family import require_between, require_fits

__all__ = ["Sintered"]


@dataclass(frozen=True, kw_only=True)
class Sintered:
    """Electrolyte pellet with residual porosity.

    Parameters
    ----------
    void_fraction
        Volume fraction of the pores, met within 0.005.
    pore_diameter_um
        Diameter of the spherical pores, which may overlap, µm; rounded to whole voxels of radius.
    """

    name: ClassVar[str] = "sintered"
    phase_names: ClassVar[tuple[str, ...]] = ("void", "electrolyte")
    void_fraction: float = 0.15
    pore_diameter_um: float = 2.4

    def __post_init__(self) -> None:
        require_between(self, "void_fraction", 0.01, 0.95)
        require_between(self, "pore_diameter_um", 1e-3, 1e3)

    def check(self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float]) -> None:
        """Raise InvalidInput if pores are under a voxel or over half the box."""
        require_fits(self, "pore_diameter_um", shape, voxel_size)

    def generate(
        self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float], seed: int
    ) -> Microstructure:
        """Return the microstructure."""
        radius = max(1, round(self.pore_diameter_um * 1e-6 / (2 * max(voxel_size))))
        with porespy_session() as generators:
            # overlapping_spheres places solid spheres in pore space; here the spheres are the pores.
            matrix = generators.overlapping_spheres(
                list(shape), r=radius, porosity=1 - self.void_fraction, maxiter=30, tol=0.005, seed=seed
            )
        return Microstructure(matrix.astype(np.uint8), self.phase_names, voxel_size)
