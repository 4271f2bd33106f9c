"""The surrogate: a trained network with its calibration and its history, ready to predict.

Shape suffixes: n structures; x, y, z voxels; b structures of a batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Iterator, Mapping, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from .data import check_structures
from .network import Network

__all__ = ["COVERAGE", "Calibration", "Prediction", "Surrogate", "calibrate"]

# Of all intervals, this share is to hold the truth.
COVERAGE = 0.9


class Prediction(NamedTuple):
    """Relative conductivities M and the ends of their intervals, each (n,) float64."""

    m: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """Half the width of the interval, in ln M; None means that too few structures were there to calibrate on."""

    half_width: float | None = None
    coverage: float = COVERAGE
    count: int = 0

    @property
    def factor(self) -> float:
        """The interval reaches from M/factor to M·factor."""
        return math.inf if self.half_width is None else math.exp(self.half_width)


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A trained network and what is known about it.

    Parameters
    ----------
    network
        In evaluation mode.
    calibration
        How wide the intervals are.
    split_digest
        Identifies the training and validation structures.
    training
        The training configuration, JSON types.
    metrics
        Name -> number, JSON types.
    """

    network: Network
    calibration: Calibration = field(default_factory=Calibration)
    split_digest: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)

    def predict(self, x_nxyz: npt.NDArray[Any], batch_size: int = 16) -> Prediction:
        """Return M = σ_eff/σ_max of each structure along its first axis, with a 90 % interval.

        The interval never leaves the physical bounds. A structure without conductor gives exactly 0.

        Parameters
        ----------
        x_nxyz
            Conductivity relative to the largest, in [0, 1], of what percolates along x; 0 elsewhere.
        batch_size
            Structures evaluated together; bounds the memory, not the result beyond rounding.

        Raises
        ------
        InvalidInput
            If the array has another shape, dtype or range.
        """
        check_structures(x_nxyz)
        parts = [self._predict_batch(x_bxyz) for x_bxyz in batches(x_nxyz, batch_size)]
        m, low, high = np.concatenate(parts, 1) if parts else np.zeros((3, 0))
        return Prediction(m, low, high)

    def _predict_batch(self, x_bxyz: torch.Tensor) -> npt.NDArray[np.float64]:
        with torch.inference_mode():
            described = self.network.describe(x_bxyz)
            m_b = self.network.predict(described)
        return self.interval(m_b, described.lower_b, described.upper_b)

    def interval(self, m_n: torch.Tensor, lower_n: torch.Tensor, upper_n: torch.Tensor) -> npt.NDArray[np.float64]:
        """Return M and the ends of its intervals, (3, n), of predictions and their physical bounds."""
        m, lower, upper = (t.double().numpy() for t in (m_n, lower_n, upper_n))
        factor = self.calibration.factor
        with np.errstate(invalid="ignore"):
            high = np.fmin(m * factor, upper)
        return np.stack([m, np.maximum(m / factor, lower), high])


def batches(x_nxyz: npt.NDArray[Any], batch_size: int) -> Iterator[torch.Tensor]:
    """Yield float32 tensors of at most `batch_size` structures."""
    for start in range(0, len(x_nxyz), batch_size):
        yield torch.from_numpy(np.array(x_nxyz[start : start + batch_size], dtype=np.float32, order="C"))


def calibrate(m: npt.NDArray[np.float64], truth: npt.NDArray[np.float64]) -> Calibration:
    """Return the split-conformal half width: the ⌈(n+1)·90 %⌉-th smallest |ln m − ln truth|.

    Vovk, Gammerman & Shafer 2005, "Algorithmic Learning in a Random World"; valid if the structures are exchangeable
    with those to be predicted and were not trained on. Fewer than 9 structures give no finite width.
    """
    residuals = np.sort(np.abs(np.log(m) - np.log(truth)))
    rank = math.ceil((len(residuals) + 1) * COVERAGE)
    if rank > len(residuals):
        return Calibration(count=len(residuals))
    return Calibration(float(residuals[rank - 1]), count=len(residuals))
