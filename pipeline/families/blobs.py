"""Blobs: a thresholded Gaussian random field, the stress test with winding, branching phases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...datasets import Microstructure
from .family import require_between, require_fits, threshold_to_fraction
from .noise import filtered_noise

__all__ = ["Blobs"]


@dataclass(frozen=True, kw_only=True)
class Blobs:
    """Electrolyte and void separated by a level set of filtered noise.

    Parameters
    ----------
    void_fraction
        Volume fraction of the void, met to the voxel.
    blob_size_um
        Standard deviation of the Gaussian filter times 2√2, µm: the length over which the field's correlation
        falls to e⁻².
    """

    name: ClassVar[str] = "blobs"
    phase_names: ClassVar[tuple[str, ...]] = ("void", "electrolyte")
    void_fraction: float = 0.4
    blob_size_um: float = 1.6

    def __post_init__(self) -> None:
        require_between(self, "void_fraction", 0.0, 0.95)
        require_between(self, "blob_size_um", 1e-3, 1e3)

    def check(self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float]) -> None:
        """Raise InvalidInput if blobs are under a voxel or over half the box."""
        require_fits(self, "blob_size_um", shape, voxel_size)

    def generate(
        self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float], seed: int
    ) -> Microstructure:
        """Return the microstructure; periodic in all directions."""
        noise = filtered_noise(self.blob_size_um, shape, voxel_size, seed)
        void = threshold_to_fraction(noise, self.void_fraction, np.random.default_rng(seed))
        return Microstructure((~void).astype(np.uint8), self.phase_names, voxel_size)
