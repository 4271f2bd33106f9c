"""Family range: what a design may choose for the parameters of one family, and which combinations it may not."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..datasets import InvalidInput
from .families import FAMILIES
from .families.fractions import fraction_fields, rest_phase
from .generation import family_of

__all__ = ["DESIGNS", "FamilyRange", "SumBetween", "Values"]

DESIGNS = ("sobol", "latin_hypercube", "grid", "list")
SLACK = 1e-6  # by which sums may miss their bounds: parameters are rounded to six digits
TRIED = 1024  # points of the unit cube that show whether constraints leave anything
MAX_GRID = 1_000_000

Units = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Values:
    """The values a parameter may take: numbers or texts."""

    values: tuple[float | str, ...]


@dataclass(frozen=True, kw_only=True)
class SumBetween:
    """The constraint that a sum of parameters lies between two bounds."""

    parameters: tuple[str, ...]
    low: float = -math.inf
    high: float = math.inf


Range = float | str | tuple[float, float] | Values


@dataclass(frozen=True, kw_only=True)
class FamilyRange:
    """A family with what its parameters may be, and how a design chooses among that.

    Parameters
    ----------
    family
        Name of the family.
    parameters
        Parameter -> value, (low, high) sampled evenly, text, or :class:`Values`; parameters left out keep their
        defaults. The fraction of the phase that takes the rest, for instance ``electrolyte_fraction`` of a composite
        cathode, may be given like a parameter: all fractions then sum to 1.
    weight
        Share of the recipes, relative to the other families' weights.
    design
        ``"sobol"``; ``"latin_hypercube"``: hypercubes of 64 points, one after another; ``"grid"``: all combinations of
        `levels` values of each range, again and again with other seeds; ``"list"``: the same with `points`.
    levels
        Values of each range in a grid.
    points
        For a list: parameter -> value, beyond `parameters`.
    constraints
        Sums of parameters; combinations outside are not chosen.

    Raises
    ------
    InvalidInput
        If a parameter is unknown, a range is empty, a combination is impossible, or the constraints leave none.
    """

    family: str
    parameters: Mapping[str, Range] = field(default_factory=dict)
    weight: float = 1.0
    design: str = "sobol"
    levels: int = 3
    points: Sequence[Mapping[str, float | str]] = ()
    constraints: Sequence[SumBetween] = ()

    def __post_init__(self) -> None:
        if not (self.weight > 0 and math.isfinite(self.weight)):
            self._refuse(f"weight is {self.weight!r}; give a positive number.")
        if self.design not in DESIGNS:
            self._refuse(f"there is no design {self.design!r}; choose {', '.join(DESIGNS)}.")
        if (self.design == "list") != bool(self.points):
            self._refuse("points belong to the design 'list', and a list needs at least one.")
        for name, (low, high) in self.ranges().items():
            if not low <= high:
                self._refuse(f"{name} goes from {low:g} to {high:g}; put the lower first.")
            if not math.isfinite(high - low):
                self._refuse(f"{name} goes from {low:g} to {high:g}; give finite numbers.")
        for name, choice in self.parameters.items():
            if isinstance(choice, Values) and not choice.values:
                self._refuse(f"{name} has an empty list of values; give at least one.")
        if self.design == "grid":
            self._check_grid()
        for parameters in self.examples():
            family_of(self.family, parameters)

    def _check_grid(self) -> None:
        if self.levels < 2:
            self._refuse(f"levels is {self.levels}; a grid needs 2 or more.")
        size = math.prod(len(u) for u in self.grid_levels())
        if size > MAX_GRID:
            self._refuse(f"the grid has {size:,} points, more than {MAX_GRID:,}; lower levels or fix parameters.")

    def _refuse(self, sentence: str) -> None:
        raise InvalidInput(f"Family {self.family!r}: {sentence}")

    @functools.cached_property  # asked for at every point
    def rest(self) -> str | None:
        """Name of the fraction that is 1 less the others', if there is one: that of the one phase without its own."""
        phase = rest_phase(FAMILIES[self.family]) if self.family in FAMILIES else None
        return f"{phase}_fraction" if phase else None

    def sums(self) -> list[SumBetween]:
        """Return the constraints, the rest's fraction as one of them."""
        found = list(self.constraints)
        choice = self.parameters.get(self.rest) if self.rest else None
        if choice is not None:
            if isinstance(choice, str | Values):
                self._refuse(f"{self.rest} is what the other fractions leave; give a number or [low, high].")
            low, high = choice if isinstance(choice, tuple) else (choice, choice)
            others = tuple(fraction_fields(FAMILIES[self.family]).values())
            found.append(SumBetween(parameters=others, low=1 - high, high=1 - low))  # type: ignore[operator]
        return found

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Return parameter -> (low, high) of those that are numbers, in alphabetical order."""
        return {
            name: (value if isinstance(value, tuple) else (value, value))
            for name, value in sorted(self.parameters.items())
            if not isinstance(value, str | Values) and name != self.rest
        }

    def lists(self) -> dict[str, Values]:
        """Return parameter -> values of those that have a list, in alphabetical order."""
        return {name: value for name, value in sorted(self.parameters.items()) if isinstance(value, Values)}

    @property
    def dimensions(self) -> int:
        """Number of ranges and lists: of coordinates of a point in the unit cube."""
        return len(self.ranges()) + len(self.lists())

    def at(self, unit: npt.NDArray[np.float64]) -> dict[str, float | str]:
        """Return the parameters at a point of the unit cube, (d,), to 6 significant digits."""
        texts = {name: value for name, value in self.parameters.items() if isinstance(value, str)}
        ranges, lists = self.ranges(), self.lists()
        numbers = {
            name: float(f"{low + u * (high - low):.6g}")
            for u, (name, (low, high)) in zip(unit, ranges.items(), strict=False)
        }
        chosen = {
            name: choice.values[min(int(u * len(choice.values)), len(choice.values) - 1)]
            for u, (name, choice) in zip(unit[len(ranges) :], lists.items(), strict=True)
        }
        return {**texts, **numbers, **chosen}

    def grid_levels(self) -> list[Units]:
        """Return the coordinates that a grid has along each axis of the unit cube."""
        ranges = [np.linspace(0, 1, self.levels if low < high else 1) for low, high in self.ranges().values()]
        return [*ranges, *((np.arange(len(c.values)) + 0.5) / len(c.values) for c in self.lists().values())]

    def grid(self) -> Units:
        """Return the points of the grid, (n, d), allowed or not."""
        return _points(itertools.product(*self.grid_levels()))

    def allowed(self, units: Units) -> npt.NDArray[np.bool_]:
        """Return which points of the unit cube, (n, d), meet the constraints, (n,)."""
        columns = self._columns(units)
        meets = np.ones(len(units), bool)
        for constraint in self.sums():
            total = sum((self._column(columns, name) for name in constraint.parameters), np.zeros(len(units)))
            meets &= (total >= constraint.low - SLACK) & (total <= constraint.high + SLACK)
        return meets

    def _columns(self, units: Units) -> dict[str, Units]:
        columns = {
            name: low + units[:, i] * (high - low) for i, (name, (low, high)) in enumerate(self.ranges().items())
        }
        for i, (name, choice) in enumerate(self.lists().items(), len(columns)):
            if all(isinstance(v, int | float) for v in choice.values):
                place = np.minimum((units[:, i] * len(choice.values)).astype(np.intp), len(choice.values) - 1)
                columns[name] = np.array(choice.values, float)[place]
        return columns

    def _column(self, columns: Mapping[str, Units], name: str) -> Units:
        fields = FAMILIES[self.family].__dataclass_fields__ if self.family in FAMILIES else {}  # type: ignore[attr-defined]
        default = fields[name].default if name in fields else None
        if name not in columns and (name in self.parameters or not isinstance(default, int | float)):
            self._refuse(f"the constraint on {name} needs a parameter of this family that is a number.")
        return columns[name] if name in columns else np.array(float(default))  # type: ignore[arg-type]

    def examples(self) -> list[dict[str, float | str]]:
        """Return parameters that stand for all that the design can choose: points, corners, or allowed ones.

        Raises
        ------
        InvalidInput
            If the constraints allow nothing.
        """
        if self.design == "list":
            return [{**self.at(np.full(self.dimensions, 0.5)), **point} for point in self.points]
        return [self.at(unit) for unit in self._example_units()]

    def _example_units(self) -> Units:
        if self.design != "grid" and not self.sums():
            ends = [(0.0, 1.0) if low < high else (0.0,) for low, high in self.ranges().values()]
            lists = [tuple((np.arange(len(c.values)) + 0.5) / len(c.values)) for c in self.lists().values()]
            return _points(itertools.islice(itertools.product(*ends, *lists), TRIED))
        units = self.grid() if self.design == "grid" else np.random.default_rng(TRIED).random((TRIED, self.dimensions))
        units = units[self.allowed(units)]
        if len(units) == 0:
            self._refuse("no combination of its parameters meets the constraints; widen the ranges or the constraints.")
        return units[:TRIED]


def _points(coordinates: Iterable[tuple[float, ...]]) -> Units:
    points = list(coordinates)
    return np.array(points, float).reshape(len(points), -1)
