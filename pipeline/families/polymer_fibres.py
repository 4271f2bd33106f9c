"""Polymer composite with fibres: long ceramic fibres in a polymer electrolyte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import edt
import numpy as np
import numpy.typing as npt

from ...datasets import Microstructure
from .family import require_between, require_fits, threshold_to_fraction

__all__ = ["PolymerFibres"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PolymerFibres:
    """Straight overlapping fibres through the whole box, grown or shrunk evenly to their volume fraction.

    Parameters
    ----------
    ceramic_fraction
        Volume fraction of the fibres, met to the voxel.
    fibre_diameter_um
        Diameter that fibres have on average, µm: as many are drawn as reach the volume fraction at this one.
    tilt_degrees
        Largest angle between a fibre and the plane of the axes x and y; directions are uniform on the sphere below it:
        0 for a mat, 90 for isotropic fibres.
    """

    name: ClassVar[str] = "polymer_fibres"
    phase_names: ClassVar[tuple[str, ...]] = ("polymer", "ceramic")
    ceramic_fraction: float = 0.15
    fibre_diameter_um: float = 1.6
    tilt_degrees: float = 90.0

    def __post_init__(self) -> None:
        require_between(self, "ceramic_fraction", 0.01, 0.6)
        require_between(self, "fibre_diameter_um", 1e-3, 1e3)
        require_between(self, "tilt_degrees", 0.0, 90.0)

    def check(self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float]) -> None:
        """Raise InvalidInput if fibres are under a voxel or over half the box thick."""
        require_fits(self, "fibre_diameter_um", shape, voxel_size)

    def generate(
        self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float], seed: int
    ) -> Microstructure:
        """Return the microstructure."""
        rng = np.random.default_rng(seed)
        axes = np.zeros(shape, bool)
        while not axes.any():
            _draw(axes, self._lines(np.array(shape) * voxel_size, rng), voxel_size)
        distance = edt.edt(~axes, anisotropy=tuple(h * 1e6 for h in voxel_size), parallel=1)
        ceramic = threshold_to_fraction(distance, self.ceramic_fraction, rng)
        return Microstructure(ceramic.astype(np.uint8), self.phase_names, voxel_size)

    def _lines(self, box: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return points and directions, both (n, 3), of random lines through the sphere around a box, metres.

        The lines are uniform in space: as many through each m² across a direction, so that thick ones, overlapping at
        random, leave exp(-π r² lines/m²) of the volume.
        """
        radius = np.linalg.norm(box) / 2
        lines_per_area = -np.log1p(-self.ceramic_fraction) / (np.pi * (self.fibre_diameter_um * 0.5e-6) ** 2)
        count = max(1, rng.poisson(lines_per_area * np.pi * radius**2))
        # Uniform on the sphere between the tilts: the height is, not the angle.
        height = rng.uniform(-1, 1, count) * np.sin(np.deg2rad(self.tilt_degrees))
        turn = rng.uniform(0, 2 * np.pi, count)
        level = np.sqrt(1 - height**2)
        direction = np.stack([level * np.cos(turn), level * np.sin(turn), height], axis=1)
        first = np.stack([-np.sin(turn), np.cos(turn), np.zeros(count)], axis=1)
        second = np.cross(direction, first)
        place, around = radius * np.sqrt(rng.random(count)), rng.uniform(0, 2 * np.pi, count)
        offset = place[:, None] * (np.cos(around)[:, None] * first + np.sin(around)[:, None] * second)
        return box / 2 + offset, direction


def _draw(mask: npt.NDArray[np.bool_], lines: tuple[Array, Array], voxel_size: tuple[float, float, float]) -> None:
    """Set the voxels that lines pass through."""
    box = np.array(mask.shape) * voxel_size
    reach = np.linalg.norm(box)
    steps = np.arange(-reach, reach, min(voxel_size) / 2)
    for point, direction in zip(*lines, strict=True):
        places = np.floor((point + steps[:, None] * direction) / voxel_size).astype(np.int64)
        inside = np.all((places >= 0) & (places < mask.shape), axis=1)
        mask[tuple(places[inside].T)] = True
