"""Polymer composite with fibres: ceramic fibres, through the whole box or of a length, in a polymer electrolyte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ...datasets import InvalidInput, Microstructure
from .family import periodic_distance, require_between, require_fits, threshold_to_fraction

__all__ = ["PolymerFibres"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PolymerFibres:
    """Straight overlapping fibres, grown or shrunk evenly to their volume fraction.

    Parameters
    ----------
    ceramic_fraction
        Volume fraction of the fibres, met to the voxel.
    fibre_diameter_um
        Diameter that fibres have on average, µm: as many are drawn as reach the volume fraction at this one.
    tilt_degrees
        Largest angle between a fibre and the plane of the axes x and y; directions are uniform on the sphere below it:
        0 for a mat, 90 for isotropic fibres.
    fibre_length_um
        Length of the fibres, µm; they then continue at the opposite face, so that the box is periodic. 0: every fibre
        passes through the whole box, which no periodic box can have.
    """

    name: ClassVar[str] = "polymer_fibres"
    phase_names: ClassVar[tuple[str, ...]] = ("polymer", "ceramic")
    ceramic_fraction: float = 0.15
    fibre_diameter_um: float = 1.6
    tilt_degrees: float = 90.0
    fibre_length_um: float = 0.0

    def __post_init__(self) -> None:
        require_between(self, "ceramic_fraction", 0.01, 0.6)
        require_between(self, "fibre_diameter_um", 1e-3, 1e3)
        require_between(self, "tilt_degrees", 0.0, 90.0)
        require_between(self, "fibre_length_um", 0.0, 1e3)
        if 0 < self.fibre_length_um < self.fibre_diameter_um:
            raise InvalidInput(
                f"Family {self.name!r}: fibre_length_um {self.fibre_length_um:g} is less than fibre_diameter_um "
                f"{self.fibre_diameter_um:g}; raise it, or give 0 for fibres through the whole box."
            )

    def check(self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float]) -> None:
        """Raise InvalidInput if fibres are under a voxel or over half the box thick, or longer than the box."""
        require_fits(self, "fibre_diameter_um", shape, voxel_size)
        edge_um = 1e6 * min(n * h for n, h in zip(shape, voxel_size, strict=True))
        if self.fibre_length_um > edge_um * (1 + 1e-9):
            raise InvalidInput(
                f"Family {self.name!r}: fibre_length_um {self.fibre_length_um:g} is more than the box edge "
                f"({edge_um:g} µm); lower it, take a larger box, or give 0 for fibres through the whole box."
            )

    def generate(
        self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float], seed: int
    ) -> Microstructure:
        """Return the microstructure; periodic in all directions if fibres have a length."""
        rng = np.random.default_rng(seed)
        axes, box = np.zeros(shape, bool), np.array(shape) * voxel_size
        while not axes.any():
            points, directions = self._segments(box, rng) if self.fibre_length_um else self._lines(box, rng)
            reach = self.fibre_length_um * 0.5e-6 if self.fibre_length_um else float(np.linalg.norm(box))
            _draw(axes, (points, directions), reach, voxel_size, wrap=self.fibre_length_um > 0)
        # Fibres grow to their diameter on average: twice that is as far as distances have to go around the box.
        distance = periodic_distance(axes, voxel_size, 1e-6 * self.fibre_diameter_um if self.fibre_length_um else 0.0)
        ceramic = threshold_to_fraction(distance, self.ceramic_fraction, rng)
        return Microstructure(ceramic.astype(np.uint8), self.phase_names, voxel_size)

    def _segments(self, box: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return middles and directions, both (n, 3), of fibres at random places of the box.

        Capsules of length L and radius r, overlapping at random, leave exp(-(π r² L + 4/3 π r³) fibres/m³).
        """
        radius, length = self.fibre_diameter_um * 0.5e-6, self.fibre_length_um * 1e-6
        volume = np.pi * radius**2 * (length + 4 / 3 * radius)
        count = max(1, round(-np.log1p(-self.ceramic_fraction) * float(np.prod(box)) / volume))
        return rng.random((count, 3)) * box, self._directions(count, rng)

    def _directions(self, count: int, rng: np.random.Generator) -> Array:
        """Return unit vectors (n, 3), uniform on the sphere between the tilts: the height is, not the angle."""
        height = rng.uniform(-1, 1, count) * np.sin(np.deg2rad(self.tilt_degrees))
        turn = rng.uniform(0, 2 * np.pi, count)
        level = np.sqrt(1 - height**2)
        return np.stack([level * np.cos(turn), level * np.sin(turn), height], axis=1)

    def _lines(self, box: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return points and directions, both (n, 3), of random lines through the sphere around a box, metres.

        The lines are uniform in space: as many through each m² across a direction, so that thick ones, overlapping at
        random, leave exp(-π r² lines/m²) of the volume.
        """
        radius = np.linalg.norm(box) / 2
        lines_per_area = -np.log1p(-self.ceramic_fraction) / (np.pi * (self.fibre_diameter_um * 0.5e-6) ** 2)
        count = max(1, rng.poisson(lines_per_area * np.pi * radius**2))
        direction = self._directions(count, rng)
        first = np.cross(direction, [0.0, 0.0, 1.0])
        # A fibre along z itself is as unlikely as it is harmless: its offsets vanish.
        first /= np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-300)
        second = np.cross(direction, first)
        place, around = radius * np.sqrt(rng.random(count)), rng.uniform(0, 2 * np.pi, count)
        offset = place[:, None] * (np.cos(around)[:, None] * first + np.sin(around)[:, None] * second)
        return box / 2 + offset, direction


def _draw(
    mask: npt.NDArray[np.bool_],
    lines: tuple[Array, Array],
    reach: float,
    voxel_size: tuple[float, float, float],
    *,
    wrap: bool,
) -> None:
    """Set the voxels that lines pass through, `reach` to either side of their points."""
    steps = np.arange(-reach, reach, min(voxel_size) / 2)
    for point, direction in zip(*lines, strict=True):
        places = np.floor((point + steps[:, None] * direction) / voxel_size).astype(np.int64)
        if wrap:
            mask[tuple((places % mask.shape).T)] = True
        else:
            mask[tuple(places[np.all((places >= 0) & (places < mask.shape), axis=1)].T)] = True
