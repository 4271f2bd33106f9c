"""Verification: the best candidates, and as many random ones, solved exactly and compared with their predictions."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..datasets import Dataset, Label, Status
from ..datasets.durable_file import write_durably
from .objective import Interval, Objective
from .properties import Property
from .ranking import Ranking
from .screening import Prediction

__all__ = ["Verification", "Verified", "choose", "compare", "write_verified"]


@dataclass(frozen=True)
class Verified:
    """One candidate, predicted and solved.

    Parameters
    ----------
    prediction
        What the surrogate said.
    group
        ``"top"`` or ``"random"``.
    sigma
        What the solver found, S/m; NaN if it could not be solved.
    status
        How the solution came out.
    tolerance
        Relative error that the solver was allowed.
    properties
        Name -> every conductivity that was solved, S/m.
    feasible
        Whether the objective's bounds on other properties are met.
    """

    prediction: Prediction
    group: str
    sigma: float
    status: Status
    tolerance: float = 0.0
    properties: Mapping[str, float] = field(default_factory=dict)
    feasible: bool = True

    @property
    def relative_error(self) -> float:
        """(prediction - solver) / solver; NaN where the solver found 0 or nothing."""
        if self.prediction.sigma is None or not self.sigma > 0:
            return math.nan
        return self.prediction.sigma / self.sigma - 1

    @property
    def inside(self) -> bool:
        """Whether the solver's value lies in the predicted interval."""
        p, slack = self.prediction, self.tolerance * self.sigma
        return p.low is not None and p.high is not None and p.low - slack <= self.sigma <= p.high + slack


@dataclass(frozen=True)
class Verification:
    """All verified candidates, in the order of the ranking."""

    entries: tuple[Verified, ...]

    def group(self, name: str) -> list[Verified]:
        """Return the percolating, solved entries of one group that meet the bounds on other properties."""
        return [e for e in self.entries if e.group == name and e.feasible and math.isfinite(e.relative_error)]

    def median_error(self, name: str) -> float:
        """Return the median of the absolute relative error of a group."""
        return _median([abs(e.relative_error) for e in self.group(name)])

    def median_sigma(self, name: str) -> float:
        """Return the median of the solver's σ_eff over a group, S/m, structures that do not conduct included."""
        return _median([e.sigma for e in self.entries if e.group == name and e.feasible and math.isfinite(e.sigma)])

    def coverage(self) -> tuple[int, int]:
        """Return how many of the solved percolating entries lie in their interval, and how many there are."""
        solved = [*self.group("top"), *self.group("random")]
        return sum(e.inside for e in solved), len(solved)

    def ranking(self, sense: str) -> list[Verified]:
        """Return the solved entries that percolate, best first."""
        solved = [*self.group("top"), *self.group("random")]
        return sorted(solved, key=lambda e: e.sigma, reverse=sense == "maximise")

    def best(self, sense: str) -> Verified | None:
        """Return the best solved entry, None if nothing percolates."""
        return next(iter(self.ranking(sense)), None)


def choose(ranked: Ranking, top: int, random: int, seed: int, known: Collection[int] = ()) -> dict[int, str]:
    """Return the index of each candidate to verify -> its group.

    Parameters
    ----------
    ranked
        All candidates.
    top
        How many of the best.
    random
        How many of the others that could be generated, drawn evenly.
    seed
        Of the draw.
    known
        Candidates that were solved because they were promising; they are not random.
    """
    valid = np.flatnonzero(~np.isnan(ranked.value_n3[:, 0]))
    best = valid[:top][ranked.status_n[valid[:top]] == Status.OK]
    chosen = dict.fromkeys(ranked.index_n[best].tolist(), "top")
    rest = ranked.index_n[valid]
    rest = rest[~np.isin(rest, [*chosen, *known])]
    drawn = np.random.default_rng(seed).choice(rest, size=min(random, rest.size), replace=False)
    return {**chosen, **dict.fromkeys(sorted(drawn.tolist()), "random")}


def compare(
    predictions: Sequence[Prediction],
    groups: dict[int, str],
    dataset: Dataset,
    properties: Sequence[Property],
    objective: Objective,
    rtol: float = 0.0,
) -> Verification:
    """Return prediction against solver for the chosen candidates, in the order of their predictions."""
    entries = []
    for prediction in predictions:
        group, labels = groups[prediction.index], dataset.sample(prediction.id).labels
        entries.append(verified(prediction, group, labels, properties, objective, rtol))
    return Verification(tuple(entries))


def verified(
    prediction: Prediction,
    group: str,
    labels: Mapping[str, Label],
    properties: Sequence[Property],
    objective: Objective,
    rtol: float,
) -> Verified:
    """Return a candidate with its labels; its value is NaN if a property was not solved."""
    found = {name: Interval.exact(float(labels[t.name].sigma[axis])) for name, t, axis in properties}
    statuses = [Status(int(labels[t.name].status[axis])) for _, t, axis in properties]
    failed = [status for status in statuses if status not in (Status.OK, Status.NON_PERCOLATING)]
    value = math.nan if failed else objective.of(found).value
    status = failed[0] if failed else Status.OK if value > 0 else Status.NON_PERCOLATING
    solved = {name: each.value for name, each in found.items()}
    feasible = not failed and objective.feasibility(found) > 0
    return Verified(prediction, group, value, status, rtol, solved, feasible)


def write_verified(verification: Verification, path: Path, unit: str = "S/m") -> None:
    """Write a CSV file: group, id, prediction, interval, solver's value, error, and each property where several are."""
    suffix = "S_per_m" if unit == "S/m" else "objective"
    names = [name for entry in verification.entries[:1] for name in entry.properties if len(entry.properties) > 1]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    values = [f"{name}_{suffix}" for name in ("predicted", "low", "high", "solved")]
    table.writerow(["group", "id", "family", *values, "relative_error", "status", *(f"{n}_S_per_m" for n in names)])
    for e in verification.entries:
        p = e.prediction
        numbers = [f"{v:.6g}" if v is not None else "" for v in (p.sigma, p.low, p.high, e.sigma, e.relative_error)]
        others = [f"{e.properties[name]:.6g}" for name in names]
        table.writerow([e.group, p.id, p.family, *numbers, e.status.name.lower(), *others])
    write_durably(path, text.getvalue().encode())


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else math.nan
