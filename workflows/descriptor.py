"""What each kind of surrogate wants to know of a structure, and what the driver makes of it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from ..datasets import CampaignError, Microstructure, Transport

if TYPE_CHECKING:
    from ..surrogate import Surrogate
    from ..surrogate.cascade_settings import CascadeSettings
    from ..surrogate.cascade_surrogate import CascadeSurrogate

__all__ = ["CascadeDescriptor", "Conduction", "Descriptor", "NetworkDescriptor", "Predictor", "predictor_of"]

Vector = npt.NDArray[np.float64]
TOGETHER = 16  # structures that the network predicts at once


class Conduction(NamedTuple):
    """A structure and what conducts in it along one axis."""

    structure: Microstructure
    transport: Transport
    connected: npt.NDArray[np.bool_]
    axis: int


class Predicted(NamedTuple):
    """σ_eff with the ends of its 90 % interval, relative to the transport's largest conductivity, how far the structure
    lies outside the training (1 is the edge of the ordinary; NaN if the surrogate does not say), and between which
    bounds σ_eff is for certain, each (n,).
    """

    m: Vector
    low: Vector
    high: Vector
    score: Vector
    least: Vector
    most: Vector


class Descriptor(Protocol):
    """Computes numbers of structures, on a worker."""

    @property
    def together(self) -> int:
        """How many structures are described at once."""

    @property
    def count(self) -> int:
        """How many numbers in single precision there are."""

    def describe(self, conductions: Sequence[Conduction]) -> list[tuple[Sequence[float], Sequence[float]]]:
        """Return three numbers in double precision and `count` others, for each."""


class Predictor(Protocol):
    """Makes predictions of these numbers, in the driver."""

    def predict(self, exact_n3: Vector, value_nv: npt.NDArray[np.float32], families: Sequence[str]) -> Predicted:
        """Return the predictions."""


@dataclass(frozen=True)
class CascadeDescriptor:
    """Features of the regressor; the same whatever it was trained on."""

    settings: CascadeSettings
    together: int = 1

    @property
    def count(self) -> int:
        """See :class:`Descriptor`."""
        return self.settings.count

    def describe(self, conductions: Sequence[Conduction]) -> list[tuple[Sequence[float], Sequence[float]]]:
        """Return scale and bounds of M, and the features."""
        return list(self._describe(conductions))

    def _describe(self, conductions: Sequence[Conduction]) -> Iterator[tuple[Sequence[float], Sequence[float]]]:
        from ..surrogate.conductor import conductor_of
        from ..surrogate.features import features_of

        for structure, transport, connected, axis in conductions:
            conductor = conductor_of(structure, transport, connected, axis)
            values, lower, upper = features_of(conductor, self.settings)
            yield (conductor.scale, lower, upper), values.tolist()


@dataclass(frozen=True)
class CascadePredictor:
    """The regressor."""

    surrogate: CascadeSurrogate

    def predict(self, exact_n3: Vector, value_nv: npt.NDArray[np.float32], families: Sequence[str]) -> Predicted:
        """See :class:`Predictor`."""
        from ..surrogate.features import Features

        scale, lower, upper = exact_n3.T
        features = [Features(*row) for row in zip(value_nv, lower, upper, strict=True)]
        found = self.surrogate.from_features(features, families)
        return Predicted(
            found.m * scale, found.low * scale, found.high * scale, found.score, lower * scale, upper * scale
        )


@dataclass(frozen=True)
class NetworkDescriptor:
    """Predictions of the network, which sees voxels, and these are with the worker."""

    checkpoint: Path
    key: str
    together: int = TOGETHER
    count: int = 0

    def describe(self, conductions: Sequence[Conduction]) -> list[tuple[Sequence[float], Sequence[float]]]:
        """Return M and the ends of its interval."""
        from ..surrogate.encoding import encode

        if not conductions:
            return []
        fields = np.stack([encode(*conduction) for conduction in conductions])
        predicted = _network(self.checkpoint, self.key).predict(fields, batch_size=TOGETHER)
        return [(three, ()) for three in zip(*(part.tolist() for part in predicted), strict=True)]


class NetworkPredictor:
    """Hands on what the worker has predicted."""

    def predict(self, exact_n3: Vector, value_nv: npt.NDArray[np.float32], families: Sequence[str]) -> Predicted:
        """See :class:`Predictor`."""
        m, low, high = exact_n3.T
        unknown = np.full(len(value_nv), np.nan)
        return Predicted(m, low, high, unknown, np.zeros_like(m), np.full_like(m, np.inf))


def predictor_of(checkpoint: Path, model: str, descriptor: Descriptor | None = None) -> Predictor:
    """Return the predictor of a campaign's surrogate.

    Parameters
    ----------
    checkpoint
        Its folder.
    model
        ``"regressor"`` or ``"network"``.
    descriptor
        What is to be predicted from; None for descriptions that were stored beside the surrogate.

    Raises
    ------
    CampaignError
        If a regressor has learned from other features than the descriptor computes.
    """
    if model == "network":
        return NetworkPredictor()
    from ..surrogate.cascade_checkpoint import load_cascade

    surrogate = load_cascade(checkpoint)
    computed = descriptor.settings if isinstance(descriptor, CascadeDescriptor) else None
    if computed not in (None, surrogate.regressor.architecture.cascade):
        raise CampaignError(
            f"{checkpoint}: this surrogate has learned from other features than this release computes; train it anew: "
            f"ionscreen train {checkpoint.parent}."
        )
    return CascadePredictor(surrogate)


@functools.lru_cache(maxsize=1)
def _network(checkpoint: Path, key: str) -> Surrogate:
    """Return the network, loaded once in each worker; a new key is a new one."""
    from ..surrogate import load_checkpoint

    return load_checkpoint(checkpoint)
