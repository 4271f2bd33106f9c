"""Composite cathode: active-material particles in an electrolyte with voids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from ...datasets import Microstructure
from .cathode import Cathode

__all__ = ["CompositeCathode"]


@final
@dataclass(frozen=True, kw_only=True)
class CompositeCathode(Cathode):
    """Cathode of three phases, with the parameters of :class:`~ionscreen.pipeline.families.cathode.Cathode`."""

    name: ClassVar[str] = "composite_cathode"
    phase_names: ClassVar[tuple[str, ...]] = ("void", "electrolyte", "active_material")

    def generate(
        self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float], seed: int
    ) -> Microstructure:
        """Return the microstructure; periodic in all directions."""
        return self._without_binder(shape, voxel_size, seed)[0]
