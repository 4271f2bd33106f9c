"""The microstructure: a voxel image of phases with names and a voxel size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InvalidInput

__all__ = ["MAX_PHASES", "Microstructure"]

MAX_PHASES = 256


@dataclass(frozen=True, eq=False)
class Microstructure:
    """Phases of a box of voxels.

    Parameters
    ----------
    phases
        (nx, ny, nz) uint8; the value indexes ``phase_names``. Axes x, y, z in this order, C-contiguous.
    phase_names
        Name of each phase, for instance ``("void", "electrolyte")``.
    voxel_size
        (hx, hy, hz), metres.
    grains
        (nx, ny, nz) uint32 or None: grain number of each voxel, from 1; 0 where a voxel belongs to no grain.

    Raises
    ------
    InvalidInput
        If an array is not three-dimensional or of another type, is empty, or holds a phase without a name, or two
        phases share one.
    """

    phases: npt.NDArray[np.uint8]
    phase_names: tuple[str, ...]
    voxel_size: tuple[float, float, float]
    grains: npt.NDArray[np.uint32] | None = None

    def __post_init__(self) -> None:
        phases = self.phases
        if not isinstance(phases, np.ndarray) or phases.dtype != np.uint8 or phases.ndim != 3 or phases.size == 0:
            raise InvalidInput("phases must be a non-empty uint8 array of shape (nx, ny, nz).")
        if int(phases.max()) >= len(self.phase_names):
            raise InvalidInput(
                f"phases holds the value {int(phases.max())}, but only {len(self.phase_names)} phases are named: "
                f"{', '.join(self.phase_names)}."
            )
        if len(set(self.phase_names)) < len(self.phase_names):
            raise InvalidInput(f"phase_names gives one name to two phases: {', '.join(self.phase_names)}.")
        grains = self.grains
        is_sound = isinstance(grains, np.ndarray) and grains.dtype == np.uint32 and grains.shape == phases.shape
        if grains is not None and not is_sound:
            raise InvalidInput(f"grains must be a uint32 array of shape {phases.shape} like phases, or None.")
        if len(self.voxel_size) != 3 or not all(np.isfinite(h) and h > 0 for h in self.voxel_size):
            raise InvalidInput(f"voxel_size must be three positive lengths in metres, not {self.voxel_size!r}.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(nx, ny, nz), voxels."""
        nx, ny, nz = self.phases.shape
        return nx, ny, nz

    def fractions(self) -> dict[str, float]:
        """Return the achieved volume fraction of each phase."""
        counts: npt.NDArray[Any] = np.bincount(self.phases.ravel(), minlength=len(self.phase_names))
        return {name: float(count) / self.phases.size for name, count in zip(self.phase_names, counts)}
