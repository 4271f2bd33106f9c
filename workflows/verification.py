"""Verification: the best candidates, and as many random ones, solved exactly and compared with their predictions."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..datasets import Dataset, Status
from ..datasets.durable_file import write_durably
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
    """

    prediction: Prediction
    group: str
    sigma: float
    status: Status

    @property
    def relative_error(self) -> float:
        """(prediction - solver) / solver; NaN where the solver found 0 or nothing."""
        if self.prediction.sigma is None or not self.sigma > 0:
            return math.nan
        return self.prediction.sigma / self.sigma - 1

    @property
    def inside(self) -> bool:
        """Whether the solver's value lies in the predicted interval."""
        p = self.prediction
        return p.low is not None and p.high is not None and p.low <= self.sigma <= p.high


@dataclass(frozen=True)
class Verification:
    """All verified candidates, in the order of the ranking."""

    entries: tuple[Verified, ...]

    def group(self, name: str) -> list[Verified]:
        """Return the percolating, solved entries of one group."""
        return [e for e in self.entries if e.group == name and math.isfinite(e.relative_error)]

    def median_error(self, name: str) -> float:
        """Return the median of the absolute relative error of a group."""
        return _median([abs(e.relative_error) for e in self.group(name)])

    def median_sigma(self, name: str) -> float:
        """Return the median of the solver's σ_eff over a group, S/m, structures that do not conduct included."""
        return _median([e.sigma for e in self.entries if e.group == name and math.isfinite(e.sigma)])

    def coverage(self) -> tuple[int, int]:
        """Return how many of the solved percolating entries lie in their interval, and how many there are."""
        solved = [*self.group("top"), *self.group("random")]
        return sum(e.inside for e in solved), len(solved)

    def best(self, objective: str) -> Verified | None:
        """Return the best solved entry, None if nothing percolates."""
        solved = [*self.group("top"), *self.group("random")]
        if not solved:
            return None
        return (max if objective == "maximise" else min)(solved, key=lambda e: e.sigma)


def choose(ranked: Sequence[Prediction], top: int, random: int, seed: int) -> dict[int, str]:
    """Return the index of each candidate to verify -> its group.

    Parameters
    ----------
    ranked
        All predictions, best first.
    top
        How many of the best.
    random
        How many of the others that could be generated, drawn evenly.
    seed
        Of the draw.
    """
    valid = [p for p in ranked if p.sigma is not None]
    chosen = {p.index: "top" for p in valid[:top] if p.status == Status.OK}
    rest = np.array([p.index for p in valid if p.index not in chosen], dtype=np.int64)
    drawn = np.random.default_rng(seed).choice(rest, size=min(random, rest.size), replace=False)
    return {**chosen, **dict.fromkeys(sorted(drawn.tolist()), "random")}


def compare(
    ranked: Sequence[Prediction], groups: dict[int, str], dataset: Dataset, transport: str, axis: int
) -> Verification:
    """Return prediction against solver for the chosen candidates, in the order of the ranking."""
    entries = []
    for prediction in ranked:
        if prediction.index in groups:
            label = dataset.sample(prediction.id).labels[transport]
            status = Status(int(label.status[axis]))
            entries.append(Verified(prediction, groups[prediction.index], float(label.sigma[axis]), status))
    return Verification(tuple(entries))


def write_verified(verification: Verification, path: Path) -> None:
    """Write a CSV file: group, id, prediction, interval, solver's value, error."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(
        [
            "group",
            "id",
            "family",
            "predicted_S_per_m",
            "low_S_per_m",
            "high_S_per_m",
            "solved_S_per_m",
            "relative_error",
            "status",
        ]
    )
    for e in verification.entries:
        p = e.prediction
        values = [f"{v:.6g}" if v is not None else "" for v in (p.sigma, p.low, p.high, e.sigma, e.relative_error)]
        table.writerow([e.group, p.id, p.family, *values, e.status.name.lower()])
    write_durably(path, text.getvalue().encode())


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else math.nan
