"""The objective: several conductivities of a structure -> the one number that is maximised or minimised."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["ANISOTROPY", "SMALLEST", "Interval", "Objective"]

SMALLEST = "smallest"
ANISOTROPY = "anisotropy"
# Of a normal distribution, 90 % lie within so many standard deviations.
NORMAL_90 = 1.6448536


class Interval(NamedTuple):
    """A value with the ends of its 90 % interval; a solved value has no width."""

    value: float
    low: float
    high: float

    @classmethod
    def exact(cls, value: float) -> Interval:
        """Return a value without uncertainty."""
        return cls(value, value, value)


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What is looked for.

    Parameters
    ----------
    sense
        ``"maximise"`` or ``"minimise"``.
    quantity
        The name of a property; ``"smallest"`` of all, each over its scale; or ``"anisotropy"``, the largest over the
        smallest.
    names
        Of the properties that the quantity is made of.
    scales
        Property -> S/m, for ``"smallest"``.
    at_least
        Property -> S/m, without which a structure is worth nothing.
    """

    sense: Literal["maximise", "minimise"]
    quantity: str
    names: Sequence[str]
    scales: Mapping[str, float] = field(default_factory=dict)
    at_least: Mapping[str, float] = field(default_factory=dict)

    @property
    def unit(self) -> str:
        """S/m, or × for a ratio."""
        return "×" if self.quantity in (SMALLEST, ANISOTROPY) else "S/m"

    @property
    def phrase(self) -> str:
        """What is looked for, in words."""
        if self.quantity == ANISOTROPY:
            superlative = "most anisotropic" if self.sense == "maximise" else "least anisotropic"
            sentence = f"{superlative} conductivity"
        else:
            superlative = "highest" if self.sense == "maximise" else "lowest"
            scaled = " and ".join(f"{name}/{self.scales[name]:g} S/m" for name in self.names if name in self.scales)
            named = f"smaller of {scaled}" if self.quantity == SMALLEST else f"{self.quantity} conductivity"
            sentence = f"{superlative} {named}"
        bounds = [f"{name} of at least {least:g} S/m" for name, least in self.at_least.items()]
        return sentence + (" with " + ", ".join(bounds) if bounds else "")

    @property
    def label(self) -> str:
        """What an axis of a figure says."""
        if self.quantity == SMALLEST:
            return "smallest of σ_eff/scale"
        return "anisotropy of σ_eff" if self.quantity == ANISOTROPY else "σ_eff [S/m]"

    def of(self, properties: Mapping[str, Interval]) -> Interval:
        """Return the objective of a structure.

        The ends of the smallest are the smallest of all ends: where the properties' intervals hold together, it holds.
        """
        found = [properties[name] for name in self.names]
        if self.quantity == SMALLEST:
            scaled = [[end / self.scales[name] for end in each] for name, each in zip(self.names, found, strict=True)]
            return Interval(*(min(ends) for ends in zip(*scaled, strict=True)))
        if self.quantity == ANISOTROPY:
            values, low, high = zip(*found, strict=True)
            if not min(values) > 0 or not min(low) > 0:
                return Interval(0.0, 0.0, 0.0)
            return Interval(max(values) / min(values), max(1.0, max(low) / min(high)), max(high) / min(low))
        return found[0]

    def feasibility(self, properties: Mapping[str, Interval]) -> float:
        """Return the probability that all bounds are met, the errors of ln σ taken as normal and independent."""
        return math.prod(_above(properties[name], least) for name, least in self.at_least.items())

    def merit(self, value: float) -> float:
        """Return what is the larger the better, of a value above 0."""
        return float(self.merits(np.array([value]))[0])

    def merits(self, values_n: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the merit of each of several values."""
        return np.log(values_n) * (1.0 if self.sense == "maximise" else -1.0)


def _above(interval: Interval, least: float) -> float:
    value, low, high = interval
    if value <= 0 or low <= 0 or low == high:
        return float(value >= least)
    deviation = math.log(high / low) / 2 / NORMAL_90
    return 0.5 * math.erfc(math.log(least / value) / deviation / math.sqrt(2))
