"""Training: from labelled structures to a calibrated surrogate, reproducible and resumable.

Shape suffixes: n structures; b batch; x, y, z cells of the field grid; c channels; k features.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Callable

import torch
from torch import Tensor

from ..datasets import InvalidInput
from .data import LabelledStructures
from .description import Description
from .devices import Batching, Device, IpuSettings, OptimizerSettings, check_device, open_device
from .network import Architecture, Learner, Network
from .progress import Progress, training_digest
from .surrogate import Surrogate, batches, calibrate
from .training_feed import TrainingFeed

__all__ = ["Epoch", "TrainingConfig", "train"]

# Share of the steps in which the learning rate rises.
WARM_UP = 0.15
LARGEST_GRADIENT = 1.0
# Structures described together: bounds the memory of the coarse solves.
DESCRIBED_TOGETHER = 16


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of a training.

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
        Of the initial weights, the order and the symmetries.
    patience
        Stop after so many epochs without a better validation error.
    time_limit_s
        Start no further epoch after so many seconds of training, s; what is reached then depends on the machine.
    architecture
        The network.
    device
        ``"cpu"``, ``"cuda"`` or ``"ipu"``.
    precision
        ``"fp32"`` everywhere; ``"bf16"`` on a GPU, ``"fp16"`` on an IPU.
    gradient_accumulation
        Micro-batches, one after another, that a batch is split into on each replica.
    ipu
        Layout on IPUs; without influence on the others.

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
    architecture: Architecture = field(default_factory=Architecture)
    device: str = "cpu"
    precision: str = "fp32"
    gradient_accumulation: int = 1
    ipu: IpuSettings = field(default_factory=IpuSettings)

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
        check_device(self.device, self.precision)
        self.batching  # noqa: B018 - refuses what does not fit together

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "architecture": self.architecture.to_dict(), "ipu": self.ipu.to_dict()}

    @property
    def batching(self) -> Batching:
        """The loop nest of one call of the device."""
        if self.device == "ipu":
            return self.ipu.training_batching(self.batch_size, self.gradient_accumulation)
        return Batching(self.batch_size, self.gradient_accumulation)

    def check(self, structures: int, network: Network | None = None) -> None:
        """Refuse, before anything is loaded, what the device would: too few structures, layers that do not fit.

        Raises
        ------
        InvalidInput
            With what to change.
        """
        if self.device == "ipu":
            self.batching.calls(structures)
            self.ipu.check_module(Learner(network or _initial_network(self)))


@dataclass(frozen=True)
class Epoch:
    """What a callback is told: epoch from 1, its mean loss, mean relative error on the validation structures."""

    epoch: int
    epochs: int
    loss: float
    validation_error: float
    best_error: float


def train(
    training: LabelledStructures,
    validation: LabelledStructures,
    config: TrainingConfig | None = None,
    folder: str | Path | None = None,
    callback: Callable[[Epoch], None] | None = None,
) -> Surrogate:
    """Return the surrogate with the weights that were best on `validation`, calibrated there too.

    Equal arguments, torch version and thread count give equal weights. With `folder`, the state after each epoch is
    kept there; another call with equal arguments goes on from it, with different ones it starts anew.

    Raises
    ------
    InvalidInput
        If a set is empty or a structure is in both.
    CheckpointError
        If the state in `folder` is damaged.
    """
    config = config or TrainingConfig()
    _check_split(training, validation)
    network = _initial_network(config)
    config.check(len(training), network)
    device = open_device(config.device, config.batching, config.precision, config.ipu)
    described, described_validation = (_describe(network, data) for data in (training, validation))
    y_n, y_validation_n = (torch.from_numpy(data.y_n).float() for data in (training, validation))
    _set_scalers(network, described, y_n)
    split_digest = training_digest([training.digest(), validation.digest()])
    progress = Progress.resume(folder, training_digest([split_digest, config.to_dict()]), network)
    feed = TrainingFeed(
        described, y_n, config.seed, config.epochs, config.batching.samples_per_call, device.full_calls_only
    )
    try:
        device.compile(Learner(network), OptimizerSettings(config.weight_decay, LARGEST_GRADIENT), progress.optimizer)
        while not _finished(progress, config):
            start = time.monotonic()
            loss = _run_epoch(device, feed, config, progress.epoch)
            error = _mean_error(device, described_validation, y_validation_n)
            progress.record(network, device.optimizer_state(), loss, error, time.monotonic() - start)
            if callback is not None:
                callback(Epoch(progress.epoch, config.epochs, loss, error, progress.best_error))
    finally:
        device.close()
    network.load_state_dict(progress.best)
    network.eval()
    m_n = _predicted(network, described_validation).double().numpy()
    metrics = {
        "validation_mape": progress.best_error,
        "best_epoch": progress.best_epoch,
        "epochs": progress.epoch,
        "seconds": progress.seconds,
        "losses": progress.losses,
        "validation_errors": progress.errors,
        "training_structures": len(training),
        "validation_structures": len(validation),
    }
    return Surrogate(network, calibrate(m_n, validation.y_n), split_digest, config.to_dict(), metrics)


def _check_split(training: LabelledStructures, validation: LabelledStructures) -> None:
    if not len(training) or not len(validation):
        raise InvalidInput("Training needs at least one structure to learn from and one to validate on.")
    both = set(training.ids) & set(validation.ids)
    if both:
        raise InvalidInput(f"Structure {min(both)} is in the training set and in the validation set.")


def _initial_network(config: TrainingConfig) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return Network(config.architecture)


def _describe(network: Network, data: LabelledStructures) -> Description:
    """Return the description of all structures, fields in half precision."""
    parts: list[Description] = []
    with torch.no_grad():
        for x_bxyz in batches(data.x_nxyz, DESCRIBED_TOGETHER):
            described = network.describe(x_bxyz)
            parts.append(described._replace(field_bcxyz=described.field_bcxyz.half()))
    return Description(*[torch.cat(tensors) for tensors in zip(*parts)])


def _set_scalers(network: Network, described: Description, y_n: Tensor) -> None:
    with torch.no_grad():
        target_n = network.target(described, y_n)
        network.target_mean.copy_(target_n.mean())
        network.target_deviation.copy_(target_n.std(unbiased=False) + 1e-3)
        network.feature_mean_k.copy_(described.feature_bk.mean(0))
        network.feature_deviation_k.copy_(described.feature_bk.std(0, unbiased=False) + 1e-3)


def _finished(progress: Progress, config: TrainingConfig) -> bool:
    return (
        progress.epoch >= config.epochs
        or progress.epoch - progress.best_epoch >= config.patience
        or (config.time_limit_s is not None and progress.epoch > 0 and progress.seconds >= config.time_limit_s)
    )


def _run_epoch(device: Device, feed: TrainingFeed, config: TrainingConfig, epoch: int) -> float:
    """Return the mean loss of one pass; order and symmetries depend on seed and epoch alone."""
    loss, structures = 0.0, 0
    for call, inputs in enumerate(device.batches(feed, epoch)):
        done = (epoch + call / feed.calls) / config.epochs
        loss += device.step(inputs, config.learning_rate * _schedule(done)) * len(inputs[0])
        structures += len(inputs[0])
    return loss / structures


def _schedule(done: float) -> float:
    """Return the share of the peak learning rate: a linear rise, then half a cosine down to 0."""
    if done < WARM_UP:
        return (done + 0.01) / (WARM_UP + 0.01)
    return 0.5 + 0.5 * math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))


def _predicted(network: Network, described: Description) -> Tensor:
    with torch.no_grad():
        parts = torch.split(torch.arange(len(described.base_b)), DESCRIBED_TOGETHER)
        return torch.cat([network.predict(Description(*[t[index_b] for t in described])) for index_b in parts])


def _mean_error(device: Device, described: Description, y_n: Tensor) -> float:
    (m_n,) = device.predict(described)
    return float((m_n / y_n - 1).abs().mean())
