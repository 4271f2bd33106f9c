"""Design of experiments: ranges of family parameters -> a stream of recipes."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..datasets import InvalidInput, Recipe
from .generation import family_of

__all__ = ["DesignOfExperiments", "FamilyRange"]

Range = float | str | tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class FamilyRange:
    """A family with a value or a (low, high) range for each parameter.

    Parameters
    ----------
    family
        Name of the family.
    parameters
        Parameter -> value, or (low, high) sampled evenly, or a text; parameters left out keep their defaults.
    weight
        Share of the recipes, relative to the other families' weights.

    Raises
    ------
    InvalidInput
        If a parameter is unknown, a range is empty, or either end of the ranges is impossible.
    """

    family: str
    parameters: Mapping[str, Range] = field(default_factory=dict)
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise InvalidInput(f"Family {self.family!r}: weight is {self.weight!r}; give a positive number.")
        for name, (low, high) in self.ranges().items():
            if not low <= high:
                raise InvalidInput(
                    f"Family {self.family!r}: {name} goes from {low:g} to {high:g}; put the lower first."
                )
        for corner in (0, 1):
            family_of(self.family, self.corner(corner))

    def corner(self, end: int) -> dict[str, float | str]:
        """Return the parameters with each range at its lower (0) or upper (1) end."""
        return {**self._texts(), **{name: ends[end] for name, ends in self.ranges().items()}}

    def _texts(self) -> dict[str, str]:
        return {name: value for name, value in self.parameters.items() if isinstance(value, str)}

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Return parameter -> (low, high) of those that are numbers, in alphabetical order."""
        return {
            name: (value if isinstance(value, tuple) else (value, value))
            for name, value in sorted(self.parameters.items())
            if not isinstance(value, str)
        }

    def at(self, unit: npt.NDArray[np.float64]) -> dict[str, float | str]:
        """Return the parameters at a point of the unit cube, (d,), to 6 significant digits."""
        ranges = self.ranges()
        numbers = {
            name: float(f"{low + u * (high - low):.6g}")
            for u, (name, (low, high)) in zip(unit, ranges.items(), strict=True)
        }
        return {**self._texts(), **numbers}


@dataclass(frozen=True, kw_only=True)
class DesignOfExperiments:
    """An endless, reproducible stream of recipes: scrambled Sobol points in each family's ranges.

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
            for corner in (0, 1):
                family_of(spec.family, spec.corner(corner)).check(self.shape, self.voxel_size)

    def recipes(self, start: int, stop: int) -> Iterator[Recipe]:
        """Yield the recipes start .. stop - 1; the same whatever the slices a stream is read in."""
        family = self._families(stop)
        points = [self._points(k, int((family[:start] == k).sum())) for k in range(len(self.families))]
        for i in range(start, stop):
            k = int(family[i])
            yield self._recipe(i, k, next(points[k]))

    def _families(self, stop: int) -> npt.NDArray[np.intp]:
        """Return the family of recipes 0 .. stop - 1.

        Multiples of the golden ratio modulo 1 fill the unit interval evenly, so every prefix of the stream has each
        family in close to its share.
        """
        shares = np.cumsum([spec.weight for spec in self.families])
        places = np.arange(stop) * ((5**0.5 - 1) / 2) % 1.0
        return np.searchsorted(shares / shares[-1], places, side="right")

    def _points(self, k: int, skipped: int) -> Iterator[npt.NDArray[np.float64]]:
        """Yield the Sobol points of family k after the first `skipped`, (d,), without end."""
        from scipy.stats import qmc

        dimensions = len(self.families[k].ranges())
        if dimensions == 0:
            yield from itertools.repeat(np.empty(0))
        sobol = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(self._number(f"sobol {k}")))
        if skipped:
            sobol.fast_forward(skipped)
        while True:
            yield from sobol.random(1)

    def _recipe(self, i: int, k: int, unit: npt.NDArray[np.float64]) -> Recipe:
        spec = self.families[k]
        return Recipe(spec.family, spec.at(unit), self.shape, self.voxel_size, self._number(f"recipe {i}"))

    def _number(self, purpose: str) -> int:
        """Return 32 bits that depend on the seed, the stream and the purpose."""
        text = f"{self.seed}/{self.stream}/{purpose}"
        return int(hashlib.blake2b(text.encode(), digest_size=4).hexdigest(), 16)
