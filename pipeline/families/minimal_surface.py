"""Minimal surface: electrolyte and void on either side of a triply periodic surface, a stress test and a design."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ...datasets import InvalidInput, Microstructure
from .family import require_between, require_fits, threshold_to_fraction

__all__ = ["MinimalSurface"]

Array = npt.NDArray[np.float64]


def _gyroid(x: Array, y: Array, z: Array) -> Array:
    field: Array = np.sin(x) * np.cos(y) + np.sin(y) * np.cos(z) + np.sin(z) * np.cos(x)
    return field


def _diamond(x: Array, y: Array, z: Array) -> Array:
    field: Array = np.cos(x) * np.cos(y) * np.cos(z) - np.sin(x) * np.sin(y) * np.sin(z)
    return field


def _primitive(x: Array, y: Array, z: Array) -> Array:
    return np.cos(x) + np.cos(y) + np.cos(z)


# The leading Fourier terms of Schoen's gyroid and Schwarz' D and P surfaces (von Schnering & Nesper 1991).
SURFACES = {"gyroid": _gyroid, "diamond": _diamond, "primitive": _primitive}


@dataclass(frozen=True, kw_only=True)
class MinimalSurface:
    """Level set of a triply periodic field; the seed shifts it.

    Parameters
    ----------
    void_fraction
        Volume fraction of the void, met to the voxel.
    cell_size_um
        Edge of the cubic unit cell, µm.
    surface
        ``"gyroid"``, ``"diamond"`` or ``"primitive"``.
    """

    name: ClassVar[str] = "minimal_surface"
    phase_names: ClassVar[tuple[str, ...]] = ("void", "electrolyte")
    void_fraction: float = 0.5
    cell_size_um: float = 4.8
    surface: str = "gyroid"

    def __post_init__(self) -> None:
        require_between(self, "void_fraction", 0.0, 0.95)
        require_between(self, "cell_size_um", 1e-3, 1e3)
        if self.surface not in SURFACES:
            raise InvalidInput(
                f"Family {self.name!r}: there is no surface {self.surface!r}; choose {', '.join(SURFACES)}."
            )

    def check(self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float]) -> None:
        """Raise InvalidInput if the unit cell is under a voxel or over half the box."""
        require_fits(self, "cell_size_um", shape, voxel_size)

    def generate(
        self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float], seed: int
    ) -> Microstructure:
        """Return the microstructure; periodic if the box is a whole number of cells along each axis."""
        rng = np.random.default_rng(seed)
        shift = rng.random(3) * 2 * np.pi
        step = 2 * np.pi * np.array(voxel_size) / (self.cell_size_um * 1e-6)
        angles = [np.arange(n) * h + s for n, h, s in zip(shape, step, shift, strict=True)]
        x, y, z = np.meshgrid(*angles, indexing="ij")
        void = threshold_to_fraction(SURFACES[self.surface](x, y, z), self.void_fraction, rng)
        return Microstructure((~void).astype(np.uint8), self.phase_names, voxel_size)
