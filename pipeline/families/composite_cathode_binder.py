"""Composite cathode with binder: a film of carbon and binder on part of the active material."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from ...datasets import InvalidInput, Microstructure
from .cathode import ELECTROLYTE, Cathode
from .family import require_between, threshold_to_fraction
from .noise import plain_noise

__all__ = ["CompositeCathodeBinder"]

BINDER = 3

# How many voxels farther out the noise may carry the film: it makes patches, or the particles would be sealed.
ROUGHNESS = 2.0


@final
@dataclass(frozen=True, kw_only=True)
class CompositeCathodeBinder(Cathode):
    """Composite cathode in which the carbon-binder domain takes the place of electrolyte next to active material.

    The other parameters are those of :class:`~ionscreen.pipeline.families.cathode.Cathode`.

    Parameters
    ----------
    binder_fraction
        Volume fraction of the carbon-binder domain, met to the voxel: patches of the size of the voids,
        thinner on the flat sides of flat particles.
    """

    name: ClassVar[str] = "composite_cathode_binder"
    phase_names: ClassVar[tuple[str, ...]] = ("void", "electrolyte", "active_material", "binder")
    binder_fraction: float = 0.03

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(self, "binder_fraction", 0.0, 0.3)
        electrolyte = 1 - self.active_material_fraction - self.void_fraction - self.binder_fraction
        if electrolyte < 0.02:
            raise InvalidInput(
                f"Family {self.name!r}: active_material_fraction, void_fraction and binder_fraction "
                f"{self.binder_fraction:g} leave {electrolyte:.2f} for the electrolyte; leave at least 0.02."
            )

    def generate(
        self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float], seed: int
    ) -> Microstructure:
        """Return the microstructure: that of the cathode without binder, and the film in its electrolyte; periodic."""
        plain, distance = self._without_binder(shape, voxel_size, seed)
        rng = np.random.default_rng((seed, len(self.phase_names)))
        noise = plain_noise(self.void_size_um, shape, voxel_size, rng)
        rough = distance / max(voxel_size) + ROUGHNESS * noise / np.std(noise)
        film = threshold_to_fraction(rough, self.binder_fraction, rng, among=plain.phases == ELECTROLYTE)
        grains = None if plain.grains is None else np.where(film, np.uint32(0), plain.grains)
        return Microstructure(
            np.where(film, BINDER, plain.phases).astype(np.uint8), self.phase_names, voxel_size, grains
        )
