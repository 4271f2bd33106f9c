"""Acquisition: which candidates to solve next, and how likely it is that a better one than the best solved remains.

Merit is the larger the better, for instance ln σ_eff. Its error is taken as Laplace-distributed with the scale b, for
which the regressor's expected error is fitted; its tails are heavier than a normal distribution's.

Shape legend: n candidates, d parameters.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = [
    "NINETY",
    "diverse_batch",
    "expected_improvement",
    "probability_better",
    "upper_confidence_bound",
]

Vector = npt.NDArray[np.float64]

# 90 % of a Laplace distribution lie within so many scales.
NINETY = math.log(10)
# How far apart, of a parameter's whole range, two candidates tell little of each other, and by how much a candidate is
# worth less beside a chosen one.
REACH = 0.1
DISCOUNT = 0.5


def expected_improvement(merit_n: Vector, scale_n: Vector, best: float) -> Vector:
    """Return the expectation of max(truth - best, 0)."""
    gap, b = best - merit_n, np.maximum(scale_n, 1e-12)
    tail = b / 2 * np.exp(-np.abs(gap) / b)
    return np.asarray(np.where(gap > 0, tail, tail - gap))


def upper_confidence_bound(merit_n: Vector, scale_n: Vector, share: float = 0.9) -> Vector:
    """Return the upper end of the interval that holds that share of the truth."""
    return np.asarray(merit_n + scale_n * -math.log(1 - share))


def probability_better(merit_n: Vector, scale_n: Vector, best: float, share_n: Vector | float = 1.0) -> float:
    """Return the probability that any candidate is better than the best, errors taken as independent.

    `share_n` is the probability that a candidate counts at all.
    """
    gap, b = best - merit_n, np.maximum(scale_n, 1e-12)
    tail = 0.5 * np.exp(-np.abs(gap) / b)
    better = share_n * np.where(gap > 0, tail, 1 - tail)
    return float(-np.expm1(np.log1p(-np.minimum(better, 1 - 1e-12)).sum()))


def diverse_batch(worth_n: Vector, place_nd: Vector, count: int) -> list[int]:
    """Return the candidates of the largest worth, each counting for less the nearer it is to one that is chosen.

    Parameters
    ----------
    worth_n
        Above 0.
    place_nd
        Parameters over their range; candidates of different families far apart.
    count
        How many to choose.
    """
    worth = np.array(worth_n, float)
    chosen: list[int] = []
    for _ in range(min(count, len(worth))):
        best = int(np.argmax(worth))
        chosen.append(best)
        squares = ((place_nd - place_nd[best]) ** 2).sum(axis=1)
        worth *= 1 - DISCOUNT * np.exp(-squares / (2 * REACH**2))
        worth[best] = -np.inf
    return chosen
