"""Designs: the streams of recipes that a configuration asks for."""

from __future__ import annotations

import math

from ..pipeline.design import DesignOfExperiments
from ..pipeline.family_range import FamilyRange, SumBetween, Values
from .config import CampaignConfig, FamilyConfig, ValuesConfig

__all__ = ["design_of"]


def design_of(config: CampaignConfig, seed: int, stream: str) -> DesignOfExperiments:
    """Return the stream of that name.

    Raises
    ------
    InvalidInput
        If a family, a parameter, a range or a combination is impossible; the sentence names it.
    """
    structure = config.structure
    return DesignOfExperiments(
        families=[_choice(family) for family in config.families],
        shape=structure.shape,
        voxel_size=structure.voxel_size,
        seed=seed,
        stream=stream,
    )


def _choice(family: FamilyConfig) -> FamilyRange:
    parameters = {
        name: Values(tuple(given.values)) if isinstance(given, ValuesConfig) else given
        for name, given in family.parameters.items()
    }
    constraints = [
        SumBetween(
            parameters=tuple(c.sum),
            low=-math.inf if c.low is None else c.low,
            high=math.inf if c.high is None else c.high,
        )
        for c in family.constraints
    ]
    return FamilyRange(
        family=family.family,
        parameters=parameters,
        weight=family.weight,
        design=family.design,
        levels=family.levels,
        points=family.points,
        constraints=constraints,
    )
