"""Layered: an electrolyte whose porosity changes along x, in steps or evenly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...datasets import InvalidInput, Microstructure
from .family import require_between, require_fits, threshold_to_fraction
from .noise import filtered_noise

__all__ = ["Layered"]


@dataclass(frozen=True, kw_only=True)
class Layered:
    """Blobs whose void fraction goes from one value at the face x = 0 to another at the opposite one.

    Parameters
    ----------
    first_void_fraction, last_void_fraction
        In the first and the last layer; each layer of voxels meets its own to the voxel.
    layers
        Number of layers of equal thickness, rounded to a whole number, so that a design may give a range; between the
        outer ones the fraction changes in equal steps. Below 2 it changes with every layer of voxels: a graded
        structure.
    blob_size_um
        As that of :class:`~ionscreen.pipeline.families.blobs.Blobs`, µm.
    """

    name: ClassVar[str] = "layered"
    phase_names: ClassVar[tuple[str, ...]] = ("void", "electrolyte")
    first_void_fraction: float = 0.1
    last_void_fraction: float = 0.5
    layers: float = 0
    blob_size_um: float = 1.6

    def __post_init__(self) -> None:
        require_between(self, "first_void_fraction", 0.0, 0.95)
        require_between(self, "last_void_fraction", 0.0, 0.95)
        require_between(self, "layers", 0, 1000)
        require_between(self, "blob_size_um", 1e-3, 1e3)

    def check(self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float]) -> None:
        """Raise InvalidInput if blobs are under a voxel or over half the box, or layers thinner than a voxel."""
        require_fits(self, "blob_size_um", shape, voxel_size)
        if self.layers > shape[0]:
            raise InvalidInput(
                f"Family {self.name!r}: layers is {self.layers:g}, the box has {shape[0]} voxels along x; lower it."
            )

    def generate(
        self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float], seed: int
    ) -> Microstructure:
        """Return the microstructure; periodic along y and z."""
        rng = np.random.default_rng(seed)
        noise = filtered_noise(self.blob_size_um, shape, voxel_size, seed)
        count = round(self.layers)
        count = count if count >= 2 else shape[0]
        # Place of each voxel's layer, from 0 at the first to 1 at the last.
        place = (np.arange(shape[0]) * count // shape[0]) / max(1, count - 1)
        fractions = self.first_void_fraction + place * (self.last_void_fraction - self.first_void_fraction)
        void = np.stack([threshold_to_fraction(plane, f, rng) for plane, f in zip(noise, fractions, strict=True)])
        return Microstructure((~void).astype(np.uint8), self.phase_names, voxel_size)
