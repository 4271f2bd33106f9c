"""Rounds of active learning: what was proposed in each, what had been predicted of it, and what is proposed next."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..datasets import Dataset, Recipe, Status
from ..datasets.durable_file import write_durably
from .acquisition import (
    NINETY,
    diverse_batch,
    expected_improvement,
    probability_better,
    upper_confidence_bound,
)
from .descriptions import read_blocks
from .objective import Interval, Objective
from .properties import Property
from .ranking import Ranking
from .run_directory import read_json
from .screening import Prediction
from .verification import Verified, choose

if TYPE_CHECKING:
    from ..surrogate.feature_table import FeatureTable
    from .config import CampaignConfig
    from .screen_config import AdaptiveConfig

__all__ = ["Round", "Rounds", "propose", "solved_table", "verified_groups"]

Vector = npt.NDArray[np.float64]

# An interval without end counts as this wide, in logarithms.
UNKNOWN = 3.0
# Of so many candidates of the greatest worth a batch is chosen, or so many for each of its places.
CONSIDERED, CONSIDERED_EACH = 5000, 20


@dataclass(frozen=True)
class Round:
    """One proposal.

    Parameters
    ----------
    predicted
        Index of each proposed candidate -> its objective with interval, before it was solved.
    best
        The best objective that had been solved before; None in the first round.
    probability
        That something better remained.
    new
        Recipes that join the candidates after this round.
    """

    predicted: Mapping[int, Interval]
    best: float | None
    probability: float
    new: tuple[Recipe, ...] = ()


@dataclass(frozen=True)
class Rounds:
    """All proposals so far.

    Parameters
    ----------
    key
        Of the descriptions of the candidates; rounds of other candidates are not used.
    entries
        In their order.
    remaining
        The probability with which the last round ended the search; None while it goes on.
    """

    key: str
    entries: tuple[Round, ...] = ()
    remaining: float | None = None

    @property
    def predicted(self) -> dict[int, Interval]:
        """Index -> prediction of every proposed candidate."""
        return {index: interval for entry in self.entries for index, interval in entry.predicted.items()}

    @property
    def new(self) -> tuple[Recipe, ...]:
        """Recipes that joined the candidates, in their order."""
        return tuple(recipe for entry in self.entries for recipe in entry.new)

    @classmethod
    def load(cls, path: Path, key: str | None = None) -> Rounds:
        """Return the rounds in a file, none if it has another key or is not there; any key will do if none is given."""
        found = read_json(path)
        if not isinstance(found, dict) or key not in (None, found["key"]):
            return cls(key or "")
        entries = [
            Round(
                {int(i): Interval(*values) for i, values in e["predicted"].items()},
                e["best"],
                e["probability"],
                tuple(Recipe.from_dict(recipe) for recipe in e["new"]),
            )
            for e in found["entries"]
        ]
        return cls(found["key"], tuple(entries), found["remaining"])

    def save(self, path: Path) -> None:
        """Write the file."""
        entries = [
            {
                "predicted": e.predicted,
                "best": e.best,
                "probability": e.probability,
                "new": [recipe.to_dict() for recipe in e.new],
            }
            for e in self.entries
        ]
        content = {"key": self.key, "entries": entries, "remaining": self.remaining}
        write_durably(path, json.dumps(content, indent=1).encode())

    def sentence(self, objective: Objective) -> str:
        """Return what the last round is about."""
        last = self.entries[-1]
        best = "nothing solved yet" if last.best is None else f"best so far {last.best:.4g} {objective.unit}"
        return (
            f"Round {len(self.entries)}: {best}; something better remains with a probability of "
            f"{last.probability:.2g}; {len(last.predicted)} proposed"
        )

    def before(self, predictions: Sequence[Prediction]) -> list[Prediction]:
        """Return the predictions, those of proposed candidates as they were before they were solved."""
        known = self.predicted
        return [
            replace(p, sigma=known[p.index].value, low=known[p.index].low, high=known[p.index].high)
            if p.index in known
            else p
            for p in predictions
        ]


def propose(
    ranked: Ranking,
    solved: Mapping[int, Verified],
    objective: Objective,
    settings: AdaptiveConfig,
) -> Round:
    """Return the next candidates to solve, and the probability that one better than the best solved remains.

    Parameters
    ----------
    ranked
        All candidates that meet the constraints.
    solved
        Index -> candidate, of those that are solved.
    objective
        What is looked for.
    settings
        How many, and by which acquisition.
    """
    left = ranked.conducting()
    left = left[~np.isin(ranked.index_n[left], list(solved))]
    values = [e.sigma for e in solved.values() if e.feasible and e.sigma > 0]
    best = max(values, key=objective.merit, default=None)
    if not left.size:
        return Round({}, best, 0.0)
    value, low, high = ranked.value_n3[left].T
    merit, feasible = objective.merits(value), ranked.feasible_n[left]
    scale = _half_width(low, high) / NINETY
    # Without anything solved, improvement is counted from the middle of what is predicted.
    level = objective.merit(best) if best is not None else float(np.median(merit))
    if settings.acquisition == "expected_improvement":
        worth = expected_improvement(merit, scale, level)
    else:
        bound = upper_confidence_bound(merit, scale)
        worth = np.exp(bound - bound.max())
    considered = np.argsort(-worth * feasible)[: max(CONSIDERED, CONSIDERED_EACH * settings.batch)]
    candidates = ranked.at(left[considered])
    chosen = [candidates[n] for n in diverse_batch((worth * feasible)[considered], _places(candidates), settings.batch)]
    probability = 1.0 if best is None else probability_better(merit, scale, level, feasible)
    return Round({p.index: Interval(p.sigma or 0.0, p.low or 0.0, p.high or 0.0) for p in chosen}, best, probability)


def verified_groups(ranked: Ranking, config: CampaignConfig, rounds: Rounds) -> dict[int, str]:
    """Return the index of each candidate to verify -> its group; proposed ones count among the best."""
    screen, there = config.screen, set(ranked.index_n[ranked.places(rounds.predicted)].tolist())
    proposed = {index: "top" for index in rounds.predicted if index in there}
    return {**choose(ranked, screen.verify_top, screen.verify_random, config.seed or 0, proposed), **proposed}


def solved_table(folder: Path, rounds: Rounds, dataset: Dataset, properties: Sequence[Property]) -> FeatureTable | None:
    """Return the rows of proposed candidates that are solved, from the descriptions that are there.

    Parameters
    ----------
    folder
        Of the descriptions.
    rounds
        What was proposed.
    dataset
        The solved candidates.
    properties
        Their conductivities.
    """
    from ..surrogate.feature_table import FeatureTable

    wanted, tables = set(rounds.predicted), []
    labels = {p.transport.name: dataset.labels(p.transport.name) for p in properties} if wanted else {}
    places = {name: {str(i): n for n, i in enumerate(found["id"])} for name, found in labels.items()}
    for block in read_blocks(folder, rounds.key) if wanted else ():
        for n, row in enumerate(block.rows):
            if row["index"] not in wanted:
                continue
            for number, (_, transport, axis) in enumerate(properties):
                place = places[transport.name].get(row["id"])
                found = labels[transport.name]
                if place is None or found["status"][place, axis] != Status.OK:
                    continue
                scale, lower, upper = block.exact_np3[n, number]
                m = found["relative"][place, axis] / scale
                # The contrast is that of the transport, which the training structures have too.
                columns = (block.value_npv[n, number], lower, upper, m, 1.0, row["id"], row["family"])
                tables.append((*columns, transport.name, axis, 0))
    if not tables:
        return None
    dtypes: list[npt.DTypeLike] = [np.float32, *[np.float64] * 4, str, str, str, np.int64, np.int64]
    return FeatureTable(*(np.array(c, dtype=t) for c, t in zip(zip(*tables, strict=True), dtypes, strict=True)))


def _half_width(low: Vector, high: Vector) -> Vector:
    known = (low > 0) & np.isfinite(high)
    width = np.full(len(low), UNKNOWN)
    width[known] = np.log(high[known] / low[known]) / 2
    return width


def _places(left: Sequence[Prediction]) -> npt.NDArray[np.float64]:
    """Return the numeric parameters over their range, families ten ranges apart."""
    names = sorted({n for p in left for n, v in p.parameters.items() if isinstance(v, int | float)})
    families = sorted({p.family for p in left})
    found = np.array([[float(p.parameters.get(name, 0.0)) for name in names] for p in left]).reshape(len(left), -1)
    number = np.array([families.index(p.family) for p in left])
    for k in range(len(families)):
        own = found[number == k]
        found[number == k] = (own - own.min(axis=0)) / np.maximum(np.ptp(own, axis=0), 1e-12)
    return np.column_stack([found, 10.0 * number])
