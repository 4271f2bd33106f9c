"""Neighbours: new recipes near good ones, inside the ranges and constraints of their family."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ..datasets import Recipe
from ..pipeline.design import DesignOfExperiments, FamilyRange
from .screening import Prediction

__all__ = ["neighbours"]

SPREAD = 0.1  # of a parameter's range, one standard deviation
TRIED = 64  # points for each recipe, of which the first that the constraints allow is taken


def neighbours(
    parents: Sequence[Prediction], design: DesignOfExperiments, count: int, purpose: str
) -> tuple[Recipe, ...]:
    """Return new recipes near the parents, each in turn; fewer if constraints leave too little.

    Parameters
    ----------
    parents
        Those whose family is not in the design are left out, such as windows of images.
    design
        Families with ranges and constraints.
    count
        How many.
    purpose
        The same design, parents and purpose give the same recipes.
    """
    families = {choice.family: choice for choice in design.families}
    usable = [p for p in parents if p.family in families]
    random = np.random.default_rng(_number(design, purpose))
    found = []
    for place in range(count if usable else 0):
        parent = usable[place % len(usable)]
        parameters = next(_near(families[parent.family], parent.parameters, random), None)
        if parameters is not None:
            seed = _number(design, f"{purpose} {place}")
            found.append(Recipe(parent.family, parameters, design.shape, design.voxel_size, seed))
    return tuple(found)


def _near(
    choice: FamilyRange, parameters: Mapping[str, float | str], random: np.random.Generator
) -> Iterator[dict[str, float | str]]:
    middle = _unit(choice, parameters)
    if middle.size == 0 or choice.design in ("grid", "list"):
        # Such a design allows no other parameters; another seed is another structure.
        yield dict(parameters)
        return
    units = np.clip(middle + SPREAD * random.normal(size=(TRIED, middle.size)), 0, 1 - 1e-9)
    yield from map(choice.at, units[choice.allowed(units)])


def _unit(choice: FamilyRange, parameters: Mapping[str, float | str]) -> npt.NDArray[np.float64]:
    """Return the point of the unit cube that gives these parameters."""
    ranges = [
        (float(parameters[name]) - low) / (high - low) if high > low else 0.0
        for name, (low, high) in choice.ranges().items()
    ]
    lists = [(each.values.index(parameters[name]) + 0.5) / len(each.values) for name, each in choice.lists().items()]
    return np.array([*ranges, *lists])


def _number(design: DesignOfExperiments, purpose: str) -> int:
    text = f"{design.seed}/neighbours/{purpose}"
    return int(hashlib.blake2b(text.encode(), digest_size=4).hexdigest(), 16)
