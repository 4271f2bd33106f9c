"""Screening: descriptions of all candidates -> predictions of each property, and of what is looked for."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets import Status
from .descriptions import Block, read_blocks
from .descriptor import Predictor
from .objective import Interval, Objective
from .properties import Property

__all__ = ["Prediction", "Predictions"]


@dataclass(frozen=True)
class Prediction:
    """What the surrogate says of one candidate.

    Parameters
    ----------
    index
        Place in the sequence of candidates.
    id, family
        Of its recipe.
    parameters, fractions
        Of its recipe; volume fractions that were achieved.
    status
        OK, NON_PERCOLATING (the value is exactly 0, no guess), INVALID_STRUCTURE or WORKER_LOST.
    sigma, low, high
        Predicted objective and its 90 % interval, S/m where it is a conductivity; None for an invalid structure and a
        lost worker.
    properties
        Name -> every conductivity with its 90 % interval, S/m.
    score
        How far it lies outside the training: 1 is the edge of the ordinary, and beyond intervals are widened; None if
        the surrogate does not say.
    feasible
        Probability that it meets the objective's bounds on other properties.
    bounds
        Between which the objective is for certain, of a structure that percolates.
    """

    index: int
    id: str
    family: str
    parameters: dict[str, Any]
    fractions: dict[str, float]
    status: Status
    sigma: float | None
    low: float | None
    high: float | None
    properties: Mapping[str, Interval] = field(default_factory=dict)
    score: float | None = None
    feasible: float = 1.0
    bounds: tuple[float, float] = (0.0, math.inf)

    @property
    def unusual(self) -> bool:
        """Whether nothing like it was in the training."""
        return self.score is not None and self.score > 1


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """The predictions of all candidates, made from their descriptions whenever they are read, so that none is kept.

    Parameters
    ----------
    folder, key
        Where descriptions are kept, and under which key.
    properties
        What was described of each.
    predictor
        The surrogate.
    objective
        What is looked for.
    count
        How many candidates there are; descriptions of others are left out. By default all count.
    """

    folder: Path
    key: str
    properties: Sequence[Property]
    predictor: Predictor
    objective: Objective
    count: int | None = None

    def __iter__(self) -> Iterator[Prediction]:
        """Yield them as the files lie; a candidate that was described twice comes twice."""
        return self._of(read_blocks(self.folder, self.key))

    def find(self, indices: Collection[int]) -> dict[int, Prediction]:
        """Return the predictions of these candidates by index, in one pass over the files that they are in."""
        wanted = set(indices)
        found = self._of(read_blocks(self.folder, self.key, sorted(wanted)))
        return {prediction.index: prediction for prediction in found if prediction.index in wanted}

    def _of(self, blocks: Iterable[Block]) -> Iterator[Prediction]:
        for block in blocks:
            for prediction in _predict(block, self.properties, self.predictor, self.objective):
                if self.count is None or prediction.index < self.count:
                    yield prediction


def _predict(
    block: Block, properties: Sequence[Property], predictor: Predictor, objective: Objective
) -> list[Prediction]:
    status = np.array([row["status"] for row in block.rows]).reshape(len(block.rows), len(properties))
    families = [str(row["family"]) for row in block.rows]
    found: list[dict[str, Interval]] = [{} for _ in block.rows]
    bounds: list[dict[str, Interval]] = [{} for _ in block.rows]
    scores: list[list[float]] = [[] for _ in block.rows]
    for p, wanted in enumerate(properties):
        conducts = np.flatnonzero(status[:, p] == Status.OK)
        named = [families[place] for place in conducts]
        parts = predictor.predict(block.exact_np3[conducts, p], block.value_npv[conducts, p], named)
        sigma_max = wanted.transport.sigma_max
        for place, (m, low, high, score, least, most) in zip(conducts, np.stack(parts, 1).tolist(), strict=True):
            found[place][wanted.name] = Interval(m * sigma_max, low * sigma_max, high * sigma_max)
            bounds[place][wanted.name] = Interval(m * sigma_max, least * sigma_max, most * sigma_max)
            scores[place].append(score)
        for place in np.flatnonzero(status[:, p] == Status.NON_PERCOLATING):
            found[place][wanted.name] = bounds[place][wanted.name] = Interval.exact(0.0)
    return [_prediction(*each, objective) for each in zip(block.rows, found, bounds, scores, strict=True)]


def _prediction(
    row: Mapping[str, Any],
    properties: Mapping[str, Interval],
    bounds: Mapping[str, Interval],
    scores: Sequence[float],
    objective: Objective,
) -> Prediction:
    named = row["index"], row["id"], row["family"], row["parameters"], row["fractions"]
    if not properties:
        return Prediction(*named, Status(row["status"][0]), None, None, None)
    value = objective.of(properties)
    status = Status.OK if value.value > 0 else Status.NON_PERCOLATING
    score = max((s for s in scores if not np.isnan(s)), default=None)
    _, least, most = objective.of(bounds)
    return Prediction(*named, status, *value, properties, score, objective.feasibility(properties), (least, most))
