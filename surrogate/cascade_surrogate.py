"""The surrogate of any structure: conductor -> M with a calibrated interval and a verdict on how far it can be trusted.

Shape suffixes: n structures; k features.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Mapping, NamedTuple, Sequence

import numpy as np
import numpy.typing as npt
import torch

from ..datasets import InvalidInput
from .conductor import Conductor
from .feature_table import FeatureTable
from .features import Features, features_by_tensors, features_of
from .regressor import Estimate, Regressor

__all__ = ["CascadePrediction", "CascadeSurrogate", "Intervals", "Verdict", "calibrate_intervals"]

# Of all intervals, this share is to hold the truth.
COVERAGE = 0.9
# Fewer calibration rows than this give a group no width of its own.
SMALLEST_GROUP = 60
# The distance that this share of the calibration rows stay below has the score 1.
ORDINARY = 0.99
# From this score on the surrogate refuses: the interval is what physics alone promises.
REFUSAL = 3.0
# Half the width of an interval of ln M beyond which a structure had better be solved. Thin structures are hard although
# their features are nothing unusual, so the distance alone does not announce large errors.
PRECISE = 0.05


class Verdict:
    """What a prediction is worth: its interval is as calibrated, wide, widened, or what physics alone promises."""

    CALIBRATED = "calibrated"
    UNCERTAIN = "uncertain"
    WIDENED = "widened"
    REFUSED = "refused"
    ALL = (CALIBRATED, UNCERTAIN, WIDENED, REFUSED)


class CascadePrediction(NamedTuple):
    """M, the ends of its interval, the distance score (1 is the edge of the ordinary) and the verdict, each (n,)."""

    m: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    score: npt.NDArray[np.float64]
    verdict: npt.NDArray[np.str_]


@dataclass(frozen=True)
class Intervals:
    """Half-widths of the intervals of ln M, in units of the expected error.

    Parameters
    ----------
    factor
        Of a structure of unknown family; None means that too few structures were there to calibrate on.
    by_decade
        Multiplies the expected error: floor(log10 of the predicted M) as text -> number.
    by_family
        In place of `factor`, for a structure of this family.
    ordinary_distance
        Has the score 1.
    count
        Rows calibrated on.
    coverage
        The share of intervals that are to hold the truth.
    """

    factor: float | None = None
    by_decade: Mapping[str, float] = field(default_factory=dict)
    by_family: Mapping[str, float] = field(default_factory=dict)
    ordinary_distance: float = 1.0
    count: int = 0
    coverage: float = COVERAGE

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)

    def half_width(
        self, m: npt.NDArray[np.float64], scale: npt.NDArray[np.float64], families: Sequence[str] | None = None
    ) -> npt.NDArray[np.float64]:
        """Return the half-width of each interval of ln M."""
        factor = math.inf if self.factor is None else self.factor
        if families is None:
            by_family = np.full(len(m), factor)
        else:
            by_family = np.array([self.by_family.get(str(name), factor) for name in families])
        by_decade = np.array([self.by_decade.get(name, 1.0) for name in decades(m)])
        return np.asarray(by_family * by_decade * scale)


@dataclass(frozen=True, eq=False)
class CascadeSurrogate:
    """A trained regressor and what is known about it.

    Parameters
    ----------
    regressor
        In evaluation mode.
    intervals
        Calibrated on structures that were not trained on.
    data_digest
        Identifies the training and calibration rows.
    training
        The training configuration, JSON types.
    metrics
        Name -> number, JSON types.
    """

    regressor: Regressor
    intervals: Intervals = field(default_factory=Intervals)
    data_digest: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)

    def predict(
        self, conductors: Sequence[Conductor], families: Sequence[str] | None = None, device: str = "cpu"
    ) -> CascadePrediction:
        """Return M of each conductor, relative to its best conductivity, with a 90 % interval.

        Parameters
        ----------
        conductors
            Of any sizes from 8 voxels.
        families
            Of the structures, where known: an interval calibrated on that family is used.
        device
            ``"cpu"``, one by one, or ``"cuda"``, in batches of one shape.

        Raises
        ------
        InvalidInput
            If a conductor's contrast is larger than any in the training.
        DeviceError
            If torch finds no GPU.
        """
        for conductor in conductors:
            self.check(conductor)
        settings = self.regressor.architecture.cascade
        if device == "cpu":
            features = [features_of(conductor, settings) for conductor in conductors]
        else:
            features = features_by_tensors(conductors, settings, device)
        return self.from_features(features, families)

    def check(self, conductor: Conductor) -> None:
        """Refuse conductivities outside the trained range.

        Raises
        ------
        InvalidInput
            With the range.
        """
        least = float(self.metrics.get("smallest_contrast", 0.0))
        if conductor.contrast < 0.99 * least:
            raise InvalidInput(
                f"The poorest conductor has {conductor.contrast:.1e} of the best one's conductivity; this surrogate "
                f"was trained on {least:.1e} to 1: solve the structure exactly, or set that phase to 0."
            )

    def from_features(self, features: Sequence[Features], families: Sequence[str] | None = None) -> CascadePrediction:
        """Return the predictions from features that are at hand."""
        if not features:
            none = np.zeros(0)
            return CascadePrediction(none, none, none, none, np.array([], dtype=str))
        feature_nk = np.array([f.values for f in features], np.float32)
        lower, upper = (np.array([f[place] for f in features], np.float64) for place in (1, 2))
        return self._predict(feature_nk, lower, upper, families)

    def from_table(self, table: FeatureTable, with_families: bool = True) -> CascadePrediction:
        """Return the predictions of a table's rows."""
        families = [str(name) for name in table.family_n] if with_families else None
        return self._predict(table.feature_nk, table.lower_n, table.upper_n, families)

    def _predict(
        self,
        feature_nk: npt.NDArray[np.float32],
        lower: npt.NDArray[np.float64],
        upper: npt.NDArray[np.float64],
        families: Sequence[str] | None,
    ) -> CascadePrediction:
        estimate = _estimate(self.regressor, feature_nk, lower, upper)
        m, scale, distance = (t.double().numpy() for t in estimate)
        # In single precision M may have left bounds of double precision by a rounding.
        m = np.clip(m, lower, upper)
        score = distance / self.intervals.ordinary_distance
        half_width = self.intervals.half_width(m, scale, families) * np.maximum(score, 1.0) ** 2
        with np.errstate(over="ignore"):
            low, high = np.maximum(m * np.exp(-half_width), lower), np.minimum(m * np.exp(half_width), upper)
        refused = score >= REFUSAL
        low, high = np.where(refused, lower, low), np.where(refused, upper, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            uncertain = ~(np.log(high / low) <= 2 * PRECISE)
        verdict = np.select(
            [refused, score > 1, uncertain], [Verdict.REFUSED, Verdict.WIDENED, Verdict.UNCERTAIN], Verdict.CALIBRATED
        )
        return CascadePrediction(m, low, high, score, verdict)


def decades(m: npt.NDArray[np.float64]) -> list[str]:
    """Return the name of each value's decade: "-2" is 0.01 to 0.1."""
    return [str(min(-1, int(d))) for d in np.floor(np.log10(np.maximum(m, 1e-12)))]


def calibrate_intervals(regressor: Regressor, table: FeatureTable) -> Intervals:
    """Return split-conformal half-widths from structures that were not trained on.

    Vovk, Gammerman & Shafer 2005, "Algorithmic Learning in a Random World": the (n+1)·90 %-th smallest
    |ln m - ln truth| over the expected error, first by decade of the prediction, then by family. In groups large enough
    for a width of their own it is interpolated between two ranks: the larger one, taken twice, covers more than it
    should. Fewer rows keep the larger one, which alone guarantees the share.
    """
    if not len(table):
        return Intervals()
    estimate = _estimate(regressor, table.feature_nk, table.lower_n, table.upper_n)
    m, scale, distance = (t.double().numpy() for t in estimate)
    score = np.abs(np.log(m) - np.log(table.m_n)) / scale
    decade = np.array(decades(m))
    by_decade = {str(d): _quantile(score[decade == d]) for d in np.unique(decade) if _large(decade == d)}
    # A rare decade borrows the width of the nearest one that has enough structures.
    known = sorted(by_decade, key=int)
    for d in (str(n) for n in range(-12, 0)):
        if known and d not in by_decade:
            by_decade[d] = by_decade[min(known, key=lambda other: abs(int(other) - int(d)))]
    score = score / np.array([by_decade.get(str(d), 1.0) for d in decade])
    names = np.array(table.family_n)
    by_family = {str(f): _quantile(score[names == f]) for f in np.unique(names) if _large(names == f)}
    ordinary = float(np.quantile(distance, ORDINARY))
    if math.ceil((score.size + 1) * COVERAGE) > score.size:
        return Intervals(ordinary_distance=ordinary, count=score.size)
    return Intervals(_quantile(score), by_decade, by_family, ordinary, int(score.size))


def _large(group: npt.NDArray[np.bool_]) -> bool:
    return int(group.sum()) >= SMALLEST_GROUP


def _quantile(score: npt.NDArray[np.float64]) -> float:
    """Return the conformal quantile; the largest value where there are too few."""
    rank = (score.size + 1) * COVERAGE
    if score.size < SMALLEST_GROUP:
        rank = math.ceil(rank)
    return float(np.interp(rank, np.arange(1, score.size + 1), np.sort(score)))


def _estimate(
    regressor: Regressor,
    feature_nk: npt.NDArray[np.float32],
    lower: npt.NDArray[np.float64],
    upper: npt.NDArray[np.float64],
) -> Estimate:
    tensors = [torch.from_numpy(np.ascontiguousarray(a, dtype=np.float32)) for a in (feature_nk, lower, upper)]
    # Less for torch to keep account of: a single structure takes a quarter less time than without gradients alone.
    with torch.inference_mode():
        out: Estimate = regressor(*tensors)
    return out
