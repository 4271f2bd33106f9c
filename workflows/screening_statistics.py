"""What a screening is worth: recall, enrichment, regret, calibration and solver calls saved, each with an interval.

The truth is known for the verified candidates alone. For the others it is drawn many times from their prediction and
the standardised residuals z = ln(solved/predicted) / (half the width of the interval of ln σ) of the verified ones.
Candidates with the best predictions owe that to their errors, too: z falls with the prediction, by a straight line
fitted to the best and the random ones together (both were chosen by their predictions at most, so that the choice does
not bend the line), and no truth is better than the bounds that hold for certain. Each draw begins by drawing the
verified candidates themselves anew (a smoothed bootstrap), so that few of them give wide intervals.

Shape legend: n candidates that percolate and are not solved, s solved ones, d draws.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .ranking import LIKELY, Ranking
from .screening import Prediction
from .verification import Verification, Verified

__all__ = ["Coverage", "Estimate", "ScreeningStatistics", "screening_statistics"]

NOMINAL = 0.90  # of the intervals of predictions
CONFIDENCE = 0.95  # of everything here
DRAWS = 500
KEPT = 20_000_000  # numbers in memory at once
REACH = 3.0  # standard deviations of luck
FEWEST_DRAWN = 5000  # candidates
FEWEST = 10  # residuals; with fewer nothing is said
BEST = (1, 5, 10, 20, 50, 100, 200, 500, 1000)
Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, draws_d: Vector) -> Estimate:
        """Return mean and central interval of draws."""
        tail = 50 * (1 - CONFIDENCE)
        low, high = np.percentile(draws_d, [tail, 100 - tail])
        return cls(float(draws_d.mean()), float(low), float(high))


@dataclass(frozen=True)
class Coverage:
    """How many solved values lie in their predicted 90 % interval.

    Parameters
    ----------
    group
        ``"random"``, ``"top"`` or ``"held_out"``.
    inside, count
        How many do, of how many.
    low, high
        Of the true share, by Clopper and Pearson (Biometrika 26, 404, 1934).
    """

    group: str
    inside: int
    count: int
    low: float
    high: float

    @classmethod
    def of(cls, group: str, inside: int, count: int) -> Coverage:
        """Return the coverage of a group of at least one."""
        return cls(group, inside, count, *share_interval(inside, count))

    @property
    def fails(self) -> bool:
        """Whether the share is below the nominal one beyond what chance explains."""
        return self.high < NOMINAL


@dataclass(frozen=True, kw_only=True)
class ScreeningStatistics:
    """What the verification says of the whole screening.

    Parameters
    ----------
    candidates, solved
        Candidates that percolate, and how many of these were solved after screening.
    calls
        Solver calls in all: for training and for verification.
    coverage
        By group.
    residuals
        How many random candidates were solved; with fewer than 10 nothing is estimated.
    recall
        k -> share of the true best k that were solved.
    enrichment
        How many times as often the solved best belong to the true best 1 % as random candidates do.
    regret
        By how much the best solved one falls short of the best there is, as a fraction.
    saved
        Solver calls that solving at random would have needed to find as many of the true best, over ours.
    beaten
        Random candidates that beat the 10th best solved one (the last, if fewer), how many there were, and the largest
        share of all candidates that may: this needs no assumption on predictions.
    """

    candidates: int
    solved: int
    calls: int
    coverage: tuple[Coverage, ...]
    residuals: int
    recall: Mapping[int, Estimate] = field(default_factory=dict)
    enrichment: Estimate | None = None
    regret: Estimate | None = None
    saved: Estimate | None = None
    beaten: tuple[int, int, float] | None = None

    @property
    def failures(self) -> list[str]:
        """One sentence for each group whose intervals do not hold what they promise."""
        return [
            f"The {NOMINAL:.0%} intervals are too narrow: of {c.count} {NAMES[c.group]} {c.inside} lie inside theirs "
            f"({c.inside / c.count:.0%}; the true share is at most {c.high:.0%}). Trust the solver, not the intervals."
            for c in self.coverage
            if c.fails
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "recall": {str(k): asdict(e) for k, e in self.recall.items()}}


NAMES = {"random": "random candidates", "top": "best candidates", "held_out": "held-out structures"}


def share_interval(hits: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of which `hits` of `count` were seen (Clopper and Pearson)."""
    from scipy.stats import beta

    tail = (1 - CONFIDENCE) / 2
    low = 0.0 if hits == 0 else float(beta.ppf(tail, hits, count - hits + 1))
    return low, 1.0 if hits == count else float(beta.ppf(1 - tail, hits + 1, count - hits))


def screening_statistics(
    ranked: Ranking,
    verification: Verification,
    objective: str,
    labelled: int,
    held_out: tuple[int, int] | None = None,
    seed: int = 0,
) -> ScreeningStatistics:
    """Return the statistics of a screening.

    Parameters
    ----------
    ranked
        All candidates.
    verification
        Of the best and of random ones.
    objective
        ``"maximise"`` or ``"minimise"``.
    labelled
        Solver calls before the screening.
    held_out
        Held-out structures inside their interval, and how many there are.
    seed
        Of the draws.
    """
    solved = [*verification.group("top"), *verification.group("random")]
    sign = 1.0 if objective == "maximise" else -1.0
    others = _Unsolved.of(ranked, [e.prediction.index for e in solved], sign)
    groups = {name: [e for e in solved if e.group == name] for name in ("random", "top")}
    coverage = [Coverage.of(g, sum(bool(e.inside) for e in of), len(of)) for g, of in groups.items() if of]
    if held_out and held_out[1]:
        coverage.append(Coverage.of("held_out", *held_out))
    random = groups["random"]
    found = ScreeningStatistics(
        candidates=len(others.said_n) + len(solved),
        solved=len(solved),
        calls=labelled + len(verification.entries),
        coverage=tuple(coverage),
        residuals=len(random),
    )
    if len(random) < FEWEST or not groups["top"]:
        return found
    top = np.array([sign * math.log(e.sigma) for e in groups["top"]])
    sizes = [k for k in BEST if k <= top.size]
    percent = max(1, round(0.01 * found.candidates))
    draws = _Draws(solved, others, sign, max(sizes[-1], percent), np.random.default_rng(seed))
    recall = draws.recall(sizes)
    tenth = np.sort(top)[::-1][min(10, top.size) - 1]
    beats = sum(sign * math.log(e.sigma) > tenth for e in random)
    return replace(
        found,
        recall={k: Estimate.of(recall[k]) for k in sizes},
        enrichment=Estimate.of(draws.share_of_best(percent, top) * found.candidates / top.size),
        regret=Estimate.of(draws.regret()),
        saved=Estimate.of(recall[sizes[-1]] * found.candidates / found.calls),
        beaten=(beats, len(random), share_interval(beats, len(random))[1]),
    )


@dataclass(frozen=True, eq=False)
class _Unsolved:
    """Candidates that percolate, probably meet all bounds and are not solved: predicted merit, half the width of its
    interval, and the merit that is possible at most.
    """

    said_n: Vector
    width_n: Vector
    most_n: Vector

    @classmethod
    def of(cls, ranked: Ranking, solved: Sequence[int], sign: float) -> _Unsolved:
        place = ranked.conducting()
        place = place[(ranked.feasible_n[place] >= LIKELY) & ~np.isin(ranked.index_n[place], solved)]
        value, low, high = ranked.value_n3[place].T
        width = np.ones_like(value)
        known = low > 0
        width[known] = np.log(high[known] / low[known]) / 2
        with np.errstate(divide="ignore"):
            most = sign * np.log(ranked.bound_n2[place, int(sign > 0)])
        return cls(sign * np.log(value), np.maximum(width, 1e-6), most)

    def of_largest(self, hope_n: Vector, count: int) -> _Unsolved:
        """Return the candidates of the greatest hope."""
        near = np.argsort(-hope_n)[:count]
        return _Unsolved(self.said_n[near], self.width_n[near], self.most_n[near])


class _Draws:
    """Possible truths: merit (± ln σ_eff, the better the larger) of the unsolved candidates, drawn again and again.

    Only the best `keep` of each draw are kept.
    """

    def __init__(
        self, solved: Sequence[Verified], others: _Unsolved, sign: float, keep: int, rng: np.random.Generator
    ) -> None:
        self.solved_s = np.sort([sign * math.log(e.sigma) for e in solved])[::-1]
        said_s = np.array([sign * math.log(e.prediction.sigma or 1.0) for e in solved])
        width_s = np.array([_half_width(e.prediction) for e in solved])
        z_s = np.array([sign * math.log(e.sigma) for e in solved] - said_s) / width_s
        keep = min(others.said_n.size, keep)
        slope, level = _line(said_s, z_s)
        spread = float(np.std(z_s - slope * said_s - level)) + 1e-12
        # Whoever is far from the best even with luck need not be drawn.
        hope_n = others.said_n + (slope * others.said_n + level + REACH * spread) * others.width_n
        others = others.of_largest(hope_n, max(FEWEST_DRAWN, 10 * keep))
        said_n, width_n = others.said_n, others.width_n
        bandwidth = 0.9 * spread * z_s.size**-0.2  # Silverman's rule
        draws = max(50, min(DRAWS, KEPT // max(1, said_n.size)))
        self.best_dn = np.empty((draws, keep))
        for row in self.best_dn if keep else []:
            again = rng.integers(z_s.size, size=z_s.size)
            slope, level = _line(said_s[again], z_s[again])
            rest_s = z_s[again] - slope * said_s[again] - level
            rest_n = rest_s[rng.integers(z_s.size, size=said_n.size)] + bandwidth * rng.normal(size=said_n.size)
            truth_n = np.minimum(said_n + (slope * said_n + level + rest_n) * width_n, others.most_n)
            row[:] = -np.sort(-np.partition(truth_n, -keep)[-keep:])

    def _threshold(self, k: int) -> Vector:
        """Return the merit of the k-th best of all candidates, (d,)."""
        everything = np.concatenate([self.best_dn, np.tile(self.solved_s, (len(self.best_dn), 1))], axis=1)
        k = min(k, everything.shape[1])
        return np.asarray(np.partition(everything, -k, axis=1)[:, -k])

    def recall(self, sizes: Sequence[int]) -> dict[int, Vector]:
        """Return, for each k, the share of the best k that is solved, (d,)."""
        return {k: (self.solved_s[None] >= self._threshold(k)[:, None]).sum(axis=1) / k for k in sizes}

    def share_of_best(self, k: int, of: Vector) -> Vector:
        """Return which share of the true best k are among `of`, (d,)."""
        return np.asarray((of[None] >= self._threshold(k)[:, None]).sum(axis=1) / k)

    def regret(self) -> Vector:
        """Return by which fraction the best solved one falls short of the best, (d,)."""
        if not self.best_dn.shape[1]:
            return np.zeros(len(self.best_dn))
        return np.asarray(1.0 - np.exp(np.minimum(self.solved_s[0] - self.best_dn[:, 0], 0.0)))


def _half_width(prediction: Prediction) -> float:
    low, high = prediction.low or 0.0, prediction.high or 0.0
    return max(math.log(high / low) / 2 if low > 0 else 1.0, 1e-6)


def _line(x: Vector, y: Vector) -> tuple[float, float]:
    """Return slope and level of the straight line through points, by least squares; level if they have one x."""
    spread = float(np.var(x))
    slope = float(np.mean((x - x.mean()) * (y - y.mean()))) / spread if spread > 1e-12 else 0.0
    return slope, float(y.mean() - slope * x.mean())
