"""What all trainings share: settings, learning rate, and the loop over epochs that resumes and stops early."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, Callable, ClassVar, NamedTuple

from torch import Tensor, nn

from ..datasets import InvalidInput
from .progress import Progress

__all__ = ["LARGEST_GRADIENT", "Epoch", "EpochResult", "EpochSettings", "run_epochs"]

LARGEST_GRADIENT = 1.0


@dataclass(frozen=True)
class EpochSettings:
    """Settings of any training.

    Parameters
    ----------
    epochs
        At most so many passes; the learning rate rises and falls once over them.
    batch_size
        Structures per step.
    learning_rate
        Its peak.
    weight_decay
        Of AdamW.
    seed
        Of everything that is drawn.
    patience
        Stop after so many epochs without a better error on structures that were not learned from.
    time_limit_s
        Start no further epoch after so many seconds of training, s; what is reached then depends on the machine.

    Raises
    ------
    InvalidInput
        If a number is out of range.
    """

    epochs: int = 40
    batch_size: int = 16
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    seed: int = 20261
    patience: int = 40
    time_limit_s: float | None = None

    # Share of the steps in which the learning rate rises.
    WARM_UP: ClassVar[float] = 0.15

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InvalidInput(f"{name} must be a whole number, 1 or more, not {value!r}.")
        if not isinstance(self.seed, int) or not 0 <= self.seed < 2**63:
            raise InvalidInput(f"seed must be a whole number from 0 to 2^63 - 1, not {self.seed!r}.")
        if not 0 < self.learning_rate <= 1 or not 0 <= self.weight_decay <= 1:
            raise InvalidInput(
                f"learning_rate must lie in (0, 1] and weight_decay in [0, 1], not {self.learning_rate!r} "
                f"and {self.weight_decay!r}."
            )
        if self.time_limit_s is not None and not self.time_limit_s > 0:
            raise InvalidInput(f"time_limit_s must be above 0 s or absent, not {self.time_limit_s!r}.")

    def rate(self, done: float) -> float:
        """Return the learning rate after this share of the training: a linear rise, then half a cosine down to 0."""
        if done < self.WARM_UP:
            return self.learning_rate * (done + 0.01) / (self.WARM_UP + 0.01)
        return self.learning_rate * (0.5 + 0.5 * math.cos(math.pi * (done - self.WARM_UP) / (1 - self.WARM_UP)))

    def finished(self, progress: Progress) -> bool:
        """Return whether the training is over."""
        return (
            progress.epoch >= self.epochs
            or progress.epoch - progress.best_epoch >= self.patience
            or (self.time_limit_s is not None and progress.epoch > 0 and progress.seconds >= self.time_limit_s)
        )


@dataclass(frozen=True)
class Epoch:
    """What a callback is told: epoch from 1, its mean loss, mean relative error on the validation structures."""

    epoch: int
    epochs: int
    loss: float
    validation_error: float
    best_error: float


class EpochResult(NamedTuple):
    """Mean loss, mean relative error on structures that were not learned from, and the optimizer's state."""

    loss: float
    error: float
    optimizer: dict[str, Tensor]


def run_epochs(
    progress: Progress,
    settings: EpochSettings,
    network: nn.Module,
    run: Callable[[int], EpochResult],
    callback: Callable[[Epoch], None] | None = None,
) -> dict[str, Any]:
    """Go on from `progress` until the settings say stop, and return the history as JSON types.

    Parameters
    ----------
    run
        Trains the network for the epoch of this number.
    callback
        Told of every epoch, after its state is stored.
    """
    while not settings.finished(progress):
        start = time.monotonic()
        result = run(progress.epoch)
        progress.record(network, result.optimizer, result.loss, result.error, time.monotonic() - start)
        if callback is not None:
            callback(Epoch(progress.epoch, settings.epochs, result.loss, result.error, progress.best_error))
    return {
        "best_epoch": progress.best_epoch,
        "epochs": progress.epoch,
        "seconds": progress.seconds,
        "losses": progress.losses,
        "validation_errors": progress.errors,
    }
