"""How good predictions are, over all structures and by family.

Shape suffix: n structures.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ..datasets import InvalidInput
from .surrogate import Prediction

__all__ = ["Scores", "decades", "evaluate", "score", "score_groups"]


@dataclass(frozen=True)
class Scores:
    """Relative errors as fractions of the truth; `r2_log` is of ln M; `coverage` the share of intervals that hold."""

    count: int
    mape: float
    median: float
    p95: float
    r2_log: float
    coverage: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; an undefined R² is None."""
        return {**asdict(self), "r2_log": None if math.isnan(self.r2_log) else self.r2_log}


def score(truth_n: npt.NDArray[np.float64], prediction: Prediction) -> Scores:
    """Return the scores of one group.

    Raises
    ------
    InvalidInput
        If there is nothing to score, or a true M is not above 0.
    """
    if truth_n.shape != prediction.m.shape or truth_n.size == 0 or not bool(np.all(truth_n > 0)):
        raise InvalidInput("Scores need one true M above 0 for each of at least one prediction.")
    error_n = np.abs(prediction.m / truth_n - 1)
    log_truth_n = np.log(truth_n)
    residual = float(np.sum((np.log(np.maximum(prediction.m, 1e-30)) - log_truth_n) ** 2))
    spread = float(np.sum((log_truth_n - log_truth_n.mean()) ** 2))
    inside_n = (prediction.low <= truth_n) & (truth_n <= prediction.high)
    return Scores(
        count=truth_n.size,
        mape=float(error_n.mean()),
        median=float(np.median(error_n)),
        p95=float(np.percentile(error_n, 95)),
        r2_log=1 - residual / spread if spread > 0 else float("nan"),
        coverage=float(inside_n.mean()),
    )


def score_groups(
    truth_n: npt.NDArray[np.float64], prediction: Prediction, groups: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Scores]]:
    """Return kind of group -> name of group -> scores: by family, by decade of the true M, by size, ...

    Parameters
    ----------
    groups
        Kind -> the name of each structure's group.

    Raises
    ------
    InvalidInput
        As :func:`score`.
    """
    by_kind = {kind: evaluate(truth_n, prediction, names) for kind, names in groups.items()}
    return {kind: {n: s for n, s in scores.items() if n != "all"} for kind, scores in by_kind.items()}


def decades(m_n: npt.NDArray[np.float64]) -> list[str]:
    """Return the decade of each value as text: ``"0.01 to 0.1"``."""
    exponents = np.minimum(np.floor(np.log10(np.maximum(m_n, 1e-12))), -1).astype(int)
    return [f"{10.0**e:g} to {10.0 ** (e + 1):g}" for e in exponents]


def evaluate(truth_n: npt.NDArray[np.float64], prediction: Prediction, families: Sequence[str]) -> dict[str, Scores]:
    """Return the scores of each family, in alphabetical order, and of ``"all"`` together, last.

    Raises
    ------
    InvalidInput
        As :func:`score`, or if a structure has no family.
    """
    if len(families) != len(truth_n):
        raise InvalidInput(f"{len(truth_n)} structures need as many families, not {len(families)}.")
    names_n = np.array(list(families), dtype=str)
    groups = {str(name): names_n == name for name in np.unique(names_n)}
    groups["all"] = np.ones(len(truth_n), bool)
    return {
        name: score(truth_n[group], Prediction(*(values[group] for values in prediction)))
        for name, group in groups.items()
    }
