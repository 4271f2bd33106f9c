"""Design of experiments: families with what their parameters may be -> a stream of recipes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..datasets import InvalidInput, Recipe
from .box import box_warning
from .family_range import FamilyRange
from .generation import family_of
from .point_streams import point_stream

__all__ = ["DesignOfExperiments", "FamilyRange"]


@dataclass(frozen=True, kw_only=True)
class DesignOfExperiments:
    """An endless, reproducible stream of recipes, chosen in each family's ranges by the family's design.

    Parameters
    ----------
    families
        Families with ranges; recipe i belongs to one of them, in fixed proportions.
    shape, voxel_size
        Of every recipe: voxels, metres.
    seed
        Seed of the campaign.
    stream
        Name of this stream, for instance ``"training"``; streams of one campaign share no structure.
    """

    families: Sequence[FamilyRange]
    shape: tuple[int, int, int]
    voxel_size: tuple[float, float, float]
    seed: int
    stream: str

    def __post_init__(self) -> None:
        if not self.families:
            raise InvalidInput("The design has no family; list at least one under families.")
        for spec in self.families:
            for parameters in spec.examples():
                family_of(spec.family, parameters).check(self.shape, self.voxel_size)

    def warnings(self) -> list[str]:
        """Return a sentence for each family whose box may be too small to stand for the material."""
        found = []
        for spec in self.families:
            sentences = [box_warning(family_of(spec.family, p), self.shape, self.voxel_size) for p in spec.examples()]
            found.append(max(sentences, key=lambda s: s.shortfall if s else 0.0, default=None))
        return [warning.sentence for warning in found if warning]

    def recipes(self, start: int, stop: int) -> Iterator[Recipe]:
        """Yield the recipes start .. stop - 1; the same whatever the slices a stream is read in."""
        family = self.family_numbers(stop)
        points = [self._stream(k, int((family[:start] == k).sum())) for k in range(len(self.families))]
        for i in range(start, stop):
            k = int(family[i])
            yield Recipe(
                self.families[k].family, next(points[k]), self.shape, self.voxel_size, self._number(f"recipe {i}")
            )

    def _stream(self, k: int, skipped: int) -> Iterator[dict[str, float | str]]:
        return point_stream(self.families[k], skipped, lambda purpose: self._number(f"{purpose} {k}"))

    def family_numbers(self, stop: int) -> npt.NDArray[np.intp]:
        """Return the number of the family of each of the recipes 0 .. stop - 1.

        Multiples of the golden ratio modulo 1 fill the unit interval evenly, so every prefix of the stream has each
        family in close to its share.
        """
        shares = np.cumsum([spec.weight for spec in self.families])
        places = np.arange(stop) * ((5**0.5 - 1) / 2) % 1.0
        return np.searchsorted(shares / shares[-1], places, side="right")

    def _number(self, purpose: str) -> int:
        """Return 32 bits that depend on the seed, the stream and the purpose."""
        text = f"{self.seed}/{self.stream}/{purpose}"
        return int(hashlib.blake2b(text.encode(), digest_size=4).hexdigest(), 16)
